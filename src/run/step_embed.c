/* step_embed: rows of a table. A row of integers is decoded and its rotation undone (it is its own inverse). */
#include "quant/group_layout.h"
#include "run/step.h"

void pare_run_integer_row(const pare_kernels *k, const pare_weight *table, int64_t id, float *out)
{
   int64_t width = table->dim[1];
   const uint8_t *data = pare_buffer_data(table->data);
   const void *at = data + pare_encoding_scales_at(&table->encoding, table->dim[0], width);
   const float *scales = at;
   if (pare_encoding_is_grouped(table->encoding.kind)) {
      pare_groups groups = pare_groups_of(table);
      k->dequant_row_groups(&groups, id, scales[id], out);
   } else {
      size_t block_bytes = pare_encoding_block_bytes(&table->encoding, width);
      const uint8_t *block = data + (size_t)(id / PARE_BLOCK) * block_bytes;
      k->dequant_row_i8(block, (int)(id % PARE_BLOCK), width, scales[id], out);
   }
}

static void embed_float(const pare_kernels *k, const pare_weight *table, int64_t id, float *out)
{
   size_t row = (size_t)table->dim[1] * pare_dtype_size(pare_encoding_dtype(table->encoding.kind));
   k->to_f32(pare_buffer_data(table->data) + (size_t)id * row, pare_float_storage(table), table->dim[1], out);
}

void pare_step_embed(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   const pare_batch *batch = run->batch;
   const pare_weight *table = step->embed.table;
   for (int64_t row = from; row < to; row++) {
      int64_t id =
         step->embed.ids == PARE_LIST_TOKENS ? (int64_t)batch->tokens[row] : (int64_t)batch->positions[row];
      float *out = pare_region_row(step->out, row);
      if (pare_encoding_is_float(table->encoding.kind)) {
         embed_float(run->kernels, table, id, out);
         continue;
      }
      pare_run_integer_row(run->kernels, table, id, out);
      run->kernels->hadamard(out, table->dim[1], table->encoding.rotation);
   }
}
