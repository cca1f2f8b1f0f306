/* wide_attention_i8: attention over the int8 cache, compiled for AVX2, for AVX-VNNI and for NEON.
 *
 * Products: up to 6 rows by a part of each line of a block (a half without VNNI, whose sums are pairs), so that what is
 * loaded, and widened, serves all of them. The softmax goes over all pairs of a pass step by step, as in
 * avx512_attention_i8.h; what is one number a pair is a lane of a register for 8 pairs. */
#include "kernels/attention_i8.h"
#include "kernels/wide_math.h"

#define OFFSET PARE_LINE_OFFSET
enum { PART_ROWS = 6, LANES = 8 };

/* ---- products ---- */

/* Rows of codes, at least one, and where their sums go. */
typedef struct product_rows {
   const part_code *codes[PART_ROWS];
   int64_t kq, ldo; /* lines of a block; from a row's sums to the next's */
} product_rows;

/* Sums are named variables, not an array: gcc keeps an array of registers in memory across the loop. X is expanded for
 * every row; what lies beyond the constant number of rows vanishes. */
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define DECLARE(r)                  \
   part_sums sums##r = part_zero(); \
   const part_code *codes##r = t->codes[r < rows ? r : 0];
#define MULTIPLY(r)                 \
   if (r < rows) sums##r = part_add(sums##r, part, codes##r + 4 * i, values);
#define STORE(r)                    \
   if (r < rows) part_store(out + r * t->ldo, sums##r, offset);

PARE_INLINE void tile(const product_rows *t, const uint8_t *line, int32_t *out, const int rows, const int values)
{
   const int64_t kq = t->kq;
   part_sums offset = part_zero();
   FOR_ROWS(DECLARE)
   for (int64_t i = 0; i < kq; i++, line += 64) {
      line_part part = part_load(line, values);
      offset = part_offset(offset, part, values);
      FOR_ROWS(MULTIPLY)
   }
   FOR_ROWS(STORE)
}

typedef void tile_function(const product_rows *t, const uint8_t *line, int32_t *out);

#define TILE(rows)                                                                              \
   static void keys_##rows(const product_rows *t, const uint8_t *line, int32_t *out)            \
   {                                                                                            \
      tile(t, line, out, rows, 0);                                                              \
   }                                                                                            \
   static void values_##rows(const product_rows *t, const uint8_t *line, int32_t *out)          \
   {                                                                                            \
      tile(t, line, out, rows, 1);                                                              \
   }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)

static tile_function *const tiles[2][PART_ROWS] = { { keys_1, keys_2, keys_3, keys_4, keys_5, keys_6 },
                                                    { values_1, values_2, values_3, values_4, values_5, values_6 } };

PARE_INLINE void multiply(const uint8_t *codes, int64_t ldc, int64_t rows, const uint8_t *lines, int64_t kq,
                          int64_t blocks, int32_t *out, int64_t ldo, const int values)
{
   part_code room[PART_ROWS][PARE_KV_MAX_DIM];
   product_rows t = { .kq = kq, .ldo = ldo };
   for (int64_t r = 0; r < rows; r += PART_ROWS) {
      int64_t n = rows - r < PART_ROWS ? rows - r : PART_ROWS;
      for (int64_t i = 0; i < n; i++) t.codes[i] = part_codes(codes + (r + i) * ldc, 4 * kq, room[i], values);
      tile_function *of_rows = tiles[values][n - 1];
      for (int64_t c = 0; c < blocks * PARE_BLOCK; c += PART_CHANNELS)
         of_rows(&t, lines + c / PARE_BLOCK * kq * 64 + c % PARE_BLOCK * 4, out + r * ldo + c);
   }
}

static void multiply_keys(const int8_t *act, int64_t lda, int64_t rows, const uint8_t *lines, int64_t kq,
                          int64_t blocks, int32_t *out, int64_t ldo)
{
   multiply((const uint8_t *)act, lda, rows, lines, kq, blocks, out, ldo, 0);
}

static void multiply_values(const uint8_t *codes, int64_t ldc, int64_t rows, const uint8_t *lines, int64_t kq,
                            int64_t blocks, int32_t *out, int64_t ldo)
{
   multiply(codes, ldc, rows, lines, kq, blocks, out, ldo, 1);
}

/* ---- the softmax of a pass ---- */

/* What passes from step to step, a number a pair; 8 are written from any pair on, in order of pairs. */
typedef struct pass_numbers {
   float best[PAIR_NUMBERS];    /* largest score */
   float max[PAIR_NUMBERS];     /* of the row so far */
   float sum[PAIR_NUMBERS];     /* of exponentials */
   float inverse[PAIR_NUMBERS]; /* what codes are made with */
} pass_numbers;

/* All bits of the keys of a block that count: of those from the first on, and of those before the last. */
typedef struct pair_mask {
   const uint32_t *from, *to;
} pair_mask;

PARE_INLINE pair_mask mask_of(const attention_pass *pass, pair_place at)
{
   static const uint32_t edges[3 * PARE_ATTN_BLOCK] = { [PARE_ATTN_BLOCK ... 2 * PARE_ATTN_BLOCK - 1] = ~0u };
   attention_range range = range_of(pass, at.b, at.r);
   if (range.lo >= range.hi) return (pair_mask){ edges, edges };
   return (pair_mask){ edges + PARE_ATTN_BLOCK - range.lo, edges + 2 * PARE_ATTN_BLOCK - range.hi };
}

PARE_INLINE v8 keys_at(pair_mask mask, int j)
{
   return v8_and(v8_load(mask.from + j), v8_load(mask.to + j));
}

/* Sums to scores; returns the lanewise largest. */
PARE_INLINE v8 score_pair(const attention_pass *pass, int64_t p, pair_place at, const bool whole)
{
   const v8 factor = v8_set(pass->work.factor[at.r]), none = v8_set(-INFINITY);
   const int32_t offset = pass->work.offset[at.r], *raw = pass->work.raw + p * PARE_ATTN_BLOCK;
   const float *scales = pass->block[at.b].key_scales;
   float *s = weights_of(pass, p);
   v8 most = none;
   const pair_mask mask = mask_of(pass, at);
   PARE_UNROLL
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) {
      v8 score = v8_mul(v8_load_ints(raw + j, offset), v8_mul(factor, v8_load(scales + j)));
      v8_store(s + j, score);
      if (!whole) score = v8_xor(v8_and(v8_xor(score, none), keys_at(mask, j)), none);
      most = v8_max(score, most);
   }
   return most;
}

/* Lane r: the lanes of v[r] merged, in the order of v8_tree. */
PARE_INLINE v8 merged(v8 *v, v8 merge(v8, v8))
{
   v8_transpose(v);
   v8 even = merge(merge(v[0], v[4]), merge(v[2], v[6]));
   return merge(even, merge(merge(v[1], v[5]), merge(v[3], v[7])));
}

/* Pairs from `first` on of which each has a lane. */
PARE_INLINE int64_t pairs_of_lanes(const attention_pass *pass, int64_t first)
{
   int64_t left = pass->n * pass->blocks - first;
   return left < LANES ? left : LANES;
}

PARE_INLINE void score_pairs(const attention_pass *pass, pass_numbers *numbers, const bool whole)
{
   pair_place at = { 0, 0 };
   for (int64_t first = 0; first < pass->n * pass->blocks; first += LANES) {
      int64_t n = pairs_of_lanes(pass, first);
      v8 most[LANES];
      for (int64_t i = 0; i < n; i++, next_pair(pass, &at)) most[i] = score_pair(pass, first + i, at, whole);
      for (int64_t i = n; i < LANES; i++) most[i] = most[0];
      v8_store(numbers->best + first, merged(most, v8_max));
   }
}

/* Block after block: the maxima of the rows, and what their outputs are multiplied by. The largest score of a pair that
 * sees nothing is -Inf. */
PARE_INLINE void follow_maxima(const attention_pass *pass, pass_numbers *numbers)
{
   const attention_work *w = &pass->work;
   for (int64_t b = 0; b < pass->blocks; b++) {
      for (int64_t r = 0; r < pass->n; r += LANES) {
         int64_t p = b * pass->n + r;
         v8 before = v8_load(w->max + r), now = v8_max(v8_load(numbers->best + p), before);
         v8_store(w->keep + p, v8_exp2_down(v8_sub(before, now)));
         v8_store(numbers->max + p, now);
         v8_store(w->max + r, now);
      }
   }
}

/* Scores to weights, +0 of keys that do not count; the lanewise sum of exponentials and bits of the largest weight.
 * Weights have no sign but that of NaN, which counts as larger than any number with it as without. A key that does not
 * count gets the exponent 0 first: exponentials below the smallest normal number take a hundred cycles each. */
PARE_INLINE void weigh_pair(const attention_pass *pass, float max, int64_t p, pair_place at, const bool whole,
                            v8 *total, v8 *largest)
{
   const float *scales = pass->block[at.b].value_scales;
   const v8 top = v8_set(max);
   float *s = weights_of(pass, p);
   v8 sum[2] = { v8_zero(), v8_zero() }, most = v8_zero();
   const pair_mask mask = mask_of(pass, at);
   PARE_UNROLL
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) {
      v8 x = v8_sub(v8_load(s + j), top);
      v8 e = v8_exp2_down(whole ? x : v8_and(x, keys_at(mask, j)));
      if (!whole) e = v8_and(e, keys_at(mask, j));
      v8 weight = v8_mul(e, v8_load(scales + j));
      if (!whole) weight = v8_and(weight, keys_at(mask, j));
      v8_store(s + j, weight);
      sum[j / 8 % 2] = v8_add(sum[j / 8 % 2], e);
      most = v8_max_bits(most, weight);
   }
   *total = v8_add(sum[0], sum[1]);
   *largest = most;
}

/* The rules of round.h for a lane a pair: the scales; what weights are multiplied by, 0 where all codes are 0. */
PARE_INLINE v8 round_rules(v8 largest, v8 *inverse)
{
   const v8 most = v8_set(PARE_ROUND_WEIGHT_MAX), zero = v8_zero();
   v8_mask is_zero = v8_less(largest, v8_set(0x1p-120f)), is_finite = v8_less(largest, v8_set(INFINITY));
   *inverse = v8_select(is_finite, v8_select(is_zero, zero, v8_div(most, largest)), zero);
   return v8_select(is_finite, v8_select(is_zero, zero, v8_div(largest, most)), v8_set(NAN));
}

PARE_INLINE void weigh_all(const attention_pass *pass, pass_numbers *numbers, const bool whole)
{
   pair_place at = { 0, 0 };
   for (int64_t first = 0; first < pass->n * pass->blocks; first += LANES) {
      int64_t n = pairs_of_lanes(pass, first);
      v8 sums[LANES], most[LANES], inverse;
      for (int64_t i = 0; i < n; i++, next_pair(pass, &at))
         weigh_pair(pass, numbers->max[first + i], first + i, at, whole, &sums[i], &most[i]);
      for (int64_t i = n; i < LANES; i++) sums[i] = most[i] = v8_zero();
      v8_store(numbers->sum + first, merged(sums, v8_add));
      v8_store(pass->work.step + first, round_rules(merged(most, v8_max_bits), &inverse));
      v8_store(numbers->inverse + first, inverse);
   }
}

PARE_INLINE void follow_sums(const attention_pass *pass, const pass_numbers *numbers, const bool whole)
{
   const attention_work *w = &pass->work;
   for (int64_t b = 0, p = 0; b < pass->blocks; b++) {
      for (int64_t r = 0; r < pass->n; r++, p++) {
         attention_range range = range_of(pass, b, r);
         if (whole || range.lo < range.hi) w->sum[r] = pare_fmaf(w->sum[r], w->keep[p], numbers->sum[p]);
      }
   }
}

/* Codes of a pair. No limit is asked: the largest weight times 255 / itself, rounded twice, stays below 255.5. What is
 * NaN, times 0, is no number or 0 as an integer, which becomes 0. */
PARE_INLINE void round_pair(const float *s, float number, uint8_t *codes)
{
   const v8 inverse = v8_set(number);
   PARE_UNROLL
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 32) {
      v8_ints c[4];
      PARE_UNROLL
      for (int i = 0; i < 4; i++) c[i] = v8_round(v8_mul(v8_load(s + j + 8 * i), inverse));
      v8_store_weights(codes + j, c[0], c[1], c[2], c[3]);
   }
}

PARE_INLINE void weigh_as(const attention_pass *pass, const bool whole)
{
   pass_numbers numbers;
   score_pairs(pass, &numbers, whole);
   follow_maxima(pass, &numbers);
   weigh_all(pass, &numbers, whole);
   follow_sums(pass, &numbers, whole);
   for (int64_t p = 0; p < pass->n * pass->blocks; p++)
      round_pair(weights_of(pass, p), numbers.inverse[p], pass->work.codes + p * PARE_ATTN_BLOCK);
}

static void weigh_pass(const attention_pass *pass)
{
   if (pass->whole) weigh_as(pass, true);
   else weigh_as(pass, false);
}

static void add_values(const int32_t *raw, float step, float keep, int64_t n, float *out)
{
   const v8 steps = v8_set(step), keeps = v8_set(keep);
   for (int64_t d = 0; d < n; d += 16) {
      v8 low = v8_mul(v8_load(out + d), keeps), high = v8_mul(v8_load(out + d + 8), keeps);
      v8_store(out + d, v8_fma(v8_load_ints(raw + d, 0), steps, low));
      v8_store(out + d + 8, v8_fma(v8_load_ints(raw + d + 8, 0), steps, high));
   }
}

#include "kernels/attention_i8_body.h"

void PARE_WIDE(attention_i8)(pare_kernels *k)
{
   k->attention_i8 = attend;
}
