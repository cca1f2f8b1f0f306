/* scalar_sums: the 16-lane sums of the scalar tier, whose order every tier has. Inside src/kernels only. */
#ifndef PARE_KERNELS_SCALAR_SUMS_H
#define PARE_KERNELS_SCALAR_SUMS_H

#include "kernels/mathf.h"

/* s[l] += s[l + 8], + 4, + 2, + 1: the tree of every 16-lane sum. */
static inline float pare_tree16(float s[16])
{
   for (int h = 8; h > 0; h /= 2) {
      for (int l = 0; l < h; l++) {
         s[l] += s[l + h];
      }
   }
   return s[0];
}

/* p = f(p - max), f an exponential, in place, for the keys [lo, hi) of a block; returns the 16-lane sum. */
static inline float pare_exponentials(float *p, int64_t lo, int64_t hi, float max, float f(float))
{
   float lanes[16] = { 0 };
   for (int64_t j = lo; j < hi; j++) {
      p[j] = f(p[j] - max);
      lanes[j % 16] += p[j];
   }
   return pare_tree16(lanes);
}

#endif
