/* neon_i8mm_linear: the int8 product with the int8 matrix product of Armv8.6 (usmmla), for two rows and more.
 *
 * One usmmla multiplies 2 channels by 2 rows over 8 codes, twice the products of a dot product. Two lines of
 * a quarter of a block (4 channels by 4 codes each) zipped by fours are two such operands; codes stay
 * unsigned, so 128 times the sum of the row's activations is taken off. Single rows, and the last of an odd
 * number, go to neon_linear.c: half of every product would be lost. */
#include "kernels/tiers.h"
#include "kernels/wide.h"

enum { TILE_ROWS = 4 };

/* Four channels, of a row and the next, from the products by row of channels 0, 1 and 2, 3. */
PARE_INLINE void store_channels(const pare_linear_i8 *p, int64_t first, int64_t row, int32x4_t low,
                                int32x4_t high)
{
   int64_t left = p->n - first < 4 ? p->n - first : 4;
   const int32x4_t sums[2] = { vuzp1q_s32(low, high), vuzp2q_s32(low, high) };
   for (int64_t r = 0; r < 2 && left > 0; r++) {
      int32x4_t sum = vsubq_s32(sums[r], vshlq_n_s32(vdupq_n_s32(p->act_sum[row + r]), 7));
      const v8 x = { vcvtq_f32_s32(sum), vdupq_n_f32(0.0f) };
      v8 scale = v8_mul(v8_set(p->act_scale[row + r]), v8_load_part(p->w_scale + first, left));
      v8 bias = p->bias ? v8_load_part(p->bias + first, left) : v8_zero();
      v8 result = v8_fma(x, scale, bias);
      if (p->add) {
         result = v8_add(result, v8_load_part(p->add + (row + r) * p->ld_add + first, left));
      }
      v8_store_part(p->out + (row + r) * p->ldo + first, left, result);
   }
}

/* 8 codes of two rows; of the last line 4 and zeros. */
PARE_INLINE int8x16_t load_rows(const int8_t *a, int64_t lda, const int64_t lines)
{
   int8_t t[16] = { 0 };
   if (lines == 2) {
      return vcombine_s8(vld1_s8(a), vld1_s8(a + lda));
   }
   memcpy(t, a, 4);
   memcpy(t + 8, a + lda, 4);
   return vld1q_s8(t);
}

/* Accumulators are named variables, low<pair><quarter> of channels 0, 1 and high<pair><quarter> of channels
 * 2, 3 of a quarter, so that gcc keeps them in registers across the loop. */
#define FOR_QUARTERS(X) X(0) X(1) X(2) X(3)
#define DECLARE(c)                                              \
   int32x4_t low0##c = vdupq_n_s32(0), high0##c = low0##c;      \
   int32x4_t low1##c = low0##c, high1##c = low0##c;
#define MULTIPLY(c)                                                                            \
   {                                                                                           \
      uint32x4_t one = vreinterpretq_u32_u8(vld1q_u8(w + 64 * i + 16 * c));                    \
      uint32x4_t two = vreinterpretq_u32_u8(vld1q_u8(w + 64 * (i + lines - 1) + 16 * c));      \
      uint8x16_t w_low = vreinterpretq_u8_u32(vzip1q_u32(one, two));                           \
      uint8x16_t w_high = vreinterpretq_u8_u32(vzip2q_u32(one, two));                          \
      low0##c = vusmmlaq_s32(low0##c, w_low, pair0);                                           \
      high0##c = vusmmlaq_s32(high0##c, w_high, pair0);                                        \
      if (rows == 4) {                                                                         \
         low1##c = vusmmlaq_s32(low1##c, w_low, pair1);                                        \
         high1##c = vusmmlaq_s32(high1##c, w_high, pair1);                                     \
      }                                                                                        \
   }
#define MULTIPLY_LINES                                                                \
   {                                                                                  \
      int8x16_t pair0 = load_rows(a + 4 * i, lda, lines);                             \
      int8x16_t pair1 = rows == 4 ? load_rows(a + 2 * lda + 4 * i, lda, lines) : pair0; \
      FOR_QUARTERS(MULTIPLY)                                                          \
   }
#define STORE(c)                                                                     \
   store_channels(p, block * PARE_BLOCK + 4 * c, row, low0##c, high0##c);            \
   if (rows == 4) {                                                                  \
      store_channels(p, block * PARE_BLOCK + 4 * c, row + 2, low1##c, high1##c);     \
   }

/* One block by 2 or 4 rows. */
PARE_INLINE void tile(const pare_linear_i8 *p, int64_t block, int64_t row, const int rows)
{
   const int64_t kq = p->kq, lda = p->lda;
   const uint8_t *w = p->codes + block * kq * 64;
   const int8_t *a = p->act + row * lda;
   int64_t i = 0, lines = 2;
   FOR_QUARTERS(DECLARE)
   for (; i + 2 <= kq; i += 2) {
      MULTIPLY_LINES
   }
   if (i < kq) {
      lines = 1;
      MULTIPLY_LINES
   }
   FOR_QUARTERS(STORE)
}

static void linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   for (int64_t b = block0; b < end; b++) {
      int64_t r = 0;
      for (; r + TILE_ROWS <= p->m; r += TILE_ROWS) {
         tile(p, b, r, 4);
      }
      if (r + 2 <= p->m) {
         tile(p, b, r, 2);
      }
   }
   if (p->m % 2 == 1) {
      int64_t last = p->m - 1;
      pare_linear_i8 one = *p;
      one.act += last * p->lda;
      one.act_scale += last;
      one.act_sum += last;
      one.out += last * p->ldo;
      if (one.add) {
         one.add += last * p->ld_add;
      }
      one.m = 1;
      pare_neon_linear_i8(self, &one, block0, block1);
   }
}

void pare_neon_i8mm_linear(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
}
