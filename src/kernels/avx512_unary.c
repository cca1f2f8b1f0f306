/* avx512_unary: the elementwise functions of avx512_math.h over rows. */
#include "kernels/avx512_math.h"
#include "kernels/tiers.h"

#define UNARY(name)                                                                  \
   static void unary_##name(const float *x, const float *times, int64_t n, float *y) \
   {                                                                                 \
      for (int64_t i = 0; i < n; i += 16) {                                          \
         __mmask16 lanes = pare_lanes(i, n);                                         \
         __m512 v = pare_##name##_ps(_mm512_maskz_loadu_ps(lanes, x + i));           \
         if (times) {                                                                \
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, times + i));           \
         }                                                                           \
         _mm512_mask_storeu_ps(y + i, lanes, v);                                     \
      }                                                                              \
   }
UNARY(silu)
UNARY(gelu_tanh)
UNARY(gelu_erf)
UNARY(quick_gelu)
UNARY(relu)
UNARY(exp)
UNARY(tanh)
UNARY(erf)

void pare_avx512_unary(pare_kernels *k)
{
   k->silu = unary_silu;
   k->gelu_tanh = unary_gelu_tanh;
   k->gelu_erf = unary_gelu_erf;
   k->quick_gelu = unary_quick_gelu;
   k->relu = unary_relu;
   k->exp = unary_exp;
   k->tanh = unary_tanh;
   k->erf = unary_erf;
}
