/* wide_quant: Walsh-Hadamard rotation in registers, and row quantization.
 *
 * A block of 32 or 64 is 4 or 8 vectors: butterflies at distance 1, 2, 4 permute within a vector (partner + x
 * where the lane's bit is clear, partner - x where it is set: one fma by +1 or -1, exact in the product), the
 * others add and subtract vectors. A block of 128 is two of 64 and a last pass at distance 64, as 16 vectors
 * and their constants are more than AVX2 has registers. The maximum is taken on the way. */
#include "kernels/round.h"
#include "kernels/tiers.h"
#include "kernels/wide.h"

static const float signs1[8] = { 1, -1, 1, -1, 1, -1, 1, -1 };
static const float signs2[8] = { 1, 1, -1, -1, 1, 1, -1, -1 };
static const float signs4[8] = { 1, 1, 1, 1, -1, -1, -1, -1 };

PARE_INLINE v8 butterflies_in_vector(v8 x)
{
   x = v8_fma(x, v8_load(signs1), v8_swap1(x));
   x = v8_fma(x, v8_load(signs2), v8_swap2(x));
   return v8_fma(x, v8_load(signs4), v8_swap4(x));
}

/* All butterflies of 8 * vectors elements. */
PARE_INLINE void butterflies(const float *x, const int vectors, v8 *v)
{
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      v[i] = butterflies_in_vector(v8_load(x + 8 * i));
   }
   PARE_UNROLL
   for (int h = 1; h < vectors; h *= 2) {
      PARE_UNROLL
      for (int i = 0; i < vectors; i++) {
         if (!(i & h)) {
            v8 a = v[i], b = v[i + h];
            v[i] = v8_add(a, b);
            v[i + h] = v8_sub(a, b);
         }
      }
   }
}

/* y = x * factor; returns the lanewise maximum of amax and the magnitudes. */
PARE_INLINE v8 finish(v8 x, v8 factor, float *y, v8 amax)
{
   x = v8_mul(x, factor);
   v8_store(y, x);
   return v8_max_bits(amax, v8_abs(x));
}

PARE_INLINE v8 rotate_block(const float *x, const int vectors, float *y, v8 amax)
{
   const v8 factor = v8_set(pare_round_hadamard_factor(8 * vectors));
   v8 v[8];
   butterflies(x, vectors, v);
   PARE_UNROLL
   for (int i = 0; i < vectors; i++) {
      amax = finish(v[i], factor, y + 8 * i, amax);
   }
   return amax;
}

PARE_INLINE v8 rotate_block128(const float *x, float *y, v8 amax)
{
   const v8 factor = v8_set(pare_round_hadamard_factor(128));
   v8 v[8];
   butterflies(x, 8, v);
   PARE_UNROLL
   for (int i = 0; i < 8; i++) {
      v8_store(y + 8 * i, v[i]);
   }
   butterflies(x + 64, 8, v);
   PARE_UNROLL
   for (int i = 0; i < 8; i++) {
      v8 a = v8_load(y + 8 * i);
      amax = finish(v8_add(a, v[i]), factor, y + 8 * i, amax);
      amax = finish(v8_sub(a, v[i]), factor, y + 64 + 8 * i, amax);
   }
   return amax;
}

static uint32_t largest_bits(v8 amax)
{
   uint32_t bits[8], largest = 0;
   v8_store(bits, amax);
   for (int l = 0; l < 8; l++) {
      largest = bits[l] > largest ? bits[l] : largest;
   }
   return largest;
}

static uint32_t rotate_row(const float *x, int64_t k, int64_t rot, float *y)
{
   v8 amax = v8_zero();
   for (int64_t i = 0; i < k; i += rot) {
      if (rot == 128) {
         amax = rotate_block128(x + i, y + i, amax);
      } else if (rot == 64) {
         amax = rotate_block(x + i, 8, y + i, amax);
      } else {
         amax = rotate_block(x + i, 4, y + i, amax);
      }
   }
   return largest_bits(amax);
}

static uint32_t largest_magnitude(const float *x, int64_t k)
{
   v8 low = v8_zero(), high = v8_zero(), v[2];
   for (int64_t i = 0; i < k; i += 16) {
      v8_load16_part(x + i, k - i, v);
      low = v8_max_bits(low, v8_abs(v[0]));
      high = v8_max_bits(high, v8_abs(v[1]));
   }
   return largest_bits(v8_max_bits(low, high));
}

static int32_t sum_of(v8_ints total)
{
   int32_t lanes[8], sum = 0;
   v8_ints_store(lanes, total);
   for (int l = 0; l < 8; l++) {
      sum += lanes[l];
   }
   return sum;
}

/* 16 codes, or as many as are left. */
PARE_INLINE void put_codes(int8_t *q, int64_t left, const v8_ints *codes)
{
   int8_t part[16];
   if (left >= 16) {
      v8_store_codes(q, codes[0], codes[1]);
      return;
   }
   v8_store_codes(part, codes[0], codes[1]);
   memcpy(q, part, (size_t)left);
}

/* The code of each element or, of 16 bits, its two digits, which are exact as floats. Codes are in range before the
 * limits of round.h are asked: the magnitude is at most amax * (127 / amax), which two roundings leave below 127.5;
 * with 32512 likewise. */
PARE_INLINE void round_digits(v8 x, v8 inverse, const int digits, v8_ints *high, v8_ints *low)
{
   *high = v8_round(v8_mul(x, inverse));
   if (digits == 2) {
      v8 code = v8_from_ints(*high);
      *high = v8_round(v8_mul(code, v8_set(1 / PARE_ROUND_I16_BASE)));
      *low = v8_round(v8_fma(v8_from_ints(*high), v8_set(-PARE_ROUND_I16_BASE), code));
   }
}

/* All codes of y: to q or, of two digits, the low ones to q + ldq; and the sum of each digit. */
PARE_INLINE void round_row(const float *y, int64_t k, float inverse, const int digits, int8_t *q, int64_t ldq,
                           int32_t *sum)
{
   const v8 factor = v8_set(inverse);
   v8_ints total[2] = { v8_ints_zero(), v8_ints_zero() }, codes[2][2];
   for (int64_t i = 0; i < k; i += 16) {
      v8 v[2];
      v8_load16_part(y + i, k - i, v);
      round_digits(v[0], factor, digits, &codes[0][0], &codes[1][0]);
      round_digits(v[1], factor, digits, &codes[0][1], &codes[1][1]);
      PARE_UNROLL
      for (int d = 0; d < digits; d++) {
         total[d] = v8_ints_add(total[d], v8_ints_add(codes[d][0], codes[d][1]));
         put_codes(q + d * ldq + i, k - i, codes[d]);
      }
   }
   sum[0] = sum_of(total[0]);
   if (digits == 2) {
      sum[1] = sum_of(total[1]);
   }
}

static void hadamard(float *x, int64_t n, int64_t rot)
{
   if (rot > 0) {
      rotate_row(x, n, rot, x);
   }
}

PARE_INLINE void quantize(const float *x, int64_t k, int64_t rot, const int digits, int8_t *q, int64_t ldq,
                          int64_t kpad, float *tmp, float *scale, int32_t *sum)
{
   uint32_t amax = rot > 0 ? rotate_row(x, k, rot, tmp) : largest_magnitude(x, k);
   pare_rounding rule = pare_round_digits(amax, digits, scale);
   int64_t codes = rule.zero ? 0 : k;
   round_row(rot > 0 ? tmp : x, codes, rule.inverse, digits, q, ldq, sum);
   for (int d = 0; d < digits; d++) {
      memset(q + d * ldq + codes, 0, (size_t)(kpad - codes));
   }
}

static void quant_row(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t kpad, float *tmp,
                      float *scale, int32_t *sum)
{
   quantize(x, k, rot, 1, q, 0, kpad, tmp, scale, sum);
}

static void quant_row_i16(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t ldq, int64_t kpad, float *tmp,
                          float scale[2], int32_t sum[2])
{
   quantize(x, k, rot, 2, q, ldq, kpad, tmp, scale, sum);
}

void PARE_WIDE(quant)(pare_kernels *k)
{
   k->hadamard = hadamard;
   k->quant_row = quant_row;
   k->quant_row_i16 = quant_row_i16;
}
