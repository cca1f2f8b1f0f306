/* step_quantize: activations to int8 codes, once for all the layers that read them. */
#include "run/step.h"

void pare_step_quantize(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   const pare_region *x = step->in[0];
   int64_t most = x->of_rows ? run->plan->limits.rows : run->plan->limits.tokens;
   int64_t padded = (x->width + 3) / 4 * 4;
   pare_region_codes out = pare_region_codes_of(step->out, most);
   for (int64_t row = from; row < to; row++) {
      run->kernels->quant_row(pare_region_row(x, row), x->width, step->quantize.rotation,
                              out.codes + row * out.stride, padded, pare_run_scratch(run, worker),
                              &out.scales[row], &out.sums[row]);
   }
}
