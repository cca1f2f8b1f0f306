/* weight_io: any encoding in, f32 out; f32 or an encoded result back. The one door through which passes,
 * inspection and the reference evaluator meet the bytes of a weight. */
#ifndef PARE_QUANT_WEIGHT_IO_H
#define PARE_QUANT_WEIGHT_IO_H

#include "base/outfile.h"
#include "ir/graph.h"

/* What a rewrite of a weight cost, gathered in the same read. Sums are taken in row order, so they are the
 * same at any thread count and instruction set. */
typedef struct pare_encode_error {
   double squared_error, squared_value; /* over all elements, in the original (unrotated) basis */
   int64_t zeros_before;                /* elements that were zero */
   int64_t zeros;     /* elements that are zero now; of a rotated weight only those of all-zero rows */
   int64_t revived;   /* elements that were zero and are not now; counted by pare_weight_edit alone */
   int64_t overflows; /* values too large for the new encoding; the weight was then left untouched */
} pare_encode_error;

void pare_encode_error_add(pare_encode_error *sum, const pare_encode_error *part);

/* Rows [row, row + rows) as f32, out[rows][K] (rank 1: K = 1), rotation undone. Uses the pool of the context
 * for large requests. Non-finite values are passed on. */
pare_status pare_weight_read(pare_ctx *ctx, const pare_weight *weight, int64_t row, int64_t rows, float *out);

/* Hints that the weight will be read soon (its first 32 MB); does nothing for heap memory. */
void pare_weight_prefetch(const pare_weight *weight);

/* Fails with PARE_INPUT naming tensor, flat index, row and column of the first NaN or Inf at or after `row`;
 * PARE_OK when there is none. Slow: for the error path. */
pare_status pare_weight_refuse_bad(pare_ctx *ctx, const pare_weight *weight, int64_t row);

/* A writable buffer for a result of `size` bytes: in the scratch file when there is one and the result is
 * large (64 kB or more), else on the heap. */
pare_status pare_result_buffer(pare_ctx *ctx, pare_outfile *scratch, size_t size, pare_buffer **out);

/* Changes one row of K values in place. Called on pool workers, so it must not use the context. Rows 16 b to
 * 16 b + 15 come one after another on one worker, those of different blocks at the same time and in any
 * order. */
typedef void (*pare_row_edit)(void *user, int64_t row, int64_t k, float *values);

/* Rewrites a weight: reads each row as f32, lets `edit` change it (NULL: only converts), and stores it as
 * `store`, one of the float encodings, rounded to nearest even and row by row (a transposed weight becomes an
 * ordinary one). PARE_INPUT naming tensor and index when a source value is NaN or Inf. When a value is too
 * large for `store`, error->overflows says so, PARE_OK is returned and the weight is untouched; it is
 * untouched on failure too. */
pare_status pare_weight_edit(pare_ctx *ctx, pare_weight *weight, pare_encoding_kind store,
                             pare_outfile *scratch, pare_row_edit edit, void *user, pare_encode_error *error);

typedef struct pare_weight_stats {
   int64_t count, zeros;
   double min, max, rms; /* over the finite values */
   double outlier;       /* largest over channels of max |w| / rms of the channel; 0 for rank 1 */
   int64_t bad_at;       /* flat index of the first NaN or Inf, or -1 */
} pare_weight_stats;
pare_status pare_weight_measure(pare_ctx *ctx, const pare_weight *weight, pare_weight_stats *out);

#endif
