/* avx512_attention_body: attention over a cache of any element type, included once a type, by
 * avx512_attention.c and avx512_attention_f32.c. They define before: KV_TYPE, the element; load_kv(p), 16
 * elements as f32; load_kv_lanes(lanes, p), the same with +0 for the lanes not in the mask, which are not
 * read.
 *
 * Scores: a register is 16 keys, one fma chain a key over the head's dimensions, four registers in flight
 * for a block of 64. Values: a register is 16 dimensions, one chain a dimension over the keys, four in
 * flight. */
#include <math.h>

#include "kernels/avx512_math.h"
#include "kernels/tiers.h"

enum { GROUPS = PARE_ATTN_BLOCK / PARE_KV_BLOCK };

/* Accumulators are named variables so that gcc keeps them in registers across the loops; X is expanded for
 * the four groups of keys, or the four registers of dimensions. */
#define FOR_FOUR(X) X(0) X(1) X(2) X(3)

#define DECLARE_SCORE(g) __m512 score##g = _mm512_setzero_ps();
#define ADD_SCORE(g)                                                                               \
   if (g < groups) {                                                                               \
      score##g = _mm512_fmadd_ps(x, load_kv(keys + g * stride + d * PARE_KV_BLOCK), score##g);     \
   }
#define STORE_SCORE(g)                                         \
   if (g < groups) {                                           \
      s[g] = _mm512_mul_ps(score##g, _mm512_set1_ps(scale));   \
   }

/* s[g] = scaled scores of the 16 keys of group g. */
PARE_INLINE void score_groups(const float *q, const KV_TYPE *keys, int64_t head_dim, float scale,
                              const int groups, __m512 *s)
{
   const int64_t stride = head_dim * PARE_KV_BLOCK;
   FOR_FOUR(DECLARE_SCORE)
   for (int64_t d = 0; d < head_dim; d++) {
      __m512 x = _mm512_set1_ps(q[d]);
      FOR_FOUR(ADD_SCORE)
   }
   FOR_FOUR(STORE_SCORE)
}

/* The keys [lo, hi) of a block that are in its group g. */
PARE_INLINE __mmask16 group_lanes(int64_t lo, int64_t hi, int g)
{
   uint64_t keys = (hi == 64 ? ~0ull : (1ull << hi) - 1) & ~((1ull << lo) - 1);
   return (__mmask16)(keys >> (16 * g));
}

/* Scores of the keys [lo, hi) of the block at `keys`; groups without such keys are not read. */
static void score_block(const float *q, const KV_TYPE *keys, int64_t head_dim, float scale, int64_t lo,
                        int64_t hi, __m512 *s)
{
   if (lo < 16 && hi > 48) {
      score_groups(q, keys, head_dim, scale, GROUPS, s);
      return;
   }
   for (int g = 0; g < GROUPS; g++) {
      s[g] = _mm512_setzero_ps();
      if (group_lanes(lo, hi, g)) {
         score_groups(q, keys + g * head_dim * PARE_KV_BLOCK, head_dim, scale, 1, s + g);
      }
   }
}

static float block_max(const __m512 *s, int64_t lo, int64_t hi, float max)
{
   __m512 largest = _mm512_set1_ps(max);
   for (int g = 0; g < GROUPS; g++) {
      largest = _mm512_mask_max_ps(largest, group_lanes(lo, hi, g), s[g], largest);
   }
   return _mm512_reduce_max_ps(largest);
}

/* p[64] = exp(s - max), 0 outside [lo, hi); returns the 16-lane sum. */
static float exponentials(const __m512 *s, int64_t lo, int64_t hi, float max, float *p)
{
   __m512 sum = _mm512_setzero_ps();
   for (int g = 0; g < GROUPS; g++) {
      __m512 e = pare_exp_ps(_mm512_sub_ps(s[g], _mm512_set1_ps(max)));
      e = _mm512_maskz_mov_ps(group_lanes(lo, hi, g), e);
      _mm512_storeu_ps(p + 16 * g, e);
      sum = _mm512_add_ps(sum, e);
   }
   return pare_tree16(sum);
}

#define SCALE_OUT(i)                                                           \
   __m512 out##i = _mm512_setzero_ps();                                        \
   if (i < vectors) {                                                          \
      out##i = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, out + 16 * i), c);   \
   }
#define ADD_VALUE(i)                                                                  \
   if (i < vectors) {                                                                 \
      __m512 v = load_kv_lanes(lanes, values + j * head_dim + 16 * i);                \
      out##i = _mm512_fmadd_ps(w, v, out##i);                                         \
   }
#define STORE_OUT(i)                                          \
   if (i < vectors) {                                         \
      _mm512_mask_storeu_ps(out + 16 * i, lanes, out##i);     \
   }

/* out = out * correction, then the chain over keys [lo, hi), for 16 * vectors dimensions. */
PARE_INLINE void add_values(const float *p, const KV_TYPE *values, int64_t head_dim, int64_t lo, int64_t hi,
                            float correction, const int vectors, __mmask16 lanes, float *out)
{
   const __m512 c = _mm512_set1_ps(correction);
   FOR_FOUR(SCALE_OUT)
   for (int64_t j = lo; j < hi; j++) {
      __m512 w = _mm512_set1_ps(p[j]);
      FOR_FOUR(ADD_VALUE)
   }
   FOR_FOUR(STORE_OUT)
}

static void value_block(const float *p, const KV_TYPE *values, int64_t head_dim, int64_t lo, int64_t hi,
                        float correction, float *out)
{
   int64_t d = 0;
   for (; d + 64 <= head_dim; d += 64) {
      add_values(p, values + d, head_dim, lo, hi, correction, 4, 0xffff, out + d);
   }
   for (; d < head_dim; d += 16) {
      add_values(p, values + d, head_dim, lo, hi, correction, 1, pare_lanes(d, head_dim), out + d);
   }
}

static void attention(const float *q, const KV_TYPE *kc, const KV_TYPE *vc, int64_t head_dim, int64_t from,
                      int64_t to, float scale, float *tmp, float *out)
{
   float max = -INFINITY, sum = 0.0f;
   for (int64_t d = 0; d < head_dim; d++) {
      out[d] = 0.0f;
   }
   for (int64_t start = from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK; start < to; start += PARE_ATTN_BLOCK) {
      int64_t lo = from > start ? from - start : 0;
      int64_t hi = to - start < PARE_ATTN_BLOCK ? to - start : PARE_ATTN_BLOCK;
      __m512 s[GROUPS];
      score_block(q, kc + start * head_dim, head_dim, scale, lo, hi, s);
      float larger = block_max(s, lo, hi, max);
      float correction = pare_expf(max - larger);
      sum = pare_fmaf(sum, correction, exponentials(s, lo, hi, larger, tmp));
      max = larger;
      value_block(tmp, vc + start * head_dim, head_dim, lo, hi, correction, out);
   }
   const __m512 l = _mm512_set1_ps(sum);
   for (int64_t d = 0; d < head_dim; d += 16) {
      __mmask16 lanes = pare_lanes(d, head_dim);
      _mm512_mask_storeu_ps(out + d, lanes, _mm512_div_ps(_mm512_maskz_loadu_ps(lanes, out + d), l));
   }
}
