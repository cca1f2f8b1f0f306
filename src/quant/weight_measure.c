/* weight_measure: what inspection says about the values of a weight; see weight_io.h. Parts are kept a block
 * of 16 rows each and added in order. */
#include <math.h>

#include "quant/rows.h"
#include "quant/stream.h"
#include "quant/weight_io.h"

typedef struct measure_job {
   pare_kernels kernels;
   const pare_weight *weight;
   pare_weight_stats *parts;    /* a block each; rms holds the sum of squares */
   pare_worker_scratch scratch; /* 16 rows */
} measure_job;

static void measure_row(const float *x, int64_t k, int64_t flat, pare_weight_stats *part)
{
   double squares = 0, largest = 0;
   for (int64_t i = 0; i < k; i++) {
      double v = (double)x[i];
      if (!isfinite(v)) {
         if (part->bad_at < 0) part->bad_at = flat + i;
         continue;
      }
      part->zeros += v == 0.0;
      part->min = v < part->min ? v : part->min;
      part->max = v > part->max ? v : part->max;
      largest = fabs(v) > largest ? fabs(v) : largest;
      squares += v * v;
   }
   part->rms += squares;
   double outlier = squares > 0 ? largest / sqrt(squares / (double)k) : 0;
   part->outlier = outlier > part->outlier ? outlier : part->outlier;
}

static void measure_block(void *arg, int64_t block, int worker)
{
   measure_job *job = arg;
   int64_t k = job->weight->dim[1], first = block * PARE_BLOCK_N,
           rows = pare_rows_in_block(job->weight, block);
   float *x = (float *)(void *)(job->scratch.first + (size_t)worker * job->scratch.stride);
   pare_weight_stats *part = &job->parts[block];
   *part = (pare_weight_stats){ .min = INFINITY, .max = -INFINITY, .bad_at = -1 };
   pare_rows_load(&job->kernels, job->weight, first, rows, x);
   for (int64_t r = 0; r < rows; r++) measure_row(x + r * k, k, (first + r) * k, part);
}

static void add_parts(const measure_job *job, pare_weight_stats *out)
{
   *out = (pare_weight_stats){
      .count = pare_weight_count(job->weight), .min = INFINITY, .max = -INFINITY, .bad_at = -1
   };
   for (int64_t block = 0; block < pare_rows_blocks(job->weight); block++) {
      const pare_weight_stats *part = &job->parts[block];
      out->zeros += part->zeros;
      out->rms += part->rms;
      out->min = part->min < out->min ? part->min : out->min;
      out->max = part->max > out->max ? part->max : out->max;
      out->outlier = part->outlier > out->outlier ? part->outlier : out->outlier;
      if (out->bad_at < 0) out->bad_at = part->bad_at;
   }
   out->rms = sqrt(out->rms / (double)out->count);
   if (out->min > out->max) out->min = out->max = NAN; /* nothing finite */
   if (job->weight->rank == 1) out->outlier = 0;
}

pare_status pare_weight_measure(pare_ctx *ctx, const pare_weight *weight, pare_weight_stats *out)
{
   measure_job job = { .weight = weight };
   pare_kernels_init(&job.kernels, ctx->cpu);
   job.parts = pare_alloc_array(ctx, (size_t)pare_rows_blocks(weight), sizeof *job.parts);
   if (!job.parts) return PARE_RESOURCE;
   pare_stream stream = { .source = weight };
   pare_status status =
      pare_worker_scratch_create(ctx, (size_t)weight->dim[1] * PARE_BLOCK_N * sizeof(float), &job.scratch);
   if (status == PARE_OK) status = pare_stream_run(ctx, &stream, measure_block, &job);
   if (status == PARE_OK) add_parts(&job, out);
   pare_worker_scratch_finish(ctx, &job.scratch);
   pare_free(ctx, job.parts);
   return status;
}
