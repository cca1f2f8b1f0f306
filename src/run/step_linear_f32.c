/* step_linear_f32: the product with weights of any float type, straight from where they lie. An item is 16
 * channels: its panel is made in the worker's scratch memory and meets all rows. */
#include "run/step.h"

pare_step_cut pare_linear_f32_cut(const pare_run *run, const pare_step *step)
{
   return (pare_step_cut){ pare_run_rows(run, step->of_rows) > 0 ? step->linear.blocks : 0, step->linear.grain };
}

static void work_on_block(const pare_run *run, const pare_step *step, int64_t block, int worker)
{
   const pare_linear_part *part = pare_linear_part_of(step, block);
   const pare_weight *weight = part->weight;
   int64_t k = step->linear.k, first = (block - part->first_block) * PARE_BLOCK;
   int64_t channels = part->n - first < PARE_BLOCK ? part->n - first : PARE_BLOCK;
   int64_t row_stride = weight->encoding.transposed ? 1 : k,
           col_stride = weight->encoding.transposed ? part->n : 1;
   size_t size = pare_dtype_size(pare_encoding_dtype(weight->encoding.kind));
   const uint8_t *data = pare_buffer_data(weight->data) + (size_t)(first * row_stride) * size;
   float *panel = pare_run_scratch(run, worker);
   run->kernels->panel_f32(data, pare_float_storage(weight), row_stride, col_stride, channels, k, panel);
   run->kernels->gemm_f32(panel, k, pare_region_row(step->in[0], 0), k, pare_run_rows(run, step->of_rows),
                          part->bias ? part->bias + first : NULL, pare_region_row(part->out, 0) + first,
                          part->n, channels);
}

void pare_linear_f32_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   for (int64_t block = from; block < to; block++) work_on_block(run, step, block, worker);
}
