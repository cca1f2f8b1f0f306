/* attention_tile: attention over a cache of floats (see kernels.h) by tiles of rows, for the tiers with vectors. Each
 * block of 64 positions meets all rows of a call before the next, a few at a time, so that its keys and values are
 * read and converted once for these; every row has its own chains, whose order no other row changes. Included once a
 * type of the cache by avx512_attention_body.h and wide_attention_body.h; before, KV_TYPE is the element. They define
 * the three functions that are declared here. Inside src/kernels only. */
#ifndef PARE_KERNELS_ATTENTION_TILE_H
#define PARE_KERNELS_ATTENTION_TILE_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/tiers.h"

enum { TILE_ROWS = 6 };

/* Of a row's scores so far: the largest, and the sum of exponentials. */
typedef struct attention_state {
   float max, sum;
} attention_state;

/* Rows at a block. Positions count from its first. */
typedef struct attention_tile {
   float p[TILE_ROWS][PARE_ATTN_BLOCK]; /* scores, then weights */
   const float *q[TILE_ROWS];
   float *out[TILE_ROWS];
   attention_state *state[TILE_ROWS];
   int64_t lo[TILE_ROWS], hi[TILE_ROWS]; /* what each sees: [lo, hi), lo < hi */
   float keep[TILE_ROWS];                /* what its output before the block is multiplied by */
   int rows;
   int64_t from, to;         /* what any sees */
   int64_t all_from, all_to; /* what all see, if from < to */
} attention_tile;

/* p = the scaled scores of the keys [from, to); groups of 16 keys without one of these are not read. */
static void score_tile(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale);
/* Scores to weights; keep and the state of the rows. */
static void weigh_tile(attention_tile *t);
/* `count` rows from `row` on: out = out * keep, then the chain over the keys [from, to). */
static void add_values(const attention_tile *t, int row, int count, const KV_TYPE *values, int64_t head_dim,
                       int64_t from, int64_t to);

static void add_row(attention_tile *t, const pare_attention_row *row, attention_state *state, int64_t start)
{
   int64_t lo = row->from > start ? row->from - start : 0;
   int64_t hi = row->to - start < PARE_ATTN_BLOCK ? row->to - start : PARE_ATTN_BLOCK;
   if (lo >= hi) return;
   int r = t->rows++;
   t->q[r] = row->q;
   t->out[r] = row->out;
   t->state[r] = state;
   t->lo[r] = lo;
   t->hi[r] = hi;
   t->from = lo < t->from ? lo : t->from;
   t->to = hi > t->to ? hi : t->to;
   t->all_from = lo > t->all_from ? lo : t->all_from;
   t->all_to = hi < t->all_to ? hi : t->all_to;
}

/* The keys that all rows see together, those before and after row by row. */
static void value_tile(attention_tile *t, const KV_TYPE *values, int64_t head_dim)
{
   bool shared = t->all_from < t->all_to;
   int64_t from = shared ? t->all_from : PARE_ATTN_BLOCK, to = shared ? t->all_to : PARE_ATTN_BLOCK;
   for (int r = 0; r < t->rows; r++) {
      if (t->lo[r] >= from) continue;
      add_values(t, r, 1, values, head_dim, t->lo[r], from < t->hi[r] ? from : t->hi[r]);
      t->keep[r] = 1.0f;
   }
   if (!shared) return;
   add_values(t, 0, t->rows, values, head_dim, from, to);
   for (int r = 0; r < t->rows; r++) {
      t->keep[r] = 1.0f;
      if (to < t->hi[r]) add_values(t, r, 1, values, head_dim, to, t->hi[r]);
   }
}

/* All rows at the block at `start`, in tiles of about the same size. */
static void attend_block(const KV_TYPE *keys, const KV_TYPE *values, int64_t head_dim, int64_t start,
                         const pare_attention_row *rows, attention_state *state, int64_t n, float scale)
{
   int64_t tiles = (n + TILE_ROWS - 1) / TILE_ROWS, most = (n + tiles - 1) / tiles, r = 0;
   while (r < n) {
      attention_tile t;
      t.rows = 0;
      t.from = t.all_to = PARE_ATTN_BLOCK;
      t.to = t.all_from = 0;
      for (; r < n && t.rows < most; r++) add_row(&t, &rows[r], &state[r], start);
      if (t.rows == 0) return;
      score_tile(&t, keys, head_dim, scale);
      weigh_tile(&t);
      value_tile(&t, values, head_dim);
   }
}

static void attention(const KV_TYPE *kc, const KV_TYPE *vc, int64_t head_dim, const pare_attention_row *rows,
                      int64_t n, float scale)
{
   attention_state state[PARE_ATTN_ROWS];
   int64_t from = rows[0].from, to = rows[0].to;
   for (int64_t r = 0; r < n; r++) {
      state[r] = (attention_state){ .max = -INFINITY };
      memset(rows[r].out, 0, (size_t)head_dim * sizeof *rows[r].out);
      from = rows[r].from < from ? rows[r].from : from;
      to = rows[r].to > to ? rows[r].to : to;
   }
   for (int64_t start = from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK; start < to; start += PARE_ATTN_BLOCK)
      attend_block(kc + start * head_dim, vc + start * head_dim, head_dim, start, rows, state, n, scale);
   for (int64_t r = 0; r < n; r++) {
      for (int64_t d = 0; d < head_dim; d++) rows[r].out[d] /= state[r].sum;
   }
}

#endif
