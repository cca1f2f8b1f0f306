/* rope_table: cosines and sines of rotary position embedding (Su et al. 2021), computed once for every
 * position and variant (attributes of a rope node) of a model, with our own functions in double, so that they
 * have the same bits everywhere.
 *
 * In f32 and in the order of Hugging Face transformers, as the models were trained: angle = position *
 * frequency of the pair (rope_frequency.h); table entries are the f32 nearest to cos and sin of that angle,
 * times attention_factor. */
#ifndef PARE_RUN_ROPE_TABLE_H
#define PARE_RUN_ROPE_TABLE_H

#include "base/arena.h"
#include "ops/ops.h"

typedef struct pare_rope_table {
   const pare_rope_attrs *attrs; /* of a node of the graph, which outlives the table */
   int64_t rot_dim, positions;
   float *cosines, *sines; /* [positions][rot_dim / 2] */
   struct pare_rope_table *next;
} pare_rope_table;

typedef struct pare_rope_tables {
   pare_rope_table *first;
   size_t bytes;
} pare_rope_tables;

/* The table of a variant, made on first sight in the arena. */
pare_status pare_rope_table_of(pare_ctx *ctx, pare_arena *arena, pare_rope_tables *tables,
                               const pare_rope_attrs *attrs, int64_t positions, const pare_rope_table **out);

#endif
