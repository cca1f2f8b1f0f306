/* wide_attention_body: the key/value cache and attention over it, included once a type of the cache, by
 * wide_attention.c and wide_attention_f32.c. They define before: KV_TYPE, the element; load_kv(p), 8 elements
 * as f32; store_kv(p, x), the other way.
 *
 * Scores: a vector is 8 keys, one fma chain a key over the head's dimensions; values: a vector is 8 dimensions, one
 * chain a dimension over the keys. Six rows by two vectors are in flight, with the two of keys or values that the rows
 * share and one that a row has for all of its own 15 of the 16 registers of AVX2; fewer rows have more vectors. */
#include "kernels/attention_tile.h"
#include "kernels/wide_math.h"

enum { VECTORS = 8 };

/* What rows of a tile have in flight at most. */
#define FOR_ROWS(X) X(1, 8) X(2, 4) X(3, 4) X(4, 2) X(5, 2) X(6, 2)

/* The scores of 8 * vectors keys from `first` on, whole groups of 16. */
PARE_INLINE void score_groups(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale, int64_t first,
                              const int rows, const int vectors)
{
   const int64_t stride = head_dim * PARE_KV_BLOCK;
   v8 s[TILE_ROWS][VECTORS], key[VECTORS];
   PARE_UNROLL
   for (int i = 0; i < rows * vectors; i++) s[i / vectors][i % vectors] = v8_zero();
   keys += first * head_dim;
   for (int64_t d = 0; d < head_dim; d++) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) key[i] = load_kv(keys + i / 2 * stride + d * PARE_KV_BLOCK + i % 2 * 8);
      PARE_UNROLL
      for (int r = 0; r < rows; r++) {
         v8 x = v8_set(t->q[r][d]);
         PARE_UNROLL
         for (int i = 0; i < vectors; i++) s[r][i] = v8_fma(x, key[i], s[r][i]);
      }
   }
   PARE_UNROLL
   for (int r = 0; r < rows; r++) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) v8_store(t->p[r] + first + 8 * i, v8_mul(s[r][i], v8_set(scale)));
   }
}

PARE_INLINE void score_some(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale, int64_t first,
                               int64_t end, const int rows, const int most)
{
   for (; most > 2 && first + 8 * most <= end; first += 8 * most)
      score_groups(t, keys, head_dim, scale, first, rows, most);
   for (; first < end; first += PARE_KV_BLOCK) score_groups(t, keys, head_dim, scale, first, rows, 2);
}

#define SCORE(n, most) case n: score_some(t, keys, head_dim, scale, first, t->to, n, most); return;

static void score_tile(attention_tile *t, const KV_TYPE *keys, int64_t head_dim, float scale)
{
   int64_t first = t->from / PARE_KV_BLOCK * PARE_KV_BLOCK;
   switch (t->rows) { FOR_ROWS(SCORE) }
}

/* -Inf where row r sees nothing; returns the largest score with those of before. NaN is not taken. */
static float largest_score(attention_tile *t, int r)
{
   float lanes[8], max = t->state[r]->max, *s = t->p[r];
   for (int64_t j = 0; j < t->lo[r]; j++) s[j] = -INFINITY;
   for (int64_t j = t->hi[r]; j < PARE_ATTN_BLOCK; j++) s[j] = -INFINITY;
   v8 largest = v8_set(max);
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) largest = v8_max(v8_load(s + j), largest);
   v8_store(lanes, largest);
   for (int l = 0; l < 8; l++) max = lanes[l] > max ? lanes[l] : max;
   return max;
}

static void weigh_tile(attention_tile *t)
{
   float max[TILE_ROWS], keep[8] = { 0 };
   for (int r = 0; r < t->rows; r++) {
      max[r] = largest_score(t, r);
      keep[r] = t->state[r]->max - max[r];
   }
   v8_store(keep, v8_exp(v8_load(keep)));
   for (int r = 0; r < t->rows; r++) {
      t->state[r]->sum = pare_fmaf(t->state[r]->sum, keep[r], v8_exponentials(t->p[r], max[r]));
      t->state[r]->max = max[r];
      t->keep[r] = keep[r];
   }
}

PARE_INLINE v8 load_kv_part(const KV_TYPE *p, int64_t left)
{
   if (left >= 8) {
      return load_kv(p);
   }
   KV_TYPE t[8] = { 0 };
   memcpy(t, p, pare_part_of_8(left) * sizeof *p);
   return load_kv(t);
}

/* 8 * vectors dimensions from d on, or `left` of the only vector. */
PARE_INLINE void add_vectors(const attention_tile *t, int row, const KV_TYPE *values, int64_t head_dim, int64_t d,
                             int64_t left, int64_t from, int64_t to, const int rows, const int vectors)
{
   v8 sum[TILE_ROWS][VECTORS], value[VECTORS];
   PARE_UNROLL
   for (int r = 0; r < rows; r++) {
      v8 keep = v8_set(t->keep[row + r]);
      PARE_UNROLL
      for (int i = 0; i < vectors; i++)
         sum[r][i] = v8_mul(v8_load_part(t->out[row + r] + d + 8 * i, left - 8 * i), keep);
   }
   const float *p = t->p[row];
   for (int64_t j = from; j < to; j++) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) value[i] = load_kv_part(values + j * head_dim + d + 8 * i, left - 8 * i);
      PARE_UNROLL
      for (int r = 0; r < rows; r++) {
         v8 x = v8_set(p[r * PARE_ATTN_BLOCK + j]);
         PARE_UNROLL
         for (int i = 0; i < vectors; i++) sum[r][i] = v8_fma(x, value[i], sum[r][i]);
      }
   }
   PARE_UNROLL
   for (int r = 0; r < rows; r++) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++)
         v8_store_part(t->out[row + r] + d + 8 * i, left - 8 * i, sum[r][i]);
   }
}

PARE_INLINE void add_some(const attention_tile *t, int row, const KV_TYPE *values, int64_t head_dim, int64_t from,
                          int64_t to, const int rows, const int most)
{
   int64_t d = 0;
   for (; most > 2 && d + 8 * most <= head_dim; d += 8 * most)
      add_vectors(t, row, values, head_dim, d, 8 * most, from, to, rows, most);
   for (; d + 16 <= head_dim; d += 16) add_vectors(t, row, values, head_dim, d, 16, from, to, rows, 2);
   for (; d < head_dim; d += 8) add_vectors(t, row, values, head_dim, d, head_dim - d, from, to, rows, 1);
}

#define ADD(n, most) case n: add_some(t, row, values, head_dim, from, to, n, most); return;

static void add_values(const attention_tile *t, int row, int count, const KV_TYPE *values, int64_t head_dim,
                       int64_t from, int64_t to)
{
   switch (count) { FOR_ROWS(ADD) }
}

static void kv_store(const float *k, const float *v, int64_t head_dim, int64_t pos, KV_TYPE *kc, KV_TYPE *vc)
{
   KV_TYPE *key = kc + (pos / PARE_KV_BLOCK) * head_dim * PARE_KV_BLOCK + pos % PARE_KV_BLOCK;
   KV_TYPE *value = vc + pos * head_dim, t[8];
   for (int64_t d = 0; d < head_dim; d += 8) {
      int64_t count = head_dim - d < 8 ? head_dim - d : 8;
      store_kv(t, v8_load_part(k + d, count));
      for (int64_t i = 0; i < count; i++) {
         key[(d + i) * PARE_KV_BLOCK] = t[i];
      }
      store_kv(t, v8_load_part(v + d, count));
      memcpy(value + d, t, (size_t)count * sizeof *t);
   }
}
