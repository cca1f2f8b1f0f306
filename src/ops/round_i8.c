/* round_i8: what int8 codes can say of a row (see op_rules.h). The rules are those of kernels/round.h, written a
 * second time on purpose: a judge shares no code with the judged. */
#include <math.h>

#include "ops/op_rules.h"

void pare_op_rotate(float *x, int64_t n, int64_t block)
{
   float factor = block ? (float)(1 / sqrt((double)block)) : 1;
   for (int64_t start = 0; block && start < n; start += block) {
      float *b = x + start;
      for (int64_t step = 1; step < block; step *= 2) {
         for (int64_t i = 0; i < block; i++) {
            if (i & step) continue;
            float low = b[i], high = b[i + step];
            b[i] = low + high;
            b[i + step] = low - high;
         }
      }
      for (int64_t i = 0; i < block; i++) b[i] *= factor;
   }
}

void pare_op_round_row(float *x, int64_t n)
{
   float most = 0;
   for (int64_t i = 0; i < n; i++) {
      if (!isfinite(x[i])) most = NAN; /* no comparison changes it again: the whole row becomes NaN */
      else if (fabsf(x[i]) > most) most = fabsf(x[i]);
   }
   float scale = most / 127, inverse = 127 / most;
   if (most < 0x1p-120f) scale = inverse = 0;
   for (int64_t i = 0; i < n; i++) x[i] = scale * fmaxf(-127, fminf(127, rintf(x[i] * inverse)));
}

void pare_op_round_i8(float *x, int64_t n, int64_t rotation)
{
   pare_op_rotate(x, n, rotation);
   pare_op_round_row(x, n);
   pare_op_rotate(x, n, rotation);
}
