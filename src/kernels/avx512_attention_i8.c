/* avx512_attention_i8: attention over the int8 cache with VNNI; its products are those of avx512_linear.c, in
 * tiles of up to 4 blocks by 4 rows. */
#include "kernels/avx512_attention_i8.h"

enum { MULTIPLY_BLOCKS = 4, MULTIPLY_ROWS = 4 };

/* Named registers, as in avx512_linear.c. */
#define FOR_BLOCKS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define FOR_ROWS(X) X(0) X(1) X(2) X(3)
#define DECLARE(r, b) __m512i acc##r##b = _mm512_setzero_si512();
#define DECLARE_ROW(r) FOR_BLOCKS(DECLARE, r)
#define LOAD(r, b) __m512i line##b = _mm512_load_si512(lines + (b < blocks ? b : 0) * panel + i * 64);
/* The unsigned operand comes first: the lines of keys, the codes of the weights of values. */
#define MULTIPLY(r, b)                                                                            \
   if (b < blocks) {                                                                              \
      acc##r##b = pare_multiply_add(acc##r##b, values ? four : line##b, values ? line##b : four); \
   }
#define MULTIPLY_ROW(r)                                             \
   if (r < rows) {                                                  \
      __m512i four = pare_broadcast_codes(act + r * lda + 4 * i);   \
      FOR_BLOCKS(MULTIPLY, r)                                       \
   }
#define STORE(r, b) \
   if (r < rows && b < blocks) _mm512_storeu_si512(out + r * ldo + 16 * b, acc##r##b);
#define STORE_ROW(r) FOR_BLOCKS(STORE, r)

PARE_INLINE void tile(const int8_t *act, int64_t lda, const uint8_t *lines, int64_t kq, int32_t *out, int64_t ldo,
                      const int values, const int blocks, const int rows)
{
   const int64_t panel = kq * 64;
   FOR_ROWS(DECLARE_ROW)
   for (int64_t i = 0; i < kq; i++) {
      FOR_BLOCKS(LOAD, 0)
      FOR_ROWS(MULTIPLY_ROW)
   }
   FOR_ROWS(STORE_ROW)
}

typedef void tile_function(const int8_t *act, int64_t lda, const uint8_t *lines, int64_t kq, int32_t *out,
                           int64_t ldo);

#define TILE(values, blocks, rows)                                                                             \
   static void tile_##values##_##blocks##_##rows(const int8_t *act, int64_t lda, const uint8_t *lines, int64_t kq, \
                                                 int32_t *out, int64_t ldo)                                    \
   {                                                                                                           \
      tile(act, lda, lines, kq, out, ldo, values, blocks, rows);                                               \
   }
#define TILES(values)                                                                              \
   TILE(values, 1, 1) TILE(values, 1, 2) TILE(values, 1, 3) TILE(values, 1, 4)                     \
   TILE(values, 2, 1) TILE(values, 2, 2) TILE(values, 2, 3) TILE(values, 2, 4)                     \
   TILE(values, 3, 1) TILE(values, 3, 2) TILE(values, 3, 3) TILE(values, 3, 4)                     \
   TILE(values, 4, 1) TILE(values, 4, 2) TILE(values, 4, 3) TILE(values, 4, 4)
TILES(0)
TILES(1)

#define NAMES(values, b) \
   { tile_##values##_##b##_1, tile_##values##_##b##_2, tile_##values##_##b##_3, tile_##values##_##b##_4 }
#define ALL_NAMES(values) { NAMES(values, 1), NAMES(values, 2), NAMES(values, 3), NAMES(values, 4) }
static tile_function *const tile_of[2][MULTIPLY_BLOCKS][MULTIPLY_ROWS] = { ALL_NAMES(0), ALL_NAMES(1) };

static void multiply(int values, const int8_t *act, int64_t lda, int64_t rows, const uint8_t *lines, int64_t kq,
                     int64_t blocks, int32_t *out, int64_t ldo)
{
   for (int64_t b = 0; b < blocks; b += MULTIPLY_BLOCKS) {
      int64_t some = blocks - b < MULTIPLY_BLOCKS ? blocks - b : MULTIPLY_BLOCKS;
      for (int64_t r = 0; r < rows; r += MULTIPLY_ROWS) {
         int64_t few = rows - r < MULTIPLY_ROWS ? rows - r : MULTIPLY_ROWS;
         tile_function *product = tile_of[values][some - 1][few - 1];
         product(act + r * lda, lda, lines + b * kq * 64, kq, out + r * ldo + 16 * b, ldo);
      }
   }
}

static void multiply_keys(const int8_t *act, int64_t lda, int64_t rows, const uint8_t *lines, int64_t kq,
                          int64_t blocks, int32_t *out, int64_t ldo)
{
   multiply(0, act, lda, rows, lines, kq, blocks, out, ldo);
}

static void multiply_values(const uint8_t *codes, int64_t ldc, int64_t rows, const uint8_t *lines, int64_t kq,
                            int64_t blocks, int32_t *out, int64_t ldo)
{
   multiply(1, (const int8_t *)codes, ldc, rows, lines, kq, blocks, out, ldo);
}

#include "kernels/attention_i8_body.h"

void pare_avx512_attend_i8(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n,
                           float scale, bool stay_rotated, void *scratch)
{
   attend(self, kv, rows, n, scale, stay_rotated, scratch);
}

void pare_avx512_attention_i8(pare_kernels *k)
{
   k->attention_i8 = pare_avx512_attend_i8;
}
