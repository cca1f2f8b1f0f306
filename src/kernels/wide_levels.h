/* wide_levels: the levels of weights in groups, half a line (8 channels by 4 inputs) in 32 bytes; shared by
 * the files of AVX2, AVX-VNNI and NEON that read them.
 *
 * A weight is (level - offset + up) * magnitude. The levels of 2 bits are doubled where they are taken apart,
 * so that this holds for them too, with an offset of 3. */
#ifndef PARE_KERNELS_WIDE_LEVELS_H
#define PARE_KERNELS_WIDE_LEVELS_H

#include "kernels/groups.h"
#include "kernels/wide.h"

PARE_INLINE int pare_offset_of(const int bits)
{
   return bits == 2 ? 3 : 1 << (bits - 1);
}

/* The levels of line j (a constant) of an eight, from byte `half` * 32 of each plane on. */
PARE_INLINE v32 pare_levels_of(const uint8_t *eight, const int half, const int j, const int bits)
{
   const uint8_t *at = eight + 32 * half;
   if (bits == 4) {
      return v32_and(v32_shift(v32_load(at + 64 * (j / 2)), j % 2 ? -4 : 0), v32_set(15));
   }
   v32 pair = v32_load(at + 64 * (j / 4));
   if (bits == 2) {
      return v32_and(v32_shift(pair, 1 - 2 * (j % 4)), v32_set(6));
   }
   v32 low = v32_and(v32_shift(pair, -2 * (j % 4)), v32_set(3));
   v32 top = v32_and(v32_shift(v32_load(at + 128), 2 - j), v32_set(4));
   return v32_or(low, top);
}

/* Of half a group's channels, each in the four bytes of its lane. */
typedef struct group_rule {
   v32 magnitude;
   v32 up;          /* -1 or 0 */
} group_rule;

/* Group g (0..3) of a four; multipliers: its line. */
PARE_INLINE group_rule pare_rule_of(const uint8_t *multipliers, const int half, int64_t g, const int bits)
{
   v32 m = v32_spread(v32_load(multipliers + 32 * half), g);
   v32 low = v32_and(m, v32_set(PARE_GROUP_UP | PARE_GROUP_MAGNITUDE));
   v32 up = bits == 2 ? v32_set(0) : v32_above(low, PARE_GROUP_MAGNITUDE);
   return (group_rule){ v32_and(m, v32_set(PARE_GROUP_MAGNITUDE)), up };
}

/* What a weight of level 0 is less than 0: at most 120. */
PARE_INLINE v32 pare_zero_of(group_rule rule, const int bits)
{
   v32 zero = v32_mul(v32_set((uint8_t)pare_offset_of(bits)), rule.magnitude);
   return v32_sub(zero, v32_and(rule.up, rule.magnitude));
}

#endif
