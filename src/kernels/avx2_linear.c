/* avx2_linear: the int8 product without VNNI, exact.
 *
 * vpmaddubsw adds two products of unsigned and signed bytes in 16 bits, and saturates on unsigned codes up to
 * 255. So the unsigned side is the magnitude of one factor, activation a in [-127, 127] or weight w in [-128, 127],
 * and where that factor is negative an exclusive or turns the other, x, into -x - 1; no sum of two products then
 * leaves [-32768, 32767]. A sum so lacks the magnitudes of the negative factors, whose sum is added at the end.
 *    few rows: |a| and w. What is lacking is the same for every channel. The exclusive or is also the one that
 *       makes signed weights of codes, so 32 products are four instructions and no more.
 *    many rows: |w| and a. What is lacking is the same for every row.
 * The exclusive or runs on units that do not multiply; vpsignb in its place competes with the two
 * multiplications (Zen: all three on 2 of 4 units), which takes 3/2 of the time.
 *
 * Half of a block (8 channels) is one register. Few rows (up to 8, by fours): the two forms of the activations
 * of a stretch of K are prepared once for a batch of blocks, and multiplied by tiles of up to 4 whole blocks,
 * each of them a sequential read stream. Many rows: those of the weights of a stretch of K are prepared once for
 * a batch of rows, and multiplied by tiles of 8 channels by 10 rows; a batch of rows passes all blocks, so its
 * activations stay in the second-level cache. What is prepared, and the sums of a batch between stretches, are
 * on the stack. */
#include <stdbool.h>

#include "kernels/tiers.h"
#include "kernels/wide.h"

enum { TILE_ROWS = 10, FEW_ROWS = 8 };

/* The signed weights of half a line. */
PARE_INLINE __m256i load_weights(const uint8_t *w)
{
   return _mm256_xor_si256(_mm256_load_si256((const __m256i *)w), _mm256_set1_epi8((char)0x80));
}

/* acc + the sum of four products in each of 8 lanes. */
PARE_INLINE __m256i multiply_add(__m256i acc, __m256i magnitudes, __m256i codes)
{
   __m256i pairs = _mm256_maddubs_epi16(magnitudes, codes);
   return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* The accumulators are named variables, not an array: gcc keeps an array of registers in memory across the
 * loop. X is expanded for every row (and block); what lies outside the tile's constants vanishes. */

/* ---- few rows ---- */

enum {
   FEW_TILE_ROWS = 4,
   STRETCH = 1024,      /* lines of a stretch of K */
   FEW_BLOCKS = 32,     /* blocks of a batch */
   LINES_AHEAD = 32
};

/* Rows [row, row + rows) of a product. */
typedef struct few {
   const pare_linear_i8 *p;
   int64_t row, rows;
   int64_t lines;                           /* of this stretch */
   int8_t size[FEW_ROWS][4 * STRETCH];      /* |a| of this stretch */
   int8_t flip[FEW_ROWS][4 * STRETCH];      /* turns codes into w, or -w - 1 where a < 0: -128, 127 */
   int32_t missing[FEW_ROWS];               /* sum of |a| over a < 0 */
   __m256i acc[FEW_BLOCKS][FEW_ROWS][2];    /* sums of a batch of blocks */
} few;

/* 32 activations: their |a| and flip; returns the sum of |a| over a < 0. */
PARE_INLINE int32_t split(__m256i a, int8_t *size, int8_t *flip)
{
   const __m256i zero = _mm256_setzero_si256();
   int64_t sums[4];
   v32_store(size, _mm256_abs_epi8(a));
   v32_store(flip, _mm256_xor_si256(_mm256_cmpgt_epi8(zero, a), v32_set(0x80)));
   v32_store(sums, _mm256_sad_epu8(_mm256_max_epi8(_mm256_sub_epi8(zero, a), zero), zero));
   return (int32_t)(sums[0] + sums[1] + sums[2] + sums[3]);
}

/* The stretch of row r from line `first` on. */
static void split_row(few *t, int64_t r, int64_t first)
{
   const int8_t *a = t->p->act + (t->row + r) * t->p->lda + 4 * first;
   int64_t i = 0, left = 4 * t->lines;
   for (; left >= 32; i += 32, left -= 32) {
      t->missing[r] += split(v32_load(a + i), t->size[r] + i, t->flip[r] + i);
   }
   if (left > 0) {
      int8_t rest[32] = { 0 };
      memcpy(rest, a + i, (size_t)left);
      t->missing[r] += split(v32_load(rest), t->size[r] + i, t->flip[r] + i);
   }
}

#define FOR_BLOCKS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define FOR_FEW(X) FOR_BLOCKS(X, 0) FOR_BLOCKS(X, 1) FOR_BLOCKS(X, 2) FOR_BLOCKS(X, 3)

#define LOAD_FEW(r, b)                                                                             \
   const bool in##r##b = r < rows && b < blocks;                                                   \
   __m256i low##r##b = in##r##b ? t->acc[block + b][row + r][0] : _mm256_setzero_si256();          \
   __m256i high##r##b = in##r##b ? t->acc[block + b][row + r][1] : low##r##b;
#define MULTIPLY_FEW(r, b)                                                                         \
   if (in##r##b) {                                                                                 \
      const uint8_t *line = w + b * panel + 64 * i;                                                \
      __m256i size = v32_load_four(t->size[row + r] + 4 * i);                                      \
      __m256i flip = v32_load_four(t->flip[row + r] + 4 * i);                                      \
      low##r##b = multiply_add(low##r##b, size, _mm256_xor_si256(flip, v32_load(line)));           \
      high##r##b = multiply_add(high##r##b, size, _mm256_xor_si256(flip, v32_load(line + 32)));    \
   }
#define KEEP_FEW(r, b)                             \
   if (in##r##b) {                                 \
      t->acc[block + b][row + r][0] = low##r##b;   \
      t->acc[block + b][row + r][1] = high##r##b;  \
   }

/* Lines are asked for ahead of time, of these blocks, then of those that come next: the prefetchers of the
 * processor start anew with every page and every block. */
PARE_INLINE void fetch_ahead(const uint8_t *w, int64_t i, int64_t lines, int64_t panel, const int blocks)
{
   const uint8_t *line = w + (i + LINES_AHEAD) * 64 + (i + LINES_AHEAD < lines ? 0 : blocks * panel - lines * 64);
   PARE_UNROLL
   for (int b = 0; b < blocks; b++) _mm_prefetch((const char *)(line + b * panel), _MM_HINT_T0);
}

/* Adds a stretch, whose weights begin at w, to the sums of some blocks of the batch, some of its rows. */
PARE_INLINE void few_tile(few *t, const uint8_t *w, int64_t block, int64_t row, const int blocks, const int rows)
{
   const int64_t lines = t->lines, panel = t->p->kq * 64;
   FOR_FEW(LOAD_FEW)
   for (int64_t i = 0; i < lines; i++) {
      fetch_ahead(w, i, lines, panel, blocks);
      FOR_FEW(MULTIPLY_FEW)
   }
   FOR_FEW(KEEP_FEW)
}

typedef void few_function(few *t, const uint8_t *w, int64_t block, int64_t row);

#define FEW(blocks, rows)                                                                        \
   static void few_##blocks##_##rows(few *t, const uint8_t *w, int64_t block, int64_t row)       \
   {                                                                                             \
      few_tile(t, w, block, row, blocks, rows);                                                  \
   }
FEW(4, 1) FEW(2, 2)
FEW(1, 1) FEW(1, 2) FEW(1, 3) FEW(1, 4)

/* By a number of rows: how many blocks at once, their tile, that of one block. */
static const struct {
   int64_t blocks;
   few_function *several, *one;
} few_of[FEW_TILE_ROWS] = {
   { 4, few_4_1, few_1_1 }, { 2, few_2_2, few_1_2 }, { 1, few_1_3, few_1_3 }, { 1, few_1_4, few_1_4 }
};

/* A stretch, whose weights begin at w, by all blocks of a batch. */
static void few_stretch(few *t, const uint8_t *w, int64_t blocks)
{
   const int64_t panel = t->p->kq * 64, most_rows = t->rows < FEW_TILE_ROWS ? t->rows : FEW_TILE_ROWS;
   const int64_t most = few_of[most_rows - 1].blocks;
   for (int64_t b = 0, step; b < blocks; b += step) {
      step = b + most <= blocks ? most : 1;
      for (int64_t r = 0; r < t->rows; r += FEW_TILE_ROWS) {
         int64_t rows = t->rows - r < FEW_TILE_ROWS ? t->rows - r : FEW_TILE_ROWS;
         (step > 1 ? few_of[rows - 1].several : few_of[rows - 1].one)(t, w + b * panel, b, r);
      }
   }
}

/* Blocks [block, block + blocks), at most FEW_BLOCKS. */
static void few_batch(few *t, int64_t block, int64_t blocks)
{
   const pare_linear_i8 *p = t->p;
   memset(t->missing, 0, sizeof t->missing);
   memset(t->acc, 0, (size_t)blocks * sizeof t->acc[0]);
   for (int64_t i = 0; i < p->kq; i += STRETCH) {
      t->lines = p->kq - i < STRETCH ? p->kq - i : STRETCH;
      for (int64_t r = 0; r < t->rows; r++) split_row(t, r, i);
      few_stretch(t, p->codes + (block * p->kq + i) * 64, blocks);
   }
   for (int64_t b = 0; b < blocks; b++) {
      for (int64_t r = 0; r < t->rows; r++) {
         __m256i *acc = t->acc[b][r], missing = _mm256_set1_epi32(t->missing[r]);
         int64_t first = (block + b) * PARE_BLOCK;
         v8_store_product(p, first, t->row + r, _mm256_add_epi32(acc[0], missing));
         v8_store_product(p, first + 8, t->row + r, _mm256_add_epi32(acc[1], missing));
      }
   }
}

static void few_rows(const pare_linear_i8 *p, int64_t row, int64_t rows, int64_t block, int64_t end)
{
   few t;
   t.p = p;
   t.row = row;
   t.rows = rows;
   for (; block < end; block += FEW_BLOCKS) {
      few_batch(&t, block, end - block < FEW_BLOCKS ? end - block : FEW_BLOCKS);
   }
}

/* ---- many rows ---- */

enum {
   CHUNK = 128,             /* lines of a stretch of K */
   BATCH = 8 * TILE_ROWS    /* rows of a batch */
};

/* CHUNK lines of a block, each half apart. */
typedef struct chunk {
   __m256i size[2][CHUNK], negative[2][CHUNK];   /* |w|; -1 where w < 0 */
   __m256i missing[2];                           /* sum of |w| over w < 0 */
} chunk;

static void prepare(const uint8_t *w, int64_t lines, chunk *t)
{
   const __m256i zero = _mm256_setzero_si256();
   for (int half = 0; half < 2; half++) {
      __m256i sum = zero;
      for (int64_t i = 0; i < lines; i++) {
         __m256i x = load_weights(w + 64 * i + 32 * half);
         __m256i size = _mm256_abs_epi8(x), negative = _mm256_cmpgt_epi8(zero, x);
         t->size[half][i] = size;
         t->negative[half][i] = negative;
         sum = multiply_add(sum, size, negative);
      }
      t->missing[half] = _mm256_sub_epi32(zero, sum);
   }
}

/* a and b += the sums of four products for two rows, step by step for both. Assembly, because a compiler puts
 * one row's four steps in sequence, which leaves a tenth of the speed. */
#define MULTIPLY_PAIR(a, b, size, negative, codes_a, codes_b)                            \
   {                                                                                     \
      __m256i x, y;                                                                      \
      __asm__("vpbroadcastd %[from_a], %[x]\n\t" "vpbroadcastd %[from_b], %[y]\n\t"      \
              "vpxor %[minus], %[x], %[x]\n\t" "vpxor %[minus], %[y], %[y]\n\t"          \
              "vpmaddubsw %[x], %[w], %[x]\n\t" "vpmaddubsw %[y], %[w], %[y]\n\t"        \
              "vpmaddwd %[ones], %[x], %[x]\n\t" "vpmaddwd %[ones], %[y], %[y]\n\t"      \
              "vpaddd %[x], %[to_a], %[to_a]\n\t" "vpaddd %[y], %[to_b], %[to_b]"        \
              : [to_a] "+x"(a), [to_b] "+x"(b), [x] "=&x"(x), [y] "=&x"(y)               \
              : [from_a] "m"(*(const four_codes *)(codes_a)),                            \
                [from_b] "m"(*(const four_codes *)(codes_b)), [w] "x"(size),             \
                [minus] "x"(negative), [ones] "x"(_mm256_set1_epi16(1)));                \
   }

typedef struct four_codes {
   int8_t code[4];
} four_codes;

#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define DECLARE(r) __m256i acc##r = acc[r < rows ? 2 * r : 0];
#define MULTIPLY_TWO(r, s)                                                                    \
   if (s < rows) {                                                                            \
      MULTIPLY_PAIR(acc##r, acc##s, size, negative, a + r * lda + 4 * i, a + s * lda + 4 * i) \
   } else if (r < rows) {                                                                     \
      __m256i four = v32_load_four(a + r * lda + 4 * i);                                      \
      acc##r = multiply_add(acc##r, size, _mm256_xor_si256(four, negative));                  \
   }
#define STORE(r)                                               \
   if (r < rows) {                                             \
      acc[2 * r] = _mm256_add_epi32(acc##r, t->missing[half]); \
   }

/* acc[2 r] += half a chunk times row r of the activations at a. */
PARE_INLINE void tile(const chunk *t, int half, int64_t lines, const int8_t *a, int64_t lda, __m256i *acc,
                      const int rows)
{
   FOR_ROWS(DECLARE)
   for (int64_t i = 0; i < lines; i++) {
      const __m256i size = t->size[half][i], negative = t->negative[half][i];
      MULTIPLY_TWO(0, 1)
      MULTIPLY_TWO(2, 3)
      MULTIPLY_TWO(4, 5)
      MULTIPLY_TWO(6, 7)
      MULTIPLY_TWO(8, 9)
   }
   FOR_ROWS(STORE)
}

typedef void tile_function(const chunk *t, int half, int64_t lines, const int8_t *a, int64_t lda,
                           __m256i *acc);

#define TILE(rows)                                                                                    \
   static void tile_##rows(const chunk *t, int half, int64_t lines, const int8_t *a, int64_t lda,     \
                           __m256i *acc)                                                              \
   {                                                                                                  \
      tile(t, half, lines, a, lda, acc, rows);                                                        \
   }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)
TILE(9)
TILE(10)

static tile_function *const tile_of[TILE_ROWS] = {
   tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8, tile_9, tile_10
};

/* acc[2 r + half] += a chunk times `rows` rows. */
static void multiply_chunk(const chunk *t, int64_t lines, const int8_t *a, int64_t lda, int64_t rows,
                           __m256i *acc)
{
   for (int64_t r = 0; r < rows; r += TILE_ROWS) {
      tile_function *multiply = tile_of[(rows - r < TILE_ROWS ? rows - r : TILE_ROWS) - 1];
      multiply(t, 0, lines, a + r * lda, lda, acc + 2 * r);
      multiply(t, 1, lines, a + r * lda, lda, acc + 2 * r + 1);
   }
}

/* One block by up to BATCH rows. */
static void many_rows(const pare_linear_i8 *p, int64_t block, int64_t row, int64_t rows)
{
   __m256i acc[2 * BATCH];
   chunk t;
   memset(acc, 0, sizeof acc);
   for (int64_t i = 0; i < p->kq; i += CHUNK) {
      int64_t lines = p->kq - i < CHUNK ? p->kq - i : CHUNK;
      prepare(p->codes + (block * p->kq + i) * 64, lines, &t);
      multiply_chunk(&t, lines, p->act + row * p->lda + 4 * i, p->lda, rows, acc);
   }
   for (int64_t r = 0; r < rows; r++) {
      v8_store_product(p, block * PARE_BLOCK, row + r, acc[2 * r]);
      v8_store_product(p, block * PARE_BLOCK + 8, row + r, acc[2 * r + 1]);
   }
}

static void linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   (void)self;   /* multiplies more slowly than the third-level cache delivers: other pieces were not faster */
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   for (int64_t r = 0; r < p->m; r += BATCH) {
      int64_t rows = p->m - r < BATCH ? p->m - r : BATCH;
      if (rows <= FEW_ROWS) {
         few_rows(p, r, rows, block0, end);
         continue;
      }
      for (int64_t b = block0; b < end; b++) {
         many_rows(p, b, r, rows);
      }
   }
}

void pare_avx2_linear(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
   k->linear_groups = pare_avx2_linear_levels;
}
