/* rope_frequency: the angles per position of rotary embedding, in f32, in the order of op_rope.c, with our
 * own powers and logarithms. */
#ifndef PARE_RUN_ROPE_FREQUENCY_H
#define PARE_RUN_ROPE_FREQUENCY_H

#include "ops/ops.h"

/* Of all rot_dim / 2 pairs, at a position. */
void pare_rope_frequencies(const pare_rope_attrs *attrs, int64_t position, float *out);
/* The first position from which on frequencies are others than those at position 0; INT64_MAX: none. */
int64_t pare_rope_first_beyond(const pare_rope_attrs *attrs);

#endif
