/* avx2_linear: the int8 product without VNNI, exact.
 *
 * vpmaddubsw adds two products of unsigned and signed bytes in 16 bits, and saturates on unsigned codes up to
 * 255. So the unsigned side is |w| (<= 128) of the signed weight w, and the sign of w goes to the activation
 * a in [-127, 127], in one of two ways; no sum of two products then leaves [-32768, 32767].
 *    few rows: sign(a, w), one vpsignb.
 *    many rows: a ^ s, s = -1 where w < 0. That is -a - 1 there, hence a sum that lacks |w|: the sum of |w|
 *    over w < 0, the same for every row, is added at the end.
 * The exclusive or runs on units that do not multiply; vpsignb competes with the two multiplications (Zen:
 * all three on 2 of 4 units), which takes 3/2 of the time.
 *
 * Half of a block (8 channels) is one register. Few rows (up to 8, by fours): a whole block, so that its
 * lines are read as one sequential stream. Many rows: |w| and s of a stretch of K are prepared once for a
 * batch of rows, on the stack, and multiplied by tiles of 8 channels by 10 rows; between stretches the sums
 * of the batch stay on the stack. A batch passes all blocks, so its activations stay in the second-level cache. */
#include "kernels/tiers.h"
#include "kernels/wide.h"

enum { TILE_ROWS = 10, FEW_ROWS = 4, BYTES_AHEAD = 2048 };

PARE_INLINE __m256i broadcast_codes(const int8_t *a)
{
   int32_t four;
   memcpy(&four, a, sizeof four);
   return _mm256_set1_epi32(four);
}

/* The signed weights of half a line. */
PARE_INLINE __m256i load_weights(const uint8_t *w)
{
   return _mm256_xor_si256(_mm256_load_si256((const __m256i *)w), _mm256_set1_epi8((char)0x80));
}

/* acc + the sum of four products in each of 8 lanes. */
PARE_INLINE __m256i multiply_add(__m256i acc, __m256i magnitudes, __m256i activations)
{
   __m256i pairs = _mm256_maddubs_epi16(magnitudes, activations);
   return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* The accumulators are named variables, not an array: gcc keeps an array of registers in memory across the
 * loop. X is expanded for every row; what lies outside the tile's constants vanishes. */
#define FOR_FEW(X) X(0) X(1) X(2) X(3)
#define FOR_ROWS(X) FOR_FEW(X) X(4) X(5) X(6) X(7) X(8) X(9)

/* ---- few rows ---- */

#define DECLARE_FEW(r) __m256i low##r = _mm256_setzero_si256(), high##r = low##r;
#define MULTIPLY_FEW(r)                                                                   \
   if (r < rows) {                                                                        \
      __m256i four = broadcast_codes(a + r * lda + 4 * i);                                \
      low##r = multiply_add(low##r, low_size, _mm256_sign_epi8(four, low_w));             \
      high##r = multiply_add(high##r, high_size, _mm256_sign_epi8(four, high_w));         \
   }
#define STORE_FEW(r)                                               \
   if (r < rows) {                                                 \
      v8_store_product(p, block * PARE_BLOCK, row + r, low##r);      \
      v8_store_product(p, block * PARE_BLOCK + 8, row + r, high##r); \
   }

/* All of one block by 1 to 4 rows. */
PARE_INLINE void few(const pare_linear_i8 *p, int64_t block, int64_t row, const int rows)
{
   const int64_t kq = p->kq, lda = p->lda;
   const uint8_t *w = p->codes + block * kq * 64;
   const int8_t *a = p->act + row * lda;
   FOR_FEW(DECLARE_FEW)
   for (int64_t i = 0; i < kq; i++) {
      _mm_prefetch((const char *)w + 64 * i + BYTES_AHEAD, _MM_HINT_T0);   /* blocks follow each other */
      __m256i low_w = load_weights(w + 64 * i), high_w = load_weights(w + 64 * i + 32);
      __m256i low_size = _mm256_abs_epi8(low_w), high_size = _mm256_abs_epi8(high_w);
      FOR_FEW(MULTIPLY_FEW)
   }
   FOR_FEW(STORE_FEW)
}

static void few_rows(const pare_linear_i8 *p, int64_t block, int64_t row, int64_t rows)
{
   switch (rows) {
   case 1: few(p, block, row, 1); break;
   case 2: few(p, block, row, 2); break;
   case 3: few(p, block, row, 3); break;
   default: few(p, block, row, 4); break;
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

#define DECLARE(r) __m256i acc##r = acc[r < rows ? 2 * r : 0];
#define MULTIPLY_TWO(r, s)                                                                    \
   if (s < rows) {                                                                            \
      MULTIPLY_PAIR(acc##r, acc##s, size, negative, a + r * lda + 4 * i, a + s * lda + 4 * i) \
   } else if (r < rows) {                                                                     \
      __m256i four = broadcast_codes(a + r * lda + 4 * i);                                    \
      acc##r = multiply_add(acc##r, size, _mm256_xor_si256(four, negative));                  \
   }
#define STORE(r)                                                   \
   if (r < rows) {                                                 \
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

static void linear_i8(const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   for (int64_t r = 0; r < p->m; r += BATCH) {
      int64_t rows = p->m - r < BATCH ? p->m - r : BATCH;
      for (int64_t b = block0; b < end; b++) {
         if (rows > 2 * FEW_ROWS) {
            many_rows(p, b, r, rows);
            continue;
         }
         for (int64_t i = 0; i < rows; i += FEW_ROWS) {
            few_rows(p, b, r + i, rows - i < FEW_ROWS ? rows - i : FEW_ROWS);
         }
      }
   }
}

void pare_avx2_linear(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
   k->linear_groups = pare_avx2_linear_levels;
}
