/* step_quantize: activations to int8 codes, once for all the layers that read them. */
#include "run/step.h"

void pare_run_quantize(const pare_run *run, const pare_region *out, int64_t rotation, int64_t row, const float *x,
                       float *tmp)
{
   pare_region_codes codes =
      pare_region_codes_of(out, out->of_rows ? run->plan->limits.rows : run->plan->limits.tokens);
   run->kernels->quant_row(x, out->width, rotation, codes.codes + row * codes.stride, (out->width + 3) / 4 * 4, tmp,
                           &codes.scales[row], &codes.sums[row]);
}

void pare_step_quantize(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   float *tmp = pare_run_scratch(run, worker);
   for (int64_t row = from; row < to; row++)
      pare_run_quantize(run, step->out, step->quantize.rotation, row, pare_region_row(step->in[0], row), tmp);
}
