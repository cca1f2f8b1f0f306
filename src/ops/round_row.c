/* round_row: what integer codes can say of a row (see op_rules.h). The rules are those of kernels/round.h, written a
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

/* What depends on the width of the codes: the largest one, and below which maximum a row is zero. */
static const struct {
   float most, least;
} rules[] = { [PARE_ACT_I8] = { 127, 0x1p-120f }, [PARE_ACT_I16] = { 32512, 0x1p-112f } };

void pare_op_round_row(float *x, int64_t n, int act)
{
   float largest = 0, most = rules[act].most;
   for (int64_t i = 0; i < n; i++) {
      if (!isfinite(x[i])) largest = NAN; /* no comparison changes it again: the whole row becomes NaN */
      else if (fabsf(x[i]) > largest) largest = fabsf(x[i]);
   }
   float scale = largest / most, inverse = most / largest;
   if (largest < rules[act].least) scale = inverse = 0;
   for (int64_t i = 0; i < n; i++) x[i] = scale * fmaxf(-most, fminf(most, rintf(x[i] * inverse)));
}

void pare_op_round(float *x, int64_t n, int64_t rotation, int act)
{
   if (act == PARE_ACT_F32) return;
   pare_op_rotate(x, n, rotation);
   pare_op_round_row(x, n, act);
   pare_op_rotate(x, n, rotation);
}
