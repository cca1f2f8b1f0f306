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

#include "quant/encode_blocks.h"

enum { LANES = 16 };
/* The 16 sums as one value, so that compilers without an instruction set to speak of still use vectors. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int8_t code_lanes __attribute__((vector_size(LANES)));
typedef int32_t whole_lanes __attribute__((vector_size(LANES * sizeof(int32_t))));

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

static inline __attribute__((always_inline)) void add_lanes(row_sums *sums, const float *y, const int8_t *q,
                                                            float inverse)
{
   lanes x;
   code_lanes codes;
   memcpy(&x, y, sizeof x);
   memcpy(&codes, q, sizeof codes);
   x *= inverse;
   sums->value += x * x;
   /* In two steps: gcc 12 converts one by one otherwise. */
   x -= __builtin_convertvector(__builtin_convertvector(codes, whole_lanes), lanes);
   sums->error += x * x;
}

/* y: the row after rotation. */
static inline __attribute__((always_inline)) void sum_row(const float *y, const int8_t *q, int64_t k,
                                                          float inverse, row_sums *sums)
{
   float rest[LANES] = { 0 };
   int8_t rest_codes[LANES] = { 0 };
   int64_t whole = k - k % LANES;
   for (int64_t i = 0; i < whole; i += LANES) add_lanes(sums, y + i, q + i, inverse);
   memcpy(rest, y + whole, (size_t)(k - whole) * sizeof *rest);
   memcpy(rest_codes, q + whole, (size_t)(k - whole));
   add_lanes(sums, rest, rest_codes, inverse);
}

/* The same source for wider registers: lane by lane the same operations, so the same bits. A sixth of the time of a
 * whole compress went here without it. */
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512vl"))) static void
sum_row_avx512(const float *y, const int8_t *q, int64_t k, float inverse, row_sums *sums)
{
   sum_row(y, q, k, inverse, sums);
}

static bool has_avx512(void)
{
   return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl");
}
#endif

static void add_row_error(const float *y, const int8_t *q, int64_t k, float scale, pare_encode_error *sum)
{
   row_sums sums = { 0 };
#if defined(__x86_64__)
   if (has_avx512()) sum_row_avx512(y, q, k, 1.0f / scale, &sums);
   else
#endif
      sum_row(y, q, k, 1.0f / scale, &sums);
   double error = 0, value = 0, unit = (double)scale * (double)scale;
   for (int l = 0; l < LANES; l++) {
      error += (double)sums.error[l];
      value += (double)sums.value[l];
   }
   sum->squared_error += error * unit;
   sum->squared_value += value * unit;
}

static void encode_row(const pare_encode_job *job, float *x, int64_t stride, int8_t *q, float *scale,
                       pare_block_result *result)
{
   int64_t k = job->k;
   int rotation = job->encoding.rotation;
   int32_t sum;
   result->error.zeros_before += count_zeros(x, k);
   job->kernels.quant_row(x, k, rotation, q, stride, x, scale, &sum);
   result->bad |= isnan(*scale) != 0;
   if (rotation == 0) result->error.zeros += count_zero_codes(q, k);
   else if (*scale == 0.0f) result->error.zeros += k;
   if (*scale > 0.0f) add_row_error(x, q, k, *scale, &result->error);
}

static int64_t quads_of(int64_t k)
{
   return (k + PARE_BLOCK_K - 1) / PARE_BLOCK_K;
}

/* Scratch memory: 16 rows of floats, then 16 rows of codes. */
static void encode_block(void *arg, int64_t block, int worker)
{
   pare_encode_job *job = arg;
   int64_t rows = pare_rows_in_block(job->weight, block), stride = quads_of(job->k) * PARE_BLOCK_K;
   uint8_t *scratch = job->scratch.first + (size_t)worker * job->scratch.stride;
   float *x = (float *)(void *)scratch;
   int8_t *q = (int8_t *)(x + PARE_BLOCK_N * job->k);
   float *scales = job->scales + block * PARE_BLOCK_N;
   pare_rows_load(&job->kernels, job->weight, block * PARE_BLOCK_N, rows, x);
   for (int64_t r = 0; r < rows; r++)
      encode_row(job, x + r * job->k, stride, q + r * stride, scales + r, &job->results[block]);
   memset(q + rows * stride, 0, (size_t)((PARE_BLOCK_N - rows) * stride));
   for (int64_t r = rows; r < PARE_BLOCK_N; r++) scales[r] = 0.0f;
   job->kernels.pack_i8(q, stride, quads_of(job->k), job->blocks + (size_t)block * job->block_bytes);
}

pare_status pare_encode_i8(pare_ctx *ctx, pare_weight *weight, int rotation, pare_outfile *scratch,
                           pare_encode_error *error)
{
   pare_encoding encoding = { .kind = PARE_ENC_I8, .rotation = rotation };
   size_t k = (size_t)weight->dim[1];
   size_t each = PARE_BLOCK_N * (k * sizeof(float) + (size_t)quads_of(weight->dim[1]) * PARE_BLOCK_K);
   return pare_encode_blocks(ctx, weight, &encoding, encode_block, each, scratch, error);
}
