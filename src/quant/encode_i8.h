/* encode_i8: floats to the packed i8 encoding: per output channel absmax scale, rounding to nearest even,
 * optional rotation of each row (rules in kernels/round.h, layout in formats/ARTIFACT.md). */
#ifndef PARE_QUANT_ENCODE_I8_H
#define PARE_QUANT_ENCODE_I8_H

#include "quant/weight_io.h"

/* Replaces the weight's storage by i8 with the given rotation (0, 32, 64 or 128, dividing K). The weight must
 * be a float encoding of rank 2 with K at most PARE_ENC_MAX_K (else PARE_INTERNAL). PARE_INPUT naming tensor
 * and index when a value is NaN or Inf; the weight is then untouched. One read of the source, one write of
 * the result, in chunks of a few MB; memory in use besides the result is 16 rows a worker. */
pare_status pare_encode_i8(pare_ctx *ctx, pare_weight *weight, int rotation, pare_outfile *scratch,
                           pare_encode_error *error);

#endif
