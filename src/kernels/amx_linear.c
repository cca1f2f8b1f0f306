/* amx_linear: the int8 product with AMX tiles.
 *
 * Two tiles of rows by two of channels: four accumulators, and every load of a tile serves two products. From
 * the first-level cache such loads keep up with the products, from the second they do not (README.md), so the
 * inputs are cut into parts: the lines of two blocks of a part stay in the first-level cache while all rows of
 * a chunk pass, and those of the next part are asked for; the sums wait in memory for it. The rows of a chunk stay in
 * the second-level cache; where they are too long for that, their part does while the blocks of a panel pass.
 *
 * Few rows would leave most of a tile idle and are bound by memory anyway: they go to AVX-512 VNNI. */
#include <stdbool.h>

#include "kernels/amx_util.h"
#include "kernels/avx512_util.h"
#include "kernels/blocking.h"
#include "kernels/tiers.h"

enum {
   FEW_ROWS = 8, /* up to so many rows VNNI is as fast */
   PAIR = 2,     /* tiles of rows and blocks of channels that are worked on together */
   PAIR_ROWS = PAIR * PARE_TILE_ROWS,
   MOST_ROWS = 256,         /* of a chunk */
   PANEL = 4 * PAIR,        /* blocks of a panel of long rows */
   LEAST_L1 = 48 << 10,
   MOST_L2 = 2 << 20
};

/* Registers, as the intrinsics want them: literal numbers. SUM<row tile><block>. */
#define SUM00   0
#define SUM01   1
#define SUM10   2
#define SUM11   3
#define ACT0    4
#define ACT1    5
#define WEIGHT0 6
#define WEIGHT1 7

/* Where the tiles of a step are; what is not there repeats the first one. */
typedef struct operands {
   const int8_t *act[PAIR];
   const uint8_t *weight[PAIR];
   int64_t lda;
} operands;

/* Lines [from, to) of one or two blocks; of none after the last part. */
typedef struct part {
   int64_t block, blocks;
   int64_t from, to;
} part;

/* Lines that are asked for before their part is worked on. */
typedef struct ahead {
   const uint8_t *at;
   int64_t second;     /* where those of the second block lie from there */
   int64_t left, each; /* of each block: in all, at a time */
} ahead;

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

/* The results of up to 16 rows of the two blocks, row by row, so that neighbouring lines are written together.
 * sums: tiles [block][16][16]. What the product says is copied first: a store could change it, as far as
 * compilers know. */
PARE_INLINE void store_rows(const pare_linear_i8 *p, int64_t block, int64_t row, int64_t rows,
                            const int32_t *sums, const int blocks)
{
   const int64_t first = block * PARE_BLOCK, ldo = p->ldo;
   const int32_t *act_sum = p->act_sum + row;
   const float *act_scale = p->act_scale + row;
   float *out = p->out + row * ldo + first;
   const float *add = p->add ? p->add + row * p->ld_add + first : NULL;
   const int64_t ld_add = p->ld_add;
   __mmask16 lanes[PAIR];
   __m512 w_scale[PAIR], bias[PAIR];
   for (int b = 0; b < blocks; b++) {
      int64_t at = first + b * PARE_BLOCK;
      lanes[b] = pare_lanes(at, p->n);
      w_scale[b] = _mm512_maskz_loadu_ps(lanes[b], p->w_scale + at);
      bias[b] = p->bias ? _mm512_maskz_loadu_ps(lanes[b], p->bias + at) : _mm512_setzero_ps();
   }
   for (int64_t r = 0; r < rows; r++, sums += PARE_BLOCK, out += ldo) {
      __m512i offset = _mm512_set1_epi32(act_sum[r] * 128);
      __m512 scale = _mm512_set1_ps(act_scale[r]);
      PARE_UNROLL
      for (int b = 0; b < blocks; b++) {
         __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(sums + 256 * b), offset));
         __m512 result = _mm512_fmadd_ps(sum, _mm512_mul_ps(scale, w_scale[b]), bias[b]);
         if (add) result = _mm512_add_ps(result, _mm512_maskz_loadu_ps(lanes[b], add + r * ld_add + b * PARE_BLOCK));
         _mm512_mask_storeu_ps(out + b * PARE_BLOCK, lanes[b], result);
      }
   }
}

#define LOAD(r, b)  _tile_loadd(SUM##r##b, sums + 256 * (2 * r + b), PARE_TILE_BYTES);
#define STORE(r, b) _tile_stored(SUM##r##b, sums + 256 * (2 * r + b), PARE_TILE_BYTES);
#define ZERO(r, b)  _tile_zero(SUM##r##b);
#define FOR_TILES(X)                                                                                         \
   X(0, 0)                                                                                                   \
   if (blocks == 2) {                                                                                        \
      X(0, 1)                                                                                                \
   }                                                                                                         \
   if (row_tiles == 2) {                                                                                     \
      X(1, 0)                                                                                                \
   }                                                                                                         \
   if (row_tiles == 2 && blocks == 2) {                                                                      \
      X(1, 1)                                                                                                \
   }

/* Adds a part to the sums of up to 32 rows, [row tile][block][16][16]. */
PARE_INLINE void add_part(const pare_linear_i8 *p, const part *t, int64_t row, const int64_t rows[PAIR],
                          int32_t *sums, const int row_tiles, const int blocks)
{
   int64_t steps = (t->to - t->from) / PARE_TILE_ROWS, rest = (t->to - t->from) % PARE_TILE_ROWS;
   operands o = { .lda = p->lda };
   for (int i = 0; i < PAIR; i++) {
      o.act[i] = p->act + (row + (i < row_tiles ? i : 0) * PARE_TILE_ROWS) * p->lda + 4 * t->from;
      o.weight[i] = p->codes + ((t->block + (i < blocks ? i : 0)) * p->kq + t->from) * PARE_TILE_BYTES;
   }
   if (t->from == 0) {
      FOR_TILES(ZERO)
   } else {
      FOR_TILES(LOAD)
   }
   multiply(&o, steps, row_tiles, blocks);
   if (rest > 0) multiply_rest(&o, rows, steps * PARE_TILE_ROWS, rest, row_tiles, blocks);
   FOR_TILES(STORE)
}

/* Up to 32 rows of a part; after the last part the results. */
static void rows_of_part(const pare_linear_i8 *p, const part *t, int64_t row, int64_t count, int32_t *sums)
{
   int64_t rows[PAIR] = { count < PARE_TILE_ROWS ? count : PARE_TILE_ROWS, count - PARE_TILE_ROWS };
   bool two = rows[1] > 0, whole = count == PAIR_ROWS;
   if (!whole) configure(rows[0], two ? rows[1] : PARE_TILE_ROWS);
   if (two && t->blocks == 2) add_part(p, t, row, rows, sums, 2, 2);
   else if (two) add_part(p, t, row, rows, sums, 2, 1);
   else if (t->blocks == 2) add_part(p, t, row, rows, sums, 1, 2);
   else add_part(p, t, row, rows, sums, 1, 1);
   if (!whole) configure(PARE_TILE_ROWS, PARE_TILE_ROWS);
   if (t->to < p->kq) return;
   for (int64_t r = 0; r <= two; r++) {
      int64_t at = row + r * PARE_TILE_ROWS;
      if (t->blocks == 2) store_rows(p, t->block, at, rows[r], sums + 512 * r, 2);
      else store_rows(p, t->block, at, rows[r], sums + 512 * r, 1);
   }
}

/* Blocks [block, end) of a chunk in panels of `width`, a multiple of PAIR: all parts, of `lines` each, of one before
 * the next. */
typedef struct panels {
   int64_t block, end, width, lines;
} panels;

/* The part at a line of a block and, if there is one, its neighbour. */
static part part_at(const pare_linear_i8 *p, const panels *all, int64_t block, int64_t from)
{
   int64_t to = from + all->lines, blocks = all->end - block < PAIR ? all->end - block : PAIR;
   return (part){ .block = block, .blocks = blocks > 0 ? blocks : 0, .from = from, .to = to < p->kq ? to : p->kq };
}

/* The same lines of the panel's next blocks, its next lines, or the next panel. */
static part part_after(const pare_linear_i8 *p, const panels *all, const part *t)
{
   int64_t first = t->block - (t->block - all->block) % all->width, next = t->block + PAIR;
   if (next < first + all->width && next < all->end) return part_at(p, all, next, t->from);
   return t->to < p->kq ? part_at(p, all, first, t->to) : part_at(p, all, first + all->width, 0);
}

static ahead ahead_of(const pare_linear_i8 *p, const part *t, int64_t times)
{
   int64_t lines = t->to - t->from;
   if (t->blocks == 0) return (ahead){ .left = 0 };
   return (ahead){ .at = p->codes + (t->block * p->kq + t->from) * PARE_TILE_BYTES,
                   .second = t->blocks == PAIR ? p->kq * PARE_TILE_BYTES : 0,
                   .left = lines,
                   .each = (lines + times - 1) / times };
}

static void ask_ahead(ahead *a)
{
   int64_t lines = a->each < a->left ? a->each : a->left;
   for (int64_t i = 0; i < lines; i++, a->at += PARE_TILE_BYTES) {
      _mm_prefetch(a->at, _MM_HINT_T0);
      _mm_prefetch(a->at + a->second, _MM_HINT_T0);
   }
   a->left -= lines;
}

/* Rows [from, to), at most MOST_ROWS. Sums that wait for no other part share one place. */
static void chunk(const pare_linear_i8 *p, const panels *all, int64_t from, int64_t to)
{
   enum { SUMS = PAIR_ROWS * PAIR * PARE_BLOCK };
   _Alignas(64) int32_t sums[PANEL / PAIR][MOST_ROWS / PAIR_ROWS][SUMS];
   int64_t shares = (to - from + PAIR_ROWS - 1) / PAIR_ROWS;
   for (part next, t = part_at(p, all, all->block, 0); t.blocks > 0; t = next) {
      bool whole = t.from == 0 && t.to == p->kq;
      int64_t place = (t.block - all->block) % all->width / PAIR;
      next = part_after(p, all, &t);
      ahead asked = ahead_of(p, &next, shares);
      for (int64_t i = 0; i < shares; i++) {
         int64_t row = from + i * PAIR_ROWS, count = to - row < PAIR_ROWS ? to - row : PAIR_ROWS;
         ask_ahead(&asked);
         rows_of_part(p, &t, row, count, whole ? sums[0][0] : sums[place][i]);
      }
   }
}

/* Rows of a chunk: whole pairs of tiles, chunks as equal as that allows. */
static int64_t chunk_rows(int64_t m)
{
   int64_t chunks = (m + MOST_ROWS - 1) / MOST_ROWS, pairs = (m + PAIR_ROWS - 1) / PAIR_ROWS;
   return (pairs + chunks - 1) / chunks * PAIR_ROWS;
}

/* A third of the first-level cache each: lines of two blocks, those that come next, the codes of a pair of tiles.
 * A chunk of rows that fills more than 9/16 of the second-level cache leaves it. Every processor with AMX has LEAST_L1;
 * hypervisors tell less, and larger second levels than there are, where panels cost little without need. */
static panels panels_of(const pare_kernels *self, const pare_linear_i8 *p, int64_t block, int64_t end, int64_t rows)
{
   int64_t l1 = self->caches.l1 > LEAST_L1 ? self->caches.l1 : LEAST_L1;
   int64_t l2 = self->caches.l2 < MOST_L2 ? self->caches.l2 : MOST_L2;
   return (panels){ .block = block,
                    .end = end,
                    .width = rows * 4 * p->kq > l2 / 16 * 9 ? PANEL : PAIR,
                    .lines = pare_lines_of_part(p->kq, l1 / 3 / (PAIR * PARE_TILE_BYTES)) };
}

static void linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   if (p->m <= FEW_ROWS || p->kq == 0) {
      pare_avx512_linear_i8(self, p, block0, block1);
      return;
   }
   int64_t blocks = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, rows = chunk_rows(p->m);
   panels all = panels_of(self, p, block0, block1 < blocks ? block1 : blocks, rows);
   configure(PARE_TILE_ROWS, PARE_TILE_ROWS);
   for (int64_t row = 0; row < p->m; row += rows)
      chunk(p, &all, row, row + rows < p->m ? row + rows : p->m);
   _tile_release();
}

void pare_amx_linear(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
}
