/* amx_linear: the int8 product with AMX tiles.
 *
 * Two tiles of rows by two of channels: four accumulators, and every load of a tile serves two products. Sums
 * live in the tiles over all of K. Few rows would leave most of a tile idle and are bound by memory anyway, so
 * they go to AVX-512 VNNI.
 *
 * Order of the work: rows in chunks whose codes stay in the second-level cache; for each pair of blocks all
 * rows of the chunk. A block's lines are read from memory once and then come from the second-level cache. */
#include <stdbool.h>

#include "kernels/amx_util.h"
#include "kernels/avx512_util.h"
#include "kernels/tiers.h"

enum {
   FEW_ROWS = 8,               /* up to so many rows VNNI is as fast */
   PAIR = 2,                   /* tiles of rows and blocks of channels that are worked on together */
   CHUNK_BYTES = 768 << 10     /* of activations that stay in the second-level cache */
};

/* Registers, as the intrinsics want them: literal numbers. SUM<row tile><block>. */
#define SUM00 0
#define SUM01 1
#define SUM10 2
#define SUM11 3
#define ACT0 4
#define ACT1 5
#define WEIGHT0 6
#define WEIGHT1 7

/* What two row tiles and two blocks are computed from: pointers to each, tiles that are not there repeat the
 * first one. */
typedef struct operands {
   const int8_t *act[PAIR];
   const uint8_t *weight[PAIR];
   int64_t lda;
} operands;

static void configure(int64_t first, int64_t second)
{
   uint8_t a = (uint8_t)first, b = (uint8_t)second;
   const uint8_t rows[PARE_TILES] = { a, a, b, b, a, b, PARE_TILE_ROWS, PARE_TILE_ROWS };
   pare_tiles_configure(rows);
}

PARE_INLINE void multiply(const operands *o, int64_t steps, const int row_tiles, const int blocks)
{
   for (int64_t i = 0; i < steps; i++) {
      int64_t a = i * PARE_TILE_BYTES, w = i * PARE_TILE_ROWS * PARE_TILE_BYTES;
      _tile_loadd(ACT0, o->act[0] + a, (size_t)o->lda);
      _tile_loadd(WEIGHT0, o->weight[0] + w, PARE_TILE_BYTES);
      _tile_dpbsud(SUM00, ACT0, WEIGHT0);
      if (blocks == 2) {
         _tile_loadd(WEIGHT1, o->weight[1] + w, PARE_TILE_BYTES);
         _tile_dpbsud(SUM01, ACT0, WEIGHT1);
      }
      if (row_tiles == 2) {
         _tile_loadd(ACT1, o->act[1] + a, (size_t)o->lda);
         _tile_dpbsud(SUM10, ACT1, WEIGHT0);
         if (blocks == 2) _tile_dpbsud(SUM11, ACT1, WEIGHT1);
      }
   }
}

/* The last lines, fewer than a tile's: copies filled up with zeros. */
PARE_INLINE void multiply_rest(const operands *o, const int64_t rows[PAIR], int64_t done, int64_t lines,
                               const int row_tiles, const int blocks)
{
   _Alignas(64) int8_t act[PAIR][PARE_TILE_ROWS * PARE_TILE_BYTES];
   _Alignas(64) uint8_t weight[PAIR][PARE_TILE_ROWS * PARE_TILE_BYTES];
   operands rest = { .act = { act[0], act[1] }, .weight = { weight[0], weight[1] }, .lda = PARE_TILE_BYTES };
   __mmask64 inputs = (1ull << (4 * lines)) - 1;
   for (int t = 0; t < row_tiles; t++) {
      for (int64_t r = 0; r < rows[t]; r++) {
         const int8_t *from = o->act[t] + r * o->lda + done * 4;
         _mm512_store_si512(act[t] + r * PARE_TILE_BYTES, _mm512_maskz_loadu_epi8(inputs, from));
      }
   }
   for (int b = 0; b < blocks; b++) {
      size_t size = (size_t)lines * PARE_TILE_BYTES;
      memcpy(weight[b], o->weight[b] + done * PARE_TILE_BYTES, size);
      memset(weight[b] + size, 0, sizeof weight[b] - size);
   }
   multiply(&rest, 1, row_tiles, blocks);
}

/* sums: a tile of [rows][16]. */
static void store_sums(const pare_linear_i8 *p, int64_t block, int64_t row, int64_t rows, const int32_t *sums)
{
   int64_t first = block * PARE_BLOCK;
   __mmask16 lanes = pare_lanes(first, p->n);
   __m512 w_scale = _mm512_maskz_loadu_ps(lanes, p->w_scale + first);
   __m512 bias = p->bias ? _mm512_maskz_loadu_ps(lanes, p->bias + first) : _mm512_setzero_ps();
   for (int64_t r = 0; r < rows; r++) {
      __m512i offset = _mm512_set1_epi32(p->act_sum[row + r] * 128);
      __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(sums + 16 * r), offset));
      __m512 scale = _mm512_mul_ps(_mm512_set1_ps(p->act_scale[row + r]), w_scale);
      _mm512_mask_storeu_ps(p->out + (row + r) * p->ldo + first, lanes, _mm512_fmadd_ps(sum, scale, bias));
   }
}

#define STORE(r, b)                                                             \
   if (r < row_tiles && b < blocks) {                                           \
      _tile_stored(SUM##r##b, sums, PARE_TILE_BYTES);                           \
      store_sums(p, block + b, row + r * PARE_TILE_ROWS, rows[r], sums);        \
   }

PARE_INLINE void product(const pare_linear_i8 *p, int64_t block, int64_t row, const int64_t rows[PAIR],
                         const int row_tiles, const int blocks)
{
   _Alignas(64) int32_t sums[PARE_TILE_ROWS * 16];
   const int64_t panel = p->kq * PARE_TILE_BYTES, steps = p->kq / PARE_TILE_ROWS;
   operands o = { .lda = p->lda };
   for (int i = 0; i < PAIR; i++) {
      o.act[i] = p->act + (row + (i < row_tiles ? i : 0) * PARE_TILE_ROWS) * p->lda;
      o.weight[i] = p->codes + (block + (i < blocks ? i : 0)) * panel;
   }
   _tile_zero(SUM00);
   _tile_zero(SUM01);
   _tile_zero(SUM10);
   _tile_zero(SUM11);
   multiply(&o, steps, row_tiles, blocks);
   int64_t rest = p->kq % PARE_TILE_ROWS;
   if (rest > 0) multiply_rest(&o, rows, steps * PARE_TILE_ROWS, rest, row_tiles, blocks);
   STORE(0, 0)
   STORE(0, 1)
   STORE(1, 0)
   STORE(1, 1)
}

/* Rows [from, to) of one or two blocks. */
static void rows_of_blocks(const pare_linear_i8 *p, int64_t block, int blocks, int64_t from, int64_t to)
{
   for (int64_t row = from; row < to; row += PAIR * PARE_TILE_ROWS) {
      int64_t left = to - row, rows[PAIR] = { left < PARE_TILE_ROWS ? left : PARE_TILE_ROWS, 0 };
      if (left > PARE_TILE_ROWS) rows[1] = left < PAIR * PARE_TILE_ROWS ? left - PARE_TILE_ROWS : PARE_TILE_ROWS;
      bool whole = left >= PAIR * PARE_TILE_ROWS;
      if (!whole) configure(rows[0], rows[1] ? rows[1] : PARE_TILE_ROWS);
      if (rows[1] > 0 && blocks == 2) product(p, block, row, rows, 2, 2);
      else if (rows[1] > 0) product(p, block, row, rows, 2, 1);
      else if (blocks == 2) product(p, block, row, rows, 1, 2);
      else product(p, block, row, rows, 1, 1);
      if (!whole) configure(PARE_TILE_ROWS, PARE_TILE_ROWS);
   }
}

/* Rows that fit the second-level cache, whole pairs of tiles. */
static int64_t chunk_rows(const pare_linear_i8 *p)
{
   int64_t rows = CHUNK_BYTES / (p->lda > 0 ? p->lda : 1) / (PAIR * PARE_TILE_ROWS) * (PAIR * PARE_TILE_ROWS);
   return rows < 2 * PAIR * PARE_TILE_ROWS ? 2 * PAIR * PARE_TILE_ROWS : rows;
}

static void linear_i8(const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   if (p->m <= FEW_ROWS) {
      pare_avx512_linear_i8(p, block0, block1);
      return;
   }
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   int64_t chunk = chunk_rows(p);
   configure(PARE_TILE_ROWS, PARE_TILE_ROWS);
   for (int64_t row = 0; row < p->m; row += chunk) {
      int64_t to = row + chunk < p->m ? row + chunk : p->m;
      for (int64_t b = block0; b < end; b += PAIR) rows_of_blocks(p, b, end - b < PAIR ? 1 : PAIR, row, to);
   }
   _tile_release();
}

void pare_amx_linear(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
}
