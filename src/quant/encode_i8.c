/* encode_i8: see encode_i8.h. Each item of work is one packed block of 16 output channels: its rows are read,
 * rotated and rounded while they lie in the cache, packed into the lines of the result, and what the rounding
 * cost is measured on the way.
 *
 * The error is summed in units of the scale, where no value exceeds 127 and no square overflows: 16 float
 * sums a row, added in double. It is taken in the rotated basis; the rotation is orthonormal, so it is the
 * same. */
#include "quant/encode_i8.h"

#include <math.h>
#include <string.h>

#include "quant/rows.h"
#include "quant/stream.h"

enum { LANES = 16 };
/* The 16 sums as one value, so that compilers without an instruction set to speak of still use vectors. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int8_t code_lanes __attribute__((vector_size(LANES)));

typedef struct block_result {
   pare_encode_error error;
   bool bad; /* a row holds NaN or Inf, or overflowed in the rotation */
} block_result;

typedef struct encode_job {
   pare_kernels kernels;
   const pare_weight *weight;
   pare_encoding encoding;
   int64_t k, quads;
   uint8_t *codes;
   float *scales;
   block_result *results;
   pare_worker_scratch scratch; /* 16 rows of floats, then 16 rows of codes */
} encode_job;

/* Counts in 32 bits, which a vector holds twice as many of; k is at most PARE_ENC_MAX_K. */
static int32_t count_zeros(const float *x, int64_t k)
{
   int32_t zeros = 0;
   for (int64_t i = 0; i < k; i++) zeros += x[i] == 0.0f;
   return zeros;
}

static int32_t count_zero_codes(const int8_t *q, int64_t k)
{
   int32_t zeros = 0;
   for (int64_t i = 0; i < k; i++) zeros += q[i] == 0;
   return zeros;
}

typedef struct row_sums {
   lanes error, value; /* in units of the scale */
} row_sums;

static inline void add_lanes(row_sums *sums, const float *y, const int8_t *q, float inverse)
{
   lanes x;
   code_lanes codes;
   memcpy(&x, y, sizeof x);
   memcpy(&codes, q, sizeof codes);
   x *= inverse;
   sums->value += x * x;
   x -= __builtin_convertvector(codes, lanes);
   sums->error += x * x;
}

/* y: the row after rotation. */
static void add_row_error(const float *y, const int8_t *q, int64_t k, float scale, pare_encode_error *sum)
{
   row_sums sums = { 0 };
   float inverse = 1.0f / scale, rest[LANES] = { 0 };
   int8_t rest_codes[LANES] = { 0 };
   int64_t whole = k - k % LANES;
   for (int64_t i = 0; i < whole; i += LANES) add_lanes(&sums, y + i, q + i, inverse);
   memcpy(rest, y + whole, (size_t)(k - whole) * sizeof *rest);
   memcpy(rest_codes, q + whole, (size_t)(k - whole));
   add_lanes(&sums, rest, rest_codes, inverse);
   double error = 0, value = 0, unit = (double)scale * (double)scale;
   for (int l = 0; l < LANES; l++) {
      error += (double)sums.error[l];
      value += (double)sums.value[l];
   }
   sum->squared_error += error * unit;
   sum->squared_value += value * unit;
}

static void encode_row(const encode_job *job, float *x, int8_t *q, float *scale, block_result *result)
{
   int64_t k = job->k;
   int rotation = job->encoding.rotation;
   int32_t sum;
   result->error.zeros_before += count_zeros(x, k);
   job->kernels.quant_row(x, k, rotation, q, job->quads * PARE_BLOCK_K, x, scale, &sum);
   result->bad |= isnan(*scale) != 0;
   if (rotation == 0) result->error.zeros += count_zero_codes(q, k);
   else if (*scale == 0.0f) result->error.zeros += k;
   if (*scale > 0.0f) add_row_error(x, q, k, *scale, &result->error);
}

static void encode_block(void *arg, int64_t block, int worker)
{
   encode_job *job = arg;
   int64_t rows = pare_rows_in_block(job->weight, block), stride = job->quads * PARE_BLOCK_K;
   uint8_t *scratch = job->scratch.first + (size_t)worker * job->scratch.stride;
   float *x = (float *)(void *)scratch;
   int8_t *q = (int8_t *)(x + PARE_BLOCK_N * job->k);
   float *scales = job->scales + block * PARE_BLOCK_N;
   pare_rows_load(&job->kernels, job->weight, block * PARE_BLOCK_N, rows, x);
   for (int64_t r = 0; r < rows; r++)
      encode_row(job, x + r * job->k, q + r * stride, scales + r, &job->results[block]);
   memset(q + rows * stride, 0, (size_t)((PARE_BLOCK_N - rows) * stride));
   for (int64_t r = rows; r < PARE_BLOCK_N; r++) scales[r] = 0.0f;
   job->kernels.pack_i8(q, stride, job->quads, job->codes + (size_t)(block * job->quads) * PARE_LINE);
}

static pare_status add_results(pare_ctx *ctx, const encode_job *job, pare_encode_error *error)
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

static pare_status encode_into(pare_ctx *ctx, encode_job *job, pare_buffer *result, pare_encode_error *error)
{
   job->codes = pare_buffer_edit(result);
   job->scales = (float *)(void *)(job->codes + pare_encoding_scales_at(job->weight->dim[0], job->k));
   pare_stream stream = { .source = job->weight,
                          .result = result,
                          .result_block = (size_t)job->quads * PARE_LINE };
   PARE_TRY(pare_stream_run(ctx, &stream, encode_block, job));
   return add_results(ctx, job, error);
}

static pare_status allocate(pare_ctx *ctx, encode_job *job)
{
   size_t blocks = (size_t)pare_rows_blocks(job->weight), k = (size_t)job->k,
          stride = (size_t)job->quads * PARE_BLOCK_K;
   job->results = pare_alloc_array(ctx, blocks, sizeof *job->results);
   if (!job->results) return PARE_RESOURCE;
   return pare_worker_scratch_create(ctx, PARE_BLOCK_N * (k * sizeof(float) + stride), &job->scratch);
}

pare_status pare_encode_i8(pare_ctx *ctx, pare_weight *weight, int rotation, pare_outfile *scratch,
                           pare_encode_error *error)
{
   encode_job job = { .weight = weight,
                      .encoding = { .kind = PARE_ENC_I8, .rotation = rotation },
                      .k = weight->dim[1],
                      .quads = (weight->dim[1] + PARE_BLOCK_K - 1) / PARE_BLOCK_K };
   size_t bytes;
   if (!pare_encoding_is_float(weight->encoding.kind) ||
       !pare_encoding_bytes(&job.encoding, weight->rank, weight->dim, &bytes))
      return pare_fail(ctx, PARE_INTERNAL, weight->name, "cannot be encoded as i8 with rotation %d",
                       rotation);
   pare_kernels_init(&job.kernels, ctx->cpu);
   pare_buffer *result = NULL;
   pare_status status = allocate(ctx, &job);
   if (status == PARE_OK) status = pare_result_buffer(ctx, scratch, bytes, &result);
   if (status == PARE_OK) status = encode_into(ctx, &job, result, error);
   if (status == PARE_OK) status = pare_weight_replace(ctx, weight, job.encoding, result);
   pare_buffer_unref(ctx, result);
   pare_worker_scratch_finish(ctx, &job.scratch);
   pare_free(ctx, job.results);
   return status;
}
