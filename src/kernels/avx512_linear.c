/* avx512_linear: the int8 product with VNNI.
 *
 * One tile is up to 4 blocks (64 channels) by 6 rows: 24 accumulators, 4 weight lines and a broadcast of 4
 * activations fill the registers, and every vpdpbusd does 64 products. For a group of 4 blocks all rows pass, so
 * the group's weights (256 bytes by K/4) are read from memory once and stay in the second-level cache; where they
 * are too long for that they pass part by part, and sums wait, as integers, in the place of the results. With one
 * row (decode) the same tile is four sequential read streams with an accumulator each, which is bound by memory. */
#include "kernels/avx512_util.h"
#include "kernels/blocking.h"
#include "kernels/tiers.h"

enum { TILE_BLOCKS = 4, TILE_ROWS = 6, LINES_AHEAD = 32 };

/* Lines [from, to) of all blocks. */
typedef struct part {
   int64_t from, to;
} part;

/* The sums of the parts before this one. */
PARE_INLINE __m512i sums_before(const pare_linear_i8 *p, const part *t, int64_t block, int64_t row)
{
   if (t->from == 0) return _mm512_setzero_si512();
   const float *at = p->out + row * p->ldo + block * PARE_BLOCK;
   return _mm512_castps_si512(_mm512_maskz_loadu_ps(pare_lanes(block * PARE_BLOCK, p->n), at));
}

/* The results, or the sums while there are more parts. What sums of unsigned codes are too large by goes first. */
PARE_INLINE void store_channels(const pare_linear_i8 *p, const part *t, int64_t block, int64_t row, __m512i acc)
{
   if (t->to < p->kq) {
      float *at = p->out + row * p->ldo + block * PARE_BLOCK;
      _mm512_mask_storeu_ps(at, pare_lanes(block * PARE_BLOCK, p->n), _mm512_castsi512_ps(acc));
      return;
   }
   __m512i offset = _mm512_slli_epi32(_mm512_set1_epi32(p->act_sum[row]), 7);
   pare_store_product(p, block, row, _mm512_sub_epi32(acc, offset));
}

/* The accumulators are named variables, acc<row><block>, not an array: gcc keeps an array of registers in
 * memory across the loop. X is expanded for every row and block; what lies outside the tile's constants
 * vanishes. */
#define FOR_BLOCKS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

#define DECLARE(r, b)                                         \
   __m512i acc##r##b = _mm512_setzero_si512();                \
   if (r < rows && b < blocks) {                              \
      acc##r##b = sums_before(p, t, block + b, row + r);      \
   }
#define DECLARE_ROW(r) FOR_BLOCKS(DECLARE, r)
#define LOAD(r, b) __m512i line##b = _mm512_load_si512(w + (b < blocks ? b : 0) * panel + i * 64);
#define MULTIPLY(r, b)                                         \
   if (b < blocks) {                                           \
      acc##r##b = pare_multiply_add(acc##r##b, line##b, four); \
   }
#define MULTIPLY_ROW(r)                                         \
   if (r < rows) {                                              \
      __m512i four = pare_broadcast_codes(a + r * lda + 4 * i); \
      FOR_BLOCKS(MULTIPLY, r)                                   \
   }
#define STORE(r, b)                                        \
   if (r < rows && b < blocks) {                           \
      store_channels(p, t, block + b, row + r, acc##r##b); \
   }
#define STORE_ROW(r) FOR_BLOCKS(STORE, r)

/* One row reads memory as fast as it comes. The prefetchers of the processor start anew with every page and
 * every block, so lines are asked for ahead of time: of these blocks, then of the four that come next. */
PARE_INLINE void fetch_ahead(const uint8_t *w, int64_t i, int64_t kq, const int blocks)
{
   const int64_t panel = kq * 64;
   const uint8_t *line = w + (i + LINES_AHEAD) * 64 + (i + LINES_AHEAD < kq ? 0 : (blocks - 1) * panel);
   PARE_UNROLL
   for (int b = 0; b < blocks; b++) _mm_prefetch((const char *)(line + b * panel), _MM_HINT_T0);
}

PARE_INLINE void tile(const pare_linear_i8 *p, const part *t, int64_t block, int64_t row, const int blocks,
                      const int rows)
{
   const int64_t kq = p->kq, lda = p->lda, panel = kq * 64, to = t->to;
   const uint8_t *w = p->codes + block * panel;
   const int8_t *a = p->act + row * lda;
   FOR_ROWS(DECLARE_ROW)
   for (int64_t i = t->from; i < to; i++) {
      if (rows == 1) fetch_ahead(w, i, kq, blocks);
      FOR_BLOCKS(LOAD, 0)
      FOR_ROWS(MULTIPLY_ROW)
   }
   FOR_ROWS(STORE_ROW)
}

typedef void tile_function(const pare_linear_i8 *p, const part *t, int64_t block, int64_t row);

#define TILE(blocks, rows)                                                                                \
   static void tile_##blocks##_##rows(const pare_linear_i8 *p, const part *t, int64_t block, int64_t row) \
   {                                                                                                      \
      tile(p, t, block, row, blocks, rows);                                                               \
   }
#define TILES(blocks) \
   TILE(blocks, 1) TILE(blocks, 2) TILE(blocks, 3) TILE(blocks, 4) TILE(blocks, 5) TILE(blocks, 6)
TILES(1)
TILES(2)
TILES(3)
TILES(4)

#define TILE_NAMES(b) { tile_##b##_1, tile_##b##_2, tile_##b##_3, tile_##b##_4, tile_##b##_5, tile_##b##_6 }
static tile_function *const tile_of[TILE_BLOCKS][TILE_ROWS] = {
   TILE_NAMES(1), TILE_NAMES(2), TILE_NAMES(3), TILE_NAMES(4)
};

/* A part of up to 4 blocks, all rows. */
static void group(const pare_linear_i8 *p, const part *t, int64_t block, int64_t blocks)
{
   for (int64_t r = 0; r < p->m; r += TILE_ROWS) {
      int64_t rows = p->m - r < TILE_ROWS ? p->m - r : TILE_ROWS;
      tile_of[blocks - 1][rows - 1](p, t, block, r);
   }
}

/* Lines of a part of a group: about a quarter of the second-level cache, which two threads may share, if several tiles
 * of rows come back to them, and sums can wait where the results go. */
static int64_t lines_of_part(const pare_kernels *self, const pare_linear_i8 *p)
{
   if (p->m <= TILE_ROWS || p->add == p->out) return p->kq;
   return pare_lines_of_part(p->kq, self->caches.l2 / 4 / (TILE_BLOCKS * 64));
}

void pare_avx512_linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   int64_t lines = lines_of_part(self, p);
   for (int64_t b = block0; b < end; b += TILE_BLOCKS) {
      int64_t blocks = end - b < TILE_BLOCKS ? end - b : TILE_BLOCKS;
      part t = { 0, 0 };
      do {
         t = (part){ t.to, p->kq - t.to < lines ? p->kq : t.to + lines };
         group(p, &t, b, blocks);
      } while (t.to < p->kq);
   }
}

void pare_avx512_linear(pare_kernels *k)
{
   k->linear_i8 = pare_avx512_linear_i8;
}
