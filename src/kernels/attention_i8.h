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

/* Rows and blocks of a pass, at most, and their pairs. Of numbers, one a pair, 16 can be read from any on. */
enum {
   TILE_ROWS = 16,
   PASS_BLOCKS = 4,
   PAIRS = TILE_ROWS * PASS_BLOCKS,
   ROW_NUMBERS = PARE_ATTN_ROWS,
   PAIR_NUMBERS = PAIRS + 16
};
_Static_assert(PARE_ATTN_ROWS % TILE_ROWS == 0, "16 numbers can be read from the first row of any pass on");

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

/* Where a pass keeps its things, in the scratch memory of the call. */
typedef struct attention_work {
   int64_t q_stride, dims; /* bytes of a row of q; head_dim rounded up to 16 */
   int8_t *q;              /* [rows][q_stride], zeros after head_dim */
   float *factor;          /* of a row's scores: scale of its codes times that of the softmax, in powers of 2 */
   int32_t *offset;        /* what its sums by keys are too large by */
   float *max, *sum;       /* of its scores so far */
   float *out;             /* [rows][dims] */
   int32_t *raw;           /* a pair's sums by keys [64], then by values [dims] */
   uint8_t *codes;         /* a pair's weights [64], zeros where nothing counts */
   float *keep;            /* what the output before a pair is multiplied by */
   float *step;            /* scale of a pair's codes */
} attention_work;

/* Where these lie in the scratch memory, in bytes from its beginning; `end` is its size. */
typedef struct attention_places {
   int64_t q_stride, dims, sums; /* sums: bytes of a pair's in raw */
   int64_t q, out, raw, codes, numbers, pair_numbers, end;
} attention_places;

static inline attention_places places_of(int64_t head_dim)
{
   attention_places at = { .q_stride = (head_dim + 63) / 64 * 64, .dims = (head_dim + 15) / 16 * 16 };
   at.sums = (at.dims > PARE_ATTN_BLOCK ? at.dims : PARE_ATTN_BLOCK) * 4;
   at.out = at.q + PARE_ATTN_ROWS * at.q_stride;
   at.raw = at.out + PARE_ATTN_ROWS * at.dims * 4;
   at.codes = at.raw + 2 * PAIRS * at.sums;
   at.numbers = at.codes + PAIRS * PARE_ATTN_BLOCK;
   at.pair_numbers = at.numbers + 4 * ROW_NUMBERS * 4;
   at.end = at.pair_numbers + 2 * PAIR_NUMBERS * 4;
   return at;
}

/* For the rows from `row` on; turn: 0 or 1, since the sums of a pass are made while those before it are used. */
static inline attention_work work_of(const attention_places *at, char *scratch, int64_t row, int64_t turn)
{
   float *numbers = (float *)(void *)(scratch + at->numbers) + row;
   float *pairs = (float *)(void *)(scratch + at->pair_numbers);
   return (attention_work){ .q_stride = at->q_stride,
                            .dims = at->dims,
                            .q = (int8_t *)scratch + at->q + row * at->q_stride,
                            .factor = numbers,
                            .offset = (int32_t *)(void *)(numbers + ROW_NUMBERS),
                            .max = numbers + 2 * ROW_NUMBERS,
                            .sum = numbers + 3 * ROW_NUMBERS,
                            .out = (float *)(void *)(scratch + at->out) + row * at->dims,
                            .raw = (int32_t *)(void *)(scratch + at->raw + turn * PAIRS * at->sums),
                            .codes = (uint8_t *)scratch + at->codes,
                            .keep = pairs,
                            .step = pairs + PAIR_NUMBERS };
}

typedef struct attention_ahead attention_ahead;

/* Up to TILE_ROWS rows by some blocks, one after another. Row r at block b is pair b * n + r. */
typedef struct attention_pass {
   const pare_attention_row *rows;
   int64_t n, start, blocks; /* rows; the first position; blocks: none after the last pass */
   int64_t groups;           /* of 16 keys of a block, of which any row sees anything */
   bool whole;               /* all rows see all */
   attention_work work;
   attention_ahead *ahead;
   kv_block block[PASS_BLOCKS];
} attention_pass;

/* What is done a little at a time while a pass goes on: the products with keys of the next, a block at a time, which
 * wait for nothing of this one; and asking for the lines of the one after it, of all blocks in turn, since these lie in
 * pages of their own and several pages are read faster than one. */
struct attention_ahead {
   const attention_pass *next;
   int64_t kq, block;      /* lines of 16 keys; the block whose product comes next */
   const uint8_t *at;      /* lines of the first block that were not asked for */
   int64_t blocks, block_bytes;
   int64_t left, share;              /* lines of each block: in all, at a time */
   bool (*go_on)(attention_ahead *); /* false: no products are left */
};

static inline void ask_ahead(attention_ahead *ahead)
{
   int64_t lines = ahead->share < ahead->left ? ahead->share : ahead->left;
   for (int64_t i = 0; i < lines; i++) {
      for (int64_t b = 0; b < ahead->blocks; b++)
         __builtin_prefetch(ahead->at + b * ahead->block_bytes + 64 * i, 0, 2);
   }
   ahead->at += 64 * lines;
   ahead->left -= lines;
}

/* The positions of block b that count for row r: [lo, hi), none if lo >= hi. */
typedef struct attention_range {
   int64_t lo, hi;
} attention_range;

static inline attention_range range_of(const attention_pass *pass, int64_t b, int64_t r)
{
   int64_t start = pass->start + b * PARE_ATTN_BLOCK;
   int64_t lo = pass->rows[r].from - start, hi = pass->rows[r].to - start;
   return (attention_range){ lo > 0 ? lo : 0, hi < PARE_ATTN_BLOCK ? hi : PARE_ATTN_BLOCK };
}

/* The pair that comes next, so that none divides. */
typedef struct pair_place {
   int64_t b, r;
} pair_place;

static inline void next_pair(const attention_pass *pass, pair_place *at)
{
   bool last = at->r + 1 == pass->n;
   at->b += last;
   at->r = last ? 0 : at->r + 1;
}

/* The scores and then the weights of a pair, in the place of its sums by keys, for tiers that take all pairs of a pass
 * step by step. */
static inline float *weights_of(const attention_pass *pass, int64_t p)
{
   return (float *)(void *)(pass->work.raw + p * PARE_ATTN_BLOCK);
}

#endif
