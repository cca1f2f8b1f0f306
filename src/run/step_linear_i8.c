/* step_linear_i8: the int8 product of one or several layers with one quantized input.
 *
 * An item is a chunk of channels for a chunk of rows; the items of one chunk of channels follow each other,
 * so that its weights are read from memory once. Weights in groups become lines of int8 in the worker's
 * scratch memory or in registers, as the kernel likes. */
#include "quant/group_layout.h"
#include "run/step.h"

enum { ROWS = 128 };

static int64_t row_chunks(int64_t rows)
{
   return (rows + ROWS - 1) / ROWS;
}

int64_t pare_linear_i8_items(const pare_run *run, const pare_step *step)
{
   return step->linear.chunks * row_chunks(pare_run_rows(run, step->of_rows));
}

void pare_linear_i8_item(const pare_run *run, const pare_step *step, int64_t item, int worker)
{
   const pare_session_options *limits = &run->plan->limits;
   int64_t rows = pare_run_rows(run, step->of_rows), chunks = row_chunks(rows);
   int64_t chunk = item / chunks, row = item % chunks * ROWS;
   const pare_linear_part *part = pare_linear_part_of(step, chunk);
   pare_region_codes x = pare_region_codes_of(step->in[0], step->of_rows ? limits->rows : limits->tokens);
   const uint8_t *data = pare_buffer_data(part->weight->data);
   const void *scales = data + pare_encoding_scales_at(&part->weight->encoding, part->n, step->linear.k);
   pare_linear_i8 product = { .codes = data,
                              .w_scale = scales,
                              .bias = part->bias,
                              .act = x.codes + row * x.stride,
                              .act_scale = x.scales + row,
                              .act_sum = x.sums + row,
                              .m = rows - row < ROWS ? rows - row : ROWS,
                              .n = part->n,
                              .kq = (step->linear.k + 3) / 4,
                              .lda = x.stride,
                              .out = pare_region_row(part->out, row),
                              .ldo = part->n };
   int64_t block = (chunk - part->first_chunk) * part->chunk;
   if (!pare_encoding_is_grouped(part->weight->encoding.kind)) {
      run->kernels->linear_i8(&product, block, block + part->chunk);
      return;
   }
   pare_groups groups = pare_groups_of(part->weight);
   run->kernels->linear_groups(run->kernels, &product, &groups, pare_run_scratch(run, worker), block,
                               block + part->chunk);
}
