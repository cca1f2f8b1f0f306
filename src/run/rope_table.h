/* rope_table: cosines and sines of rotary position embedding (Su et al. 2021), computed once for every
 * position and variant (rot_dim, theta) of a model, with our own functions in double, so that they have the
 * same bits everywhere.
 *
 * In f32 and in the order of Hugging Face transformers, as the models were trained: inv_freq[i] = 1 /
 * theta^(2i / rot_dim), angle = position * inv_freq[i]; table entries are the f32 nearest to cos and sin of
 * that angle. */
#ifndef PARE_RUN_ROPE_TABLE_H
#define PARE_RUN_ROPE_TABLE_H

#include "base/arena.h"

typedef struct pare_rope_table {
   int64_t rot_dim, positions;
   double theta;
   float *cosines, *sines; /* [positions][rot_dim / 2] */
   struct pare_rope_table *next;
} pare_rope_table;

typedef struct pare_rope_tables {
   pare_rope_table *first;
   size_t bytes;
} pare_rope_tables;

/* The table of a variant, made on first sight in the arena. */
pare_status pare_rope_table_of(pare_ctx *ctx, pare_arena *arena, pare_rope_tables *tables, int64_t rot_dim,
                               double theta, int64_t positions, const pare_rope_table **out);

#endif
