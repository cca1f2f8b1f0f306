/* step_linear_i8: the int8 products of one or several matrices with one quantized input, and what is applied to
 * their results.
 *
 * An item is a block of 16 channels for a group of rows; the blocks of a group follow each other. Rows are cut
 * into groups where each still has many: a worker then mostly stays with its rows from step to step, and finds
 * them in its caches; and where there are more workers than blocks keep busy: weights are then read by several
 * workers, but nobody waits. Weights in groups become lines of int8 in the worker's scratch memory or in
 * registers, as the kernel likes.
 *
 * Activations of 16 bits are two rows of int8 codes, which meet the weights in one product; with h and l its results
 * of the high and the low codes, each as linear_i8 gives it, an output is (h + l) + bias, then + the residual, rounded
 * at each sign. */
#include "quant/group_layout.h"
#include "run/step.h"

enum { FEW_ROWS = 64, LIKED_ROWS = 32, MANY_ROWS = 256, BLOCKS_PER_WORKER = 16 };

/* Rows of a group: the largest multiple of what kernels like that gives every worker enough to do. */
static int64_t rows_of_group(const pare_run *run, const pare_step *step)
{
   int64_t rows = pare_run_rows(run, step->of_rows), blocks = step->linear.blocks;
   int64_t groups = ((int64_t)run->workers * BLOCKS_PER_WORKER + blocks - 1) / blocks;
   int64_t apart = rows / MANY_ROWS < run->workers ? rows / MANY_ROWS : run->workers;
   if (groups < apart) groups = apart;
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

/* Blocks and rows of a part: `count` blocks from `first` on, rows [row, end). */
typedef struct piece {
   const pare_linear_part *part;
   int64_t first, count, row, end;
} piece;

static int64_t channels_of(const piece *p)
{
   int64_t rest = p->part->n - PARE_BLOCK * p->first, all = PARE_BLOCK * p->count;
   return all < rest ? all : rest;
}

/* What is added to the piece's results, of its first row and channel; NULL for nothing. */
static const float *added_to(const pare_step *step, const piece *p)
{
   return step->in[1] ? pare_region_row(step->in[1], p->row) + PARE_BLOCK * p->first : NULL;
}

/* The product of the piece's rows of codes. out: of its first row and channel; bias and add, too. */
static void multiply_codes(const pare_run *run, const pare_step *step, const piece *p, const float *bias,
                           const float *add, float *out, int64_t ldo, int worker)
{
   const pare_linear_part *part = p->part;
   pare_region_codes x = pare_region_codes_of(run->plan, step->in[0]);
   const uint8_t *data = pare_buffer_data(part->weight->data);
   const void *scales = data + pare_encoding_scales_at(&part->weight->encoding, part->n, step->linear.k);
   int64_t codes = step->in[0]->codes, first = p->row * codes;
   int64_t bytes = (int64_t)pare_encoding_block_bytes(&part->weight->encoding, step->linear.k);
   pare_linear_i8 product = { .codes = data + p->first * bytes,
                              .w_scale = (const float *)scales + PARE_BLOCK * p->first,
                              .bias = bias,
                              .act = x.codes + first * step->in[0]->stride,
                              .act_scale = x.scales + first,
                              .act_sum = x.sums + first,
                              .m = (p->end - p->row) * codes,
                              .n = channels_of(p),
                              .kq = (step->linear.k + 3) / 4,
                              .lda = step->in[0]->stride,
                              .add = add,
                              .ld_add = add ? pare_region_row_floats(step->in[1]) : 0,
                              .out = out,
                              .ldo = ldo };
   if (!pare_encoding_is_grouped(part->weight->encoding.kind)) {
      run->kernels->linear_i8(run->kernels, &product, 0, p->count);
      return;
   }
   pare_groups groups = pare_groups_of(part->weight);
   groups.data += p->first * bytes;
   run->kernels->linear_groups(run->kernels, &product, &groups, pare_run_scratch(run, worker), 0, p->count);
}

static void multiply(const pare_run *run, const pare_step *step, const piece *p, float *out, int64_t ldo, int worker)
{
   const float *bias = p->part->bias ? p->part->bias + PARE_BLOCK * p->first : NULL, *add = added_to(step, p);
   if (step->in[0]->codes == 1) {
      multiply_codes(run, step, p, bias, add, out, ldo, worker);
      return;
   }
   float *high = pare_run_floats(run, step->linear.digits_at, worker);
   int64_t width = channels_of(p);
   multiply_codes(run, step, p, NULL, NULL, high, width, worker);
   for (int64_t row = p->row; row < p->end; row++, high += 2 * width, out += ldo) {
      float *sum = add ? high : out;
      run->kernels->add(high, high + width, width, sum);
      if (bias) run->kernels->add(sum, bias, width, sum);
      if (add) run->kernels->add(sum, add + (row - p->row) * pare_region_row_floats(step->in[1]), width, out);
   }
}

static float *place_of(const piece *p)
{
   return pare_region_row(p->part->out, p->row) + PARE_BLOCK * p->first;
}

static void multiply_plain(const pare_run *run, const pare_step *step, const piece *p, int worker)
{
   float *out = place_of(p);
   int64_t ldo = pare_region_row_floats(p->part->out);
   multiply(run, step, p, out, ldo, worker);
   pare_run_activate(step, p->end - p->row, channels_of(p), out, ldo);
}

/* Gate and up meet in scratch memory; only their product is written. */
static void multiply_gated(const pare_run *run, const pare_step *step, const piece *p, int worker)
{
   float *gate = pare_run_floats(run, step->linear.results_at, worker), *up = gate + PARE_CHUNK;
   int64_t width = channels_of(p);
   piece other = *p;
   other.part = &step->linear.parts[1];
   multiply(run, step, p, gate, width, worker);
   multiply(run, step, &other, up, width, worker);
   pare_run_gate(run, step, gate, up, p->end - p->row, width, place_of(p), pare_region_row_floats(p->part->out));
}

/* What is applied to results, or made of them, finds them in the cache: chunks of rows, and of as many blocks as fit
 * with them. */
static void work_in_chunks(const pare_run *run, const pare_step *step, const piece *all, int worker)
{
   for (piece p = *all; p.row < all->end; p.row = p.end) {
      p.end = all->end - p.row < PARE_CHUNK_ROWS ? all->end : p.row + PARE_CHUNK_ROWS;
      int64_t most = PARE_CHUNK / 64 / (p.end - p.row) * 4, end = all->first + all->count;
      for (p.first = all->first; p.first < end; p.first += p.count) {
         p.count = end - p.first < most ? end - p.first : most;
         if (step->linear.gated) multiply_gated(run, step, &p, worker);
         else multiply_plain(run, step, &p, worker);
      }
   }
}

/* A range is cut where a layer or a group of rows ends. */
void pare_linear_i8_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   int64_t rows = pare_run_rows(run, step->of_rows), size = rows_of_group(run, step);
   while (from < to) {
      int64_t row = from / step->linear.blocks * size, block = from % step->linear.blocks;
      const pare_linear_part *part = pare_linear_part_of(step, block);
      int64_t first = block - part->first_block, all = (part->n + PARE_BLOCK - 1) / PARE_BLOCK;
      piece p = { part, first, to - from < all - first ? to - from : all - first, row,
                  row + size < rows ? row + size : rows };
      bool chunks = step->linear.activation || step->linear.gated || step->in[0]->codes > 1;
      if (chunks) work_in_chunks(run, step, &p, worker);
      else multiply_plain(run, step, &p, worker);
      from += p.count;
   }
}
