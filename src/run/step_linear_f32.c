/* step_linear_f32: the product with weights of any float type, straight from where they lie, or of integers, whose
 * rows become f32 first. An item is 16 channels: its panel is made in the worker's scratch memory and meets all
 * rows. */
#include "run/step.h"

pare_step_cut pare_linear_f32_cut(const pare_run *run, const pare_step *step)
{
   return (pare_step_cut){ pare_run_rows(run, step->of_rows) > 0 ? step->linear.blocks : 0, step->linear.grain };
}

/* Of one block: how many channels it has, and where they start. */
typedef struct piece {
   const pare_linear_part *part;
   int64_t first, channels;
} piece;

static void make_integer_panel(const pare_run *run, const pare_step *step, const piece *p, float *panel, int worker)
{
   int64_t k = step->linear.k;
   float *rows = pare_run_floats(run, step->linear.rows_at, worker);
   for (int64_t r = 0; r < p->channels; r++)
      pare_run_integer_row(run->kernels, p->part->weight, p->first + r, rows + r * k);
   run->kernels->panel_f32(rows, PARE_FLOAT_F32, k, 1, p->channels, k, panel);
}

static void make_panel(const pare_run *run, const pare_step *step, const piece *p, float *panel, int worker)
{
   const pare_weight *weight = p->part->weight;
   if (!pare_encoding_is_float(weight->encoding.kind)) {
      make_integer_panel(run, step, p, panel, worker);
      return;
   }
   int64_t k = step->linear.k;
   int64_t row_stride = weight->encoding.transposed ? 1 : k,
           col_stride = weight->encoding.transposed ? p->part->n : 1;
   size_t size = pare_dtype_size(pare_encoding_dtype(weight->encoding.kind));
   const uint8_t *data = pare_buffer_data(weight->data) + (size_t)(p->first * row_stride) * size;
   run->kernels->panel_f32(data, pare_float_storage(weight), row_stride, col_stride, p->channels, k, panel);
}

static void multiply(const pare_run *run, const pare_step *step, const piece *p, const float *panel, int64_t row,
                     int64_t end, float *out, int64_t ldo)
{
   int64_t k = step->linear.k;
   const float *bias = p->part->bias ? p->part->bias + p->first : NULL;
   run->kernels->gemm_f32(panel, k, pare_region_row(step->in[0], row), pare_region_row_floats(step->in[0]),
                          end - row, bias, out, ldo, p->channels);
}

static void multiply_gated(const pare_run *run, const pare_step *step, const piece *p, float *panel, int64_t row,
                           int64_t end, int worker)
{
   float *gate = pare_run_floats(run, step->linear.results_at, worker), *up = gate + PARE_CHUNK;
   float *out = pare_region_row(p->part->out, row) + p->first;
   piece other = *p;
   other.part = &step->linear.parts[1];
   multiply(run, step, p, panel, row, end, gate, p->channels);
   multiply(run, step, &other, panel + step->linear.k * PARE_BLOCK, row, end, up, p->channels);
   pare_run_gate(run, step, gate, up, end - row, p->channels, out, pare_region_row_floats(p->part->out));
}

static void multiply_plain(const pare_run *run, const pare_step *step, const piece *p, const float *panel,
                           int64_t row, int64_t end)
{
   float *out = pare_region_row(p->part->out, row) + p->first;
   int64_t ldo = pare_region_row_floats(p->part->out);
   multiply(run, step, p, panel, row, end, out, ldo);
   pare_run_activate(step, end - row, p->channels, out, ldo);
}

static void work_on_block(const pare_run *run, const pare_step *step, int64_t block, int worker)
{
   const pare_linear_part *part = pare_linear_part_of(step, block);
   int64_t first = (block - part->first_block) * PARE_BLOCK, rows = pare_run_rows(run, step->of_rows);
   piece p = { part, first, part->n - first < PARE_BLOCK ? part->n - first : PARE_BLOCK };
   float *panel = pare_run_scratch(run, worker);
   make_panel(run, step, &p, panel, worker);
   if (step->linear.gated) {
      p.part = &step->linear.parts[1];
      make_panel(run, step, &p, panel + step->linear.k * PARE_BLOCK, worker);
      p.part = part;
   }
   for (int64_t row = 0, end; row < rows; row = end) {
      end = rows - row < PARE_CHUNK_ROWS ? rows : row + PARE_CHUNK_ROWS;
      if (step->linear.gated) multiply_gated(run, step, &p, panel, row, end, worker);
      else multiply_plain(run, step, &p, panel, row, end);
   }
}

void pare_linear_f32_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   for (int64_t block = from; block < to; block++) work_on_block(run, step, block, worker);
}
