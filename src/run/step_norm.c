/* step_norm: normalization of rows, or of runs within rows (query and key norms); of a sum; to f32 or, through a row of
 * the worker's scratch memory that never leaves the cache, to quantized activations. */
#include "run/step.h"

static void normalize(const pare_run *run, const pare_step *step, const float *x, int64_t width, float *y)
{
   if (step->norm.layer) {
      run->kernels->layer_norm(x, step->norm.weight, step->norm.bias, step->norm.eps, width, y);
      return;
   }
   for (int64_t at = 0; at < width; at += step->norm.run)
      run->kernels->rms_norm(x + at, step->norm.weight, step->norm.eps, step->norm.run, y + at);
}

static void norm_row(const pare_run *run, const pare_step *step, const float *x, const pare_region *out, int64_t row,
                     int worker)
{
   float *y = out->quantized ? pare_run_scratch(run, worker) : pare_region_row(out, row);
   normalize(run, step, x, out->width, y);
   if (out->quantized) pare_run_quantize(run, out, step->norm.rotation, row, y, y);
}

void pare_step_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   for (int64_t row = from; row < to; row++)
      norm_row(run, step, pare_region_row(step->in[0], row), step->out, row, worker);
}

void pare_step_residual_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   for (int64_t row = from; row < to; row++) {
      float *sum = pare_region_row(step->out, row);
      run->kernels->add(pare_region_row(step->in[0], row), pare_region_row(step->in[1], row), step->out->width, sum);
      norm_row(run, step, sum, step->norm.normed, row, worker);
   }
}
