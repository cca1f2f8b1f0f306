/* avx2_groups: the product of many rows by weights in groups, without VNNI.
 *
 * Levels of 4 bits leave room in 16 bits: vpmaddubsw of levels and activations is at most 3810 a line, so the
 * sums of 8 lines are added as they are, and the vpmaddwd that widens them multiplies by the group's
 * magnitudes. A half of a line by a row is two instructions in place of the four of avx2_linear.c. What the
 * levels are off by is a small product of its own: zeros of an eight by the eight's sum of activations, two
 * eights a vpmaddwd.
 *
 * The levels of a block are taken apart once for a batch of rows and stay in the second-level cache; a tile is
 * 16 channels by 6 rows. Scratch memory holds, in this order: the levels [eights][8][64]; magnitudes in pairs
 * of 16 bits, a line a group; zeros, a line for two eights; sums of activations [rows][eights rounded up to
 * even]. That is below 28 k + 600 bytes. */
#include "kernels/tiers.h"
#include "kernels/wide_levels.h"

enum { TILE_ROWS = 6, FEW_ROWS = 4, BATCH = 132 };

/* A batch of rows. */
typedef struct batch {
   const pare_linear_i8 *p;
   const pare_groups *w;
   int64_t row, rows;
   int64_t eights, whole;        /* eights of K; those whose activations are all there */
   uint8_t *levels, *magnitudes, *zeros;
   int16_t *sums;
   int64_t sums_stride;
   int8_t tail[BATCH * PARE_EIGHT_K];   /* the last eight's activations if they are not all there */
} batch;

static const int8_t *activations(const batch *t, int64_t r, int64_t e)
{
   return e < t->whole ? t->p->act + (t->row + r) * t->p->lda + e * PARE_EIGHT_K : t->tail + r * PARE_EIGHT_K;
}

static void begin_rows(batch *t, int64_t row, int64_t rows)
{
   int64_t there = t->whole * PARE_EIGHT_K;
   t->row = row;
   t->rows = rows;
   memset(t->tail, 0, sizeof t->tail);
   for (int64_t r = 0; r < rows; r++) {
      memcpy(t->tail + r * PARE_EIGHT_K, t->p->act + (row + r) * t->p->lda + there,
             (size_t)(4 * t->p->kq - there));
      int16_t *sums = t->sums + r * t->sums_stride;
      sums[t->sums_stride - 1] = 0;
      for (int64_t e = 0; e < t->eights; e++) {
         sums[e] = (int16_t)v32_total(activations(t, r, e));
      }
   }
}

/* ---- a block's levels, magnitudes, zeros ---- */

PARE_INLINE void prepare_half(const batch *t, const uint8_t *block, int64_t g, const int half, const int bits)
{
   const int64_t of_group = pare_group_eights(t->w);
   group_rule rule = pare_rule_of(block + pare_groups_four_at(t->w, g), half, g % 4, bits);
   v32 zero = pare_zero_of(rule, bits);
   v32_store(t->magnitudes + 64 * g + 32 * half, v32_and(rule.magnitude, _mm256_set1_epi16(0xff)));
   const uint8_t *eight = block + pare_groups_group_at(t->w, g);
   for (int64_t e = g * of_group; e < (g + 1) * of_group && e < t->eights; e++, eight += 64 * bits) {
      uint8_t *zeros = t->zeros + e / 2 * 64 + 32 * half;
      PARE_UNROLL
      for (int j = 0; j < 8; j++) {
         v32_store(t->levels + 512 * e + 64 * j + 32 * half, pare_levels_of(eight, half, j, bits));
      }
      if (e % 2 == 0) {
         v32_store(zeros, v32_and(zero, _mm256_set1_epi32(0xff)));
      } else {
         v32_store(zeros, v32_or(v32_load(zeros), v32_and(zero, _mm256_set1_epi32(0xff0000))));
      }
   }
}

PARE_INLINE void prepare_block(const batch *t, int64_t b, const int bits)
{
   const uint8_t *block = t->w->data + b * t->w->block_bytes;
   for (int64_t g = 0; g < pare_groups_count(t->w); g++) {
      prepare_half(t, block, g, 0, bits);
      prepare_half(t, block, g, 1, bits);
   }
}

static void prepare(const batch *t, int64_t block)
{
   switch (t->w->bits) {
   case 4: prepare_block(t, block, 4); break;
   case 3: prepare_block(t, block, 3); break;
   default: prepare_block(t, block, 2); break;
   }
}

/* ---- a tile ---- */

/* Sums: [row][half]. */
typedef __m256i tile_sums[TILE_ROWS][2];

/* As in avx2_linear.c, registers are named variables, low<row> and high<row>; what lies beyond the constant
 * number of rows vanishes. */
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

#define START(r) __m256i low##r = _mm256_setzero_si256(), high##r = low##r;
#define TAKE_OFF(r)                                                                    \
   if (r < rows) {                                                                     \
      int32_t two;                                                                     \
      memcpy(&two, sums + r * t->sums_stride + 2 * i, sizeof two);                     \
      __m256i both = _mm256_set1_epi32(two);                                           \
      low##r = _mm256_sub_epi32(low##r, _mm256_madd_epi16(zero_low, both));            \
      high##r = _mm256_sub_epi32(high##r, _mm256_madd_epi16(zero_high, both));         \
   }
#define KEEP(r)                  \
   if (r < rows) {               \
      to[r][0] = low##r;         \
      to[r][1] = high##r;        \
   }

/* The sums of a tile begin with what levels are off by. */
PARE_INLINE void take_zeros(const batch *t, int64_t row, tile_sums to, const int rows)
{
   const int16_t *sums = t->sums + row * t->sums_stride;
   FOR_ROWS(START)
   for (int64_t i = 0; i < t->sums_stride / 2; i++) {
      __m256i zero_low = v32_load(t->zeros + 64 * i), zero_high = v32_load(t->zeros + 64 * i + 32);
      FOR_ROWS(TAKE_OFF)
   }
   FOR_ROWS(KEEP)
}

/* Assembly, because a compiler adds the products of all eight lines to each other first, of which it keeps too
 * many for the registers, and copies the sums of the tile to and fro. */
#define MULTIPLY(r)                                                                                     \
   if (r < rows) {                                                                                      \
      __m256i x, four = v32_load_four((r < 3 ? a : a3) + r % 3 * lda);                                  \
      __asm__("vpmaddubsw %[four], %[w_low], %[x]\n\t" "vpmaddubsw %[four], %[w_high], %[four]\n\t"     \
              "vpaddw %[x], %[low], %[low]\n\t" "vpaddw %[four], %[high], %[high]"                      \
              : [low] "+x"(low##r), [high] "+x"(high##r), [four] "+x"(four), [x] "=&x"(x)               \
              : [w_low] "x"(level_low), [w_high] "x"(level_high));                                      \
   }
#define WIDEN_ONE(sum, to, magnitude)                                                                   \
   __asm__("vpmaddwd %[by], %[x], %[x]\n\t" "vpaddd %[at], %[x], %[x]\n\t" "vmovdqa %[x], %[at]"        \
           : [x] "+x"(sum), [at] "+m"(to)                                                               \
           : [by] "m"(magnitude));
#define WIDEN(r)                                     \
   if (r < rows) {                                   \
      WIDEN_ONE(low##r, to[r][0], magnitudes[0])     \
      WIDEN_ONE(high##r, to[r][1], magnitudes[1])    \
   }

PARE_INLINE void add_eight(const uint8_t *levels, const __m256i *magnitudes, const int8_t *a, int64_t lda,
                           tile_sums to, const int rows)
{
   const int8_t *a3 = a + (rows > 3 ? 3 * lda : 0);
   FOR_ROWS(START)
   PARE_UNROLL
   for (int j = 0; j < 8; j++, a += 4, a3 += 4) {
      __m256i level_low = v32_load(levels + 64 * j), level_high = v32_load(levels + 64 * j + 32);
      __asm__("" : "+r"(a), "+r"(a3));   /* or 48 offsets are computed first and kept in memory */
      FOR_ROWS(MULTIPLY)
   }
   FOR_ROWS(WIDEN)
}

/* to: sums of 32 bits, with what the levels are off by in them. */
PARE_INLINE void tile(const batch *t, int64_t row, tile_sums to, const int rows)
{
   const int64_t of_group = pare_group_eights(t->w), whole = t->whole, lda = t->p->lda;
   const __m256i *magnitudes = (const __m256i *)(const void *)t->magnitudes;
   const uint8_t *levels = t->levels;
   const int8_t *a = activations(t, row, 0);
   take_zeros(t, row, to, rows);
   for (int64_t g = 0, e = 0; e < whole; g++) {
      for (int64_t end = e + of_group < whole ? e + of_group : whole; e < end; e++) {
         add_eight(levels + 512 * e, magnitudes + 2 * g, a + PARE_EIGHT_K * e, lda, to, rows);
      }
   }
   if (whole < t->eights) {
      add_eight(levels + 512 * whole, magnitudes + whole / of_group * 2, t->tail + row * PARE_EIGHT_K,
                PARE_EIGHT_K, to, rows);
   }
}

typedef void tile_function(const batch *t, int64_t row, tile_sums to);

#define TILE(rows)                                                           \
   static void tile_##rows(const batch *t, int64_t row, tile_sums to)        \
   {                                                                         \
      tile(t, row, to, rows);                                                \
   }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)

static tile_function *const tile_of[TILE_ROWS] = { tile_1, tile_2, tile_3, tile_4, tile_5, tile_6 };

static void multiply_block(const batch *t, int64_t block)
{
   for (int64_t r = 0; r < t->rows; r += TILE_ROWS) {
      int64_t rows = t->rows - r < TILE_ROWS ? t->rows - r : TILE_ROWS;
      tile_sums sums;
      tile_of[rows - 1](t, r, sums);
      for (int64_t i = 0; i < rows; i++) {
         v8_store_product(t->p, block * PARE_BLOCK, t->row + r + i, sums[i][0]);
         v8_store_product(t->p, block * PARE_BLOCK + 8, t->row + r + i, sums[i][1]);
      }
   }
}

void pare_avx2_linear_levels(const pare_kernels *self, const pare_linear_i8 *p, const pare_groups *w,
                             uint8_t *lines, int64_t block0, int64_t block1)
{
   if (p->m <= FEW_ROWS) {
      pare_avx2_linear_groups(self, p, w, lines, block0, block1);
      return;
   }
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   batch t = { .p = p, .w = w, .eights = (p->kq + 7) / 8, .whole = p->kq / 8, .levels = lines };
   t.sums_stride = (t.eights + 1) / 2 * 2;
   t.magnitudes = t.levels + 512 * t.eights;
   t.zeros = t.magnitudes + 64 * pare_groups_count(w);
   t.sums = (int16_t *)(void *)(t.zeros + 32 * t.sums_stride);
   for (int64_t r = 0; r < p->m; r += BATCH) {
      begin_rows(&t, r, p->m - r < BATCH ? p->m - r : BATCH);
      for (int64_t b = block0; b < end; b++) {
         prepare(&t, b);
         multiply_block(&t, b);
      }
   }
}
