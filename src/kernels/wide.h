/* wide: what the AVX2 and the NEON tiers share. Their kernels are the same source, wide_*.c, compiled once for
 * each over the vectors of eight floats, and of 32 bytes, of wide_avx2.h or wide_neon.h (one register, or
 * two); only the int8 product is written for each. A 16-lane sum is two such vectors. AVX-VNNI has its own
 * products and compiles wide_groups.c and wide_attention_i8.c with them.
 *
 * Inside src/kernels only. */
#ifndef PARE_KERNELS_WIDE_H
#define PARE_KERNELS_WIDE_H

#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

#define PARE_INLINE static inline __attribute__((always_inline))

/* Unroll a loop of constant length fully, so that arrays of registers stay in registers. */
#if defined(__clang__)
#define PARE_UNROLL _Pragma("unroll")
#else
#define PARE_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__AVXVNNI__)
#define PARE_WIDE(name) pare_avxvnni_##name
#include "kernels/wide_avx2.h"
#elif defined(__AVX2__)
#define PARE_WIDE(name) pare_avx2_##name
#include "kernels/wide_avx2.h"
#else
#define PARE_WIDE(name) pare_neon_##name
#include "kernels/wide_neon.h"
#endif

/* Fewer than 8, said so that a compiler sees it too: gcc -O0 warns of a constant `left` in a branch not taken. */
PARE_INLINE size_t pare_part_of_8(int64_t left)
{
   return (size_t)left & 7;
}

/* Up to 8 floats, `left` of them: +0 in the lanes that are not read. */
PARE_INLINE v8 v8_load_part(const float *p, int64_t left)
{
   if (left >= 8) {
      return v8_load(p);
   }
   float t[8] = { 0 };
   memcpy(t, p, pare_part_of_8(left) * sizeof *p);
   return v8_load(t);
}

PARE_INLINE void v8_store_part(float *p, int64_t left, v8 x)
{
   if (left >= 8) {
      v8_store(p, x);
      return;
   }
   float t[8];
   v8_store(t, x);
   memcpy(p, t, pare_part_of_8(left) * sizeof *p);
}

/* x[0] holds the lanes 0 to 7 of 16, x[1] the lanes 8 to 15; the first `left` stay, the rest become +0. */
PARE_INLINE void v8_keep16(int64_t left, v8 *x)
{
   if (left >= 16) {
      return;
   }
   float t[16];
   v8_store(t, x[0]);
   v8_store(t + 8, x[1]);
   memset(t + left, 0, (size_t)(16 - left) * sizeof *t);
   x[0] = v8_load(t);
   x[1] = v8_load(t + 8);
}

PARE_INLINE void v8_load16_part(const float *p, int64_t left, v8 *x)
{
   if (left >= 16) {
      x[0] = v8_load(p);
      x[1] = v8_load(p + 8);
      return;
   }
   float t[16] = { 0 };
   memcpy(t, p, (size_t)left * sizeof *p);
   x[0] = v8_load(t);
   x[1] = v8_load(t + 8);
}

/* The tree of every 16-lane sum; lanes 8 to 15 in high. */
PARE_INLINE float v8_tree16(v8 low, v8 high)
{
   return v8_tree(v8_add(low, high));
}

/* Output channels [first, first + 8) of one row of an int8 product, those below n, from their sums. */
PARE_INLINE void v8_store_product(const pare_linear_i8 *p, int64_t first, int64_t row, v8_ints sums)
{
   int64_t left = p->n - first;
   if (left <= 0) {
      return;
   }
   v8 scale = v8_mul(v8_set(p->act_scale[row]), v8_load_part(p->w_scale + first, left));
   v8 bias = p->bias ? v8_load_part(p->bias + first, left) : v8_zero();
   v8 result = v8_fma(v8_from_ints(sums), scale, bias);
   if (p->add) {
      result = v8_add(result, v8_load_part(p->add + row * p->ld_add + first, left));
   }
   v8_store_part(p->out + row * p->ldo + first, left, result);
}

#endif
