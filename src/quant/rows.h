/* rows: rows of a weight as f32, from any encoding; what all of src/quant reads through. Not for other
 * layers. */
#ifndef PARE_QUANT_ROWS_H
#define PARE_QUANT_ROWS_H

#include "ir/weight.h"
#include "kernels/kernels.h"

/* out[rows][K], rotation undone. Allocates nothing; may run on pool workers. */
void pare_rows_load(const pare_kernels *kernels, const pare_weight *weight, int64_t row, int64_t rows,
                    float *out);

/* Rows of block number `block` of 16: 16, less in the last. */
static inline int64_t pare_rows_in_block(const pare_weight *weight, int64_t block)
{
   int64_t left = weight->dim[0] - block * PARE_BLOCK_N;
   return left < PARE_BLOCK_N ? left : PARE_BLOCK_N;
}

static inline int64_t pare_rows_blocks(const pare_weight *weight)
{
   return (weight->dim[0] + PARE_BLOCK_N - 1) / PARE_BLOCK_N;
}

/* Memory for every worker of the pool, `each` bytes (64-byte aligned) for each. NULL after recording
 * PARE_RESOURCE. */
typedef struct pare_worker_scratch {
   void *memory;
   uint8_t *first;
   size_t stride;
} pare_worker_scratch;
pare_status pare_worker_scratch_create(pare_ctx *ctx, size_t each, pare_worker_scratch *out);
void pare_worker_scratch_finish(pare_ctx *ctx, pare_worker_scratch *scratch);

#endif
