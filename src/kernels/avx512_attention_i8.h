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

/* ---- the softmax of a tile's rows over a block ---- */

/* What passes from step to step. Lanes without a row, or whose row sees nothing of the block, hold anything. */
typedef struct tile_work {
   float p[TILE_ROWS][PARE_ATTN_BLOCK];   /* scores, then weights */
   __mmask16 keys[TILE_ROWS][KEY_GROUPS]; /* that count */
   float numbers[TILE_ROWS];              /* of the rows: the maximum, then what codes are made with */
} tile_work;

PARE_INLINE void find_keys(const attention_part *t, __mmask16 *keys)
{
   uint64_t seen = t->lo < t->hi ? (~0ull >> (64 - (t->hi - t->lo))) << t->lo : 0;
   for (int g = 0; g < KEY_GROUPS; g++) keys[g] = (__mmask16)(seen >> (16 * g));
}

/* w->p = scores; returns each row's largest. */
PARE_INLINE __m512 score_rows(const attention_part *parts, int64_t n, const kv_block *block, tile_work *w)
{
   __m512 most[TILE_ROWS];
   for (int64_t r = 0; r < (n > FEW_MERGED ? TILE_ROWS : n); r++) {
      most[r] = _mm512_set1_ps(-INFINITY);
      if (r >= n) continue;
      const __m512i offset = _mm512_set1_epi32(parts[r].offset);
      const __m512 factor = _mm512_set1_ps(parts[r].factor);
      find_keys(&parts[r], w->keys[r]);
      PARE_UNROLL
      for (int g = 0; g < KEY_GROUPS; g++) {
         __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512(parts[r].raw + 16 * g), offset);
         __m512 scale = _mm512_mul_ps(factor, _mm512_loadu_ps(block->key_scales + 16 * g));
         __m512 s = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
         _mm512_storeu_ps(w->p[r] + 16 * g, s);
         most[r] = _mm512_mask_max_ps(most[r], w->keys[r][g], s, most[r]);
      }
   }
   return merge_rows(most, n, MERGE_MAX);
}

/* w->p = weights, +0 of keys that do not count; returns each row's sum of exponentials and the bits of its largest
 * weight. w->numbers: the rows' maxima. */
PARE_INLINE __m512 weigh_keys(int64_t n, const kv_block *block, tile_work *w, __m512 *largest)
{
   __m512 sums[TILE_ROWS], most[TILE_ROWS];
   for (int64_t r = 0; r < (n > FEW_MERGED ? TILE_ROWS : n); r++) {
      sums[r] = most[r] = _mm512_setzero_ps();
      if (r >= n) continue;
      const __m512 max = _mm512_set1_ps(w->numbers[r]);
      PARE_UNROLL
      for (int g = 0; g < KEY_GROUPS; g++) {
         __m512 e = pare_exp_ps(_mm512_sub_ps(_mm512_loadu_ps(w->p[r] + 16 * g), max));
         e = _mm512_maskz_mov_ps(w->keys[r][g], e);
         __m512 weight = _mm512_maskz_mul_ps(w->keys[r][g], e, _mm512_loadu_ps(block->value_scales + 16 * g));
         sums[r] = _mm512_add_ps(sums[r], e);
         _mm512_storeu_ps(w->p[r] + 16 * g, weight);
         most[r] = merge(most[r], _mm512_abs_ps(weight), MERGE_MAX_BITS);
      }
   }
   *largest = merge_rows(most, n, MERGE_MAX_BITS);
   return merge_rows(sums, n, MERGE_ADD);
}

/* The rules of round.h for a lane a row: the scales; what weights are multiplied by, 0 where all codes are 0. */
PARE_INLINE __m512 round_rules(__m512 largest, __m512 *inverse)
{
   const __m512 most = _mm512_set1_ps(PARE_ROUND_WEIGHT_MAX);
   __mmask16 bad = _mm512_cmpge_epu32_mask(_mm512_castps_si512(largest), _mm512_set1_epi32(0x7f800000));
   __mmask16 zero = _mm512_cmp_ps_mask(largest, _mm512_set1_ps(0x1p-120f), _CMP_LT_OQ);
   *inverse = _mm512_maskz_div_ps((__mmask16) ~(zero | bad), most, largest);
   __m512 scale = _mm512_maskz_div_ps((__mmask16)~zero, largest, most);
   return _mm512_mask_mov_ps(scale, bad, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
}

/* Codes of a row; a weight times 0 may be NaN, so zeros are said. */
PARE_INLINE void round_row(const float *p, float inverse, uint8_t *codes)
{
   const __m512 limit = _mm512_set1_ps(PARE_ROUND_WEIGHT_MAX);
   PARE_UNROLL
   for (int g = 0; g < KEY_GROUPS; g++) {
      __m512 x = _mm512_mul_ps(_mm512_loadu_ps(p + 16 * g), _mm512_set1_ps(inverse));
      __m512i code = _mm512_cvtps_epi32(_mm512_min_ps(x, limit));
      code = inverse == 0.0f ? _mm512_setzero_si512() : code;
      _mm_storeu_si128((__m128i *)(void *)(codes + 16 * g), _mm512_cvtepi32_epi8(code));
   }
}

static void weigh_rows(const attention_part *parts, int64_t n, const kv_block *block)
{
   tile_work w;
   float max[TILE_ROWS] = { 0 }, sum[TILE_ROWS] = { 0 }, keep[TILE_ROWS], step[TILE_ROWS];
   for (int64_t r = 0; r < n; r++) {
      max[r] = parts[r].state->max;
      sum[r] = parts[r].state->sum;
   }
   __m512 before = _mm512_loadu_ps(max), largest, inverse;
   __m512 now = _mm512_max_ps(score_rows(parts, n, block, &w), before);
   __m512 kept = pare_exp_ps(_mm512_sub_ps(before, now));
   _mm512_storeu_ps(w.numbers, now);
   _mm512_storeu_ps(keep, kept);
   __m512 sums = weigh_keys(n, block, &w, &largest);
   _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_loadu_ps(sum), kept, sums));
   _mm512_storeu_ps(max, now);
   _mm512_storeu_ps(step, round_rules(largest, &inverse));
   _mm512_storeu_ps(w.numbers, inverse);
   for (int64_t r = 0; r < n; r++) {
      round_row(w.p[r], w.numbers[r], parts[r].codes);
      if (parts[r].lo < parts[r].hi) *parts[r].state = (attention_state){ max[r], sum[r], keep[r], step[r] };
   }
}

static void add_values(const int32_t *raw, const attention_state *state, int64_t n, float *out)
{
   const __m512 step = _mm512_set1_ps(state->step), keep = _mm512_set1_ps(state->keep);
   for (int64_t d = 0; d < n; d += 16) {
      __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(raw + d));
      _mm512_storeu_ps(out + d, _mm512_fmadd_ps(sum, step, _mm512_mul_ps(_mm512_loadu_ps(out + d), keep)));
   }
}

#endif
