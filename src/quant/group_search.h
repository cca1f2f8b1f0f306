/* group_search: one row to levels with a multiplier a group and one scale, by least squared error.
 *
 * Several scales are tried, for each group and scale all multipliers of both signs that may be best, then
 * the scale is fitted to the codes found and the search repeated with it while that helps. Plain C in a fixed
 * order: the same bits everywhere. Not for other layers. */
#ifndef PARE_QUANT_GROUP_SEARCH_H
#define PARE_QUANT_GROUP_SEARCH_H

#include "ir/weight.h"

typedef struct pare_group_row {
   float *x;             /* [k] finite values; scaled to [-1, 1] by the search */
   int64_t k;
   int group, bits;      /* 32, 64, 128; 4, 3, 2 */
   float *peaks;         /* [groups] scratch memory */
   uint8_t *trial;       /* [groups] scratch memory */
   uint8_t *multipliers; /* [groups] result: magnitude + 16 * the bit that moves the levels up */
   uint8_t *levels;      /* [groups * group] result; pads are 0 */
} pare_group_row;

typedef struct pare_group_fit {
   float scale;          /* 0 for a row of (nearly) zeros: below 2^-100 */
   double error, value;  /* squared, of the row */
   int64_t zeros;        /* elements that are zero now */
} pare_group_fit;

pare_group_fit pare_group_search(const pare_group_row *row);

#endif
