/* step_quantize: activations to integer codes, once for all the layers that read them; or rotated only, as f32. */
#include <string.h>

#include "run/step.h"

void pare_run_quantize(const pare_run *run, const pare_region *out, int64_t rotation, int64_t row, const float *x,
                       float *tmp)
{
   pare_region_codes to = pare_region_codes_of(run->plan, out);
   int64_t at = row * out->codes, k = out->width, kpad = (k + 3) / 4 * 4;
   int8_t *codes = to.codes + at * out->stride;
   float *scale = to.scales + at;
   int32_t *sum = to.sums + at;
   if (out->codes == 2) run->kernels->quant_row_i16(x, k, rotation, codes, out->stride, kpad, tmp, scale, sum);
   else run->kernels->quant_row(x, k, rotation, codes, kpad, tmp, scale, sum);
}

void pare_step_quantize(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   float *tmp = pare_run_scratch(run, worker);
   for (int64_t row = from; row < to; row++)
      pare_run_quantize(run, step->out, step->quantize.rotation, row, pare_region_row(step->in[0], row), tmp);
}

void pare_step_rotate(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   int64_t width = step->out->width;
   for (int64_t row = from; row < to; row++) {
      float *out = pare_region_row(step->out, row);
      memcpy(out, pare_region_row(step->in[0], row), (size_t)width * sizeof *out);
      run->kernels->hadamard(out, width, step->quantize.rotation);
   }
}
