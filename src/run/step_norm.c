/* step_norm: normalization of rows, or of runs within rows (query and key norms). */
#include "run/step.h"

void pare_step_rms_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   int64_t n = step->norm.run, end = to * step->out->width;
   const float *x = pare_region_row(step->in[0], 0);
   float *y = pare_region_row(step->out, 0);
   for (int64_t at = from * step->out->width; at < end; at += n) {
      run->kernels->rms_norm(x + at, step->norm.weight, step->norm.eps, n, y + at);
   }
}

void pare_step_layer_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   for (int64_t row = from; row < to; row++) {
      run->kernels->layer_norm(pare_region_row(step->in[0], row), step->norm.weight, step->norm.bias,
                               step->norm.eps, step->out->width, pare_region_row(step->out, row));
   }
}
