/* encode_groups: see encode_groups.h. Each item of work is one packed block of 16 output channels: its rows
 * are read, rotated, searched and packed while they lie in the cache. */
#include "quant/encode_groups.h"

#include <math.h>
#include <string.h>

#include "quant/encode_blocks.h"
#include "quant/group_search.h"
#include "quant/group_layout.h"

/* A worker's memory, in the order it lies there. */
typedef struct block_memory {
   float *x;             /* [16][k] */
   float *peaks;         /* [groups] */
   uint8_t *levels;      /* [16][groups * group] */
   uint8_t *multipliers; /* [16][groups] */
   uint8_t *trial;       /* [groups] */
} block_memory;

static int64_t groups_of(const pare_encoding *encoding, int64_t k)
{
   return (k + encoding->group - 1) / encoding->group;
}

static size_t memory_bytes(const pare_encoding *encoding, int64_t k)
{
   size_t groups = (size_t)groups_of(encoding, k), levels = groups * (size_t)encoding->group;
   return (PARE_BLOCK_N * (size_t)k + groups) * sizeof(float) + PARE_BLOCK_N * (levels + groups) + groups;
}

static block_memory memory_of(const pare_encode_job *job, int worker)
{
   block_memory m;
   int64_t groups = groups_of(&job->encoding, job->k);
   m.x = (float *)(void *)(job->scratch.first + (size_t)worker * job->scratch.stride);
   m.peaks = m.x + PARE_BLOCK_N * job->k;
   m.levels = (uint8_t *)(m.peaks + groups);
   m.multipliers = m.levels + PARE_BLOCK_N * groups * job->encoding.group;
   m.trial = m.multipliers + PARE_BLOCK_N * groups;
   return m;
}

static bool is_finite(const float *x, int64_t k)
{
   float zero = 0; /* times a finite number it stays zero */
   for (int64_t i = 0; i < k; i++) zero += x[i] * 0.0f;
   return zero == 0;
}

static int64_t count_zeros(const float *x, int64_t k)
{
   int64_t zeros = 0;
   for (int64_t i = 0; i < k; i++) zeros += x[i] == 0.0f;
   return zeros;
}

static void encode_row(const pare_encode_job *job, const block_memory *m, int64_t r, float *scale,
                       pare_block_result *result)
{
   const pare_encoding *encoding = &job->encoding;
   int64_t groups = groups_of(encoding, job->k);
   pare_group_row row = { .x = m->x + r * job->k,
                          .k = job->k,
                          .group = encoding->group,
                          .bits = pare_encoding_bits(encoding->kind),
                          .peaks = m->peaks,
                          .trial = m->trial,
                          .multipliers = m->multipliers + r * groups,
                          .levels = m->levels + r * groups * encoding->group };
   result->error.zeros_before += count_zeros(row.x, job->k);
   job->kernels.hadamard(row.x, job->k, encoding->rotation);
   if (!is_finite(row.x, job->k)) {
      result->bad = true;
      return;
   }
   pare_group_fit fit = pare_group_search(&row);
   *scale = fit.scale;
   result->error.squared_error += fit.error;
   result->error.squared_value += fit.value;
   if (encoding->rotation == 0) result->error.zeros += fit.zeros;
   else if (fit.scale == 0.0f) result->error.zeros += job->k;
}

static void encode_block(void *arg, int64_t block, int worker)
{
   pare_encode_job *job = arg;
   int64_t rows = pare_rows_in_block(job->weight, block), groups = groups_of(&job->encoding, job->k);
   float *scales = job->scales + block * PARE_BLOCK_N;
   block_memory m = memory_of(job, worker);
   size_t row_levels = (size_t)(groups * job->encoding.group);
   pare_groups layout = pare_groups_layout(&job->encoding, job->k);
   pare_rows_load(&job->kernels, job->weight, block * PARE_BLOCK_N, rows, m.x);
   memset(scales, 0, PARE_BLOCK_N * sizeof *scales);
   memset(m.levels + (size_t)rows * row_levels, 0, (size_t)(PARE_BLOCK_N - rows) * row_levels);
   memset(m.multipliers + rows * groups, 0, (size_t)((PARE_BLOCK_N - rows) * groups));
   for (int64_t r = 0; r < rows; r++) encode_row(job, &m, r, scales + r, &job->results[block]);
   job->kernels.pack_groups(&layout, m.levels, m.multipliers, job->blocks + (size_t)block * job->block_bytes);
}

pare_status pare_encode_groups(pare_ctx *ctx, pare_weight *weight, const pare_encoding *encoding,
                               pare_outfile *scratch, pare_encode_error *error)
{
   if (!pare_encoding_fits(encoding, weight->rank, weight->dim) || !pare_encoding_is_grouped(encoding->kind))
      return pare_fail(ctx, PARE_INTERNAL, weight->name, "cannot be encoded in groups of %d", encoding->group);
   return pare_encode_blocks(ctx, weight, encoding, encode_block, memory_bytes(encoding, weight->dim[1]),
                             scratch, error);
}
