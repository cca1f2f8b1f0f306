/* encode_groups: floats to i4, i3 or i2 with a multiplier a group: group_search.h chooses the values, layout in
 * formats/ARTIFACT.md. */
#ifndef PARE_QUANT_ENCODE_GROUPS_H
#define PARE_QUANT_ENCODE_GROUPS_H

#include "quant/weight_io.h"

/* Replaces the weight's storage by the encoding, of kind i4, i3 or i2, with its rotation and group. The weight
 * must be a float encoding of rank 2 that the encoding fits (else PARE_INTERNAL). PARE_INPUT naming tensor
 * and index when a value is NaN or Inf; the weight is then untouched. One read of the source, one write of the
 * result; memory in use besides the result is 16 rows a worker. */
pare_status pare_encode_groups(pare_ctx *ctx, pare_weight *weight, const pare_encoding *encoding,
                               pare_outfile *scratch, pare_encode_error *error);

#endif
