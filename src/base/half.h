/* half: conversions between f32 and the 16-bit float formats, rounding to nearest even.
 *
 * f16 is IEEE binary16, bf16 the upper half of an f32. Denormals are exact. A NaN stays a NaN, with its sign
 * and the bits of its payload that fit, and is made quiet wherever bits change (bf16 to f32 moves bits only).
 * The results are those of the x86 F16C and the Arm conversion instructions in their IEEE modes. */
#ifndef PARE_BASE_HALF_H
#define PARE_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t pare_f32_bits(float x)
{
   uint32_t u;
   memcpy(&u, &x, sizeof u);
   return u;
}

static inline float pare_f32_from_bits(uint32_t u)
{
   float x;
   memcpy(&x, &u, sizeof x);
   return x;
}

static inline float pare_bf16_to_f32(uint16_t h)
{
   return pare_f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t pare_f32_to_bf16(float x)
{
   uint32_t u = pare_f32_bits(x);
   if ((u & 0x7fffffffu) > 0x7f800000u) {
      return (uint16_t)((u >> 16) | 0x40u);
   }
   return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float pare_f16_to_f32(uint16_t h)
{
   uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
   uint32_t exponent = (h >> 10) & 0x1fu, mantissa = h & 0x3ffu;
   if (exponent == 31) {
      uint32_t quiet = mantissa ? 0x400000u : 0;
      return pare_f32_from_bits(sign | 0x7f800000u | quiet | (mantissa << 13));
   }
   if (exponent == 0) {   /* zero or denormal: mantissa * 2^-24 is exact */
      return pare_f32_from_bits(sign | pare_f32_bits((float)mantissa * 0x1p-24f));
   }
   return pare_f32_from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

static inline uint16_t pare_f32_to_f16(float x)
{
   uint32_t u = pare_f32_bits(x), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
   if (magnitude > 0x7f800000u) {
      return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
   }
   if (magnitude >= 0x477ff000u) {   /* rounds to 65536 or more */
      return (uint16_t)(sign | 0x7c00u);
   }
   if (magnitude >= 0x38800000u) {   /* normal: rebias, round off 13 bits; a carry moves the exponent */
      uint32_t rebiased = magnitude - (112u << 23);
      return (uint16_t)(sign | ((rebiased + 0xfffu + ((rebiased >> 13) & 1u)) >> 13));
   }
   /* Denormal: the addition leaves the rounded multiple of 2^-24 in the low bits. */
   float shifted = pare_f32_from_bits(magnitude) + 0.5f;
   return (uint16_t)(sign | (pare_f32_bits(shifted) - 0x3f000000u));
}

#endif
