/* mathf: our own exp, tanh and erf in f32, and the activations made of them, as exact sequences of IEEE
 * operations. This file is their specification: every vector tier does the same operations in the same order,
 * so that no mathematical library decides a bit. Valid in nearest-even mode with denormals; NaN gives NaN.
 *
 * Measured over all floats (checkkernels --all), in units of the last place against double precision:
 * see README.md. Coefficients: minimax fits by Lawson's iteration at 40 digits, of the functions given here. */
#ifndef PARE_KERNELS_MATHF_H
#define PARE_KERNELS_MATHF_H

#include "base/half.h"

/* exp(r) = 1 + r + r^2 (E2 + E3 r + ..), |r| <= ln(2) / 2. */
#define PARE_EXP_LO   (-104.0f)           /* below: 0 */
#define PARE_EXP_HI   89.0f               /* above: Inf */
#define PARE_EXP_LOG2E 0x1.715476p+0f
#define PARE_EXP_LN2_HI 0x1.62e4p-1f      /* 15 bits: n * LN2_HI is exact */
#define PARE_EXP_LN2_LO 0x1.7f7d1cp-20f
#define PARE_EXP_MAGIC 0x1.8p23f          /* adding and subtracting it rounds to an integer */
#define PARE_EXP_E2   0x1.fffffcp-2f
#define PARE_EXP_E3   0x1.55548ap-3f
#define PARE_EXP_E4   0x1.555916p-5f
#define PARE_EXP_E5   0x1.123fc8p-7f
#define PARE_EXP_E6   0x1.6a1a6ap-10f

/* 2^r = 1 + r (F1 + F2 r + ..), |r| <= 1/2. */
#define PARE_EXP2_LO (-151.0f)            /* below: 0 */
#define PARE_EXP2_F1  0x1.62e42ap-1f
#define PARE_EXP2_F2  0x1.ebf9c8p-3f
#define PARE_EXP2_F3  0x1.c6b760p-5f
#define PARE_EXP2_F4  0x1.3cea88p-7f
#define PARE_EXP2_F5  0x1.5bba14p-10f

/* tanh(x) = x + x z (T1 + T2 z + ..), z = x^2, |x| < TANH_SPLIT; else 1 - 2 / (exp(2 |x|) + 1). */
#define PARE_TANH_SPLIT 0.625f
#define PARE_TANH_T1  (-0x1.555532p-2f)
#define PARE_TANH_T2  0x1.110726p-3f
#define PARE_TANH_T3  (-0x1.b83c56p-5f)
#define PARE_TANH_T4  0x1.522686p-6f
#define PARE_TANH_T5  (-0x1.75e17ap-8f)

/* erf(x) = x + x (A0 + A1 z + ..), z = x^2, |x| < 1; else 1 - exp(B0 + B1 t + ..), t = min(|x|, 4), where the
 * polynomial is log(erfc(t)). */
#define PARE_ERF_A0   0x1.06eba8p-3f
#define PARE_ERF_A1   (-0x1.81273ep-2f)
#define PARE_ERF_A2   0x1.ce2cf8p-4f
#define PARE_ERF_A3   (-0x1.b7f90cp-6f)
#define PARE_ERF_A4   0x1.5405b0p-8f
#define PARE_ERF_A5   (-0x1.a3f6f4p-11f)
#define PARE_ERF_A6   0x1.496a12p-14f
#define PARE_ERF_B0   0x1.88f150p-13f
#define PARE_ERF_B1   (-0x1.212bd6p+0f)
#define PARE_ERF_B2   (-0x1.443644p-1f)
#define PARE_ERF_B3   (-0x1.bc0d60p-4f)
#define PARE_ERF_B4   0x1.9ceed8p-6f
#define PARE_ERF_B5   (-0x1.136db8p-8f)
#define PARE_ERF_B6   0x1.ce5e3cp-12f
#define PARE_ERF_B7   (-0x1.6b4646p-16f)

#define PARE_GELU_CUBIC 0.044715f
#define PARE_GELU_SQRT_2_OVER_PI 0x1.988454p-1f
#define PARE_GELU_SQRT_HALF 0x1.6a09e6p-1f
#define PARE_QUICK_GELU 1.702f

static inline float pare_fmaf(float a, float b, float c)
{
   return __builtin_fmaf(a, b, c);
}

/* 2^e, e in [-126, 127] */
static inline float pare_pow2f(int32_t e)
{
   return pare_f32_from_bits((uint32_t)(e + 127) << 23);
}

/* p * 2^n rounded once, |n| < 252: the first half is exact. */
static inline float pare_scalef(float p, float n)
{
   int32_t half = (int32_t)n / 2;
   return p * pare_pow2f(half) * pare_pow2f((int32_t)n - half);
}

/* 2^x, x <= 0. Fewer operations than exp, which attention over the int8 cache has use for. */
static inline float pare_exp2_downf(float x)
{
   if (x != x) {
      return x;
   }
   x = PARE_EXP2_LO > x ? PARE_EXP2_LO : x;
   float n = (x + PARE_EXP_MAGIC) - PARE_EXP_MAGIC, r = x - n;
   float p = pare_fmaf(PARE_EXP2_F5, r, PARE_EXP2_F4);
   p = pare_fmaf(p, r, PARE_EXP2_F3);
   p = pare_fmaf(p, r, PARE_EXP2_F2);
   p = pare_fmaf(p, r, PARE_EXP2_F1);
   return pare_scalef(pare_fmaf(p, r, 1.0f), n);
}

static inline float pare_expf(float x)
{
   if (x != x) {
      return x;
   }
   x = PARE_EXP_HI < x ? PARE_EXP_HI : x;
   x = PARE_EXP_LO > x ? PARE_EXP_LO : x;
   float n = pare_fmaf(x, PARE_EXP_LOG2E, PARE_EXP_MAGIC) - PARE_EXP_MAGIC;
   float r = pare_fmaf(-n, PARE_EXP_LN2_HI, x);
   r = pare_fmaf(-n, PARE_EXP_LN2_LO, r);
   float q = pare_fmaf(PARE_EXP_E6, r, PARE_EXP_E5);
   q = pare_fmaf(q, r, PARE_EXP_E4);
   q = pare_fmaf(q, r, PARE_EXP_E3);
   q = pare_fmaf(q, r, PARE_EXP_E2);
   return pare_scalef(pare_fmaf(r * r, q, r) + 1.0f, n);
}

static inline float pare_tanhf(float x)
{
   float t = pare_f32_from_bits(pare_f32_bits(x) & 0x7fffffffu);
   if (!(t >= PARE_TANH_SPLIT)) {
      float z = x * x;
      float q = pare_fmaf(PARE_TANH_T5, z, PARE_TANH_T4);
      q = pare_fmaf(q, z, PARE_TANH_T3);
      q = pare_fmaf(q, z, PARE_TANH_T2);
      q = pare_fmaf(q, z, PARE_TANH_T1);
      return pare_fmaf(x, q * z, x);
   }
   float y = 1.0f - 2.0f / (pare_expf(t + t) + 1.0f);
   return pare_f32_from_bits(pare_f32_bits(y) | (pare_f32_bits(x) & 0x80000000u));
}

static inline float pare_erff(float x)
{
   float t = pare_f32_from_bits(pare_f32_bits(x) & 0x7fffffffu);
   if (!(t >= 1.0f)) {
      float z = x * x;
      float q = pare_fmaf(PARE_ERF_A6, z, PARE_ERF_A5);
      q = pare_fmaf(q, z, PARE_ERF_A4);
      q = pare_fmaf(q, z, PARE_ERF_A3);
      q = pare_fmaf(q, z, PARE_ERF_A2);
      q = pare_fmaf(q, z, PARE_ERF_A1);
      q = pare_fmaf(q, z, PARE_ERF_A0);
      return pare_fmaf(x, q, x);
   }
   t = 4.0f < t ? 4.0f : t;
   float p = pare_fmaf(PARE_ERF_B7, t, PARE_ERF_B6);
   p = pare_fmaf(p, t, PARE_ERF_B5);
   p = pare_fmaf(p, t, PARE_ERF_B4);
   p = pare_fmaf(p, t, PARE_ERF_B3);
   p = pare_fmaf(p, t, PARE_ERF_B2);
   p = pare_fmaf(p, t, PARE_ERF_B1);
   p = pare_fmaf(p, t, PARE_ERF_B0);
   float y = 1.0f - pare_expf(p);
   return pare_f32_from_bits(pare_f32_bits(y) | (pare_f32_bits(x) & 0x80000000u));
}

static inline float pare_siluf(float x)
{
   return x / (1.0f + pare_expf(-x));
}

static inline float pare_quick_geluf(float x)
{
   return x / (1.0f + pare_expf(-(x * PARE_QUICK_GELU)));
}

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
static inline float pare_gelu_tanhf(float x)
{
   float u = pare_fmaf(x * x * x, PARE_GELU_CUBIC, x) * PARE_GELU_SQRT_2_OVER_PI;
   return (x * 0.5f) * (1.0f + pare_tanhf(u));
}

/* 0.5 x (1 + erf(x / sqrt(2))) */
static inline float pare_gelu_erff(float x)
{
   return (x * 0.5f) * (1.0f + pare_erff(x * PARE_GELU_SQRT_HALF));
}

static inline float pare_reluf(float x)
{
   return x < 0.0f ? 0.0f : x;
}

#endif
