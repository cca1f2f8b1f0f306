/* step_rope: rotary embedding, in place when the plan says so. */
#include <string.h>

#include "run/step.h"

void pare_step_rope(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   const pare_rope_table *table = step->rope.table;
   int64_t pairs = table->rot_dim / 2;
   for (int64_t row = from; row < to; row++) {
      const float *x = pare_region_row(step->in[0], row);
      float *y = pare_region_row(step->out, row);
      int64_t at = (int64_t)run->batch->positions[row] * pairs;
      if (y != x) memcpy(y, x, (size_t)step->out->width * sizeof *y);
      run->kernels->rope(y, step->rope.heads, step->rope.head_dim, table->rot_dim, table->cosines + at,
                         table->sines + at, step->rope.interleaved);
   }
}
