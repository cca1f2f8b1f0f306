/* weight_edit: rewriting a weight row by row in a float encoding; see weight_io.h. Each item of work is a
 * block of 16 rows. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "quant/rows.h"
#include "quant/stream.h"
#include "quant/weight_io.h"

enum { LANES = 8 };

typedef struct block_result {
   pare_encode_error error;
   bool bad; /* a source value is NaN or Inf */
} block_result;

typedef struct edit_job {
   pare_kernels kernels;
   const pare_weight *weight;
   pare_encoding_kind store;
   pare_row_edit edit;
   void *user;
   uint8_t *out;
   size_t row_bytes;
   block_result *results;
   pare_worker_scratch scratch; /* 16 rows as read, one row as edited */
} edit_job;

/* Rounds the row to the stored encoding, writes it, and leaves in `x` what was stored. */
static void store_row(pare_encoding_kind kind, float *x, int64_t k, uint8_t *out)
{
   uint16_t *half = (uint16_t *)(void *)out;
   switch (kind) {
   case PARE_ENC_F16:
      for (int64_t i = 0; i < k; i++) x[i] = pare_f16_to_f32(half[i] = pare_f32_to_f16(x[i]));
      break;
   case PARE_ENC_BF16:
      for (int64_t i = 0; i < k; i++) x[i] = pare_bf16_to_f32(half[i] = pare_f32_to_bf16(x[i]));
      break;
   default: memcpy(out, x, (size_t)k * sizeof *x); break;
   }
}

static bool row_is_bad(const float *x, int64_t k)
{
   uint32_t largest = 0;
   for (int64_t i = 0; i < k; i++) {
      uint32_t magnitude = pare_f32_bits(x[i]) & 0x7fffffffu;
      largest = magnitude > largest ? magnitude : largest;
   }
   return largest >= 0x7f800000u;
}

static void add_row_error(const float *before, const float *after, int64_t k, pare_encode_error *sum)
{
   double error[LANES] = { 0 }, value[LANES] = { 0 };
   for (int64_t i = 0; i < k; i++) {
      double v = (double)before[i], d = v - (double)after[i];
      value[i % LANES] += v * v;
      error[i % LANES] += d * d;
      sum->zeros_before += before[i] == 0.0f;
      sum->zeros += after[i] == 0.0f;
      sum->revived += before[i] == 0.0f && after[i] != 0.0f;
   }
   for (int l = 0; l < LANES; l++) {
      sum->squared_error += error[l];
      sum->squared_value += value[l];
   }
}

static void edit_row(const edit_job *job, int64_t row, const float *before, float *after,
                     block_result *result)
{
   int64_t k = job->weight->dim[1];
   memcpy(after, before, (size_t)k * sizeof *after);
   if (job->edit) job->edit(job->user, row, k, after);
   store_row(job->store, after, k, job->out + (size_t)row * job->row_bytes);
   if (row_is_bad(before, k)) {
      result->bad = true;
   } else if (row_is_bad(after, k)) {
      for (int64_t i = 0; i < k; i++) result->error.overflows += isinf(after[i]) != 0;
   } else {
      add_row_error(before, after, k, &result->error);
   }
}

static void edit_block(void *arg, int64_t block, int worker)
{
   edit_job *job = arg;
   int64_t rows = pare_rows_in_block(job->weight, block), first = block * PARE_BLOCK_N,
           k = job->weight->dim[1];
   float *before = (float *)(void *)(job->scratch.first + (size_t)worker * job->scratch.stride);
   float *after = before + PARE_BLOCK_N * k;
   pare_rows_load(&job->kernels, job->weight, first, rows, before);
   for (int64_t r = 0; r < rows; r++) edit_row(job, first + r, before + r * k, after, &job->results[block]);
}

static pare_status edit_into(pare_ctx *ctx, edit_job *job, pare_buffer *result, pare_encode_error *error)
{
   *error = (pare_encode_error){ 0 };
   job->out = pare_buffer_edit(result);
   pare_stream stream = { .source = job->weight,
                          .result = result,
                          .result_block = PARE_BLOCK_N * job->row_bytes };
   PARE_TRY(pare_stream_run(ctx, &stream, edit_block, job));
   for (int64_t block = 0; block < pare_rows_blocks(job->weight); block++) {
      if (job->results[block].bad) return pare_weight_refuse_bad(ctx, job->weight, block * PARE_BLOCK_N);
      pare_encode_error_add(error, &job->results[block].error);
   }
   return PARE_OK;
}

static pare_status allocate(pare_ctx *ctx, edit_job *job)
{
   size_t k = (size_t)job->weight->dim[1];
   job->results = pare_alloc_array(ctx, (size_t)pare_rows_blocks(job->weight), sizeof *job->results);
   if (!job->results) return PARE_RESOURCE;
   return pare_worker_scratch_create(ctx, (PARE_BLOCK_N + 1) * k * sizeof(float), &job->scratch);
}

pare_status pare_weight_edit(pare_ctx *ctx, pare_weight *weight, pare_encoding_kind store,
                             pare_outfile *scratch, pare_row_edit edit, void *user, pare_encode_error *error)
{
   size_t element = pare_dtype_size(pare_encoding_dtype(store));
   edit_job job = { .weight = weight,
                    .store = store,
                    .edit = edit,
                    .user = user,
                    .row_bytes = (size_t)weight->dim[1] * element };
   pare_kernels_init(&job.kernels, ctx->cpu);
   pare_buffer *result = NULL;
   pare_status status = allocate(ctx, &job);
   if (status == PARE_OK)
      status = pare_result_buffer(ctx, scratch, (size_t)weight->dim[0] * job.row_bytes, &result);
   if (status == PARE_OK) status = edit_into(ctx, &job, result, error);
   if (status == PARE_OK && error->overflows == 0)
      status = pare_weight_replace(ctx, weight, (pare_encoding){ .kind = store }, result);
   pare_buffer_unref(ctx, result);
   pare_worker_scratch_finish(ctx, &job.scratch);
   pare_free(ctx, job.results);
   return status;
}
