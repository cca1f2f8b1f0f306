/* blocking: how many lines of K are worked on at a time, from the sizes of the caches. It decides when sums are made,
 * not which: any sizes give the same bits. */
#ifndef PARE_KERNELS_BLOCKING_H
#define PARE_KERNELS_BLOCKING_H

#include "kernels/kernels.h"

/* Lines are cut at multiples of so many: a tile of AMX. */
enum { PARE_LINES_UNIT = 16 };

/* Lines of a part of a block of `lines`: as many parts as come next to `wanted` lines each, equal but for rounding up
 * to units, which may leave the last one shorter or spare it. At least a unit. */
static inline int64_t pare_lines_of_part(int64_t lines, int64_t wanted)
{
   if (wanted < PARE_LINES_UNIT) wanted = PARE_LINES_UNIT;
   int64_t parts = lines < wanted ? 1 : (lines + wanted / 2) / wanted;
   int64_t units = lines < 1 ? 1 : (lines + PARE_LINES_UNIT - 1) / PARE_LINES_UNIT;
   return (units + parts - 1) / parts * PARE_LINES_UNIT;
}

#endif
