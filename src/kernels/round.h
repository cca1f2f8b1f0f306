/* round: the rules by which a row of floats becomes a scale and int8 codes. The only place that states them.
 *
 * amax is the largest magnitude of the row, taken as the integer maximum of the bit patterns without sign, so
 * that NaN and Inf win whatever the order.
 *    amax is NaN or Inf      scale is a quiet NaN, all codes 0
 *    amax < 2^-120           scale 0, all codes 0 (1 / amax would overflow; such a row is zero for any use)
 *    else                    scale = amax / 127, code = clamp(rint(x * (127 / amax)), -127, 127), ties
 *                            to even
 * Codes are symmetric: -128 is never made.
 * The weights of attention, which are not negative, become unsigned codes by the same rules with 255 in place of
 * 127.
 *
 * Codes of 16 bits follow the same rules with 32512 in place of 127 and 2^-112 in place of 2^-120, and are cut into
 * two codes of 8 bits, code = 255 * high + low with high = rint(code / 255). The base is 255 and not 256 because
 * int8 products take no -128: as digits from -127 to 127 in base 255 every code has one pair, and 32512 is
 * 255 * 127 + 127, the largest. 255 is odd, so the quotient is nowhere near a tie and may be a rounded one. */
#ifndef PARE_KERNELS_ROUND_H
#define PARE_KERNELS_ROUND_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/half.h"

#define PARE_ROUND_MAX 127.0f
#define PARE_ROUND_WEIGHT_MAX 255.0f
#define PARE_ROUND_I16_MAX 32512.0f
#define PARE_ROUND_I16_BASE 255.0f

typedef struct pare_rounding {
   float scale;    /* x ~ code * scale */
   float inverse;  /* code = rint(x * inverse) */
   bool  zero;     /* all codes are 0 */
} pare_rounding;

/* Bits of |x|, to be reduced by maximum. */
static inline uint32_t pare_round_magnitude(float x)
{
   return pare_f32_bits(x) & 0x7fffffffu;
}

/* amax_bits: the maximum of pare_round_magnitude over the row; most: the largest code; least: a smaller maximum is
 * zero. */
static inline pare_rounding pare_round_to(uint32_t amax_bits, float most, float least)
{
   if (amax_bits >= 0x7f800000u) {
      return (pare_rounding){ pare_f32_from_bits(0x7fc00000u), 0.0f, true };
   }
   float amax = pare_f32_from_bits(amax_bits);
   if (amax < least) {
      return (pare_rounding){ 0.0f, 0.0f, true };
   }
   return (pare_rounding){ amax / most, most / amax, false };
}

static inline pare_rounding pare_round_row(uint32_t amax_bits)
{
   return pare_round_to(amax_bits, PARE_ROUND_MAX, 0x1p-120f);
}

static inline pare_rounding pare_round_row_i16(uint32_t amax_bits)
{
   return pare_round_to(amax_bits, PARE_ROUND_I16_MAX, 0x1p-112f);
}

/* The rule of a row whose codes are one digit, of 8 bits, or two, of 16 bits; scale: [digits] one for each digit. */
static inline pare_rounding pare_round_digits(uint32_t amax_bits, int digits, float *scale)
{
   pare_rounding rule = digits == 2 ? pare_round_row_i16(amax_bits) : pare_round_row(amax_bits);
   scale[0] = digits == 2 ? PARE_ROUND_I16_BASE * rule.scale : rule.scale;
   scale[digits - 1] = rule.scale;
   return rule;
}

static inline pare_rounding pare_round_weights(uint32_t amax_bits)
{
   return pare_round_to(amax_bits, PARE_ROUND_WEIGHT_MAX, 0x1p-120f);
}

/* One code; x finite, inverse from pare_round_row, nearest-even mode. */
static inline int8_t pare_round_code(float x, float inverse)
{
   float v = x * inverse;
   v = v < -PARE_ROUND_MAX ? -PARE_ROUND_MAX : v;
   v = v > PARE_ROUND_MAX ? PARE_ROUND_MAX : v;
   return (int8_t)lrintf(v);
}

/* One code of 16 bits, and the high one of its two; inverse from pare_round_row_i16. */
static inline int32_t pare_round_code_i16(float x, float inverse)
{
   float v = x * inverse;
   v = v < -PARE_ROUND_I16_MAX ? -PARE_ROUND_I16_MAX : v;
   v = v > PARE_ROUND_I16_MAX ? PARE_ROUND_I16_MAX : v;
   return (int32_t)lrintf(v);
}

static inline int32_t pare_round_high(int32_t code)
{
   return (int32_t)lrintf((float)code * (1 / PARE_ROUND_I16_BASE));
}

/* One code of a weight: x >= 0. */
static inline uint8_t pare_round_weight(float x, float inverse)
{
   float v = x * inverse;
   return (uint8_t)lrintf(v > PARE_ROUND_WEIGHT_MAX ? PARE_ROUND_WEIGHT_MAX : v);
}

/* (float)(1 / sqrt(rot)) for the sizes of the Hadamard transform: 32, 64, 128. */
static inline float pare_round_hadamard_factor(int64_t rot)
{
   return rot == 32 ? 0x1.6a09e6p-3f : rot == 64 ? 0.125f : 0x1.6a09e6p-4f;
}

#endif
