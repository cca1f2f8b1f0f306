/* encode_blocks: see encode_blocks.h. */
#include "quant/encode_blocks.h"

#include "quant/stream.h"

static pare_status add_results(pare_ctx *ctx, const pare_encode_job *job, pare_encode_error *error)
{
   *error = (pare_encode_error){ 0 };
   for (int64_t block = 0; block < pare_rows_blocks(job->weight); block++) {
      if (job->results[block].bad) {
         PARE_TRY(pare_weight_refuse_bad(ctx, job->weight, block * PARE_BLOCK_N));
         return pare_fail(ctx, PARE_INPUT, job->weight->name, "values overflow in the rotation near row %lld",
                          (long long)(block * PARE_BLOCK_N));
      }
      pare_encode_error_add(error, &job->results[block].error);
   }
   return PARE_OK;
}

static pare_status encode_into(pare_ctx *ctx, pare_encode_job *job, pare_work encode, pare_buffer *result,
                               pare_encode_error *error)
{
   job->blocks = pare_buffer_edit(result);
   size_t scales_at = pare_encoding_scales_at(&job->encoding, job->weight->dim[0], job->k);
   job->scales = (float *)(void *)(job->blocks + scales_at);
   pare_stream stream = { .source = job->weight, .result = result, .result_block = job->block_bytes };
   PARE_TRY(pare_stream_run(ctx, &stream, encode, job));
   return add_results(ctx, job, error);
}

pare_status pare_encode_blocks(pare_ctx *ctx, pare_weight *weight, const pare_encoding *encoding,
                               pare_work encode, size_t each, pare_outfile *scratch,
                               pare_encode_error *error)
{
   pare_encode_job job = { .weight = weight, .encoding = *encoding, .k = weight->dim[1] };
   size_t bytes;
   if (!pare_encoding_is_float(weight->encoding.kind) || pare_encoding_is_float(encoding->kind) ||
       !pare_encoding_bytes(encoding, weight->rank, weight->dim, &bytes))
      return pare_fail(ctx, PARE_INTERNAL, weight->name, "cannot be encoded as %s with rotation %d",
                       pare_encoding_name(encoding->kind), encoding->rotation);
   job.block_bytes = pare_encoding_block_bytes(encoding, job.k);
   pare_kernels_init(&job.kernels, ctx->cpu);
   pare_buffer *result = NULL;
   job.results = pare_alloc_array(ctx, (size_t)pare_rows_blocks(weight), sizeof *job.results);
   pare_status status = job.results ? PARE_OK : PARE_RESOURCE;
   if (status == PARE_OK) status = pare_worker_scratch_create(ctx, each, &job.scratch);
   if (status == PARE_OK) status = pare_result_buffer(ctx, scratch, bytes, &result);
   if (status == PARE_OK) status = encode_into(ctx, &job, encode, result, error);
   if (status == PARE_OK) status = pare_weight_replace(ctx, weight, *encoding, result);
   pare_buffer_unref(ctx, result);
   pare_worker_scratch_finish(ctx, &job.scratch);
   pare_free(ctx, job.results);
   return status;
}
