/* wide_attention_body: the key/value cache and attention over it, included once a type of the cache, by
 * wide_attention.c and wide_attention_f32.c. They define before: KV_TYPE, the element; load_kv(p), 8 elements
 * as f32; store_kv(p, x), the other way.
 *
 * Scores: a vector is 8 keys, one fma chain a key over the head's dimensions, eight vectors in flight for a
 * block of 64. Values: a vector is 8 dimensions, one chain a dimension over the keys, eight in flight. */
#include <math.h>

#include "kernels/tiers.h"
#include "kernels/wide_math.h"

/* Accumulators are named variables so that gcc keeps them in registers across the loops; X is expanded for
 * the eight vectors of keys or of dimensions. */
#define FOR_EIGHT(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#define DECLARE_SCORE(i) v8 score##i = v8_zero();
#define ADD_SCORE(i)                                                                           \
   if (i < vectors) {                                                                          \
      v8 key = load_kv(keys + i / 2 * stride + d * PARE_KV_BLOCK + i % 2 * 8);                 \
      score##i = v8_fma(x, key, score##i);                                                     \
   }
#define STORE_SCORE(i)                                         \
   if (i < vectors) {                                          \
      v8_store(s + 8 * i, v8_mul(score##i, v8_set(scale)));    \
   }

/* s = scaled scores of the 8 * vectors keys at `keys`, whole groups of 16. */
PARE_INLINE void score_groups(const float *q, const KV_TYPE *keys, int64_t head_dim, float scale,
                              const int vectors, float *s)
{
   const int64_t stride = head_dim * PARE_KV_BLOCK;
   FOR_EIGHT(DECLARE_SCORE)
   for (int64_t d = 0; d < head_dim; d++) {
      v8 x = v8_set(q[d]);
      FOR_EIGHT(ADD_SCORE)
   }
   FOR_EIGHT(STORE_SCORE)
}

/* s[64] = scores of the keys of the block at `keys`, -Inf outside [lo, hi); groups without keys in it are not
 * read. */
static void score_block(const float *q, const KV_TYPE *keys, int64_t head_dim, float scale, int64_t lo,
                        int64_t hi, float *s)
{
   if (lo == 0 && hi == PARE_ATTN_BLOCK) {
      score_groups(q, keys, head_dim, scale, 8, s);
      return;
   }
   for (int64_t g = lo / PARE_KV_BLOCK * PARE_KV_BLOCK; g < hi; g += PARE_KV_BLOCK) {
      score_groups(q, keys + g * head_dim, head_dim, scale, 2, s + g);
   }
   for (int64_t j = 0; j < PARE_ATTN_BLOCK; j++) {
      s[j] = j < lo || j >= hi ? -INFINITY : s[j];
   }
}

/* The largest of max and s[64]; NaN is not taken. */
static float block_max(const float *s, float max)
{
   v8 largest = v8_set(max);
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) {
      largest = v8_max(v8_load(s + j), largest);
   }
   float lanes[8];
   v8_store(lanes, largest);
   for (int l = 0; l < 8; l++) {
      max = lanes[l] > max ? lanes[l] : max;
   }
   return max;
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

#define SCALE_OUT(i)                                                \
   v8 out##i = v8_zero();                                           \
   if (i < vectors) {                                               \
      out##i = v8_mul(v8_load_part(out + 8 * i, left - 8 * i), c);  \
   }
#define ADD_VALUE(i)                                                                  \
   if (i < vectors) {                                                                 \
      v8 v = load_kv_part(values + j * head_dim + 8 * i, left - 8 * i);               \
      out##i = v8_fma(w, v, out##i);                                                  \
   }
#define STORE_OUT(i)                                        \
   if (i < vectors) {                                       \
      v8_store_part(out + 8 * i, left - 8 * i, out##i);     \
   }

/* out = out * correction, then the chain over keys [lo, hi), for 8 * vectors dimensions or `left`. */
PARE_INLINE void add_values(const float *p, const KV_TYPE *values, int64_t head_dim, int64_t lo, int64_t hi,
                            float correction, const int vectors, const int64_t left, float *out)
{
   const v8 c = v8_set(correction);
   FOR_EIGHT(SCALE_OUT)
   for (int64_t j = lo; j < hi; j++) {
      v8 w = v8_set(p[j]);
      FOR_EIGHT(ADD_VALUE)
   }
   FOR_EIGHT(STORE_OUT)
}

static void value_block(const float *p, const KV_TYPE *values, int64_t head_dim, int64_t lo, int64_t hi,
                        float correction, float *out)
{
   int64_t d = 0;
   for (; d + 64 <= head_dim; d += 64) {
      add_values(p, values + d, head_dim, lo, hi, correction, 8, 64, out + d);
   }
   for (; d < head_dim; d += 8) {
      add_values(p, values + d, head_dim, lo, hi, correction, 1, head_dim - d, out + d);
   }
}

static void attention(const float *q, const KV_TYPE *kc, const KV_TYPE *vc, int64_t head_dim, int64_t from,
                      int64_t to, float scale, float *tmp, float *out)
{
   float max = -INFINITY, sum = 0.0f;
   memset(out, 0, (size_t)head_dim * sizeof *out);
   for (int64_t start = from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK; start < to; start += PARE_ATTN_BLOCK) {
      int64_t lo = from > start ? from - start : 0;
      int64_t hi = to - start < PARE_ATTN_BLOCK ? to - start : PARE_ATTN_BLOCK;
      score_block(q, kc + start * head_dim, head_dim, scale, lo, hi, tmp);
      float larger = block_max(tmp, max);
      float correction = pare_expf(max - larger);
      sum = pare_fmaf(sum, correction, v8_exponentials(tmp, larger));
      max = larger;
      value_block(tmp, vc + start * head_dim, head_dim, lo, hi, correction, out);
   }
   const v8 l = v8_set(sum);
   for (int64_t d = 0; d < head_dim; d += 8) {
      v8_store_part(out + d, head_dim - d, v8_div(v8_load_part(out + d, head_dim - d), l));
   }
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
