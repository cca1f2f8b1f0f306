/* avx512_groups: weights of 4, 3 and 2 bits with multipliers, to lines, and the product of few rows.
 *
 * A level u and its multiplier m of magnitude a give the byte u * a + base, base = 128 - 8 a (or 7 a where the
 * levels are moved up). u * a is at most 225, so one vpmullw of pairs of levels by the 16-bit a does both:
 * nothing carries from the lower byte into the upper one. With a byte addition of the base that is all there
 * is beside taking the levels apart, a shift and an and.
 *
 * Many rows: lines of four blocks go to scratch memory once, and linear_i8 reads them from the second-level
 * cache.
 *
 * Few rows (decode): the multiplier is applied to the sum of the group, which is the same integer and cheaper:
 * a line is then a shift, an and, and a product a row. What the levels are off by, 8 or 7, is taken from the
 * group's sum of activations. Four blocks (two by 3 or 4 rows) take turns line by line: they share each
 * broadcast of activations, of which there would be too many loads, and are as many read streams. */
#include <string.h>

#include "kernels/avx512_util.h"
#include "kernels/groups.h"
#include "kernels/tiers.h"

enum { TURN_BLOCKS = 4, FEW_ROWS = 4, BYTES_AHEAD = 1024 };

/* What a group's levels become: u * step + base, in every byte. */
typedef struct group_rule {
   __m512i step;   /* 16-bit */
   __m512i base;   /* 8-bit */
} group_rule;

/* Group g (0..3) of a four; multipliers: its line. */
PARE_INLINE group_rule rule_of(const uint8_t *multipliers, int64_t g, const int bits)
{
   const __m512i first = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
   __m512i spread = _mm512_add_epi8(first, _mm512_set1_epi8((char)g));
   __m512i m = _mm512_shuffle_epi8(_mm512_load_si512(multipliers), spread);
   __m512i a = _mm512_and_si512(m, _mm512_set1_epi8(PARE_GROUP_MAGNITUDE));
   __m512i step = _mm512_and_si512(a, _mm512_set1_epi16(0xff));
   __m512i zero = bits == 2 ? _mm512_add_epi8(a, _mm512_slli_epi16(a, 1)) : _mm512_slli_epi16(a, bits - 1);
   __m512i base = _mm512_sub_epi8(_mm512_set1_epi8((char)0x80), zero);
   if (bits == 2) {
      return (group_rule){ _mm512_slli_epi16(step, 1), base };
   }
   __mmask64 up = _mm512_test_epi8_mask(m, _mm512_set1_epi8(PARE_GROUP_UP));
   return (group_rule){ step, _mm512_mask_add_epi8(base, up, base, a) };
}

/* The levels of line j of an eight. */
PARE_INLINE __m512i levels_of(const uint8_t *eight, const int j, const int bits)
{
   if (bits == 4) {
      __m512i v = _mm512_load_si512(eight + 64 * (j / 2));
      return _mm512_and_si512(j % 2 ? _mm512_srli_epi16(v, 4) : v, _mm512_set1_epi8(15));
   }
   __m512i v = _mm512_load_si512(eight + 64 * (j / 4));
   __m512i low = _mm512_srli_epi16(v, 2 * (j % 4)), three = _mm512_set1_epi8(3);
   if (bits == 2) {
      return _mm512_and_si512(low, three);
   }
   __m512i top = _mm512_load_si512(eight + 128);
   top = j < 2 ? _mm512_slli_epi16(top, j < 2 ? 2 - j : 0) : _mm512_srli_epi16(top, j < 2 ? 0 : j - 2);
   top = _mm512_and_si512(top, _mm512_set1_epi8(4));
   return _mm512_ternarylogic_epi32(low, three, top, 0xea);   /* (low & three) | top */
}

PARE_INLINE __m512i line_of(const uint8_t *eight, const int j, const int bits, group_rule rule)
{
   return _mm512_add_epi8(_mm512_mullo_epi16(levels_of(eight, j, bits), rule.step), rule.base);
}

/* ---- to lines ---- */

/* Up to 8 lines of one eight. */
PARE_INLINE void unpack_eight(const uint8_t *eight, int64_t count, group_rule rule, const int bits,
                              uint8_t *lines)
{
   PARE_UNROLL
   for (int j = 0; j < 8; j++) {
      if (j < count) {
         _mm512_store_si512(lines + 64 * j, line_of(eight, j, bits, rule));
      }
   }
}

PARE_INLINE void unpack(const pare_groups *w, int64_t block, uint8_t *lines, const int bits)
{
   const uint8_t *from = w->data + block * w->block_bytes;
   int64_t eights = pare_group_eights(w), all = (w->k + 3) / 4;
   for (int64_t g = 0; g < pare_groups_count(w); g++) {
      group_rule rule = rule_of(from + pare_groups_four_at(w, g), g % 4, bits);
      const uint8_t *eight = from + pare_groups_group_at(w, g);
      for (int64_t e = g * eights; e < (g + 1) * eights && 8 * e < all; e++, eight += 64 * bits) {
         unpack_eight(eight, all - 8 * e, rule, bits, lines + 512 * e);
      }
   }
}

static void unpack_groups(const pare_groups *w, int64_t block, uint8_t *lines)
{
   switch (w->bits) {
   case 4: unpack(w, block, lines, 4); break;
   case 3: unpack(w, block, lines, 3); break;
   default: unpack(w, block, lines, 2); break;
   }
}

/* ---- product of few rows ---- */

/* What few_rows works on. */
typedef struct few_args {
   const pare_linear_i8 *p;
   const pare_groups *w;
   const int8_t *act;     /* rows of whole groups, zeros after the last input */
   const int32_t *sums;   /* [rows][groups] sums of the activations of a group */
   int64_t lda, groups;
} few_args;

/* Accumulators: [block][row]. */
typedef struct few_sums {
   __m512i of[TURN_BLOCKS][FEW_ROWS];
} few_sums;

/* As in avx512_linear.c, registers are named variables: sum<row><block>, and what lies outside the constants
 * vanishes. */
#define FOR_BLOCKS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define FOR_ROWS(X) X(0) X(1) X(2) X(3)

#define MULTIPLIERS(r, b)                                                                                  \
   __m512i four##b = _mm512_srli_epi32(_mm512_load_si512(at + (b < blocks ? b : 0) * stride), shift);      \
   __mmask16 up##b = _mm512_test_epi32_mask(four##b, _mm512_set1_epi32(PARE_GROUP_UP));                    \
   (void)up##b;
/* A group's sums start with what the levels are off by. */
#define START(r, b)                                                                \
   __m512i sum##r##b = start##r;                                                   \
   if (bits > 2 && b < blocks) {                                                   \
      sum##r##b = _mm512_mask_add_epi32(sum##r##b, up##b, sum##r##b, all##r);      \
   }
#define START_ROW(r)                                                                             \
   __m512i all##r = _mm512_set1_epi32(r < rows ? f->sums[r * f->groups + g] : 0);                \
   __m512i start##r = _mm512_mullo_epi32(all##r, _mm512_set1_epi32(bits == 2 ? -3 : -(1 << (bits - 1)))); \
   FOR_BLOCKS(START, r)
#define LEVELS(r, b)                                                                 \
   __m512i line##b = levels_of(eight + (b < blocks ? b : 0) * stride, j, bits);      \
   line##b = bits == 2 ? _mm512_add_epi8(line##b, line##b) : line##b;
#define MULTIPLY(r, b)                                         \
   if (b < blocks) {                                           \
      sum##r##b = pare_multiply_add(sum##r##b, line##b, codes);     \
   }
#define MULTIPLY_ROW(r)                                        \
   if (r < rows) {                                             \
      __m512i codes = pare_broadcast_codes(a + r * lda + 4 * j);    \
      FOR_BLOCKS(MULTIPLY, r)                                  \
   }
#define END(r, b)                                                                                       \
   if (r < rows && b < blocks) {                                                                        \
      __m512i magnitude = _mm512_and_si512(four##b, _mm512_set1_epi32(PARE_GROUP_MAGNITUDE));           \
      sums->of[b][r] = _mm512_add_epi32(sums->of[b][r], _mm512_mullo_epi32(sum##r##b, magnitude));      \
   }
#define END_ROW(r) FOR_BLOCKS(END, r)

/* Memory is asked for ahead of time, as in avx512_linear.c: an eight of each block and the multipliers that may
 * follow it; at the end of the blocks, those of the blocks that come next. */
PARE_INLINE void fetch_ahead(const uint8_t *block, const uint8_t *eight, int64_t stride, const int blocks,
                             const int bits)
{
   const uint8_t *from = eight + BYTES_AHEAD;
   if (from >= block + stride) from += (blocks - 1) * stride;
   PARE_UNROLL
   for (int b = 0; b < blocks; b++) {
      PARE_UNROLL
      for (int i = 0; i <= bits; i++) _mm_prefetch((const char *)(from + b * stride + 64 * i), _MM_HINT_T0);
   }
}

/* Group g of the blocks from `block` on. */
PARE_INLINE void add_group(const few_args *f, const uint8_t *block, int64_t g, few_sums *sums,
                           const int blocks, const int rows, const int bits)
{
   const int64_t stride = f->w->block_bytes, lda = f->lda, eights = f->w->group / PARE_EIGHT_K;
   const uint8_t *at = block + pare_groups_four_at(f->w, g);
   const uint8_t *eight = block + pare_groups_group_at(f->w, g);
   const int8_t *a = f->act + g * f->w->group;
   const unsigned shift = 8 * (unsigned)(g % 4);
   FOR_BLOCKS(MULTIPLIERS, 0)
   FOR_ROWS(START_ROW)
   for (int64_t e = 0; e < eights; e++, a += PARE_EIGHT_K, eight += 64 * bits) {
      fetch_ahead(block, eight, stride, blocks, bits);
      PARE_UNROLL
      for (int j = 0; j < 8; j++) {
         FOR_BLOCKS(LEVELS, 0)
         FOR_ROWS(MULTIPLY_ROW)
      }
   }
   FOR_ROWS(END_ROW)
}

typedef void add_function(const few_args *f, const uint8_t *block, few_sums *sums);

#define ADD(blocks, rows, bits)                                                                            \
   static void add_##blocks##_##rows##_##bits(const few_args *f, const uint8_t *block, few_sums *sums)     \
   {                                                                                                       \
      for (int64_t g = 0; g < f->groups; g++) {                                                            \
         add_group(f, block, g, sums, blocks, rows, bits);                                                 \
      }                                                                                                    \
   }
#define ADDS(bits)                                                      \
   ADD(1, 1, bits) ADD(1, 2, bits) ADD(1, 3, bits) ADD(1, 4, bits)      \
   ADD(4, 1, bits) ADD(4, 2, bits) ADD(2, 3, bits) ADD(2, 4, bits)
ADDS(2)
ADDS(3)
ADDS(4)

/* How many blocks take turns by a number of rows: as many as the registers hold. */
static const int64_t turn_of[FEW_ROWS] = { 4, 4, 2, 2 };
#define NAMES(bits) { add_4_1_##bits, add_4_2_##bits, add_2_3_##bits, add_2_4_##bits }
static add_function *const add_turn[3][FEW_ROWS] = { NAMES(2), NAMES(3), NAMES(4) };
#define NAMES_OF_ONE(bits) { add_1_1_##bits, add_1_2_##bits, add_1_3_##bits, add_1_4_##bits }
static add_function *const add_one[3][FEW_ROWS] = { NAMES_OF_ONE(2), NAMES_OF_ONE(3), NAMES_OF_ONE(4) };

/* Sums of a row's activations over each group. eights: scratch memory, sums of 8 in lines of 64. */
static void sum_groups(const int8_t *a, const pare_groups *w, uint64_t *eights, int32_t *sums)
{
   int64_t groups = pare_groups_count(w), of_group = w->group / 8;
   for (int64_t i = 0; i < groups * w->group; i += 32) {
      __m256i v = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(a + i)), _mm256_set1_epi8((char)0x80));
      _mm256_storeu_si256((__m256i *)(eights + i / 8), _mm256_sad_epu8(v, _mm256_setzero_si256()));
   }
   for (int64_t g = 0; g < groups; g++) {
      uint64_t sum = 0;
      for (int64_t i = 0; i < of_group; i++) {
         sum += eights[g * of_group + i];
      }
      sums[g] = (int32_t)sum - 128 * w->group;
   }
}

/* As many blocks as take turns, or one. */
static void add_blocks(const few_args *f, int64_t block, int64_t blocks)
{
   const pare_linear_i8 *p = f->p;
   const uint8_t *data = f->w->data + block * f->w->block_bytes;
   few_sums sums;
   memset(&sums, 0, sizeof sums);
   int64_t bits = f->w->bits - 2, rows = p->m - 1;
   add_function *add = blocks == 1 ? add_one[bits][rows] : add_turn[bits][rows];
   add(f, data, &sums);
   for (int64_t b = 0; b < blocks; b++) {
      for (int64_t r = 0; r < p->m; r++) {
         pare_store_product(p, block + b, r, sums.of[b][r]);
      }
   }
}

/* Up to 4 rows. scratch, in this order: a row's sums of 8, sums of groups, rows of whole groups. */
static void few_rows(const pare_linear_i8 *p, const pare_groups *w, uint8_t *scratch, int64_t block, int64_t end)
{
   few_args f = { .p = p, .w = w, .act = p->act, .lda = p->lda, .groups = pare_groups_count(w) };
   int64_t padded = f.groups * w->group;
   int32_t *sums = (int32_t *)(void *)(scratch + padded);
   int8_t *rows = (int8_t *)(sums + FEW_ROWS * f.groups);
   for (int64_t r = 0; r < p->m && padded > 4 * p->kq; r++) {
      memcpy(rows + r * padded, p->act + r * p->lda, (size_t)(4 * p->kq));
      memset(rows + r * padded + 4 * p->kq, 0, (size_t)(padded - 4 * p->kq));
      f.act = rows;
      f.lda = padded;
   }
   for (int64_t r = 0; r < p->m; r++) {
      sum_groups(f.act + r * f.lda, w, (uint64_t *)(void *)scratch, sums + r * f.groups);
   }
   f.sums = sums;
   while (block < end) {
      int64_t blocks = end - block < turn_of[p->m - 1] ? 1 : turn_of[p->m - 1];
      add_blocks(&f, block, blocks);
      block += blocks;
   }
}

/* ---- product ---- */

static void linear_groups(const pare_kernels *self, const pare_linear_i8 *p, const pare_groups *w,
                          uint8_t *lines, int64_t block0, int64_t block1)
{
   if (p->m < 1 || p->m > FEW_ROWS) {
      pare_linear_by_lines(self, p, w, lines, block0, block1);
      return;
   }
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK;
   few_rows(p, w, lines, block0, block1 < all ? block1 : all);
}

void pare_avx512_groups(pare_kernels *k)
{
   k->unpack_groups = unpack_groups;
   k->linear_groups = linear_groups;
}
