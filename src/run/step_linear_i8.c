/* step_linear_i8: the int8 product of one or several layers with one quantized input.
 *
 * An item is a block of 16 channels for a group of rows; the blocks of a group follow each other. All rows are
 * one group unless there are more workers than blocks keep busy: then weights are read by several workers, but
 * nobody waits. Weights in groups become lines of int8 in the worker's scratch memory or in registers, as the
 * kernel likes. */
#include "quant/group_layout.h"
#include "run/step.h"

enum { FEW_ROWS = 64, LIKED_ROWS = 32, BLOCKS_PER_WORKER = 16 };

/* Rows of a group: the largest multiple of what kernels like that gives every worker enough to do. */
static int64_t rows_of_group(const pare_run *run, const pare_step *step)
{
   int64_t rows = pare_run_rows(run, step->of_rows), blocks = step->linear.blocks;
   int64_t groups = ((int64_t)run->workers * BLOCKS_PER_WORKER + blocks - 1) / blocks;
   int64_t size = (rows + groups - 1) / groups;
   if (size < FEW_ROWS) size = FEW_ROWS;
   return (size + LIKED_ROWS - 1) / LIKED_ROWS * LIKED_ROWS;
}

/* Many rows are read again for every grain, so they take larger ones. */
pare_step_cut pare_linear_i8_cut(const pare_run *run, const pare_step *step)
{
   int64_t rows = pare_run_rows(run, step->of_rows), size = rows_of_group(run, step);
   int64_t grain = rows > FEW_ROWS ? 2 * step->linear.grain : step->linear.grain;
   return (pare_step_cut){ (rows + size - 1) / size * step->linear.blocks, grain };
}

/* Blocks [from, to) of one layer, for rows [row, end). */
static void multiply(const pare_run *run, const pare_step *step, const pare_linear_part *part, int64_t from,
                     int64_t to, int64_t row, int64_t end, int worker)
{
   const pare_session_options *limits = &run->plan->limits;
   pare_region_codes x = pare_region_codes_of(step->in[0], step->of_rows ? limits->rows : limits->tokens);
   const uint8_t *data = pare_buffer_data(part->weight->data);
   const void *scales = data + pare_encoding_scales_at(&part->weight->encoding, part->n, step->linear.k);
   pare_linear_i8 product = { .codes = data,
                              .w_scale = scales,
                              .bias = part->bias,
                              .act = x.codes + row * x.stride,
                              .act_scale = x.scales + row,
                              .act_sum = x.sums + row,
                              .m = end - row,
                              .n = part->n,
                              .kq = (step->linear.k + 3) / 4,
                              .lda = x.stride,
                              .out = pare_region_row(part->out, row),
                              .ldo = part->n };
   if (!pare_encoding_is_grouped(part->weight->encoding.kind)) {
      run->kernels->linear_i8(&product, from, to);
      return;
   }
   pare_groups groups = pare_groups_of(part->weight);
   run->kernels->linear_groups(run->kernels, &product, &groups, pare_run_scratch(run, worker), from, to);
}

/* A range is cut where a layer or a group of rows ends. */
void pare_linear_i8_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   int64_t rows = pare_run_rows(run, step->of_rows), size = rows_of_group(run, step);
   while (from < to) {
      int64_t row = from / step->linear.blocks * size, block = from % step->linear.blocks;
      const pare_linear_part *part = pare_linear_part_of(step, block);
      int64_t first = block - part->first_block, all = (part->n + PARE_BLOCK - 1) / PARE_BLOCK;
      int64_t count = to - from < all - first ? to - from : all - first;
      multiply(run, step, part, first, first + count, row, row + size < rows ? row + size : rows, worker);
      from += count;
   }
}
