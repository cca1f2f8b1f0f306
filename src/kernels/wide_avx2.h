/* wide_avx2: eight floats, or 32 bytes, in one register of AVX2 (with FMA and F16C), and of AVX-VNNI. Names
 * say what an operation does; see wide.h. */
#ifndef PARE_KERNELS_WIDE_AVX2_H
#define PARE_KERNELS_WIDE_AVX2_H

#include <immintrin.h>

typedef __m256 v8;
typedef __m256 v8_mask;    /* all bits of a lane or none */
typedef __m256i v8_ints;   /* eight int32 */

PARE_INLINE v8 v8_zero(void) { return _mm256_setzero_ps(); }
PARE_INLINE v8 v8_set(float x) { return _mm256_set1_ps(x); }
PARE_INLINE v8 v8_load(const void *p) { return _mm256_loadu_ps(p); }
PARE_INLINE void v8_store(void *p, v8 x) { _mm256_storeu_ps(p, x); }
PARE_INLINE v8 v8_add(v8 a, v8 b) { return _mm256_add_ps(a, b); }
PARE_INLINE v8 v8_sub(v8 a, v8 b) { return _mm256_sub_ps(a, b); }
PARE_INLINE v8 v8_mul(v8 a, v8 b) { return _mm256_mul_ps(a, b); }
PARE_INLINE v8 v8_div(v8 a, v8 b) { return _mm256_div_ps(a, b); }
PARE_INLINE v8 v8_fma(v8 a, v8 b, v8 c) { return _mm256_fmadd_ps(a, b, c); }     /* a b + c */
PARE_INLINE v8 v8_fnma(v8 a, v8 b, v8 c) { return _mm256_fnmadd_ps(a, b, c); }   /* c - a b */
PARE_INLINE v8 v8_min(v8 a, v8 b) { return _mm256_min_ps(a, b); }   /* a < b ? a : b: b if one is NaN */
PARE_INLINE v8 v8_max(v8 a, v8 b) { return _mm256_max_ps(a, b); }   /* a > b ? a : b: b if one is NaN */
PARE_INLINE v8 v8_and(v8 a, v8 b) { return _mm256_and_ps(a, b); }
PARE_INLINE v8 v8_or(v8 a, v8 b) { return _mm256_or_ps(a, b); }
PARE_INLINE v8 v8_xor(v8 a, v8 b) { return _mm256_xor_ps(a, b); }
PARE_INLINE v8 v8_abs(v8 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
PARE_INLINE v8_mask v8_less(v8 a, v8 b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
PARE_INLINE v8_mask v8_not_less(v8 a, v8 b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
PARE_INLINE v8 v8_select(v8_mask m, v8 yes, v8 no) { return _mm256_blendv_ps(no, yes, m); }

/* The larger bit patterns. */
PARE_INLINE v8 v8_max_bits(v8 a, v8 b)
{
   __m256i x = _mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b));
   return _mm256_castsi256_ps(x);
}

/* The lanes whose numbers differ in one bit, exchanged. */
PARE_INLINE v8 v8_swap1(v8 x) { return _mm256_permute_ps(x, 0xb1); }
PARE_INLINE v8 v8_swap2(v8 x) { return _mm256_permute_ps(x, 0x4e); }
PARE_INLINE v8 v8_swap4(v8 x) { return _mm256_permute2f128_ps(x, x, 0x01); }

/* p[0], p[0], p[1], p[1] .. p[3], p[3] */
PARE_INLINE v8 v8_load_twice(const float *p)
{
   __m256 x = _mm256_castps128_ps256(_mm_loadu_ps(p));
   return _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

/* x * 2^n, n an integer in [-150, 128]: two products, the first exact. */
PARE_INLINE v8 v8_scale(v8 x, v8 n)
{
   const __m256i bias = _mm256_set1_epi32(127);
   __m256i e = _mm256_cvttps_epi32(n), half = _mm256_srai_epi32(e, 1), rest = _mm256_sub_epi32(e, half);
   half = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
   rest = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
   return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(half)), _mm256_castsi256_ps(rest));
}

/* The bits of a float n places to the left. */
PARE_INLINE v8 v8_shift_bits(v8 x, const int n)
{
   return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), n));
}

/* x[l] += x[l + 4], + 2, + 1 */
PARE_INLINE float v8_tree(v8 x)
{
   __m128 a = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
   a = _mm_add_ps(a, _mm_movehl_ps(a, a));
   return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}

/* Eight stored halves, or upper halves. */
PARE_INLINE v8 v8_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
PARE_INLINE v8 v8_load_bf16(const void *p)
{
   return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
PARE_INLINE void v8_store_f16(void *p, v8 x)
{
   _mm_storeu_si128(p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

/* p[i] - minus, as floats. */
PARE_INLINE v8 v8_load_ints(const int32_t *p, int32_t minus)
{
   __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
   return _mm256_cvtepi32_ps(_mm256_sub_epi32(x, _mm256_set1_epi32(minus)));
}

PARE_INLINE v8_ints v8_ints_zero(void) { return _mm256_setzero_si256(); }
PARE_INLINE v8_ints v8_ints_add(v8_ints a, v8_ints b) { return _mm256_add_epi32(a, b); }
PARE_INLINE v8 v8_from_ints(v8_ints x) { return _mm256_cvtepi32_ps(x); }
PARE_INLINE v8_ints v8_round(v8 x) { return _mm256_cvtps_epi32(x); }   /* ties to even */
PARE_INLINE void v8_ints_store(int32_t *p, v8_ints x) { _mm256_storeu_si256((__m256i *)p, x); }

/* 16 ints in [-128, 127] as bytes. */
PARE_INLINE void v8_store_codes(int8_t *p, v8_ints low, v8_ints high)
{
   __m256i x = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
   __m128i codes = _mm_packs_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
   _mm_storeu_si128((__m128i *)p, codes);
}

/* 32 ints of at most 255 as bytes, below 0 as 0. */
PARE_INLINE void v8_store_weights(uint8_t *p, v8_ints a, v8_ints b, v8_ints c, v8_ints d)
{
   const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
   __m256i codes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
   _mm256_storeu_si256((__m256i *)(void *)p, _mm256_permutevar8x32_epi32(codes, order));
}

/* Eight codes as floats. */
PARE_INLINE v8 v8_load_codes(const int8_t *p)
{
   return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

/* Eight rows of eight: pairs of lanes, of two lanes, of four. */
PARE_INLINE void v8_transpose(v8 *v)
{
   v8 t[8];
   PARE_UNROLL
   for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
   }
   PARE_UNROLL
   for (int i = 0; i < 8; i += 4) {
      v[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      v[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
      v[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      v[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
   }
   PARE_UNROLL
   for (int c = 0; c < 4; c++) {
      v8 low = v[c], high = v[c + 4];
      v[c] = _mm256_permute2f128_ps(low, high, 0x20);
      v[c + 4] = _mm256_permute2f128_ps(low, high, 0x31);
   }
}

/* ---- 32 bytes: half of a line of weights ---- */

typedef __m256i v32;

PARE_INLINE v32 v32_set(uint8_t x) { return _mm256_set1_epi8((char)x); }
PARE_INLINE v32 v32_load(const void *p) { return _mm256_loadu_si256(p); }
PARE_INLINE void v32_store(void *p, v32 x) { _mm256_storeu_si256(p, x); }
PARE_INLINE v32 v32_and(v32 a, v32 b) { return _mm256_and_si256(a, b); }
PARE_INLINE v32 v32_or(v32 a, v32 b) { return _mm256_or_si256(a, b); }
PARE_INLINE v32 v32_add(v32 a, v32 b) { return _mm256_add_epi8(a, b); }
PARE_INLINE v32 v32_sub(v32 a, v32 b) { return _mm256_sub_epi8(a, b); }
PARE_INLINE v32 v32_above(v32 a, int8_t b) { return _mm256_cmpgt_epi8(a, _mm256_set1_epi8(b)); }

/* Every byte by 2^n, n a constant in [-7, 7]; bits that leave a byte may enter the next one. */
PARE_INLINE v32 v32_shift(v32 x, const int n)
{
   return n > 0 ? _mm256_slli_epi16(x, n) : n < 0 ? _mm256_srli_epi16(x, -n) : x;
}

/* Products below 256 of bytes; b the same in all four bytes of a lane. */
PARE_INLINE v32 v32_mul(v32 a, v32 b)
{
   return _mm256_mullo_epi16(a, _mm256_and_si256(b, _mm256_set1_epi16(0xff)));
}

/* Byte i (0..3) of each of eight lanes in all four bytes of the lane. */
PARE_INLINE v32 v32_spread(v32 x, int64_t i)
{
   __m256i first = _mm256_broadcastsi128_si256(_mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0));
   return _mm256_shuffle_epi8(x, _mm256_add_epi8(first, _mm256_set1_epi8((char)i)));
}

/* Four activations in each of eight lanes. */
PARE_INLINE v32 v32_load_four(const int8_t *p)
{
   int32_t four;
   memcpy(&four, p, sizeof four);
   return _mm256_set1_epi32(four);
}

/* The sum of 32 activations. */
PARE_INLINE int32_t v32_total(const int8_t *p)
{
   __m256i x = _mm256_xor_si256(v32_load(p), _mm256_set1_epi8((char)0x80));
   __m256i s = _mm256_sad_epu8(x, _mm256_setzero_si256());
   __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
   return _mm_cvtsi128_si32(t) + _mm_extract_epi32(t, 2) - 32 * 128;
}

/* Sums of eight channels over 8 lines of levels (0..15): started, 8 times v32_dot, then multiplied to int32.
 * Without VNNI they are pairs of 16 bits: the products of 8 lines are at most 30480, and what a sum starts
 * with wraps until it is complete. v32_start: s[0], where up is -1 s[0] + s[1]; kept by v32_keep_start. */
typedef __m256i v32_sum;

#if defined(__AVXVNNI__)
PARE_INLINE int32_t v32_keep_start(int32_t s) { return s; }
PARE_INLINE v32_sum v32_start(v32 up, const int32_t *s)
{
   return _mm256_add_epi32(_mm256_set1_epi32(s[0]), _mm256_and_si256(up, _mm256_set1_epi32(s[1])));
}
PARE_INLINE v32_sum v32_dot(v32_sum s, v32 levels, v32 four) { return _mm256_dpbusd_avx_epi32(s, levels, four); }
PARE_INLINE v8_ints v32_times(v32_sum s, v32 factor)
{
   return _mm256_mullo_epi32(s, _mm256_and_si256(factor, _mm256_set1_epi32(0xff)));
}
#else
PARE_INLINE int32_t v32_keep_start(int32_t s) { return s & 0xffff; }
PARE_INLINE v32_sum v32_start(v32 up, const int32_t *s)
{
   return _mm256_add_epi16(_mm256_set1_epi32(s[0]), _mm256_and_si256(up, _mm256_set1_epi32(s[1])));
}
PARE_INLINE v32_sum v32_dot(v32_sum s, v32 levels, v32 four)
{
   return _mm256_add_epi16(s, _mm256_maddubs_epi16(levels, four));
}
PARE_INLINE v8_ints v32_times(v32_sum s, v32 factor)
{
   return _mm256_madd_epi16(s, _mm256_and_si256(factor, _mm256_set1_epi16(0xff)));
}
#endif

/* ---- packed lines (16 channels of 4 bytes) by rows of codes, a part of a line at a time ----
 *
 * Keys are unsigned bytes, PARE_LINE_OFFSET above their codes, by signed codes; values signed bytes by unsigned codes.
 * Without VNNI both sides are widened to 16 bits, and sums are of pairs. */
#define PARE_LINE_OFFSET 128
typedef struct line_part {
   __m256i low, high;
} line_part, part_sums;

PARE_INLINE part_sums part_zero(void) { return (part_sums){ _mm256_setzero_si256(), _mm256_setzero_si256() }; }
PARE_INLINE part_sums part_offset(part_sums sums, line_part part, const int values)
{
   (void)part;
   (void)values;
   return sums;
}

#if defined(__AVXVNNI__)
enum { PART_CHANNELS = 16 };
typedef uint8_t part_code;

/* acc + the sum of four products of unsigned and signed bytes, in each of 8 lanes. Assembly for the reason given in
 * avx512_util.h. */
PARE_INLINE __m256i v32_dot_codes(__m256i acc, __m256i codes, __m256i activations)
{
   __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(codes), "x"(activations));
   return acc;
}

PARE_INLINE const part_code *part_codes(const uint8_t *codes, int64_t n, part_code *room, const int values)
{
   (void)n;
   (void)room;
   (void)values;
   return codes;
}
PARE_INLINE line_part part_load(const uint8_t *line, const int values)
{
   (void)values;
   return (line_part){ v32_load(line), v32_load(line + 32) };
}
PARE_INLINE part_sums part_add(part_sums s, line_part part, const part_code *four, const int values)
{
   __m256i a = v32_load_four((const int8_t *)four);
   if (values) return (part_sums){ v32_dot_codes(s.low, a, part.low), v32_dot_codes(s.high, a, part.high) };
   return (part_sums){ v32_dot_codes(s.low, part.low, a), v32_dot_codes(s.high, part.high, a) };
}
PARE_INLINE void part_store(int32_t *out, part_sums s, part_sums offset)
{
   (void)offset;
   v32_store(out, s.low);
   v32_store(out + 8, s.high);
}
#else
enum { PART_CHANNELS = 8 };
typedef int16_t part_code;

PARE_INLINE __m256i v32_widen(const uint8_t *p, const int is_signed)
{
   __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
   return is_signed ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes);
}

/* The codes of a row, n rounded up to 16. */
PARE_INLINE const part_code *part_codes(const uint8_t *codes, int64_t n, part_code *room, const int values)
{
   for (int64_t i = 0; i < n; i += 16) v32_store(room + i, v32_widen(codes + i, !values));
   return room;
}
PARE_INLINE line_part part_load(const uint8_t *line, const int values)
{
   return (line_part){ v32_widen(line, values), v32_widen(line + 16, values) };
}
PARE_INLINE part_sums part_add(part_sums s, line_part part, const part_code *four, const int values)
{
   (void)values;
   int64_t codes;
   memcpy(&codes, four, sizeof codes);
   __m256i x, a = _mm256_set1_epi64x(codes);
   __asm__("vpmaddwd %[a], %[part_low], %[x]\n\t" "vpmaddwd %[a], %[part_high], %[a]\n\t"
           "vpaddd %[x], %[low], %[low]\n\t" "vpaddd %[a], %[high], %[high]"
           : [low] "+x"(s.low), [high] "+x"(s.high), [a] "+x"(a), [x] "=&x"(x)
           : [part_low] "x"(part.low), [part_high] "x"(part.high));
   return s;
}
PARE_INLINE void part_store(int32_t *out, part_sums s, part_sums offset)
{
   (void)offset;
   v32_store(out, _mm256_permute4x64_epi64(_mm256_hadd_epi32(s.low, s.high), 0xd8));
}
#endif

#endif
