/* rows: see rows.h. */
#include "quant/rows.h"

#include <string.h>

#include "base/pool.h"
#include "quant/group_layout.h"

enum { TILE = 64, ALIGN = 64 };

static int storage_of(pare_encoding_kind kind)
{
   if (kind == PARE_ENC_F16) return PARE_FLOAT_F16;
   return kind == PARE_ENC_BF16 ? PARE_FLOAT_BF16 : PARE_FLOAT_F32;
}

static void load_straight(const pare_kernels *kernels, const pare_weight *weight, int64_t row, int64_t rows,
                          float *out)
{
   int64_t k = weight->dim[1];
   size_t element = pare_dtype_size(pare_encoding_dtype(weight->encoding.kind));
   const uint8_t *from = pare_buffer_data(weight->data) + (size_t)(row * k) * element;
   kernels->to_f32(from, storage_of(weight->encoding.kind), rows * k, out);
}

/* [K][N] to rows, a tile of up to 64 channels at a time: one or more cache lines of each input channel. */
static void load_transposed(const pare_kernels *kernels, const pare_weight *weight, int64_t row, int64_t rows,
                            float *out)
{
   int64_t n = weight->dim[0], k = weight->dim[1];
   size_t element = pare_dtype_size(pare_encoding_dtype(weight->encoding.kind));
   const uint8_t *bytes = pare_buffer_data(weight->data);
   float line[TILE];
   for (int64_t first = 0; first < rows; first += TILE) {
      int64_t count = rows - first < TILE ? rows - first : TILE;
      for (int64_t i = 0; i < k; i++) {
         const uint8_t *from = bytes + (size_t)(i * n + row + first) * element;
         kernels->to_f32(from, storage_of(weight->encoding.kind), count, line);
         for (int64_t r = 0; r < count; r++) out[(first + r) * k + i] = line[r];
      }
   }
}

/* One row times its scale, rotation still in place. */
static void load_row(const pare_kernels *kernels, const pare_weight *weight, int64_t row, float scale,
                     float *out)
{
   if (pare_encoding_is_grouped(weight->encoding.kind)) {
      pare_groups groups = pare_groups_of(weight);
      kernels->dequant_row_groups(&groups, row, scale, out);
      return;
   }
   size_t block_bytes = pare_encoding_block_bytes(&weight->encoding, weight->dim[1]);
   const uint8_t *block = pare_buffer_data(weight->data) + (size_t)(row / PARE_BLOCK_N) * block_bytes;
   kernels->dequant_row_i8(block, (int)(row % PARE_BLOCK_N), weight->dim[1], scale, out);
}

static void load_integers(const pare_kernels *kernels, const pare_weight *weight, int64_t row, int64_t rows,
                          float *out)
{
   int64_t n = weight->dim[0], k = weight->dim[1];
   const uint8_t *scales = pare_buffer_data(weight->data) + pare_encoding_scales_at(&weight->encoding, n, k);
   for (int64_t r = row; r < row + rows; r++, out += k) {
      float scale;
      memcpy(&scale, scales + (size_t)r * sizeof scale, sizeof scale);
      load_row(kernels, weight, r, scale, out);
      kernels->hadamard(out, k, weight->encoding.rotation);
   }
}

void pare_rows_load(const pare_kernels *kernels, const pare_weight *weight, int64_t row, int64_t rows,
                    float *out)
{
   if (!pare_encoding_is_float(weight->encoding.kind)) load_integers(kernels, weight, row, rows, out);
   else if (weight->encoding.transposed) load_transposed(kernels, weight, row, rows, out);
   else load_straight(kernels, weight, row, rows, out);
}

pare_status pare_worker_scratch_create(pare_ctx *ctx, size_t each, pare_worker_scratch *out)
{
   size_t width = (size_t)pare_pool_width(ctx);
   out->stride = (each + ALIGN - 1) & ~(size_t)(ALIGN - 1);
   out->memory = pare_alloc_array(ctx, width + 1, out->stride);
   if (!out->memory) return PARE_RESOURCE;
   out->first = (uint8_t *)(((uintptr_t)out->memory + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
   return PARE_OK;
}

void pare_worker_scratch_finish(pare_ctx *ctx, pare_worker_scratch *scratch)
{
   pare_free(ctx, scratch->memory);
   scratch->memory = NULL;
}
