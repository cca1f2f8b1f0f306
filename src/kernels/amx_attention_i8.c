/* amx_attention_i8: attention over the int8 cache with AMX tiles: 16 rows of queries by 16 keys, 16 rows of weights
 * by 16 dimensions of values. The cache's lines are tiles as they lie. Few rows, and heads that are no whole
 * tiles, go to AVX-512. */
#include "kernels/amx_util.h"
#include "kernels/avx512_attention_i8.h"

enum { FEW_ROWS = 3 };

/* Registers: literal numbers, as the intrinsics want them. */
#define SUM0          0
#define SUM1          1
#define SUM2          2
#define SUM3          3
#define ACT           4
#define LINES0        5
#define LINES1        6
#define FOR_FOUR(X)   X(0, LINES0) X(1, LINES1) X(2, LINES0) X(3, LINES1)
#define ZERO(b, tile) _tile_zero(SUM##b);
#define STORE(b, tile)                                                                                       \
   if (b < count) _tile_stored(SUM##b, out + (block + b) * PARE_BLOCK, (size_t)ldo * 4);
/* The product's name says which side is signed: activations by keys, weights by values. */
#define MULTIPLY(b, tile, dpb)                                                                               \
   if (b < count) {                                                                                          \
      _tile_loadd(tile, lines + (block + b) * kq * 64 + k * 64, 64);                                         \
      dpb(SUM##b, ACT, tile);                                                                                \
   }
#define KEYS(b, tile)   MULTIPLY(b, tile, _tile_dpbsud)
#define VALUES(b, tile) MULTIPLY(b, tile, _tile_dpbusd)

/* All 16 rows of the tiles, whatever is in the last ones. */
PARE_INLINE void multiply(const void *codes, int64_t ldc, const uint8_t *lines, int64_t kq, int64_t blocks,
                          int32_t *out, int64_t ldo, const int values)
{
   for (int64_t block = 0; block < blocks; block += 4) {
      int64_t count = blocks - block;
      FOR_FOUR(ZERO)
      for (int64_t k = 0; k < kq; k += PARE_TILE_ROWS) {
         _tile_loadd(ACT, (const int8_t *)codes + 4 * k, (size_t)ldc);
         if (values) {
            FOR_FOUR(VALUES)
         } else {
            FOR_FOUR(KEYS)
         }
      }
      FOR_FOUR(STORE)
   }
}

static void multiply_keys(const int8_t *act, int64_t lda, int64_t rows, const uint8_t *lines, int64_t kq,
                          int64_t blocks, int32_t *out, int64_t ldo)
{
   (void)rows;
   multiply(act, lda, lines, kq, blocks, out, ldo, 0);
}

static void multiply_values(const uint8_t *codes, int64_t ldc, int64_t rows, const uint8_t *lines, int64_t kq,
                            int64_t blocks, int32_t *out, int64_t ldo)
{
   (void)rows;
   multiply(codes, ldc, lines, kq, blocks, out, ldo, 1);
}

#include "kernels/attention_i8_body.h"

static void attention_i8(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                         int64_t n, float scale, bool stay_rotated, void *scratch)
{
   if (n <= FEW_ROWS || kv->head_dim % PARE_TILE_BYTES != 0) {
      pare_avx512_attend_i8(self, kv, rows, n, scale, stay_rotated, scratch);
      return;
   }
   const uint8_t r = n < TILE_ROWS ? (uint8_t)n : TILE_ROWS;
   const uint8_t tile_rows[PARE_TILES] = { r, r, r, r, r, PARE_TILE_ROWS, PARE_TILE_ROWS, PARE_TILE_ROWS };
   pare_tiles_configure(tile_rows);
   attend(self, kv, rows, n, scale, stay_rotated, scratch);
   _tile_release();
}

void pare_amx_attention_i8(pare_kernels *k)
{
   k->attention_i8 = attention_i8;
}
