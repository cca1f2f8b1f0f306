/* step_norm: normalization of rows, or of runs within rows (query and key norms); of a sum; to f32 or to quantized
 * activations. A whole row is summed, normalized and quantized by one kernel. */
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

/* a, or a + b, which is stored in sum, to codes. */
static void norm_quant(const pare_run *run, const pare_step *step, const float *a, const float *b, float *sum,
                       const pare_region *out, int64_t row, int worker)
{
   pare_region_codes codes = pare_region_codes_of(run->plan, out);
   pare_norm_quant args = { .a = a,
                            .b = b,
                            .sum = sum,
                            .gain = step->norm.weight,
                            .bias = step->norm.bias,
                            .eps = step->norm.eps,
                            .layer = step->norm.layer,
                            .n = out->width,
                            .rot = step->norm.rotation,
                            .kpad = (out->width + 3) / 4 * 4,
                            .q = codes.codes + row * out->stride,
                            .tmp = pare_run_scratch(run, worker),
                            .scale = &codes.scales[row],
                            .code_sum = &codes.sums[row] };
   run->kernels->norm_quant(run->kernels, &args);
}

/* Whether the result is quantized and the norm is of whole rows. */
static bool by_one_kernel(const pare_step *step, const pare_region *out)
{
   return out->codes && (step->norm.layer || step->norm.run == out->width);
}

static void norm_row(const pare_run *run, const pare_step *step, const float *x, const pare_region *out, int64_t row,
                     int worker)
{
   float *y = out->codes ? pare_run_scratch(run, worker) : pare_region_row(out, row);
   normalize(run, step, x, out->width, y);
   if (out->codes) pare_run_quantize(run, out, step->norm.rotation, row, y, y);
}

void pare_step_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   for (int64_t row = from; row < to; row++) {
      const float *x = pare_region_row(step->in[0], row);
      if (by_one_kernel(step, step->out)) norm_quant(run, step, x, NULL, NULL, step->out, row, worker);
      else norm_row(run, step, x, step->out, row, worker);
   }
}

void pare_step_residual_norm(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   const pare_region *normed = step->norm.normed;
   for (int64_t row = from; row < to; row++) {
      const float *a = pare_region_row(step->in[0], row), *b = pare_region_row(step->in[1], row);
      float *sum = pare_region_row(step->out, row);
      if (by_one_kernel(step, normed)) {
         norm_quant(run, step, a, b, sum, normed, row, worker);
         continue;
      }
      run->kernels->add(a, b, step->out->width, sum);
      norm_row(run, step, sum, normed, row, worker);
   }
}
