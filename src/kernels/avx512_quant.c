/* avx512_quant: Walsh-Hadamard rotation in registers, and row quantization, also of a row that is a norm.
 *
 * A block of 128 is 8 registers: butterflies at distance 1, 2, 4, 8 permute within a register (partner + x
 * where the lane's bit is clear, partner - x where it is set: one fma by +1 or -1, exact in the product),
 * those at 16, 32, 64 add and subtract registers. The maximum is taken on the way. */
#include <math.h>
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

PARE_INLINE __m512i larger(__m512i amax, __m512 v)
{
   return _mm512_max_epu32(amax, _mm512_castps_si512(_mm512_abs_ps(v)));
}

/* Rotate one block of 16 * vectors elements to y; returns the lanewise maximum of amax and the magnitudes. */
PARE_INLINE __m512i rotate_vectors(__m512 *v, const int vectors, float *y, __m512i amax)
{
   const __m512 factor = _mm512_set1_ps(pare_round_hadamard_factor(16 * vectors));
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      v[i] = butterflies_in_register(v[i]);
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
      amax = larger(amax, v[i]);
   }
   return amax;
}

PARE_INLINE __m512i rotate_block(const float *x, const int vectors, float *y, __m512i amax)
{
   __m512 v[8];
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      v[i] = _mm512_loadu_ps(x + 16 * i);
   }
   return rotate_vectors(v, vectors, y, amax);
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
      amax = larger(amax, v);
   }
   return _mm512_reduce_max_epu32(amax);
}

/* Codes of 16 elements. They are in range before the limits of round.h are asked: the magnitude is at most
 * amax * (127 / amax), which two roundings leave below 127.5. */
PARE_INLINE __m512i round_vector(__m512 v, __m512 inverse)
{
   return _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse));
}

/* 64 codes in order. */
PARE_INLINE __m512i round_line(const float *y, __m512 inverse)
{
   const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
   __m512i low = _mm512_packs_epi32(round_vector(_mm512_loadu_ps(y), inverse),
                                    round_vector(_mm512_loadu_ps(y + 16), inverse));
   __m512i high = _mm512_packs_epi32(round_vector(_mm512_loadu_ps(y + 32), inverse),
                                     round_vector(_mm512_loadu_ps(y + 48), inverse));
   return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
}

/* q = codes of y; returns their sum. */
static int32_t round_row(const float *y, int64_t k, float inverse, int8_t *q)
{
   const __m512 factor = _mm512_set1_ps(inverse);
   const __m512i ones = _mm512_set1_epi8(1);
   __m512i total = _mm512_setzero_si512();
   int64_t i = 0;
   for (; i + 64 <= k; i += 64) {
      __m512i line = round_line(y + i, factor);
      total = pare_multiply_add(total, ones, line);
      _mm512_storeu_si512(q + i, line);
   }
   for (; i < k; i += 16) {
      __mmask16 lanes = pare_lanes(i, k);
      __m512i code = round_vector(_mm512_maskz_loadu_ps(lanes, y + i), factor);
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

/* ---- norm and quantization: three passes over the row, of which the first also makes the sum ---- */

/* a + b to y, or nothing but reading a when there is no b; returns the 16-lane sum of the squares or, for a
 * layer norm, of the elements. */
PARE_INLINE float sum_row(const pare_norm_quant *p, const int layer)
{
   __m512 s = _mm512_setzero_ps();
   for (int64_t i = 0; i < p->n; i += 16) {
      __mmask16 lanes = pare_lanes(i, p->n);
      __m512 v = _mm512_maskz_loadu_ps(lanes, p->a + i);
      if (p->b) {
         v = _mm512_maskz_add_ps(lanes, v, _mm512_maskz_loadu_ps(lanes, p->b + i));
         _mm512_mask_storeu_ps(p->sum + i, lanes, v);
      }
      s = layer ? _mm512_mask_add_ps(s, lanes, s, v) : _mm512_mask3_fmadd_ps(v, v, s, lanes);
   }
   return pare_tree16(s);
}

/* What a norm does to an element. */
typedef struct norm_rule {
   const float *x, *gain, *bias;
   __m512 center, inv;
} norm_rule;

PARE_INLINE __m512 norm_vector(const norm_rule *r, int64_t i, __mmask16 lanes, const int layer)
{
   __m512 v = _mm512_maskz_loadu_ps(lanes, r->x + i);
   if (layer) {
      __m512 gain = r->gain ? _mm512_maskz_loadu_ps(lanes, r->gain + i) : _mm512_set1_ps(1.0f);
      __m512 shift = r->bias ? _mm512_maskz_loadu_ps(lanes, r->bias + i) : _mm512_setzero_ps();
      return _mm512_fmadd_ps(_mm512_mul_ps(_mm512_sub_ps(v, r->center), r->inv), gain, shift);
   }
   v = _mm512_mul_ps(v, r->inv);
   return r->gain ? _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, r->gain + i)) : v;
}

PARE_INLINE __m512i norm_block(const norm_rule *r, int64_t at, const int vectors, const int layer, float *y,
                               __m512i amax)
{
   __m512 v[8];
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      v[i] = norm_vector(r, at + 16 * i, 0xffff, layer);
   }
   return rotate_vectors(v, vectors, y + at, amax);
}

/* The normalized and rotated row to y; returns its largest magnitude. */
PARE_INLINE uint32_t norm_row(const norm_rule *r, int64_t n, int64_t rot, const int layer, float *y)
{
   __m512i amax = _mm512_setzero_si512();
   for (int64_t i = 0; i < n && rot == 0; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      __m512 v = norm_vector(r, i, lanes, layer);
      _mm512_mask_storeu_ps(y + i, lanes, v);
      amax = _mm512_mask_max_epu32(amax, lanes, amax, _mm512_castps_si512(_mm512_abs_ps(v)));
   }
   for (int64_t i = 0; i < n && rot > 0; i += rot) {
      if (rot == 128) {
         amax = norm_block(r, i, 8, layer, y, amax);
      } else if (rot == 64) {
         amax = norm_block(r, i, 4, layer, y, amax);
      } else {
         amax = norm_block(r, i, 2, layer, y, amax);
      }
   }
   return _mm512_reduce_max_epu32(amax);
}

PARE_INLINE uint32_t norm_of(const pare_norm_quant *p, const int layer)
{
   norm_rule r = { .x = p->b ? p->sum : p->a, .gain = p->gain, .bias = p->bias };
   float total = sum_row(p, layer), mean = layer ? total / (float)p->n : 0.0f;
   float squares = layer ? pare_sum16_squares(r.x, mean, p->n) : total;
   r.center = _mm512_set1_ps(mean);
   r.inv = _mm512_set1_ps(1.0f / sqrtf(squares / (float)p->n + p->eps));
   return norm_row(&r, p->n, p->rot, layer, p->tmp);
}

static void norm_quant(const pare_kernels *self, const pare_norm_quant *p)
{
   (void)self;
   pare_rounding rule = pare_round_row(p->layer ? norm_of(p, 1) : norm_of(p, 0));
   int64_t codes = rule.zero ? 0 : p->n;
   *p->code_sum = round_row(p->tmp, codes, rule.inverse, p->q);
   memset(p->q + codes, 0, (size_t)(p->kpad - codes));
   *p->scale = rule.scale;
}

void pare_avx512_quant(pare_kernels *k)
{
   k->hadamard = hadamard;
   k->quant_row = quant_row;
   k->norm_quant = norm_quant;
}
