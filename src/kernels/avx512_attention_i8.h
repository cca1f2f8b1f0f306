/* avx512_attention_i8: the float work of attention over the int8 cache, which the AVX-512 and the AMX tiers
 * share. Four registers are the 64 keys of a row and block; what is one number a row (maximum, sum, scale) is a lane
 * of a register for the 16 rows of a tile, so that nothing waits for one row's number. */
#ifndef PARE_KERNELS_AVX512_ATTENTION_I8_H
#define PARE_KERNELS_AVX512_ATTENTION_I8_H

#include "kernels/attention_i8.h"
#include "kernels/avx512_math.h"

#define OFFSET 128
enum { KEY_GROUPS = PARE_ATTN_BLOCK / 16, FEW_MERGED = 4 };

/* ---- one number a row from a register a row ---- */

typedef enum merging { MERGE_MAX, MERGE_MAX_BITS, MERGE_ADD } merging;

PARE_INLINE __m512 merge(__m512 a, __m512 b, const merging how)
{
   if (how == MERGE_MAX) return _mm512_max_ps(a, b);
   if (how == MERGE_ADD) return _mm512_add_ps(a, b);
   return _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

/* Lane r: the lanes of v[r] merged, l with l + 8, + 4, + 2, + 1: the order of every 16-lane sum. */
PARE_INLINE __m512 merge_lanes(const __m512 *v, const merging how)
{
   const __m512i order = _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
   __m512 t[8];
   PARE_UNROLL
   for (int i = 0; i < 8; i++) {
      t[i] =
         merge(_mm512_shuffle_f32x4(v[i], v[i + 8], 0x44), _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee), how);
   }
   PARE_UNROLL
   for (int i = 0; i < 4; i++) {
      t[i] =
         merge(_mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd), how);
   }
   PARE_UNROLL
   for (int i = 0; i < 2; i++) {
      __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 2]);
      t[i] =
         merge(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)), how);
   }
   __m512 last = merge(_mm512_shuffle_ps(t[0], t[1], 0x88), _mm512_shuffle_ps(t[0], t[1], 0xdd), how);
   return _mm512_permutexvar_ps(order, last);
}

PARE_INLINE float merged(__m512 v, const merging how)
{
   if (how == MERGE_MAX) return _mm512_reduce_max_ps(v);
   if (how == MERGE_ADD) return pare_tree16(v);
   return pare_f32_from_bits(_mm512_reduce_max_epu32(_mm512_castps_si512(v)));
}

/* Lanes 0 .. n - 1 of merge_lanes; few rows one by one. */
PARE_INLINE __m512 merge_rows(const __m512 *v, int64_t n, const merging how)
{
   if (n > FEW_MERGED) return merge_lanes(v, how);
   float numbers[FEW_MERGED];
   for (int64_t r = 0; r < n; r++) numbers[r] = merged(v[r], how);
   return _mm512_maskz_loadu_ps(pare_lanes(0, n), numbers);
}

/* ---- the softmax of a pass ----
 *
 * Each step goes over all pairs before the next begins, in tiles of 16: what one number of a tile waits for, the
 * work of the next tile covers, as it does the products of the pass ahead. Scores and then weights lie where the
 * sums by keys lay. */

/* What passes from step to step, a number a pair. Those of a pair that sees nothing are anything. */
typedef struct pass_numbers {
   float best[PAIR_NUMBERS];    /* largest score, then the row's maximum so far */
   float sum[PAIR_NUMBERS];     /* of exponentials */
   float inverse[PAIR_NUMBERS]; /* what codes are made with */
} pass_numbers;

/* A bit a key of the block that counts. */
PARE_INLINE uint64_t keys_of(const attention_pass *pass, pair_place at, const bool whole)
{
   if (whole) return ~0ull;
   attention_range range = range_of(pass, at.b, at.r);
   return range.lo < range.hi ? (~0ull >> (64 - (range.hi - range.lo))) << range.lo : 0;
}

PARE_INLINE __mmask16 group_of(uint64_t keys, int g)
{
   return (__mmask16)(keys >> (16 * g));
}

/* Pairs of the tile at `first`, and registers that merge_rows reads for them. */
PARE_INLINE int64_t pairs_of_tile(const attention_pass *pass, int64_t first)
{
   int64_t left = pass->n * pass->blocks - first;
   return left < TILE_ROWS ? left : TILE_ROWS;
}

PARE_INLINE void clear_from(__m512 *v, int64_t n, __m512 with)
{
   for (int64_t i = n; n > FEW_MERGED && i < TILE_ROWS; i++) v[i] = with;
}

/* Sums to scores; returns the lanewise largest. */
PARE_INLINE __m512 score_pair(const attention_pass *pass, const attention_work *w, int64_t p, pair_place at,
                              const bool whole)
{
   const __m512i offset = _mm512_set1_epi32(w->offset[at.r]);
   const __m512 factor = _mm512_set1_ps(w->factor[at.r]);
   const float *scales = pass->block[at.b].key_scales;
   const uint64_t keys = keys_of(pass, at, whole);
   float *s = weights_of(pass, p);
   __m512 most = _mm512_set1_ps(-INFINITY);
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      if (!whole && g >= pass->groups) break;
      __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512(s + 16 * g), offset);
      __m512 scale = _mm512_mul_ps(factor, _mm512_loadu_ps(scales + 16 * g));
      __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
      _mm512_storeu_ps(s + 16 * g, score);
      most = whole ? _mm512_max_ps(score, most) : _mm512_mask_max_ps(most, group_of(keys, g), score, most);
   }
   return most;
}

PARE_INLINE void score_pairs(const attention_pass *pass, const attention_work *w, pass_numbers *numbers,
                             const bool whole)
{
   pair_place at = { 0, 0 };
   for (int64_t first = 0; first < pass->n * pass->blocks; first += TILE_ROWS) {
      int64_t n = pairs_of_tile(pass, first);
      __m512 most[TILE_ROWS];
      ask_ahead(pass->ahead);
      for (int64_t i = 0; i < n; i++, next_pair(pass, &at))
         most[i] = score_pair(pass, w, first + i, at, whole);
      clear_from(most, n, _mm512_set1_ps(-INFINITY));
      _mm512_storeu_ps(numbers->best + first, merge_rows(most, n, MERGE_MAX));
   }
}

/* Lanes of the rows that see something of block b. */
PARE_INLINE __mmask16 seeing(const attention_pass *pass, int64_t b, const bool whole)
{
   __mmask16 lanes = pare_lanes(0, pass->n), seen = 0;
   if (whole) return lanes;
   for (int64_t r = 0; r < pass->n; r++) {
      attention_range range = range_of(pass, b, r);
      seen |= (__mmask16)((range.lo < range.hi) << r);
   }
   return seen;
}

/* Block after block: the maxima of the rows, and what their outputs are multiplied by. */
PARE_INLINE void follow_maxima(const attention_pass *pass, const attention_work *w, pass_numbers *numbers,
                               const bool whole)
{
   for (int64_t b = 0; b < pass->blocks; b++) {
      int64_t p = b * pass->n;
      __mmask16 seen = seeing(pass, b, whole);
      __m512 before = _mm512_loadu_ps(w->max);
      __m512 now = _mm512_mask_max_ps(before, seen, _mm512_loadu_ps(numbers->best + p), before);
      _mm512_mask_storeu_ps(w->keep + p, seen, pare_exp2_down_ps(_mm512_sub_ps(before, now)));
      _mm512_mask_storeu_ps(numbers->best + p, seen, now);
      _mm512_mask_storeu_ps(w->max, seen, now);
   }
}

/* Scores to weights, +0 of keys that do not count; adds to the lanewise sum of exponentials and the bits of the
 * largest weight. Exponents are never above 0 and weights have no sign but that of NaN, which counts as larger than
 * any number with it as without. */
PARE_INLINE void weigh_pair(const attention_pass *pass, float number, int64_t p, pair_place at,
                            const bool whole, __m512 *total, __m512 *largest)
{
   const __m512 max = _mm512_set1_ps(number);
   const float *scales = pass->block[at.b].value_scales;
   const uint64_t keys = keys_of(pass, at, whole);
   float *s = weights_of(pass, p);
   __m512 sum = _mm512_setzero_ps(), most = _mm512_setzero_ps();
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      if (!whole && g >= pass->groups) break;
      __mmask16 counts = group_of(keys, g);
      __m512 e = pare_exp2_down_ps(_mm512_sub_ps(_mm512_loadu_ps(s + 16 * g), max));
      if (!whole) e = _mm512_maskz_mov_ps(counts, e);
      __m512 scale = _mm512_maskz_loadu_ps(counts, scales + 16 * g);
      __m512 weight = _mm512_mul_ps(e, scale);
      sum = _mm512_add_ps(sum, e);
      _mm512_storeu_ps(s + 16 * g, weight);
      most = merge(most, weight, MERGE_MAX_BITS);
   }
   *total = sum;
   *largest = most;
}

/* The rules of round.h for a lane a pair: the scales; what weights are multiplied by, 0 where all codes are 0. */
PARE_INLINE __m512 round_rules(__m512 largest, __m512 *inverse)
{
   const __m512 most = _mm512_set1_ps(PARE_ROUND_WEIGHT_MAX);
   __mmask16 bad = _mm512_cmpge_epu32_mask(_mm512_castps_si512(largest), _mm512_set1_epi32(0x7f800000));
   __mmask16 zero = _mm512_cmp_ps_mask(largest, _mm512_set1_ps(0x1p-120f), _CMP_LT_OQ);
   *inverse = _mm512_maskz_div_ps((__mmask16) ~(zero | bad), most, largest);
   __m512 scale = _mm512_maskz_div_ps((__mmask16)~zero, largest, most);
   return _mm512_mask_mov_ps(scale, bad, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
}

PARE_INLINE void weigh_all(const attention_pass *pass, const attention_work *w, pass_numbers *numbers,
                           const bool whole)
{
   pair_place at = { 0, 0 };
   for (int64_t first = 0; first < pass->n * pass->blocks; first += TILE_ROWS) {
      int64_t n = pairs_of_tile(pass, first);
      __m512 sums[TILE_ROWS], most[TILE_ROWS], inverse;
      pass->ahead->go_on(pass->ahead);
      for (int64_t i = 0; i < n; i++, next_pair(pass, &at))
         weigh_pair(pass, numbers->best[first + i], first + i, at, whole, &sums[i], &most[i]);
      clear_from(sums, n, _mm512_setzero_ps());
      clear_from(most, n, _mm512_setzero_ps());
      _mm512_storeu_ps(numbers->sum + first, merge_rows(sums, n, MERGE_ADD));
      __m512 step = round_rules(merge_rows(most, n, MERGE_MAX_BITS), &inverse);
      _mm512_storeu_ps(w->step + first, step);
      _mm512_storeu_ps(numbers->inverse + first, inverse);
   }
}

PARE_INLINE void follow_sums(const attention_pass *pass, const attention_work *w, const pass_numbers *numbers,
                             const bool whole)
{
   for (int64_t b = 0; b < pass->blocks; b++) {
      int64_t p = b * pass->n;
      __m512 sum =
         _mm512_fmadd_ps(_mm512_loadu_ps(w->sum), _mm512_loadu_ps(w->keep + p), _mm512_loadu_ps(numbers->sum + p));
      _mm512_mask_storeu_ps(w->sum, seeing(pass, b, whole), sum);
   }
}

/* Codes of a pair. No limit is asked: the largest weight times 255 / itself, rounded twice, stays below 255.5. What is
 * NaN, and times 0, has the smallest integer as code, which becomes 0. */
PARE_INLINE void round_pair(const attention_pass *pass, float number, int64_t p, uint8_t *out,
                            const bool whole)
{
   const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
   const __m512 inverse = _mm512_set1_ps(number);
   const float *s = weights_of(pass, p);
   __m512i codes[KEY_GROUPS];
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      codes[g] = _mm512_setzero_si512();
      if (whole || g < pass->groups)
         codes[g] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(s + 16 * g), inverse));
   }
   __m512i low = _mm512_packs_epi32(codes[0], codes[1]), high = _mm512_packs_epi32(codes[2], codes[3]);
   _mm512_storeu_si512(out, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
}

PARE_INLINE void weigh_as(const attention_pass *pass, const bool whole)
{
   const attention_work *w = &pass->work;
   pass_numbers numbers;
   score_pairs(pass, w, &numbers, whole);
   follow_maxima(pass, w, &numbers, whole);
   weigh_all(pass, w, &numbers, whole);
   follow_sums(pass, w, &numbers, whole);
   for (int64_t p = 0; p < pass->n * pass->blocks; p++)
      round_pair(pass, numbers.inverse[p], p, w->codes + p * PARE_ATTN_BLOCK, whole);
}

static void weigh_pass(const attention_pass *pass)
{
   if (pass->whole) weigh_as(pass, true);
   else weigh_as(pass, false);
}

static void add_values(const int32_t *raw, float step, float keep, int64_t n, float *out)
{
   const __m512 steps = _mm512_set1_ps(step), keeps = _mm512_set1_ps(keep);
   for (int64_t d = 0; d < n; d += 16) {
      __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(raw + d));
      _mm512_storeu_ps(out + d, _mm512_fmadd_ps(sum, steps, _mm512_mul_ps(_mm512_loadu_ps(out + d), keeps)));
   }
}

#endif
