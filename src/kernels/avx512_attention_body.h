/* avx512_attention_body: attention over a cache of any element type, included once a type, by
 * avx512_attention.c and avx512_attention_f32.c. They define before: KV_TYPE, the element; load_kv(p), 16
 * elements as f32; load_kv_lanes(lanes, p), the same with +0 for the lanes not in the mask, which are not
 * read.
 *
 * Scores: a register is 16 keys, one fma chain a key over the head's dimensions; values: a register is 16 dimensions,
 * one chain a dimension over the keys. Up to six rows by four registers are in flight, with the four of keys or
 * values that the rows share and one that a row has for all of its own: 29 of 32. */
#include "kernels/attention_tile.h"
#include "kernels/avx512_math.h"

enum { GROUPS = PARE_ATTN_BLOCK / PARE_KV_BLOCK, VECTORS = 4 };

#define FOR_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

/* The scores of `groups` groups from `first` on. */
PARE_INLINE void score_groups(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale, int64_t first,
                              const int rows, const int groups)
{
   const int64_t stride = head_dim * PARE_KV_BLOCK;
   __m512 s[TILE_ROWS][GROUPS], key[GROUPS];
   PARE_UNROLL
   for (int i = 0; i < rows * groups; i++) s[i / groups][i % groups] = _mm512_setzero_ps();
   keys += first * stride;
   for (int64_t d = 0; d < head_dim; d++) {
      PARE_UNROLL
      for (int g = 0; g < groups; g++) key[g] = load_kv(keys + g * stride + d * PARE_KV_BLOCK);
      PARE_UNROLL
      for (int r = 0; r < rows; r++) {
         __m512 x = _mm512_set1_ps(t->q[r][d]);
         PARE_UNROLL
         for (int g = 0; g < groups; g++) s[r][g] = _mm512_fmadd_ps(x, key[g], s[r][g]);
      }
   }
   PARE_UNROLL
   for (int r = 0; r < rows; r++) {
      PARE_UNROLL
      for (int g = 0; g < groups; g++)
         _mm512_storeu_ps(t->p[r] + 16 * (first + g), _mm512_mul_ps(s[r][g], _mm512_set1_ps(scale)));
   }
}

#define SCORE_ALL(n)  case n: score_groups(t, keys, head_dim, scale, 0, n, GROUPS); return;
#define SCORE_ONE(n)  case n: score_groups(t, keys, head_dim, scale, group, n, 1); return;

static void score_all(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale)
{
   switch (t->rows) { FOR_ROWS(SCORE_ALL) }
}

static void score_one(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale, int64_t group)
{
   switch (t->rows) { FOR_ROWS(SCORE_ONE) }
}

static void score_tile(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale)
{
   int64_t first = t->from / PARE_KV_BLOCK, end = (t->to + PARE_KV_BLOCK - 1) / PARE_KV_BLOCK;
   if (end - first == GROUPS) {
      score_all(t, keys, head_dim, scale);
      return;
   }
   for (int64_t g = first; g < end; g++) score_one(t, keys, head_dim, scale, g);
}

/* The keys of group g that row r sees. */
PARE_INLINE __mmask16 group_lanes(const attention_tile *t, int r, int g)
{
   uint64_t keys = (~0ull >> (64 - (t->hi[r] - t->lo[r]))) << t->lo[r];
   return (__mmask16)(keys >> (16 * g));
}

static float largest_score(const attention_tile *t, int r)
{
   __m512 largest = _mm512_set1_ps(t->state[r]->max);
   PARE_UNROLL
   for (int g = 0; g < GROUPS; g++) {
      __mmask16 lanes = group_lanes(t, r, g);
      __m512 s = _mm512_maskz_loadu_ps(lanes, t->p[r] + 16 * g);
      largest = _mm512_mask_max_ps(largest, lanes, s, largest);
   }
   return _mm512_reduce_max_ps(largest);
}

/* p = exp(p - max), 0 where the row sees nothing; returns the 16-lane sum. */
static float exponentials(attention_tile *t, int r, float max)
{
   __m512 sum = _mm512_setzero_ps();
   PARE_UNROLL
   for (int g = 0; g < GROUPS; g++) {
      __mmask16 lanes = group_lanes(t, r, g);
      __m512 s = _mm512_maskz_loadu_ps(lanes, t->p[r] + 16 * g);
      __m512 e = _mm512_maskz_mov_ps(lanes, pare_exp_down_ps(_mm512_sub_ps(s, _mm512_set1_ps(max))));
      _mm512_storeu_ps(t->p[r] + 16 * g, e);
      sum = _mm512_add_ps(sum, e);
   }
   return pare_tree16(sum);
}

static void weigh_tile(attention_tile *t)
{
   float max[TILE_ROWS], less[TILE_ROWS];
   for (int r = 0; r < t->rows; r++) {
      max[r] = largest_score(t, r);
      less[r] = t->state[r]->max - max[r];
   }
   __mmask16 rows = pare_lanes(0, t->rows);
   _mm512_mask_storeu_ps(t->keep, rows, pare_exp_ps(_mm512_maskz_loadu_ps(rows, less)));
   for (int r = 0; r < t->rows; r++) {
      t->state[r]->sum = pare_fmaf(t->state[r]->sum, t->keep[r], exponentials(t, r, max[r]));
      t->state[r]->max = max[r];
   }
}

/* 16 * vectors dimensions from d on, of which `lanes` are in the last register. */
PARE_INLINE void add_vectors(const attention_tile *t, int row, const KV_TYPE *values, int64_t head_dim, int64_t d,
                             __mmask16 lanes, int64_t from, int64_t to, const int rows, const int vectors)
{
   __m512 sum[TILE_ROWS][VECTORS], value[VECTORS];
   PARE_UNROLL
   for (int r = 0; r < rows; r++) {
      __m512 keep = _mm512_set1_ps(t->keep[row + r]);
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) {
         __mmask16 loaded = i + 1 < vectors ? 0xffff : lanes;
         sum[r][i] = _mm512_mul_ps(_mm512_maskz_loadu_ps(loaded, t->out[row + r] + d + 16 * i), keep);
      }
   }
   const float *p = t->p[row];
   for (int64_t j = from; j < to; j++) {
      const KV_TYPE *v = values + j * head_dim + d;
      PARE_UNROLL
      for (int i = 0; i < vectors; i++)
         value[i] = i + 1 < vectors ? load_kv(v + 16 * i) : load_kv_lanes(lanes, v + 16 * i);
      PARE_UNROLL
      for (int r = 0; r < rows; r++) {
         __m512 x = _mm512_set1_ps(p[r * PARE_ATTN_BLOCK + j]);
         PARE_UNROLL
         for (int i = 0; i < vectors; i++) sum[r][i] = _mm512_fmadd_ps(x, value[i], sum[r][i]);
      }
   }
   PARE_UNROLL
   for (int r = 0; r < rows; r++) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) {
         __mmask16 stored = i + 1 < vectors ? 0xffff : lanes;
         _mm512_mask_storeu_ps(t->out[row + r] + d + 16 * i, stored, sum[r][i]);
      }
   }
}

#define VALUES_CASE(n, vectors) \
   case n: add_vectors(t, row, values, head_dim, d, lanes, from, to, n, vectors); return;
#define VALUES_1(n) VALUES_CASE(n, 1)
#define VALUES_2(n) VALUES_CASE(n, 2)
#define VALUES_3(n) VALUES_CASE(n, 3)
#define VALUES_4(n) VALUES_CASE(n, 4)
#define VALUES(vectors)                                                                                          \
   static void add_##vectors(const attention_tile *t, int row, int count, const KV_TYPE *values,                 \
                             int64_t head_dim, int64_t d, __mmask16 lanes, int64_t from, int64_t to)             \
   {                                                                                                             \
      switch (count) { FOR_ROWS(VALUES_##vectors) }                                                              \
   }
VALUES(1)
VALUES(2)
VALUES(3)
VALUES(4)

static void add_values(const attention_tile *t, int row, int count, const KV_TYPE *values, int64_t head_dim,
                       int64_t from, int64_t to)
{
   for (int64_t d = 0; d < head_dim; d += 16 * VECTORS) {
      int64_t left = head_dim - d, vectors = (left + 15) / 16;
      __mmask16 lanes = pare_lanes(vectors < VECTORS ? 16 * (vectors - 1) : 16 * (VECTORS - 1), left);
      if (vectors >= 4) add_4(t, row, count, values, head_dim, d, lanes, from, to);
      else if (vectors == 3) add_3(t, row, count, values, head_dim, d, lanes, from, to);
      else if (vectors == 2) add_2(t, row, count, values, head_dim, d, lanes, from, to);
      else add_1(t, row, count, values, head_dim, d, lanes, from, to);
   }
}
