/* step_elementwise: sums, products, activations, and the copies that slice columns and select rows. */
#include <string.h>

#include "run/step.h"

void pare_step_add(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   for (int64_t row = from; row < to; row++)
      run->kernels->add(pare_region_row(step->in[0], row), pare_region_row(step->in[1], row), step->out->width,
                        pare_region_row(step->out, row));
}

void pare_step_mul(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   for (int64_t row = from; row < to; row++)
      run->kernels->mul(pare_region_row(step->in[0], row), pare_region_row(step->in[1], row), step->out->width,
                        pare_region_row(step->out, row));
}

void pare_step_activation(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)run;
   (void)worker;
   for (int64_t row = from; row < to; row++)
      step->activation.fn(pare_region_row(step->in[0], row), NULL, step->out->width, pare_region_row(step->out, row));
}

void pare_step_slice(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)run;
   (void)worker;
   for (int64_t row = from; row < to; row++) {
      memcpy(pare_region_row(step->out, row), pare_region_row(step->in[0], row) + step->slice.from,
             (size_t)step->out->width * sizeof(float));
   }
}

void pare_step_select(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   for (int64_t row = from; row < to; row++) {
      memcpy(pare_region_row(step->out, row), pare_region_row(step->in[0], run->batch->rows[row]),
             (size_t)step->out->width * sizeof(float));
   }
}
