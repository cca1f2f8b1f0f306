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

/* 64 codes as words, in the order that packing leaves, 0 where the bit of `left` is clear. They are in range before
 * the limits of round.h are asked: the magnitude is at most amax * (127 / amax), which two roundings leave below
 * 127.5; with 32512 likewise. */
PARE_INLINE void round_words(const float *y, __mmask64 left, __m512 inverse, __m512i words[2])
{
   __m512i codes[4];
   PARE_UNROLL
   for (int i = 0; i < 4; i++) {
      __m512 v = _mm512_maskz_loadu_ps((__mmask16)(left >> (16 * i)), y + 16 * i);
      codes[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse));
   }
   words[0] = _mm512_packs_epi32(codes[0], codes[1]);
   words[1] = _mm512_packs_epi32(codes[2], codes[3]);
}

/* h + 128 of words 255 h + l. With 32768 added the word is 255 (h + 128) + l + 128, and 257 times that is
 * 65536 (h + 128) + r, where r = 257 (l + 128) - (h + 128) lies from 2 to 65534: the upper half is h + 128. */
PARE_INLINE __m512i high_digits(__m512i words)
{
   return _mm512_mulhi_epu16(_mm512_xor_si512(words, _mm512_set1_epi16(-0x8000)), _mm512_set1_epi16(257));
}

/* 64 words to codes of one digit or, of 16 bits, two. A word 255 h + l is 256 h + (l - h): its low byte plus h is l. */
PARE_INLINE void digits_of(const __m512i words[2], const int digits, __m512i line[2])
{
   const __m512i byte = _mm512_set1_epi16(0xff);
   if (digits == 1) {
      line[0] = _mm512_packs_epi16(words[0], words[1]);
      return;
   }
   __m512i high = _mm512_packus_epi16(high_digits(words[0]), high_digits(words[1]));
   __m512i low = _mm512_packus_epi16(_mm512_and_si512(words[0], byte), _mm512_and_si512(words[1], byte));
   line[0] = _mm512_xor_si512(high, _mm512_set1_epi8(-0x80));
   line[1] = _mm512_add_epi8(low, line[0]);
}

/* The codes of 64 elements, or of those in `left`: to q or, of two digits, the low ones to q + ldq; adds to totals. */
PARE_INLINE void round_line(const float *y, __mmask64 left, __m512 inverse, const int digits, int8_t *q, int64_t ldq,
                            __m512i total[2])
{
   const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
   __m512i words[2], line[2];
   round_words(y, left, inverse, words);
   digits_of(words, digits, line);
   PARE_UNROLL
   for (int d = 0; d < digits; d++) {
      line[d] = _mm512_permutexvar_epi32(order, line[d]);
      total[d] = pare_multiply_add(total[d], _mm512_set1_epi8(1), line[d]);
      _mm512_mask_storeu_epi8(q + d * ldq, left, line[d]);
   }
}

/* All codes of y, and the sum of each digit. */
PARE_INLINE void round_row(const float *y, int64_t k, float inverse, const int digits, int8_t *q, int64_t ldq,
                           int32_t *sum)
{
   const __m512 factor = _mm512_set1_ps(inverse);
   __m512i total[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
   int64_t i = 0;
   for (; i + 64 <= k; i += 64) {
      round_line(y + i, ~(__mmask64)0, factor, digits, q + i, ldq, total);
   }
   if (i < k) {
      round_line(y + i, ((__mmask64)1 << (k - i)) - 1, factor, digits, q + i, ldq, total);
   }
   PARE_UNROLL
   for (int d = 0; d < digits; d++) {
      sum[d] = _mm512_reduce_add_epi32(total[d]);
   }
}

/* The rest of every quantizer, once the largest magnitude of the row y is known. */
PARE_INLINE void finish_row(const float *y, int64_t k, uint32_t amax, const int digits, int8_t *q, int64_t ldq,
                            int64_t kpad, float *scale, int32_t *sum)
{
   pare_rounding rule = pare_round_digits(amax, digits, scale);
   int64_t codes = rule.zero ? 0 : k;
   round_row(y, codes, rule.inverse, digits, q, ldq, sum);
   for (int d = 0; d < digits; d++) {
      memset(q + d * ldq + codes, 0, (size_t)(kpad - codes));
   }
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
   finish_row(rot > 0 ? tmp : x, k, amax, 1, q, 0, kpad, scale, sum);
}

static void quant_row_i16(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t ldq, int64_t kpad, float *tmp,
                          float scale[2], int32_t sum[2])
{
   uint32_t amax = rot > 0 ? rotate_row(x, k, rot, tmp) : largest_magnitude(x, k);
   finish_row(rot > 0 ? tmp : x, k, amax, 2, q, ldq, kpad, scale, sum);
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
   uint32_t amax = p->layer ? norm_of(p, 1) : norm_of(p, 0);
   finish_row(p->tmp, p->n, amax, 1, p->q, 0, p->kpad, p->scale, p->code_sum);
}

void pare_avx512_quant(pare_kernels *k)
{
   k->hadamard = hadamard;
   k->quant_row = quant_row;
   k->quant_row_i16 = quant_row_i16;
   k->norm_quant = norm_quant;
}
