/* avx512_attention_i8: the float work of attention over the int8 cache, which the AVX-512 and the AMX tiers
 * share. Four registers are the 64 keys of a block. */
#ifndef PARE_KERNELS_AVX512_ATTENTION_I8_H
#define PARE_KERNELS_AVX512_ATTENTION_I8_H

#include "kernels/attention_i8.h"
#include "kernels/avx512_math.h"

#define OFFSET 128
enum { KEY_GROUPS = PARE_ATTN_BLOCK / 16 };

/* The keys [lo, hi) of a block that are in its group g. */
PARE_INLINE __mmask16 keys_of_group(int64_t lo, int64_t hi, int g)
{
   uint64_t keys = (hi == 64 ? ~0ull : (1ull << hi) - 1) & ~((1ull << lo) - 1);
   return (__mmask16)(keys >> (16 * g));
}

/* e = exp(s - max) of the keys that count, +0 of others; returns the 16-lane sum. */
PARE_INLINE float exponentials(const __m512 *s, const __mmask16 *keys, float max, __m512 *e)
{
   __m512 sum = _mm512_setzero_ps();
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      e[g] = _mm512_maskz_mov_ps(keys[g], pare_exp_ps(_mm512_sub_ps(s[g], _mm512_set1_ps(max))));
      sum = _mm512_add_ps(sum, e[g]);
   }
   return pare_tree16(sum);
}

/* Codes of the weights w. */
PARE_INLINE void round_weights(const __m512 *w, pare_rounding rounding, uint8_t *codes)
{
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      __m512 x = _mm512_mul_ps(w[g], _mm512_set1_ps(rounding.inverse));
      __m512i code = _mm512_cvtps_epi32(_mm512_min_ps(x, _mm512_set1_ps(PARE_ROUND_WEIGHT_MAX)));
      code = rounding.zero ? _mm512_setzero_si512() : code;
      _mm_storeu_si128((__m128i *)(void *)(codes + 16 * g), _mm512_cvtepi32_epi8(code));
   }
}

static void weigh(const int32_t *raw, int32_t offset, float factor, const kv_block *block, int64_t lo,
                  int64_t hi, attention_state *state, uint8_t *codes)
{
   __m512 s[KEY_GROUPS], e[KEY_GROUPS], largest = _mm512_set1_ps(state->max);
   __m512i weight = _mm512_setzero_si512();
   __mmask16 keys[KEY_GROUPS];
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      keys[g] = keys_of_group(lo, hi, g);
      __m512 scale = _mm512_maskz_loadu_ps(keys[g], block->key_scales + 16 * g);
      __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512(raw + 16 * g), _mm512_set1_epi32(offset));
      s[g] = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(_mm512_set1_ps(factor), scale));
      largest = _mm512_mask_max_ps(largest, keys[g], s[g], largest);
   }
   float max = _mm512_reduce_max_ps(largest);
   state->keep = pare_expf(state->max - max);
   state->sum = pare_fmaf(state->sum, state->keep, exponentials(s, keys, max, e));
   state->max = max;
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      e[g] = _mm512_mul_ps(e[g], _mm512_maskz_loadu_ps(keys[g], block->value_scales + 16 * g));
      weight = _mm512_max_epu32(weight, _mm512_castps_si512(_mm512_abs_ps(e[g])));
   }
   pare_rounding rounding = pare_round_weights(_mm512_reduce_max_epu32(weight));
   state->step = rounding.scale;
   round_weights(e, rounding, codes);
}

static void add_values(const int32_t *raw, const attention_state *state, int64_t n, float *out)
{
   const __m512 step = _mm512_set1_ps(state->step), keep = _mm512_set1_ps(state->keep);
   for (int64_t d = 0; d < n; d += 16) {
      __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(raw + d));
      _mm512_storeu_ps(out + d, _mm512_fmadd_ps(sum, step, _mm512_mul_ps(_mm512_loadu_ps(out + d), keep)));
   }
}

#endif
