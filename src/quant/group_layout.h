/* group_layout: weights with group multipliers as the kernels take them. */
#ifndef PARE_QUANT_GROUP_LAYOUT_H
#define PARE_QUANT_GROUP_LAYOUT_H

#include "ir/weight.h"
#include "kernels/kernels.h"

/* Of i4, i3 or i2 with k inputs, without data. */
static inline pare_groups pare_groups_layout(const pare_encoding *encoding, int64_t k)
{
   return (pare_groups){ .bits = pare_encoding_bits(encoding->kind),
                         .group = encoding->group,
                         .k = k,
                         .block_bytes = (int64_t)pare_encoding_block_bytes(encoding, k) };
}

static inline pare_groups pare_groups_of(const pare_weight *weight)
{
   pare_groups groups = pare_groups_layout(&weight->encoding, weight->dim[1]);
   groups.data = pare_buffer_data(weight->data);
   return groups;
}

#endif
