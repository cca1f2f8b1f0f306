/* attention_i8: what the tiers' attention over the int8 cache share before attention_i8_body.h. Inside
 * src/kernels only. */
#ifndef PARE_KERNELS_ATTENTION_I8_H
#define PARE_KERNELS_ATTENTION_I8_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/mathf.h"
#include "kernels/round.h"
#include "kernels/tiers.h"

enum { TILE_ROWS = 16 };

/* A row between two blocks. */
typedef struct attention_state {
   float max, sum; /* of the scores so far */
   float keep;     /* what the output so far is multiplied by */
   float step;     /* scale of the block's codes */
} attention_state;

/* A row at a block. */
typedef struct attention_part {
   const int32_t *raw; /* [64] sums of the row by the keys */
   int32_t offset;     /* what each is too large by */
   float factor;       /* of the row's scores: scale of its codes times that of the softmax */
   int64_t lo, hi;     /* the positions of the block that count: [lo, hi), none if lo >= hi */
   attention_state *state;
   uint8_t *codes; /* [64] out: of the weights; zeros where nothing counts */
} attention_part;

/* The parts of a block of 64 positions. */
typedef struct kv_block {
   uint8_t *keys, *values;
   float *key_scales, *value_scales;
} kv_block;

static inline kv_block kv_block_of(const pare_kv_i8 *kv, int64_t position)
{
   int64_t dims = (kv->head_dim + 15) / 16 * 16;
   kv_block b = { .keys = kv->blocks + position / PARE_ATTN_BLOCK * pare_kv_i8_block_bytes(kv->head_dim) };
   b.values = b.keys + PARE_ATTN_BLOCK * kv->head_dim;
   b.key_scales = (float *)(void *)(b.values + PARE_ATTN_BLOCK * dims);
   b.value_scales = b.key_scales + PARE_ATTN_BLOCK;
   return b;
}

#endif
