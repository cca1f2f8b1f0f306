/* weight_io: reading rows, room for results, and the search for what is wrong with a value; see weight_io.h.
 */
#include "quant/weight_io.h"

#include <math.h>

#include "base/half.h"
#include "base/pool.h"
#include "quant/rows.h"

_Static_assert((int)PARE_BLOCK_N == (int)PARE_BLOCK && (int)PARE_ENC_MAX_K == (int)PARE_MAX_K,
               "what a weight may be is what the kernels take");

enum { LARGE_READ = 1 << 18 /* elements */, LARGE_RESULT = 64 << 10 /* bytes */, PREFETCH = 32 << 20 };

void pare_encode_error_add(pare_encode_error *sum, const pare_encode_error *part)
{
   sum->squared_error += part->squared_error;
   sum->squared_value += part->squared_value;
   sum->zeros_before += part->zeros_before;
   sum->zeros += part->zeros;
   sum->revived += part->revived;
   sum->overflows += part->overflows;
}

typedef struct read_job {
   pare_kernels kernels;
   const pare_weight *weight;
   int64_t row, rows;
   float *out;
} read_job;

static void read_block(void *arg, int64_t block, int worker)
{
   (void)worker;
   read_job *job = arg;
   int64_t first = block * PARE_BLOCK_N, left = job->rows - first;
   int64_t count = left < PARE_BLOCK_N ? left : PARE_BLOCK_N;
   pare_rows_load(&job->kernels, job->weight, job->row + first, count,
                  job->out + first * job->weight->dim[1]);
}

pare_status pare_weight_read(pare_ctx *ctx, const pare_weight *weight, int64_t row, int64_t rows, float *out)
{
   read_job job = { .weight = weight, .row = row, .rows = rows, .out = out };
   pare_kernels_init(&job.kernels, ctx->cpu);
   int64_t blocks = (rows + PARE_BLOCK_N - 1) / PARE_BLOCK_N;
   if (rows * weight->dim[1] >= LARGE_READ) {
      pare_pool_run(ctx, blocks, read_block, &job);
   } else {
      for (int64_t block = 0; block < blocks; block++) read_block(&job, block, 0);
   }
   return pare_check_stop(ctx);
}

void pare_weight_prefetch(const pare_weight *weight)
{
   pare_buffer_advise(weight->data, 0, PREFETCH, PARE_WILL_NEED);
}

pare_status pare_result_buffer(pare_ctx *ctx, pare_outfile *scratch, size_t size, pare_buffer **out)
{
   if (scratch && size >= LARGE_RESULT) return pare_outfile_reserve(ctx, scratch, size, out);
   return pare_buffer_create(ctx, size, out);
}

static int64_t first_bad(const float *values, int64_t k)
{
   for (int64_t i = 0; i < k; i++)
      if (!isfinite(values[i])) return i;
   return -1;
}

static pare_status name_bad(pare_ctx *ctx, const pare_weight *weight, int64_t row, int64_t column,
                            float value)
{
   const char *what = isnan(value) ? "NaN" : value < 0 ? "-Inf" : "Inf";
   long long at = (long long)(row * weight->dim[1] + column);
   if (weight->rank == 1) return pare_fail(ctx, PARE_INPUT, weight->name, "element %lld is %s", at, what);
   return pare_fail(ctx, PARE_INPUT, weight->name, "element %lld (row %lld, column %lld) is %s", at,
                    (long long)row, (long long)column, what);
}

pare_status pare_weight_refuse_bad(pare_ctx *ctx, const pare_weight *weight, int64_t row)
{
   int64_t k = weight->dim[1], at = -1;
   float *values = pare_alloc_array(ctx, (size_t)k, sizeof *values);
   if (!values) return PARE_RESOURCE;
   pare_status status = PARE_OK;
   for (; status == PARE_OK && at < 0 && row < weight->dim[0]; row++) {
      status = pare_weight_read(ctx, weight, row, 1, values);
      if (status == PARE_OK) at = first_bad(values, k);
      if (at >= 0) status = name_bad(ctx, weight, row, at, values[at]);
   }
   pare_free(ctx, values);
   return status;
}
