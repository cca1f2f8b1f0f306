/* select: see select.h. Scores are not negative, so their bits as integers stand in the same order. The first
 * read counts the upper 16 of the 31 bits, the second the lower 15 among those that share the upper bits of
 * the threshold. */
#include "quant/select.h"

#include <math.h>

#include "base/half.h"
#include "base/pool.h"
#include "quant/rows.h"
#include "quant/stream.h"

enum { LOW_BITS = 15, BINS = 1 << 16, BAD_BIN = 0x7f800000 >> LOW_BITS };

typedef struct select_job {
   pare_kernels kernels;
   const pare_weight *weight;
   int64_t block;
   uint32_t high;               /* second read: only scores with these upper bits count */
   bool low;                    /* the second read */
   uint32_t threshold;          /* third read */
   int64_t *ties;               /* third read: of this weight */
   pare_worker_scratch scratch; /* 16 rows */
   pare_worker_scratch bins;    /* [BINS] int64_t */
} select_job;

static float score_of(const float *x, int64_t size)
{
   float sum = 0;
   for (int64_t i = 0; i < size; i++) sum += fabsf(x[i]);
   return size == 1 ? sum : sum / (float)size;
}

static int64_t block_size(int64_t block, int64_t at, int64_t k)
{
   return k - at < block ? k - at : block;
}

static const float *load(const select_job *job, int64_t block, int worker, int64_t *rows)
{
   float *x = (float *)(void *)(job->scratch.first + (size_t)worker * job->scratch.stride);
   *rows = pare_rows_in_block(job->weight, block);
   pare_rows_load(&job->kernels, job->weight, block * PARE_BLOCK_N, *rows, x);
   return x;
}

static void count_bins(void *arg, int64_t block, int worker)
{
   const select_job *job = arg;
   int64_t rows, k = job->weight->dim[1],
                 *bins = (int64_t *)(void *)(job->bins.first + (size_t)worker * job->bins.stride);
   const float *x = load(job, block, worker, &rows);
   for (int64_t r = 0; r < rows; r++, x += k) {
      for (int64_t i = 0; i < k; i += job->block) {
         uint32_t bits = pare_f32_bits(score_of(x + i, block_size(job->block, i, k)));
         if (!job->low) bins[bits >> LOW_BITS]++;
         else if (bits >> LOW_BITS == job->high) bins[bits & ((1 << LOW_BITS) - 1)]++;
      }
   }
}

static void count_ties(void *arg, int64_t block, int worker)
{
   const select_job *job = arg;
   int64_t rows, k = job->weight->dim[1], ties = 0;
   const float *x = load(job, block, worker, &rows);
   for (int64_t r = 0; r < rows; r++, x += k) {
      for (int64_t i = 0; i < k; i += job->block)
         ties += pare_f32_bits(score_of(x + i, block_size(job->block, i, k))) == job->threshold;
   }
   job->ties[block] = ties;
}

/* Allocated for the widest of the weights. */
static pare_status job_create(pare_ctx *ctx, pare_weight *const *weights, size_t n, select_job *job)
{
   size_t k = 1;
   for (size_t i = 0; i < n; i++) k = (size_t)weights[i]->dim[1] > k ? (size_t)weights[i]->dim[1] : k;
   pare_kernels_init(&job->kernels, ctx->cpu);
   PARE_TRY(pare_worker_scratch_create(ctx, PARE_BLOCK_N * k * sizeof(float), &job->scratch));
   return pare_worker_scratch_create(ctx, BINS * sizeof(int64_t), &job->bins);
}

static void job_finish(pare_ctx *ctx, select_job *job)
{
   pare_worker_scratch_finish(ctx, &job->scratch);
   pare_worker_scratch_finish(ctx, &job->bins);
}

/* Counts over all weights; the sum of all workers is left in the first worker's bins. */
static pare_status count(pare_ctx *ctx, pare_weight *const *weights, size_t n, select_job *job)
{
   int width = pare_pool_width(ctx);
   int64_t *sum = (int64_t *)(void *)job->bins.first;
   for (int64_t i = 0; i < (int64_t)width * (int64_t)(job->bins.stride / sizeof *sum); i++) sum[i] = 0;
   for (size_t i = 0; i < n; i++) {
      job->weight = weights[i];
      pare_stream stream = { .source = weights[i] };
      PARE_TRY(pare_stream_run(ctx, &stream, count_bins, job));
   }
   for (int w = 1; w < width; w++) {
      const int64_t *part = (const int64_t *)(const void *)(job->bins.first + (size_t)w * job->bins.stride);
      for (int64_t i = 0; i < BINS; i++) sum[i] += part[i];
   }
   return PARE_OK;
}

/* The bin that holds score number `rank` (from 0), and how many lie in the bins before it. */
static uint32_t find_bin(const int64_t *bins, int64_t rank, int64_t *before)
{
   uint32_t bin = 0;
   for (*before = 0; *before + bins[bin] <= rank; bin++) *before += bins[bin];
   return bin;
}

/* A mean of finite magnitudes may overflow; then no value is bad and the score is simply the largest. */
static pare_status refuse_bad(pare_ctx *ctx, pare_weight *const *weights, size_t n, const int64_t *bins)
{
   bool bad = false;
   for (int64_t i = BAD_BIN; i < BINS; i++) bad |= bins[i] != 0;
   for (size_t i = 0; bad && i < n; i++) PARE_TRY(pare_weight_refuse_bad(ctx, weights[i], 0));
   return PARE_OK;
}

/* Finds the threshold for `wanted` > 0 scores; *equal: how many of those at the threshold are wanted; *all:
 * how many there are. */
static pare_status find_threshold(pare_ctx *ctx, pare_weight *const *weights, size_t n, int64_t wanted,
                                  select_job *job, int64_t *equal, int64_t *all)
{
   const int64_t *bins = (const int64_t *)(const void *)job->bins.first;
   int64_t before, before_low;
   job->high = find_bin(bins, wanted - 1, &before);
   job->low = true;
   PARE_TRY(count(ctx, weights, n, job));
   uint32_t low = find_bin(bins, wanted - 1 - before, &before_low);
   job->threshold = job->high << LOW_BITS | low;
   *equal = wanted - before - before_low;
   *all = bins[low];
   return PARE_OK;
}

/* Turns counts of ties into what each block of rows may take, in order. */
static pare_status share_ties(pare_ctx *ctx, pare_weight *const *weights, size_t n, select_job *job,
                              int64_t equal, pare_selection *out)
{
   for (size_t i = 0; i < n; i++) {
      job->weight = weights[i];
      job->ties = out->ties + out->first[i];
      pare_stream stream = { .source = weights[i] };
      PARE_TRY(pare_stream_run(ctx, &stream, count_ties, job));
      for (int64_t b = 0; b < pare_rows_blocks(weights[i]); b++) {
         if (job->ties[b] > equal) job->ties[b] = equal;
         equal -= job->ties[b];
      }
   }
   return PARE_OK;
}

static pare_status lists_create(pare_ctx *ctx, pare_weight *const *weights, size_t n, pare_selection *out,
                                size_t *total)
{
   *total = 0;
   out->first = pare_alloc_array(ctx, n + 1, sizeof *out->first);
   if (!out->first) return PARE_RESOURCE;
   for (size_t i = 0; i < n; i++) {
      out->first[i] = *total;
      *total += (size_t)pare_rows_blocks(weights[i]);
   }
   out->ties = pare_alloc_array(ctx, *total + 1, sizeof *out->ties);
   return out->ties ? PARE_OK : PARE_RESOURCE;
}

static pare_status select_with(pare_ctx *ctx, pare_weight *const *weights, size_t n, double share,
                               select_job *job, pare_selection *out)
{
   int64_t scores = 0, equal, all;
   size_t row_blocks;
   for (size_t i = 0; i < n; i++)
      scores += weights[i]->dim[0] * ((weights[i]->dim[1] + out->block - 1) / out->block);
   int64_t wanted = (int64_t)floor(share * (double)scores);
   PARE_TRY(lists_create(ctx, weights, n, out, &row_blocks));
   PARE_TRY(job_create(ctx, weights, n, job));
   PARE_TRY(count(ctx, weights, n, job));
   PARE_TRY(refuse_bad(ctx, weights, n, (const int64_t *)(const void *)job->bins.first));
   if (wanted == 0) return PARE_OK;
   PARE_TRY(find_threshold(ctx, weights, n, wanted, job, &equal, &all));
   out->threshold = job->threshold;
   if (equal < all) return share_ties(ctx, weights, n, job, equal, out);
   for (size_t i = 0; i < row_blocks; i++) out->ties[i] = all;
   return PARE_OK;
}

pare_status pare_select_smallest(pare_ctx *ctx, pare_weight *const *weights, size_t n, int64_t block,
                                 double share, pare_selection *out)
{
   select_job job = { .block = block };
   *out = (pare_selection){ .block = block };
   pare_status status = select_with(ctx, weights, n, share, &job, out);
   job_finish(ctx, &job);
   if (status != PARE_OK) pare_selection_finish(ctx, out);
   return status;
}

void pare_selection_finish(pare_ctx *ctx, pare_selection *selection)
{
   pare_free(ctx, selection->ties);
   pare_free(ctx, selection->first);
   *selection = (pare_selection){ 0 };
}

void pare_selection_apply(const pare_selection *selection, float *values, int64_t k, int64_t *ties)
{
   for (int64_t at = 0; at < k; at += selection->block) {
      int64_t size = block_size(selection->block, at, k);
      uint32_t bits = pare_f32_bits(score_of(values + at, size));
      if (bits > selection->threshold) continue;
      if (bits == selection->threshold && (*ties)-- <= 0) continue;
      for (int64_t i = at; i < at + size; i++) values[i] = 0;
   }
}
