/* avx512_quant: Walsh-Hadamard rotation in registers, and row quantization.
 *
 * A block of 128 is 8 registers: butterflies at distance 1, 2, 4, 8 permute within a register (partner + x
 * where the lane's bit is clear, partner - x where it is set: one fma by +1 or -1, exact in the product),
 * those at 16, 32, 64 add and subtract registers. The maximum is taken on the way. */
#include <string.h>

#include "kernels/avx512_util.h"
#include "kernels/round.h"
#include "kernels/tiers.h"

PARE_INLINE __m512 signs(__mmask16 minus)
{
   return _mm512_mask_mov_ps(_mm512_set1_ps(1.0f), minus, _mm512_set1_ps(-1.0f));
}

PARE_INLINE __m512 butterflies_in_register(__m512 x)
{
   x = _mm512_fmadd_ps(x, signs(0xaaaa), _mm512_permute_ps(x, 0xb1));
   x = _mm512_fmadd_ps(x, signs(0xcccc), _mm512_permute_ps(x, 0x4e));
   x = _mm512_fmadd_ps(x, signs(0xf0f0), _mm512_shuffle_f32x4(x, x, 0xb1));
   return _mm512_fmadd_ps(x, signs(0xff00), _mm512_shuffle_f32x4(x, x, 0x4e));
}

/* Rotate one block of 16 * vectors elements; returns the lanewise maximum of amax and the magnitudes. */
PARE_INLINE __m512i rotate_block(const float *x, const int vectors, float *y, __m512i amax)
{
   const __m512 factor = _mm512_set1_ps(pare_round_hadamard_factor(16 * vectors));
   __m512 v[8];
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      v[i] = butterflies_in_register(_mm512_loadu_ps(x + 16 * i));
   }
   PARE_UNROLL
   for (int h = 1; h < vectors; h *= 2) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) {
         if (!(i & h)) {
            __m512 a = v[i], b = v[i + h];
            v[i] = _mm512_add_ps(a, b);
            v[i + h] = _mm512_sub_ps(a, b);
         }
      }
   }
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      v[i] = _mm512_mul_ps(v[i], factor);
      _mm512_storeu_ps(y + 16 * i, v[i]);
      amax = _mm512_max_epu32(amax, _mm512_castps_si512(_mm512_abs_ps(v[i])));
   }
   return amax;
}

static uint32_t rotate_row(const float *x, int64_t k, int64_t rot, float *y)
{
   __m512i amax = _mm512_setzero_si512();
   for (int64_t i = 0; i < k; i += rot) {
      if (rot == 128) {
         amax = rotate_block(x + i, 8, y + i, amax);
      } else if (rot == 64) {
         amax = rotate_block(x + i, 4, y + i, amax);
      } else {
         amax = rotate_block(x + i, 2, y + i, amax);
      }
   }
   return _mm512_reduce_max_epu32(amax);
}

static uint32_t largest_magnitude(const float *x, int64_t k)
{
   __m512i amax = _mm512_setzero_si512();
   for (int64_t i = 0; i < k; i += 16) {
      __m512 v = _mm512_maskz_loadu_ps(pare_lanes(i, k), x + i);
      amax = _mm512_max_epu32(amax, _mm512_castps_si512(_mm512_abs_ps(v)));
   }
   return _mm512_reduce_max_epu32(amax);
}

/* q = codes of y; returns their sum. */
static int32_t round_row(const float *y, int64_t k, float inverse, int8_t *q)
{
   const __m512 factor = _mm512_set1_ps(inverse), limit = _mm512_set1_ps(PARE_ROUND_MAX);
   const __m512 low = _mm512_set1_ps(-PARE_ROUND_MAX);
   __m512i total = _mm512_setzero_si512();
   for (int64_t i = 0; i < k; i += 16) {
      __mmask16 lanes = pare_lanes(i, k);
      __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, y + i), factor);
      v = _mm512_min_ps(_mm512_max_ps(v, low), limit);
      __m512i code = _mm512_cvtps_epi32(v);
      total = _mm512_add_epi32(total, code);
      _mm_mask_storeu_epi8(q + i, lanes, _mm512_cvtepi32_epi8(code));
   }
   return _mm512_reduce_add_epi32(total);
}

static void hadamard(float *x, int64_t n, int64_t rot)
{
   if (rot > 0) {
      rotate_row(x, n, rot, x);
   }
}

static void quant_row(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t kpad, float *tmp,
                      float *scale, int32_t *sum)
{
   uint32_t amax = rot > 0 ? rotate_row(x, k, rot, tmp) : largest_magnitude(x, k);
   pare_rounding rule = pare_round_row(amax);
   int64_t codes = rule.zero ? 0 : k;
   *sum = round_row(rot > 0 ? tmp : x, codes, rule.inverse, q);
   memset(q + codes, 0, (size_t)(kpad - codes));
   *scale = rule.scale;
}

void pare_avx512_quant(pare_kernels *k)
{
   k->hadamard = hadamard;
   k->quant_row = quant_row;
}
