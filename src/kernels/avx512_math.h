/* avx512_math: the functions of mathf.h on 16 floats, operation by operation the same. */
#ifndef PARE_KERNELS_AVX512_MATH_H
#define PARE_KERNELS_AVX512_MATH_H

#include "kernels/avx512_util.h"
#include "kernels/mathf.h"

#define PARE_V(x) _mm512_set1_ps(x)

/* exp of x <= PARE_EXP_HI or NaN */
PARE_INLINE __m512 pare_exp_down_ps(__m512 x)
{
   /* min and max return their second operand when one is NaN, which is x here */
   x = _mm512_max_ps(PARE_V(PARE_EXP_LO), x);
   __m512 n = _mm512_fmadd_ps(x, PARE_V(PARE_EXP_LOG2E), PARE_V(PARE_EXP_MAGIC));
   n = _mm512_sub_ps(n, PARE_V(PARE_EXP_MAGIC));
   __m512 r = _mm512_fnmadd_ps(n, PARE_V(PARE_EXP_LN2_HI), x);
   r = _mm512_fnmadd_ps(n, PARE_V(PARE_EXP_LN2_LO), r);
   __m512 q = _mm512_fmadd_ps(PARE_V(PARE_EXP_E6), r, PARE_V(PARE_EXP_E5));
   q = _mm512_fmadd_ps(q, r, PARE_V(PARE_EXP_E4));
   q = _mm512_fmadd_ps(q, r, PARE_V(PARE_EXP_E3));
   q = _mm512_fmadd_ps(q, r, PARE_V(PARE_EXP_E2));
   __m512 p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), q, r);
   p = _mm512_add_ps(p, PARE_V(1.0f));
   return _mm512_scalef_ps(p, n);   /* p * 2^n rounded once, as the scalar's two products */
}

/* 2^x of x <= 0 or NaN */
PARE_INLINE __m512 pare_exp2_down_ps(__m512 x)
{
   __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);   /* exact; 0 of -Inf */
   __m512 p = _mm512_fmadd_ps(PARE_V(PARE_EXP2_F5), r, PARE_V(PARE_EXP2_F4));
   p = _mm512_fmadd_ps(p, r, PARE_V(PARE_EXP2_F3));
   p = _mm512_fmadd_ps(p, r, PARE_V(PARE_EXP2_F2));
   p = _mm512_fmadd_ps(p, r, PARE_V(PARE_EXP2_F1));
   return _mm512_scalef_ps(_mm512_fmadd_ps(p, r, PARE_V(1.0f)), _mm512_sub_ps(x, r));
}

PARE_INLINE __m512 pare_exp_ps(__m512 x)
{
   return pare_exp_down_ps(_mm512_min_ps(PARE_V(PARE_EXP_HI), x));
}

PARE_INLINE __m512 pare_copysign_ps(__m512 y, __m512 x)
{
   __m512 sign = _mm512_and_ps(x, PARE_V(-0.0f));
   return _mm512_or_ps(y, sign);
}

PARE_INLINE __m512 pare_tanh_ps(__m512 x)
{
   __m512 t = _mm512_abs_ps(x);
   __m512 z = _mm512_mul_ps(x, x);
   __m512 q = _mm512_fmadd_ps(PARE_V(PARE_TANH_T5), z, PARE_V(PARE_TANH_T4));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_TANH_T3));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_TANH_T2));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_TANH_T1));
   __m512 small = _mm512_fmadd_ps(x, _mm512_mul_ps(q, z), x);
   __m512 e = _mm512_add_ps(pare_exp_ps(_mm512_add_ps(t, t)), PARE_V(1.0f));
   __m512 large = _mm512_sub_ps(PARE_V(1.0f), _mm512_div_ps(PARE_V(2.0f), e));
   __mmask16 is_large = _mm512_cmp_ps_mask(t, PARE_V(PARE_TANH_SPLIT), _CMP_GE_OQ);
   return _mm512_mask_mov_ps(small, is_large, pare_copysign_ps(large, x));
}

PARE_INLINE __m512 pare_erf_ps(__m512 x)
{
   __m512 t = _mm512_abs_ps(x);
   __m512 z = _mm512_mul_ps(x, x);
   __m512 q = _mm512_fmadd_ps(PARE_V(PARE_ERF_A6), z, PARE_V(PARE_ERF_A5));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_ERF_A4));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_ERF_A3));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_ERF_A2));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_ERF_A1));
   q = _mm512_fmadd_ps(q, z, PARE_V(PARE_ERF_A0));
   __m512 small = _mm512_fmadd_ps(x, q, x);
   __mmask16 is_large = _mm512_cmp_ps_mask(t, PARE_V(1.0f), _CMP_GE_OQ);
   t = _mm512_min_ps(PARE_V(4.0f), t);
   __m512 p = _mm512_fmadd_ps(PARE_V(PARE_ERF_B7), t, PARE_V(PARE_ERF_B6));
   p = _mm512_fmadd_ps(p, t, PARE_V(PARE_ERF_B5));
   p = _mm512_fmadd_ps(p, t, PARE_V(PARE_ERF_B4));
   p = _mm512_fmadd_ps(p, t, PARE_V(PARE_ERF_B3));
   p = _mm512_fmadd_ps(p, t, PARE_V(PARE_ERF_B2));
   p = _mm512_fmadd_ps(p, t, PARE_V(PARE_ERF_B1));
   p = _mm512_fmadd_ps(p, t, PARE_V(PARE_ERF_B0));
   __m512 large = _mm512_sub_ps(PARE_V(1.0f), pare_exp_ps(p));
   return _mm512_mask_mov_ps(small, is_large, pare_copysign_ps(large, x));
}

PARE_INLINE __m512 pare_negate_ps(__m512 x)
{
   return _mm512_xor_ps(x, PARE_V(-0.0f));
}

PARE_INLINE __m512 pare_silu_ps(__m512 x)
{
   return _mm512_div_ps(x, _mm512_add_ps(PARE_V(1.0f), pare_exp_ps(pare_negate_ps(x))));
}

PARE_INLINE __m512 pare_quick_gelu_ps(__m512 x)
{
   __m512 u = pare_negate_ps(_mm512_mul_ps(x, PARE_V(PARE_QUICK_GELU)));
   return _mm512_div_ps(x, _mm512_add_ps(PARE_V(1.0f), pare_exp_ps(u)));
}

PARE_INLINE __m512 pare_gelu_tanh_ps(__m512 x)
{
   __m512 cube = _mm512_mul_ps(_mm512_mul_ps(x, x), x);
   __m512 u = _mm512_fmadd_ps(cube, PARE_V(PARE_GELU_CUBIC), x);
   u = _mm512_mul_ps(u, PARE_V(PARE_GELU_SQRT_2_OVER_PI));
   return _mm512_mul_ps(_mm512_mul_ps(x, PARE_V(0.5f)), _mm512_add_ps(PARE_V(1.0f), pare_tanh_ps(u)));
}

PARE_INLINE __m512 pare_gelu_erf_ps(__m512 x)
{
   __m512 e = pare_erf_ps(_mm512_mul_ps(x, PARE_V(PARE_GELU_SQRT_HALF)));
   return _mm512_mul_ps(_mm512_mul_ps(x, PARE_V(0.5f)), _mm512_add_ps(PARE_V(1.0f), e));
}

PARE_INLINE __m512 pare_relu_ps(__m512 x)
{
   __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
   return _mm512_mask_mov_ps(x, negative, _mm512_setzero_ps());
}

#endif
