/* wide_groups: weights of 4, 3 and 2 bits with multipliers: to lines and back, and the product of few rows.
 *
 * To lines: a level times its magnitude is below 256, so products of pairs of bytes carry nothing over.
 *
 * Few rows (decode): lines are not made. Levels, at most 15, are multiplied by activations as they are, eight
 * lines at a time; the sum of an eight starts with what the levels are off by, times the eight's sum of
 * activations, and is multiplied by the magnitudes. That is two operations a half of a line beside taking the
 * levels apart, also without VNNI, where 16 bits hold the sums of an eight. Four blocks take turns group by
 * group: as many read streams. */
#include "kernels/tiers.h"
#include "kernels/wide_levels.h"

enum { TURN_BLOCKS = 4, FEW_ROWS = 4 };

/* ---- to lines ---- */

/* Half of the 8 lines of an eight. */
PARE_INLINE void unpack_half(const uint8_t *eight, group_rule rule, uint8_t *lines, const int half,
                             const int bits)
{
   v32 base = v32_sub(v32_set(128), pare_zero_of(rule, bits));
   PARE_UNROLL
   for (int j = 0; j < 8; j++) {
      v32 products = v32_mul(pare_levels_of(eight, half, j, bits), rule.magnitude);
      v32_store(lines + 64 * j + 32 * half, v32_add(products, base));
   }
}

/* w: a copy, as stores of vectors could change what a pointer leads to. */
PARE_INLINE void unpack(const pare_groups w, int64_t block, uint8_t *lines, const int bits)
{
   const uint8_t *from = w.data + block * w.block_bytes;
   const int64_t of_group = pare_group_eights(&w), all = (w.k + 3) / 4, eights = (all + 7) / 8;
   uint8_t last[512];
   for (int64_t g = 0, e = 0; e < eights; g++) {
      const uint8_t *multipliers = from + pare_groups_four_at(&w, g);
      const uint8_t *eight = from + pare_groups_group_at(&w, g);
      const group_rule low = pare_rule_of(multipliers, 0, g % 4, bits);
      const group_rule high = pare_rule_of(multipliers, 1, g % 4, bits);
      for (int64_t end = e + of_group; e < end && e < eights; e++, eight += 64 * bits) {
         uint8_t *to = 8 * (e + 1) <= all ? lines + 512 * e : last;
         unpack_half(eight, low, to, 0, bits);
         unpack_half(eight, high, to, 1, bits);
      }
   }
   memcpy(lines + all / 8 * 512, last, (size_t)(all % 8 * 64));
}

static void unpack_groups(const pare_groups *w, int64_t block, uint8_t *lines)
{
   switch (w->bits) {
   case 4: unpack(*w, block, lines, 4); break;
   case 3: unpack(*w, block, lines, 3); break;
   default: unpack(*w, block, lines, 2); break;
   }
}

/* ---- product of few rows ---- */

/* What few_rows works on. */
typedef struct few_args {
   const pare_linear_i8 *p;
   const pare_groups *w;
   const int8_t *act;
   const int32_t *starts;     /* [rows][eights][2], see v32_start */
   const int8_t *tail;        /* [rows][32] the last eight's activations if they are not all there */
   int64_t lda, stride;       /* of act, of blocks */
   int64_t eights, whole;     /* eights of K; those whose activations are all there */
   int64_t groups, of_group;  /* groups of K, eights of a group */
} few_args;

/* Sums: [block][half][row]. */
typedef struct few_sums {
   v8_ints of[TURN_BLOCKS][2][FEW_ROWS];
} few_sums;

/* The sums of an eight are named variables, low<row> and high<row>: gcc keeps an array in memory. X is
 * expanded for every row; what lies beyond the constant number of rows vanishes. */
#define FOR_ROWS(X) X(0) X(1) X(2) X(3)
#define START(r)                                                               \
   const int32_t *start##r = starts + (r < rows ? r : 0) * 2 * all;            \
   v32_sum low##r = v32_start(rules[0].up, start##r), high##r = v32_start(rules[1].up, start##r);
#define MULTIPLY(r)                                          \
   if (r < rows) {                                           \
      v32 four = v32_load_four(a + r * lda + 4 * j);         \
      low##r = v32_dot(low##r, levels_low, four);            \
      high##r = v32_dot(high##r, levels_high, four);         \
   }
#define END(r)                                                                             \
   if (r < rows) {                                                                         \
      to[0][r] = v8_ints_add(to[0][r], v32_times(low##r, rules[0].magnitude));             \
      to[1][r] = v8_ints_add(to[1][r], v32_times(high##r, rules[1].magnitude));            \
   }

/* An eight by its activations a; starts: those of its first row, of `all` eights. */
PARE_INLINE void add_eight(const uint8_t *eight, const group_rule *rules, const int8_t *a, int64_t lda,
                           const int32_t *starts, int64_t all, v8_ints (*to)[FEW_ROWS], const int rows,
                           const int bits)
{
   FOR_ROWS(START)
   PARE_UNROLL
   for (int j = 0; j < 8; j++) {
      v32 levels_low = pare_levels_of(eight, 0, j, bits), levels_high = pare_levels_of(eight, 1, j, bits);
      FOR_ROWS(MULTIPLY)
   }
   FOR_ROWS(END)
}

/* Group g of a block. f: a copy, for the same reason. */
PARE_INLINE void add_group(const few_args f, const uint8_t *multipliers, const uint8_t *eight, int64_t g,
                           v8_ints (*to)[FEW_ROWS], const int rows, const int bits)
{
   const group_rule rules[2] = { pare_rule_of(multipliers, 0, g % 4, bits),
                                 pare_rule_of(multipliers, 1, g % 4, bits) };
   int64_t e = g * f.of_group, end = e + f.of_group < f.eights ? e + f.of_group : f.eights;
   for (; e < end; e++, eight += 64 * bits) {
      const int8_t *a = e < f.whole ? f.act + PARE_EIGHT_K * e : f.tail;
      int64_t lda = e < f.whole ? f.lda : PARE_EIGHT_K;
      add_eight(eight, rules, a, lda, f.starts + 2 * e, f.eights, to, rows, bits);
   }
}

PARE_INLINE void add(const few_args f, const uint8_t *data, int64_t blocks, few_sums *sums, const int rows,
                     const int bits)
{
   for (int64_t g = 0; g < f.groups; g++) {
      const uint8_t *four = data + pare_groups_four_at(f.w, g), *eight = data + pare_groups_group_at(f.w, g);
      for (int64_t b = 0; b < blocks; b++) {
         add_group(f, four + b * f.stride, eight + b * f.stride, g, sums->of[b], rows, bits);
      }
   }
}

/* `blocks` blocks in turns, from `data` on. */
typedef void add_function(const few_args *f, const uint8_t *data, int64_t blocks, few_sums *sums);

#define ADD(rows, bits)                                                                                     \
   static void add_##rows##_##bits(const few_args *f, const uint8_t *data, int64_t blocks, few_sums *sums)  \
   {                                                                                                        \
      add(*f, data, blocks, sums, rows, bits);                                                              \
   }
#define ADDS(bits) ADD(1, bits) ADD(2, bits) ADD(3, bits) ADD(4, bits)
ADDS(2)
ADDS(3)
ADDS(4)

#define NAMES(bits) { add_1_##bits, add_2_##bits, add_3_##bits, add_4_##bits }
static add_function *const add_of[3][FEW_ROWS] = { NAMES(2), NAMES(3), NAMES(4) };

/* What the sums of each eight of a row start with. */
static void start_row(const few_args *f, int64_t row, int32_t *starts)
{
   const int offset = pare_offset_of(f->w->bits);
   for (int64_t e = 0; e < f->eights; e++) {
      int32_t all = v32_total(e < f->whole ? f->act + row * f->lda + PARE_EIGHT_K * e
                                           : f->tail + row * PARE_EIGHT_K);
      starts[2 * e] = v32_keep_start(-offset * all);
      starts[2 * e + 1] = v32_keep_start(all);
   }
}

/* Up to TURN_BLOCKS blocks. */
static void add_blocks(const few_args *f, int64_t block, int64_t blocks)
{
   const pare_linear_i8 *p = f->p;
   few_sums sums;
   memset(&sums, 0, sizeof sums);
   add_of[f->w->bits - 2][p->m - 1](f, f->w->data + block * f->w->block_bytes, blocks, &sums);
   for (int64_t b = 0; b < blocks; b++) {
      for (int64_t r = 0; r < p->m; r++) {
         v8_store_product(p, (block + b) * PARE_BLOCK, r, sums.of[b][0][r]);
         v8_store_product(p, (block + b) * PARE_BLOCK + 8, r, sums.of[b][1][r]);
      }
   }
}

static void few_rows(const pare_linear_i8 *p, const pare_groups *w, int32_t *starts, int64_t block, int64_t end)
{
   int8_t tail[FEW_ROWS * PARE_EIGHT_K] = { 0 };
   few_args f = { .p = p, .w = w, .act = p->act, .starts = starts, .tail = tail, .lda = p->lda,
                  .stride = w->block_bytes, .eights = (p->kq + 7) / 8, .whole = p->kq / 8,
                  .groups = pare_groups_count(w), .of_group = pare_group_eights(w) };
   int64_t there = f.whole * PARE_EIGHT_K;
   for (int64_t r = 0; r < p->m; r++) {
      memcpy(tail + r * PARE_EIGHT_K, p->act + r * p->lda + there, (size_t)(4 * p->kq - there));
      start_row(&f, r, starts + r * 2 * f.eights);
   }
   for (; block < end; block += TURN_BLOCKS) {
      add_blocks(&f, block, end - block < TURN_BLOCKS ? end - block : TURN_BLOCKS);
   }
}

void PARE_WIDE(linear_groups)(const pare_kernels *self, const pare_linear_i8 *p, const pare_groups *w,
                              uint8_t *lines, int64_t block0, int64_t block1)
{
   if (p->m < 1 || p->m > FEW_ROWS) {
      pare_linear_by_lines(self, p, w, lines, block0, block1);
      return;
   }
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK;
   few_rows(p, w, (int32_t *)(void *)lines, block0, block1 < all ? block1 : all);
}

/* ---- rows and packing ---- */

/* The levels of line j of an eight, of one channel, doubled for 2 bits. */
PARE_INLINE uint32_t quad_of(const uint8_t *eight, int lane, int j, int bits)
{
   uint32_t quad, top = 0;
   memcpy(&quad, eight + 64 * (bits == 4 ? j / 2 : j / 4) + 4 * lane, sizeof quad);
   if (bits == 4) {
      return quad >> 4 * (j % 2) & 0x0f0f0f0fu;
   }
   quad = quad >> 2 * (j % 4) & 0x03030303u;
   if (bits == 2) {
      return 2 * quad;
   }
   memcpy(&top, eight + 128 + 4 * lane, sizeof top);
   return quad | (top >> j & 0x01010101u) << 2;
}

/* The codes times multipliers of 32 inputs of one channel: four bytes at once, none of which overflows. */
static void row_eight(const pare_groups *w, const uint8_t *block, int lane, int64_t e, int8_t *codes)
{
   int64_t g = e / pare_group_eights(w);
   const uint8_t *eight = block + pare_groups_eight_at(w, e);
   unsigned m = block[pare_groups_four_at(w, g) + 4 * lane + g % 4], magnitude = m & PARE_GROUP_MAGNITUDE;
   unsigned up = w->bits > 2 && (m & PARE_GROUP_UP) ? 1 : 0;
   unsigned zero = ((unsigned)pare_offset_of(w->bits) - up) * magnitude;
   for (int j = 0; j < 8; j++) {
      uint32_t quad = quad_of(eight, lane, j, w->bits) * magnitude + 0x01010101u * (128 - zero);
      quad ^= 0x80808080u;
      memcpy(codes + 4 * j, &quad, sizeof quad);
   }
}

static void dequant_row_groups(const pare_groups *w, int64_t row, float scale, float *x)
{
   const uint8_t *block = w->data + row / PARE_BLOCK * w->block_bytes;
   const v8 factor = v8_set(scale);
   for (int64_t i = 0; i < w->k; i += PARE_EIGHT_K) {
      int8_t codes[PARE_EIGHT_K];
      row_eight(w, block, (int)(row % PARE_BLOCK), i / PARE_EIGHT_K, codes);
      for (int64_t c = 0; c < PARE_EIGHT_K && i + c < w->k; c += 8) {
         v8_store_part(x + i + c, w->k - i - c, v8_mul(v8_load_codes(codes + c), factor));
      }
   }
}

/* Bits low .. of line j's levels, put where a plane has them. */
PARE_INLINE v32 put(const uint8_t *line, const int low, const int mask, const int at)
{
   return v32_shift(v32_and(v32_shift(v32_load(line), -low), v32_set((uint8_t)mask)), at);
}

/* Plane i of an eight, half a plane in 32 bytes. */
PARE_INLINE v32 plane_of(uint8_t (*lines)[32], const int i, const int bits)
{
   if (bits == 4) {
      return v32_or(put(lines[2 * i], 0, 15, 0), put(lines[2 * i + 1], 0, 15, 4));
   }
   v32 plane = v32_set(0);
   PARE_UNROLL
   for (int j = 0; j < 8; j++) {
      if (i == 2) {
         plane = v32_or(plane, put(lines[j], 2, 1, j));
      } else if (j / 4 == i) {
         plane = v32_or(plane, put(lines[j], 0, 3, 2 * (j % 4)));
      }
   }
   return plane;
}

/* 32 levels of each of 16 rows to an eight. */
PARE_INLINE void pack_eight(const uint8_t *levels, int64_t ld, uint8_t *eight, const int bits)
{
   for (int half = 0; half < 2; half++) {
      v8 v[8];
      uint8_t lines[8][32];
      PARE_UNROLL
      for (int r = 0; r < 8; r++) {
         v[r] = v8_load(levels + (8 * half + r) * ld);
      }
      v8_transpose(v);
      PARE_UNROLL
      for (int j = 0; j < 8; j++) {
         v8_store(lines[j], v[j]);
      }
      PARE_UNROLL
      for (int i = 0; i < bits; i++) {
         v32_store(eight + 64 * i + 32 * half, plane_of(lines, i, bits));
      }
   }
}

PARE_INLINE void pack(const pare_groups *w, const uint8_t *levels, uint8_t *out, const int bits)
{
   int64_t padded = pare_groups_count(w) * w->group;
   for (int64_t e = 0; PARE_EIGHT_K * e < padded; e++) {
      pack_eight(levels + PARE_EIGHT_K * e, padded, out + pare_groups_eight_at(w, e), bits);
   }
}

static void pack_multipliers(const pare_groups *w, const uint8_t *multipliers, uint8_t *out)
{
   int64_t groups = pare_groups_count(w);
   for (int64_t g = 0; g < groups; g += 4) {
      uint8_t *line = out + pare_groups_four_at(w, g);
      for (int64_t i = 0; i < 64; i++) {
         line[i] = g + i % 4 < groups ? multipliers[i / 4 * groups + g + i % 4] : 0;
      }
   }
}

static void pack_groups(const pare_groups *w, const uint8_t *levels, const uint8_t *multipliers, uint8_t *out)
{
   pack_multipliers(w, multipliers, out);
   switch (w->bits) {
   case 4: pack(w, levels, out, 4); break;
   case 3: pack(w, levels, out, 3); break;
   default: pack(w, levels, out, 2); break;
   }
}

void PARE_WIDE(groups)(pare_kernels *k)
{
   k->unpack_groups = unpack_groups;
   k->linear_groups = PARE_WIDE(linear_groups);
   k->pack_groups = pack_groups;
   k->dequant_row_groups = dequant_row_groups;
}
