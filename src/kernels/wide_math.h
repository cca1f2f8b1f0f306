/* wide_math: the functions of mathf.h on 8 floats, operation by operation the same. */
#ifndef PARE_KERNELS_WIDE_MATH_H
#define PARE_KERNELS_WIDE_MATH_H

#include "kernels/mathf.h"
#include "kernels/wide.h"

PARE_INLINE v8 v8_exp(v8 x)
{
   x = v8_min(v8_set(PARE_EXP_HI), x);   /* a NaN stays */
   x = v8_max(v8_set(PARE_EXP_LO), x);
   v8 n = v8_sub(v8_fma(x, v8_set(PARE_EXP_LOG2E), v8_set(PARE_EXP_MAGIC)), v8_set(PARE_EXP_MAGIC));
   v8 r = v8_fnma(n, v8_set(PARE_EXP_LN2_HI), x);
   r = v8_fnma(n, v8_set(PARE_EXP_LN2_LO), r);
   v8 q = v8_fma(v8_set(PARE_EXP_E6), r, v8_set(PARE_EXP_E5));
   q = v8_fma(q, r, v8_set(PARE_EXP_E4));
   q = v8_fma(q, r, v8_set(PARE_EXP_E3));
   q = v8_fma(q, r, v8_set(PARE_EXP_E2));
   return v8_scale(v8_add(v8_fma(v8_mul(r, r), q, r), v8_set(1.0f)), n);
}

/* Of x <= 0 or NaN. What rounds x to n holds n + 101 as an exponent, in its lowest bits, so that 2^(n + 101) is one
 * shift; the product with it is exact, and the one with 2^-101 rounds. */
PARE_INLINE v8 v8_exp2_down(v8 x)
{
   const v8 magic = v8_set(PARE_EXP_MAGIC + 127.0f + 101.0f);
   x = v8_max(v8_set(PARE_EXP2_LO), x);   /* a NaN stays */
   v8 t = v8_add(x, magic), r = v8_sub(x, v8_sub(t, magic));
   v8 p = v8_fma(v8_set(PARE_EXP2_F5), r, v8_set(PARE_EXP2_F4));
   p = v8_fma(p, r, v8_set(PARE_EXP2_F3));
   p = v8_fma(p, r, v8_set(PARE_EXP2_F2));
   p = v8_fma(p, r, v8_set(PARE_EXP2_F1));
   return v8_mul(v8_mul(v8_fma(p, r, v8_set(1.0f)), v8_shift_bits(t, 23)), v8_set(0x1p-101f));
}

/* p[64] = exp(p - max); returns the 16-lane sum. Where p is -Inf the exponential is +0, which changes
 * no sum; if max is -Inf too it is NaN, as is then the sum of the keys that count. */
PARE_INLINE float v8_exponentials(float *p, float max)
{
   const v8 largest = v8_set(max);
   v8 low = v8_zero(), high = v8_zero();
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 16) {
      v8 a = v8_exp(v8_sub(v8_load(p + j), largest)), b = v8_exp(v8_sub(v8_load(p + j + 8), largest));
      v8_store(p + j, a);
      v8_store(p + j + 8, b);
      low = v8_add(low, a);
      high = v8_add(high, b);
   }
   return v8_tree16(low, high);
}

/* y, which has no sign, with the sign of x. */
PARE_INLINE v8 v8_with_sign(v8 y, v8 x)
{
   return v8_or(y, v8_and(x, v8_set(-0.0f)));
}

PARE_INLINE v8 v8_tanh(v8 x)
{
   v8 t = v8_abs(x), z = v8_mul(x, x);
   v8 q = v8_fma(v8_set(PARE_TANH_T5), z, v8_set(PARE_TANH_T4));
   q = v8_fma(q, z, v8_set(PARE_TANH_T3));
   q = v8_fma(q, z, v8_set(PARE_TANH_T2));
   q = v8_fma(q, z, v8_set(PARE_TANH_T1));
   v8 small = v8_fma(x, v8_mul(q, z), x);
   v8 e = v8_add(v8_exp(v8_add(t, t)), v8_set(1.0f));
   v8 large = v8_sub(v8_set(1.0f), v8_div(v8_set(2.0f), e));
   return v8_select(v8_not_less(t, v8_set(PARE_TANH_SPLIT)), v8_with_sign(large, x), small);
}

PARE_INLINE v8 v8_erf(v8 x)
{
   v8 t = v8_abs(x), z = v8_mul(x, x);
   v8 q = v8_fma(v8_set(PARE_ERF_A6), z, v8_set(PARE_ERF_A5));
   q = v8_fma(q, z, v8_set(PARE_ERF_A4));
   q = v8_fma(q, z, v8_set(PARE_ERF_A3));
   q = v8_fma(q, z, v8_set(PARE_ERF_A2));
   q = v8_fma(q, z, v8_set(PARE_ERF_A1));
   q = v8_fma(q, z, v8_set(PARE_ERF_A0));
   v8 small = v8_fma(x, q, x);
   v8_mask is_large = v8_not_less(t, v8_set(1.0f));
   t = v8_min(v8_set(4.0f), t);
   v8 p = v8_fma(v8_set(PARE_ERF_B7), t, v8_set(PARE_ERF_B6));
   p = v8_fma(p, t, v8_set(PARE_ERF_B5));
   p = v8_fma(p, t, v8_set(PARE_ERF_B4));
   p = v8_fma(p, t, v8_set(PARE_ERF_B3));
   p = v8_fma(p, t, v8_set(PARE_ERF_B2));
   p = v8_fma(p, t, v8_set(PARE_ERF_B1));
   p = v8_fma(p, t, v8_set(PARE_ERF_B0));
   v8 large = v8_sub(v8_set(1.0f), v8_exp(p));
   return v8_select(is_large, v8_with_sign(large, x), small);
}

PARE_INLINE v8 v8_negate(v8 x)
{
   return v8_xor(x, v8_set(-0.0f));
}

PARE_INLINE v8 v8_silu(v8 x)
{
   return v8_div(x, v8_add(v8_set(1.0f), v8_exp(v8_negate(x))));
}

PARE_INLINE v8 v8_quick_gelu(v8 x)
{
   v8 u = v8_negate(v8_mul(x, v8_set(PARE_QUICK_GELU)));
   return v8_div(x, v8_add(v8_set(1.0f), v8_exp(u)));
}

PARE_INLINE v8 v8_gelu_tanh(v8 x)
{
   v8 u = v8_fma(v8_mul(v8_mul(x, x), x), v8_set(PARE_GELU_CUBIC), x);
   u = v8_mul(u, v8_set(PARE_GELU_SQRT_2_OVER_PI));
   return v8_mul(v8_mul(x, v8_set(0.5f)), v8_add(v8_set(1.0f), v8_tanh(u)));
}

PARE_INLINE v8 v8_gelu_erf(v8 x)
{
   v8 e = v8_erf(v8_mul(x, v8_set(PARE_GELU_SQRT_HALF)));
   return v8_mul(v8_mul(x, v8_set(0.5f)), v8_add(v8_set(1.0f), e));
}

PARE_INLINE v8 v8_relu(v8 x)
{
   return v8_select(v8_less(x, v8_zero()), v8_zero(), x);
}

#endif
