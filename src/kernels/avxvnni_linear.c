/* avxvnni_linear: the int8 product with VNNI at 256 bits, of machines without AVX-512, and what their tier is.
 *
 * One tile is up to 6 rows of one block, 12 accumulators, which live over all of K. Fewer rows take several
 * blocks at once: as many read streams, and enough accumulators to hide what a vpdpbusd takes. */
#include "kernels/tiers.h"
#include "kernels/wide.h"

enum { TILE_BLOCKS = 4, TILE_ROWS = 6 };

/* Half a block of one row. */
PARE_INLINE void store(const pare_linear_i8 *p, int64_t first, int64_t row, __m256i acc)
{
   __m256i offset = _mm256_slli_epi32(_mm256_set1_epi32(p->act_sum[row]), 7);
   v8_store_product(p, first, row, _mm256_sub_epi32(acc, offset));
}

/* The accumulators are named variables, low<row><block> and high<row><block>, not an array: gcc keeps an array
 * of registers in memory across the loop. X is expanded for every row and block; what lies outside the tile's
 * constants vanishes. */
#define FOR_BLOCKS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

#define DECLARE(r, b) __m256i low##r##b = _mm256_setzero_si256(), high##r##b = low##r##b;
#define DECLARE_ROW(r) FOR_BLOCKS(DECLARE, r)
#define LOAD(r, b)                                                             \
   const uint8_t *line##b = w + (b < blocks ? b : 0) * panel + i * 64;         \
   __m256i w_low##b = v32_load(line##b), w_high##b = v32_load(line##b + 32);
#define MULTIPLY(r, b)                                                           \
   if (b < blocks) {                                                             \
      low##r##b = v32_dot_codes(low##r##b, w_low##b, four);                     \
      high##r##b = v32_dot_codes(high##r##b, w_high##b, four);                  \
   }
#define MULTIPLY_ROW(r)                                      \
   if (r < rows) {                                           \
      __m256i four = v32_load_four(a + r * lda + 4 * i);   \
      FOR_BLOCKS(MULTIPLY, r)                                \
   }
#define STORE(r, b)                                                     \
   if (r < rows && b < blocks) {                                        \
      store(p, (block + b) * PARE_BLOCK, row + r, low##r##b);           \
      store(p, (block + b) * PARE_BLOCK + 8, row + r, high##r##b);      \
   }
#define STORE_ROW(r) FOR_BLOCKS(STORE, r)

PARE_INLINE void tile(const pare_linear_i8 *p, int64_t block, int64_t row, const int blocks, const int rows)
{
   const int64_t kq = p->kq, lda = p->lda, panel = kq * 64;
   const uint8_t *w = p->codes + block * panel;
   const int8_t *a = p->act + row * lda;
   FOR_ROWS(DECLARE_ROW)
   for (int64_t i = 0; i < kq; i++) {
      FOR_BLOCKS(LOAD, 0)
      FOR_ROWS(MULTIPLY_ROW)
   }
   FOR_ROWS(STORE_ROW)
}

typedef void tile_function(const pare_linear_i8 *p, int64_t block, int64_t row);

#define TILE(blocks, rows)                                                                 \
   static void tile_##blocks##_##rows(const pare_linear_i8 *p, int64_t block, int64_t row) \
   {                                                                                       \
      tile(p, block, row, blocks, rows);                                                   \
   }
TILE(4, 1) TILE(2, 2)
TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(1, 5) TILE(1, 6)

/* By a number of rows: how many blocks at once, their tile, that of one block. */
static const struct {
   int64_t blocks;
   tile_function *several, *one;
} tiles[TILE_ROWS] = {
   { 4, tile_4_1, tile_1_1 }, { 2, tile_2_2, tile_1_2 }, { 1, tile_1_3, tile_1_3 },
   { 1, tile_1_4, tile_1_4 }, { 1, tile_1_5, tile_1_5 }, { 1, tile_1_6, tile_1_6 }
};

static void few_rows(const pare_linear_i8 *p, int64_t block, int64_t end)
{
   int64_t blocks = tiles[p->m - 1].blocks;
   for (; block + blocks <= end; block += blocks) {
      tiles[p->m - 1].several(p, block, 0);
   }
   for (; block < end; block++) {
      tiles[p->m - 1].one(p, block, 0);
   }
}

static void linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   (void)self;   /* one block at a time: nothing to cut */
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   if (p->m > 0 && p->m <= TILE_ROWS) {
      few_rows(p, block0, end);
      return;
   }
   for (int64_t b = block0; b < end; b++) {
      for (int64_t r = 0; r < p->m; r += TILE_ROWS) {
         tiles[(p->m - r < TILE_ROWS ? p->m - r : TILE_ROWS) - 1].one(p, b, r);
      }
   }
}

void pare_avxvnni_fill(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
   pare_avxvnni_groups(k);
   pare_avxvnni_attention_i8(k);
}
