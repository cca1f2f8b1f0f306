/* avx512_rows: norms, sums and products of rows, argmax, rotary embedding. A register is the 16 lanes of a
 * sum. */
#include <math.h>

#include "kernels/avx512_util.h"
#include "kernels/tiers.h"

static float sum16(const float *x, int64_t n)
{
   __m512 s = _mm512_setzero_ps();
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      s = _mm512_mask_add_ps(s, lanes, s, _mm512_maskz_loadu_ps(lanes, x + i));
   }
   return pare_tree16(s);
}

static void rms_norm(const float *x, const float *w, float eps, int64_t n, float *y)
{
   const __m512 inv = _mm512_set1_ps(1.0f / sqrtf(pare_sum16_squares(x, 0.0f, n) / (float)n + eps));
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), inv);
      if (w) {
         v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, w + i));
      }
      _mm512_mask_storeu_ps(y + i, lanes, v);
   }
}

static void layer_norm(const float *x, const float *w, const float *b, float eps, int64_t n, float *y)
{
   float mean = sum16(x, n) / (float)n;
   const __m512 center = _mm512_set1_ps(mean);
   const __m512 inv = _mm512_set1_ps(1.0f / sqrtf(pare_sum16_squares(x, mean, n) / (float)n + eps));
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), center), inv);
      __m512 gain = w ? _mm512_maskz_loadu_ps(lanes, w + i) : _mm512_set1_ps(1.0f);
      __m512 shift = b ? _mm512_maskz_loadu_ps(lanes, b + i) : _mm512_setzero_ps();
      _mm512_mask_storeu_ps(y + i, lanes, _mm512_fmadd_ps(v, gain, shift));
   }
}

static void add(const float *a, const float *b, int64_t n, float *y)
{
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i));
      _mm512_mask_storeu_ps(y + i, lanes, v);
   }
}

static void mul(const float *a, const float *b, int64_t n, float *y)
{
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i));
      _mm512_mask_storeu_ps(y + i, lanes, v);
   }
}

/* Each lane keeps its first largest element; then the lowest index among the lanes that hold the maximum. */
static int64_t argmax(const float *x, int64_t n)
{
   const __m512i step = _mm512_set1_epi32(16);
   __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), index = at;
   __m512 largest = _mm512_set1_ps(-INFINITY);
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
      __mmask16 better = _mm512_mask_cmp_ps_mask(lanes, v, largest, _CMP_GT_OQ);
      largest = _mm512_mask_mov_ps(largest, better, v);
      index = _mm512_mask_mov_epi32(index, better, at);
      at = _mm512_add_epi32(at, step);
   }
   float best = _mm512_reduce_max_ps(largest);
   if (best == -INFINITY) {
      return 0;
   }
   __mmask16 holders = _mm512_cmp_ps_mask(largest, _mm512_set1_ps(best), _CMP_EQ_OQ);
   return _mm512_mask_reduce_min_epi32(holders, index);
}

static void rope_halves(float *x, int64_t pairs, const float *cosines, const float *sines)
{
   for (int64_t i = 0; i < pairs; i += 16) {
      __mmask16 lanes = pare_lanes(i, pairs);
      __m512 c = _mm512_maskz_loadu_ps(lanes, cosines + i), s = _mm512_maskz_loadu_ps(lanes, sines + i);
      __m512 x0 = _mm512_maskz_loadu_ps(lanes, x + i), x1 = _mm512_maskz_loadu_ps(lanes, x + pairs + i);
      _mm512_mask_storeu_ps(x + i, lanes, _mm512_fmsub_ps(x0, c, _mm512_mul_ps(x1, s)));
      _mm512_mask_storeu_ps(x + pairs + i, lanes, _mm512_fmadd_ps(x1, c, _mm512_mul_ps(x0, s)));
   }
}

static void rope_interleaved(float *x, int64_t pairs, const float *cosines, const float *sines)
{
   const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
   for (int64_t i = 0; i < pairs; i += 8) {
      __mmask16 lanes = pare_lanes(2 * i, 2 * pairs), angles = pare_lanes(i, pairs) & 0xff;
      __m512 c = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(angles, cosines + i));
      __m512 s = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(angles, sines + i));
      __m512 v = _mm512_maskz_loadu_ps(lanes, x + 2 * i), swapped = _mm512_permute_ps(v, 0xb1);
      v = _mm512_fmaddsub_ps(v, c, _mm512_mul_ps(swapped, s));   /* even lanes subtract */
      _mm512_mask_storeu_ps(x + 2 * i, lanes, v);
   }
}

static void rope(float *x, int64_t heads, int64_t head_dim, int64_t rot_dim, const float *cosines,
                 const float *sines, int interleaved)
{
   for (int64_t h = 0; h < heads; h++) {
      if (interleaved) {
         rope_interleaved(x + h * head_dim, rot_dim / 2, cosines, sines);
      } else {
         rope_halves(x + h * head_dim, rot_dim / 2, cosines, sines);
      }
   }
}

void pare_avx512_rows(pare_kernels *k)
{
   k->rms_norm = rms_norm;
   k->layer_norm = layer_norm;
   k->add = add;
   k->mul = mul;
   k->argmax = argmax;
   k->rope = rope;
}
