/* encode_blocks: what the integer encoders share: the pass over a weight's blocks of 16 rows, results of each
 * block, errors. Not for other layers. */
#ifndef PARE_QUANT_ENCODE_BLOCKS_H
#define PARE_QUANT_ENCODE_BLOCKS_H

#include "base/pool.h"
#include "quant/rows.h"
#include "quant/weight_io.h"

typedef struct pare_block_result {
   pare_encode_error error;
   bool bad; /* a row holds NaN or Inf, or overflowed in the rotation */
} pare_block_result;

typedef struct pare_encode_job {
   pare_kernels kernels;
   const pare_weight *weight;
   pare_encoding encoding;
   int64_t k;
   size_t block_bytes;
   uint8_t *blocks; /* of the result */
   float *scales;
   pare_block_result *results; /* one a block */
   pare_worker_scratch scratch;
} pare_encode_job;

/* Replaces the weight's storage by the encoding: encode(job, block, worker) fills a block, the scales of its
 * 16 channels and its result. each: bytes of scratch memory a worker. PARE_INTERNAL when the weight is not a
 * float matrix that fits; PARE_INPUT naming tensor and index when a value is NaN or Inf; the weight is then
 * untouched. */
pare_status pare_encode_blocks(pare_ctx *ctx, pare_weight *weight, const pare_encoding *encoding,
                               pare_work encode, size_t each, pare_outfile *scratch,
                               pare_encode_error *error);

#endif
