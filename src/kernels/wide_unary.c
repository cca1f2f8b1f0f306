/* wide_unary: the elementwise functions of wide_math.h over rows. */
#include "kernels/tiers.h"
#include "kernels/wide_math.h"

#define UNARY(name)                                                                  \
   static void unary_##name(const float *x, const float *times, int64_t n, float *y) \
   {                                                                                 \
      for (int64_t i = 0; i < n; i += 8) {                                           \
         v8 v = v8_##name(v8_load_part(x + i, n - i));                               \
         if (times) {                                                                \
            v = v8_mul(v, v8_load_part(times + i, n - i));                           \
         }                                                                           \
         v8_store_part(y + i, n - i, v);                                             \
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

void PARE_WIDE(unary)(pare_kernels *k)
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
