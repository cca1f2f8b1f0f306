/* neon_linear: the int8 product with the dot product of Armv8.2 (sdot).
 *
 * A line of a block, 16 channels by 4 codes, is four registers of 4 channels each; their top bits are
 * flipped back, so that both sides are signed and no correction is needed. Four lines at a time take 16
 * activations of a row from one register, a lane a line. 5 rows are 20 accumulators, 5 registers of
 * activations and one of weights, of 32. */
#include "kernels/tiers.h"
#include "kernels/wide.h"

enum { TILE_ROWS = 5 };

/* The signed weights of 4 channels. */
PARE_INLINE int8x16_t load_weights(const uint8_t *w)
{
   return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(w), vdupq_n_u8(0x80)));
}

/* The accumulators are named variables, acc<row><quarter>, not an array: gcc keeps an array of registers in
 * memory across the loop. X is expanded for every row and quarter of a line; what lies beyond the tile's rows
 * vanishes. */
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4)
#define FOR_QUARTERS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)

#define DECLARE(r, c) int32x4_t acc##r##c = vdupq_n_s32(0);
#define DECLARE_ROW(r) FOR_QUARTERS(DECLARE, r)
#define STORE_ROW(r)                                                               \
   if (r < rows) {                                                                 \
      v8_ints low = { acc##r##0, acc##r##1 }, high = { acc##r##2, acc##r##3 };     \
      v8_store_product(p, block * PARE_BLOCK, row + r, low);                       \
      v8_store_product(p, block * PARE_BLOCK + 8, row + r, high);                  \
   }

/* Line i + l, l a constant: quarter c by lane l of every row. */
#define MULTIPLY_LANE(r, c, l)                                    \
   if (r < rows) {                                                \
      acc##r##c = vdotq_laneq_s32(acc##r##c, weights, a##r, l);   \
   }
#define QUARTER(c, l)                                                             \
   {                                                                              \
      int8x16_t weights = load_weights(w + 64 * (i + l) + 16 * c);                \
      MULTIPLY_LANE(0, c, l) MULTIPLY_LANE(1, c, l) MULTIPLY_LANE(2, c, l)        \
      MULTIPLY_LANE(3, c, l) MULTIPLY_LANE(4, c, l)                               \
   }
#define LINE(l) QUARTER(0, l) QUARTER(1, l) QUARTER(2, l) QUARTER(3, l)
#define LOAD_ROW(r) int8x16_t a##r = vld1q_s8(a + (r < rows ? r : 0) * lda + 4 * i);

/* One line: the row's 4 activations in every lane. */
PARE_INLINE int8x16_t broadcast_codes(const int8_t *a)
{
   int32_t four;
   memcpy(&four, a, sizeof four);
   return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
#define MULTIPLY_ONE(r, c) acc##r##c = vdotq_s32(acc##r##c, load_weights(w + 64 * i + 16 * c), four);
#define MULTIPLY_ROW(r)                                        \
   if (r < rows) {                                             \
      int8x16_t four = broadcast_codes(a + r * lda + 4 * i);   \
      FOR_QUARTERS(MULTIPLY_ONE, r)                            \
   }

/* One block by 1 to 5 rows. */
PARE_INLINE void tile(const pare_linear_i8 *p, int64_t block, int64_t row, const int rows)
{
   const int64_t kq = p->kq, lda = p->lda;
   const uint8_t *w = p->codes + block * kq * 64;
   const int8_t *a = p->act + row * lda;
   int64_t i = 0;
   FOR_ROWS(DECLARE_ROW)
   for (; i + 4 <= kq; i += 4) {
      FOR_ROWS(LOAD_ROW)
      LINE(0)
      LINE(1)
      LINE(2)
      LINE(3)
   }
   for (; i < kq; i++) {
      FOR_ROWS(MULTIPLY_ROW)
   }
   FOR_ROWS(STORE_ROW)
}

static void tile_rows(const pare_linear_i8 *p, int64_t block, int64_t row, int64_t rows)
{
   switch (rows) {
   case 1: tile(p, block, row, 1); break;
   case 2: tile(p, block, row, 2); break;
   case 3: tile(p, block, row, 3); break;
   case 4: tile(p, block, row, 4); break;
   default: tile(p, block, row, 5); break;
   }
}

void pare_neon_linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   (void)self;   /* one block at a time: nothing to cut */
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   for (int64_t b = block0; b < end; b++) {
      for (int64_t r = 0; r < p->m; r += TILE_ROWS) {
         tile_rows(p, b, r, p->m - r < TILE_ROWS ? p->m - r : TILE_ROWS);
      }
   }
}

void pare_neon_linear(pare_kernels *k)
{
   k->linear_i8 = pare_neon_linear_i8;
}
