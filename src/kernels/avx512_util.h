/* avx512_util: what the AVX-512 kernels share: tail masks, stored floats, the int8 product, the 16-lane tree,
 * a 16 x 16 transpose. */
#ifndef PARE_KERNELS_AVX512_UTIL_H
#define PARE_KERNELS_AVX512_UTIL_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

#define PARE_INLINE static inline __attribute__((always_inline))

/* Unroll a loop of constant length fully, so that arrays of registers stay in registers. */
#if defined(__clang__)
#define PARE_UNROLL _Pragma("unroll")
#else
#define PARE_UNROLL _Pragma("GCC unroll 16")
#endif

/* Lanes that are left of n elements from i on: all 16, or the tail. */
PARE_INLINE __mmask16 pare_lanes(int64_t i, int64_t n)
{
   return (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1u);
}

/* 16 stored floats from element i on, +0 in the lanes that are not in the mask. */
PARE_INLINE __m512 pare_load_f32x16(const void *base, int storage, int64_t i, __mmask16 lanes)
{
   const char *bytes = base;
   if (storage == PARE_FLOAT_F32) {
      return _mm512_maskz_loadu_ps(lanes, bytes + 4 * i);
   }
   __m256i h = _mm256_maskz_loadu_epi16(lanes, bytes + 2 * i);
   if (storage == PARE_FLOAT_F16) {
      return _mm512_cvtph_ps(h);
   }
   return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Four activations in each of 16 lanes. */
PARE_INLINE __m512i pare_broadcast_codes(const int8_t *a)
{
   int32_t four;
   memcpy(&four, a, sizeof four);
   return _mm512_set1_epi32(four);
}

/* acc + the sum of four products of unsigned codes and signed activations, in each of 16 lanes. Assembly,
 * because gcc 12 copies the accumulators of _mm512_dpbusd_epi32 through the stack, at less than half the
 * speed. */
PARE_INLINE __m512i pare_multiply_add(__m512i acc, __m512i codes, __m512i activations)
{
   __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(activations));
   return acc;
}

/* Row `row` of block `block` of the product from its exact sums. */
PARE_INLINE void pare_store_product(const pare_linear_i8 *p, int64_t block, int64_t row, __m512i sums)
{
   int64_t first = block * PARE_BLOCK;
   __mmask16 lanes = pare_lanes(first, p->n);
   __m512 w_scale = _mm512_maskz_loadu_ps(lanes, p->w_scale + first);
   __m512 bias = p->bias ? _mm512_maskz_loadu_ps(lanes, p->bias + first) : _mm512_setzero_ps();
   __m512 scale = _mm512_mul_ps(_mm512_set1_ps(p->act_scale[row]), w_scale);
   __m512 result = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, bias);
   if (p->add) result = _mm512_add_ps(result, _mm512_maskz_loadu_ps(lanes, p->add + row * p->ld_add + first));
   _mm512_mask_storeu_ps(p->out + row * p->ldo + first, lanes, result);
}

/* s[l] += s[l + 8], + 4, + 2, + 1: the tree of every 16-lane sum. */
PARE_INLINE float pare_tree16(__m512 s)
{
   __m256 a = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
   __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
   b = _mm_add_ps(b, _mm_movehl_ps(b, b));
   return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* 16-lane sum of (x - mean)^2. */
PARE_INLINE float pare_sum16_squares(const float *x, float mean, int64_t n)
{
   const __m512 center = _mm512_set1_ps(mean);
   __m512 s = _mm512_setzero_ps();
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 d = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + i), center);
      s = _mm512_mask3_fmadd_ps(d, d, s, lanes);
   }
   return pare_tree16(s);
}

/* Transpose 16 rows of 16 dwords: pairs of dwords, of qwords, then of 128-bit lanes twice. */
PARE_INLINE void pare_transpose16(__m512i *v)
{
   __m512i t[16];
   PARE_UNROLL
   for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
      t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
   }
   PARE_UNROLL
   for (int i = 0; i < 16; i += 4) {   /* v[i + c]: column c of each 128-bit lane, rows i .. i + 3 */
      v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
      v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
      v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
      v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
   }
   PARE_UNROLL
   for (int c = 0; c < 4; c++) {
      t[c] = _mm512_shuffle_i32x4(v[c], v[c + 4], 0x88);
      t[c + 4] = _mm512_shuffle_i32x4(v[c], v[c + 4], 0xdd);
      t[c + 8] = _mm512_shuffle_i32x4(v[c + 8], v[c + 12], 0x88);
      t[c + 12] = _mm512_shuffle_i32x4(v[c + 8], v[c + 12], 0xdd);
   }
   PARE_UNROLL
   for (int c = 0; c < 4; c++) {
      v[c] = _mm512_shuffle_i32x4(t[c], t[c + 8], 0x88);
      v[c + 8] = _mm512_shuffle_i32x4(t[c], t[c + 8], 0xdd);
      v[c + 4] = _mm512_shuffle_i32x4(t[c + 4], t[c + 12], 0x88);
      v[c + 12] = _mm512_shuffle_i32x4(t[c + 4], t[c + 12], 0xdd);
   }
}

#endif
