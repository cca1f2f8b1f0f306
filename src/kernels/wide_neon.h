/* wide_neon: eight floats, or 32 bytes, in two registers of Advanced SIMD. Names say what an operation does;
 * see wide.h. */
#ifndef PARE_KERNELS_WIDE_NEON_H
#define PARE_KERNELS_WIDE_NEON_H

#include <arm_neon.h>

typedef struct v8 {
   float32x4_t low, high;
} v8;
typedef struct v8_mask {   /* all bits of a lane or none */
   uint32x4_t low, high;
} v8_mask;
typedef struct v8_ints {   /* eight int32 */
   int32x4_t low, high;
} v8_ints;

#define BOTH(f, a, b) (v8){ f((a).low, (b).low), f((a).high, (b).high) }
#define BITS(x) vreinterpretq_u32_f32(x)
#define FLOATS(x) vreinterpretq_f32_u32(x)

PARE_INLINE v8 v8_set(float x) { return (v8){ vdupq_n_f32(x), vdupq_n_f32(x) }; }
PARE_INLINE v8 v8_zero(void) { return v8_set(0.0f); }
PARE_INLINE v8 v8_load(const void *p)
{
   const uint8_t *bytes = p;
   return (v8){ vreinterpretq_f32_u8(vld1q_u8(bytes)), vreinterpretq_f32_u8(vld1q_u8(bytes + 16)) };
}
PARE_INLINE void v8_store(void *p, v8 x)
{
   uint8_t *bytes = p;
   vst1q_u8(bytes, vreinterpretq_u8_f32(x.low));
   vst1q_u8(bytes + 16, vreinterpretq_u8_f32(x.high));
}
PARE_INLINE v8 v8_add(v8 a, v8 b) { return BOTH(vaddq_f32, a, b); }
PARE_INLINE v8 v8_sub(v8 a, v8 b) { return BOTH(vsubq_f32, a, b); }
PARE_INLINE v8 v8_mul(v8 a, v8 b) { return BOTH(vmulq_f32, a, b); }
PARE_INLINE v8 v8_div(v8 a, v8 b) { return BOTH(vdivq_f32, a, b); }
PARE_INLINE v8 v8_fma(v8 a, v8 b, v8 c)    /* a b + c */
{
   return (v8){ vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high) };
}
PARE_INLINE v8 v8_fnma(v8 a, v8 b, v8 c)   /* c - a b */
{
   return (v8){ vfmsq_f32(c.low, a.low, b.low), vfmsq_f32(c.high, a.high, b.high) };
}

PARE_INLINE float32x4_t and4(float32x4_t a, float32x4_t b) { return FLOATS(vandq_u32(BITS(a), BITS(b))); }
PARE_INLINE float32x4_t or4(float32x4_t a, float32x4_t b) { return FLOATS(vorrq_u32(BITS(a), BITS(b))); }
PARE_INLINE float32x4_t xor4(float32x4_t a, float32x4_t b) { return FLOATS(veorq_u32(BITS(a), BITS(b))); }
PARE_INLINE v8 v8_and(v8 a, v8 b) { return BOTH(and4, a, b); }
PARE_INLINE v8 v8_or(v8 a, v8 b) { return BOTH(or4, a, b); }
PARE_INLINE v8 v8_xor(v8 a, v8 b) { return BOTH(xor4, a, b); }
PARE_INLINE v8 v8_abs(v8 x) { return (v8){ vabsq_f32(x.low), vabsq_f32(x.high) }; }
PARE_INLINE v8_mask v8_less(v8 a, v8 b)
{
   return (v8_mask){ vcltq_f32(a.low, b.low), vcltq_f32(a.high, b.high) };
}
PARE_INLINE v8_mask v8_not_less(v8 a, v8 b)
{
   return (v8_mask){ vcgeq_f32(a.low, b.low), vcgeq_f32(a.high, b.high) };
}
PARE_INLINE v8 v8_select(v8_mask m, v8 yes, v8 no)
{
   return (v8){ vbslq_f32(m.low, yes.low, no.low), vbslq_f32(m.high, yes.high, no.high) };
}
/* b if one is NaN, which the instructions for minimum and maximum do not do */
PARE_INLINE v8 v8_min(v8 a, v8 b) { return v8_select(v8_less(a, b), a, b); }
PARE_INLINE v8 v8_max(v8 a, v8 b) { return v8_select(v8_less(b, a), a, b); }

/* The larger bit patterns. */
PARE_INLINE v8 v8_max_bits(v8 a, v8 b)
{
   return (v8){ FLOATS(vmaxq_u32(BITS(a.low), BITS(b.low))), FLOATS(vmaxq_u32(BITS(a.high), BITS(b.high))) };
}

/* The lanes whose numbers differ in one bit, exchanged. */
PARE_INLINE v8 v8_swap1(v8 x) { return (v8){ vrev64q_f32(x.low), vrev64q_f32(x.high) }; }
PARE_INLINE v8 v8_swap2(v8 x)
{
   return (v8){ vextq_f32(x.low, x.low, 2), vextq_f32(x.high, x.high, 2) };
}
PARE_INLINE v8 v8_swap4(v8 x) { return (v8){ x.high, x.low }; }

/* p[0], p[0], p[1], p[1] .. p[3], p[3] */
PARE_INLINE v8 v8_load_twice(const float *p)
{
   float32x4_t x = vld1q_f32(p);
   return (v8){ vzip1q_f32(x, x), vzip2q_f32(x, x) };
}

PARE_INLINE float32x4_t scale4(float32x4_t x, float32x4_t n)
{
   const int32x4_t bias = vdupq_n_s32(127);
   int32x4_t e = vcvtq_s32_f32(n), half = vshrq_n_s32(e, 1), rest = vsubq_s32(e, half);
   half = vshlq_n_s32(vaddq_s32(half, bias), 23);
   rest = vshlq_n_s32(vaddq_s32(rest, bias), 23);
   return vmulq_f32(vmulq_f32(x, vreinterpretq_f32_s32(half)), vreinterpretq_f32_s32(rest));
}

/* x * 2^n, n an integer in [-150, 128]: two products, the first exact. */
PARE_INLINE v8 v8_scale(v8 x, v8 n) { return BOTH(scale4, x, n); }

/* The bits of a float n places to the left. */
PARE_INLINE v8 v8_shift_bits(v8 x, const int n)
{
   const int32x4_t by = vdupq_n_s32(n);
   return (v8){ FLOATS(vshlq_u32(BITS(x.low), by)), FLOATS(vshlq_u32(BITS(x.high), by)) };
}

/* x[l] += x[l + 4], + 2, + 1 */
PARE_INLINE float v8_tree(v8 x)
{
   float32x4_t a = vaddq_f32(x.low, x.high);
   float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
   return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

/* Eight stored halves, or upper halves. */
PARE_INLINE v8 v8_load_f16(const void *p)
{
   float16x8_t h = vreinterpretq_f16_u8(vld1q_u8(p));
   return (v8){ vcvt_f32_f16(vget_low_f16(h)), vcvt_high_f32_f16(h) };
}
PARE_INLINE v8 v8_load_bf16(const void *p)
{
   uint16x8_t h = vreinterpretq_u16_u8(vld1q_u8(p));
   return (v8){ FLOATS(vshll_n_u16(vget_low_u16(h), 16)), FLOATS(vshll_high_n_u16(h, 16)) };
}
PARE_INLINE void v8_store_f16(void *p, v8 x)
{
   vst1q_u8(p, vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(x.low), x.high)));
}

/* p[i] - minus, as floats. */
PARE_INLINE v8 v8_load_ints(const int32_t *p, int32_t minus)
{
   int32x4_t m = vdupq_n_s32(minus);
   return (v8){ vcvtq_f32_s32(vsubq_s32(vld1q_s32(p), m)), vcvtq_f32_s32(vsubq_s32(vld1q_s32(p + 4), m)) };
}

PARE_INLINE v8_ints v8_ints_zero(void) { return (v8_ints){ vdupq_n_s32(0), vdupq_n_s32(0) }; }
PARE_INLINE v8_ints v8_ints_add(v8_ints a, v8_ints b)
{
   return (v8_ints){ vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high) };
}
PARE_INLINE v8 v8_from_ints(v8_ints x) { return (v8){ vcvtq_f32_s32(x.low), vcvtq_f32_s32(x.high) }; }
PARE_INLINE v8_ints v8_round(v8 x)   /* ties to even */
{
   return (v8_ints){ vcvtnq_s32_f32(x.low), vcvtnq_s32_f32(x.high) };
}
PARE_INLINE void v8_ints_store(int32_t *p, v8_ints x)
{
   vst1q_s32(p, x.low);
   vst1q_s32(p + 4, x.high);
}

/* 16 ints in [-128, 127] as bytes. */
PARE_INLINE void v8_store_codes(int8_t *p, v8_ints low, v8_ints high)
{
   int16x8_t a = vcombine_s16(vmovn_s32(low.low), vmovn_s32(low.high));
   int16x8_t b = vcombine_s16(vmovn_s32(high.low), vmovn_s32(high.high));
   vst1q_s8(p, vcombine_s8(vmovn_s16(a), vmovn_s16(b)));
}

/* 32 ints of at most 255 as bytes, below 0 as 0. */
PARE_INLINE uint8x8_t weights8(v8_ints x)
{
   return vqmovun_s16(vcombine_s16(vqmovn_s32(x.low), vqmovn_s32(x.high)));
}
PARE_INLINE void v8_store_weights(uint8_t *p, v8_ints a, v8_ints b, v8_ints c, v8_ints d)
{
   vst1q_u8(p, vcombine_u8(weights8(a), weights8(b)));
   vst1q_u8(p + 16, vcombine_u8(weights8(c), weights8(d)));
}

/* Eight codes as floats. */
PARE_INLINE v8 v8_load_codes(const int8_t *p)
{
   int16x8_t x = vmovl_s8(vld1_s8(p));
   return (v8){ vcvtq_f32_s32(vmovl_s16(vget_low_s16(x))), vcvtq_f32_s32(vmovl_high_s16(x)) };
}

/* Four rows of four in place: pairs of lanes, then of two lanes. */
PARE_INLINE void transpose4(float32x4_t *r0, float32x4_t *r1, float32x4_t *r2, float32x4_t *r3)
{
   float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(*r0, *r1));
   float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(*r0, *r1));
   float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(*r2, *r3));
   float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(*r2, *r3));
   *r0 = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
   *r1 = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
   *r2 = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
   *r3 = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

/* Eight rows of eight: the four quarters, two of which change places. */
PARE_INLINE void v8_transpose(v8 *v)
{
   transpose4(&v[0].low, &v[1].low, &v[2].low, &v[3].low);
   transpose4(&v[0].high, &v[1].high, &v[2].high, &v[3].high);
   transpose4(&v[4].low, &v[5].low, &v[6].low, &v[7].low);
   transpose4(&v[4].high, &v[5].high, &v[6].high, &v[7].high);
   PARE_UNROLL
   for (int i = 0; i < 4; i++) {
      float32x4_t upper = v[i].high;
      v[i].high = v[i + 4].low;
      v[i + 4].low = upper;
   }
}

/* ---- 32 bytes: half of a line of weights ---- */

typedef struct v32 {
   uint8x16_t low, high;
} v32;

PARE_INLINE v32 v32_set(uint8_t x) { return (v32){ vdupq_n_u8(x), vdupq_n_u8(x) }; }
PARE_INLINE v32 v32_load(const void *p)
{
   const uint8_t *bytes = p;
   return (v32){ vld1q_u8(bytes), vld1q_u8(bytes + 16) };
}
PARE_INLINE void v32_store(void *p, v32 x)
{
   uint8_t *bytes = p;
   vst1q_u8(bytes, x.low);
   vst1q_u8(bytes + 16, x.high);
}
PARE_INLINE v32 v32_bytes(uint8x16_t low, uint8x16_t high) { return (v32){ low, high }; }
PARE_INLINE v32 v32_and(v32 a, v32 b) { return v32_bytes(vandq_u8(a.low, b.low), vandq_u8(a.high, b.high)); }
PARE_INLINE v32 v32_or(v32 a, v32 b) { return v32_bytes(vorrq_u8(a.low, b.low), vorrq_u8(a.high, b.high)); }
PARE_INLINE v32 v32_add(v32 a, v32 b) { return v32_bytes(vaddq_u8(a.low, b.low), vaddq_u8(a.high, b.high)); }
PARE_INLINE v32 v32_sub(v32 a, v32 b) { return v32_bytes(vsubq_u8(a.low, b.low), vsubq_u8(a.high, b.high)); }
PARE_INLINE v32 v32_above(v32 a, uint8_t b)
{
   return v32_bytes(vcgtq_u8(a.low, vdupq_n_u8(b)), vcgtq_u8(a.high, vdupq_n_u8(b)));
}

/* Every byte by 2^n, n a constant in [-7, 7]; bits that leave a byte may enter the next one elsewhere. */
PARE_INLINE v32 v32_shift(v32 x, const int n)
{
   int8x16_t by = vdupq_n_s8((int8_t)n);
   return v32_bytes(vshlq_u8(x.low, by), vshlq_u8(x.high, by));
}

/* Products below 256 of bytes; b the same in all four bytes of a lane. */
PARE_INLINE v32 v32_mul(v32 a, v32 b) { return v32_bytes(vmulq_u8(a.low, b.low), vmulq_u8(a.high, b.high)); }

/* Byte i (0..3) of each of eight lanes in all four bytes of the lane. */
PARE_INLINE v32 v32_spread(v32 x, int64_t i)
{
   const uint32_t first[4] = { 0, 0x04040404, 0x08080808, 0x0c0c0c0c };
   uint8x16_t at = vaddq_u8(vreinterpretq_u8_u32(vld1q_u32(first)), vdupq_n_u8((uint8_t)i));
   return v32_bytes(vqtbl1q_u8(x.low, at), vqtbl1q_u8(x.high, at));
}

/* Four activations in each of eight lanes. */
PARE_INLINE v32 v32_load_four(const int8_t *p)
{
   uint32_t four;
   memcpy(&four, p, sizeof four);
   uint8x16_t x = vreinterpretq_u8_u32(vdupq_n_u32(four));
   return v32_bytes(x, x);
}

/* The sum of 32 activations. */
PARE_INLINE int32_t v32_total(const int8_t *p) { return vaddlvq_s8(vld1q_s8(p)) + vaddlvq_s8(vld1q_s8(p + 16)); }

/* Sums of eight channels over 8 lines of levels (0..15): started, 8 times v32_dot, then multiplied.
 * v32_start: s[0], where up is -1 s[0] + s[1]; kept by v32_keep_start. */
typedef v8_ints v32_sum;

PARE_INLINE int32_t v32_keep_start(int32_t s) { return s; }
PARE_INLINE int32x4_t start4(uint8x16_t up, const int32_t *s)
{
   return vaddq_s32(vdupq_n_s32(s[0]), vandq_s32(vreinterpretq_s32_u8(up), vdupq_n_s32(s[1])));
}
PARE_INLINE v32_sum v32_start(v32 up, const int32_t *s)
{
   return (v32_sum){ start4(up.low, s), start4(up.high, s) };
}
PARE_INLINE int32x4_t dot4(int32x4_t s, uint8x16_t levels, uint8x16_t four)
{
   return vdotq_s32(s, vreinterpretq_s8_u8(levels), vreinterpretq_s8_u8(four));
}
PARE_INLINE v32_sum v32_dot(v32_sum s, v32 levels, v32 four)
{
   return (v32_sum){ dot4(s.low, levels.low, four.low), dot4(s.high, levels.high, four.high) };
}
PARE_INLINE int32x4_t times4(int32x4_t s, uint8x16_t factor)
{
   return vmulq_s32(s, vandq_s32(vreinterpretq_s32_u8(factor), vdupq_n_s32(0xff)));
}
PARE_INLINE v8_ints v32_times(v32_sum s, v32 factor)
{
   return (v8_ints){ times4(s.low, factor.low), times4(s.high, factor.high) };
}

/* ---- packed lines (16 channels of 4 bytes) by rows of codes ----
 *
 * Keys' top bits are flipped back, so that both sides are signed (PARE_LINE_OFFSET: what keys are then above their
 * codes); the unsigned codes of values are taken as 128 less, and 128 times the values, the same for all rows, is added
 * at the end. */
#define PARE_LINE_OFFSET 0
enum { PART_CHANNELS = 16 };
typedef uint8_t part_code;
typedef struct line_part {
   int8x16_t a, b, c, d;
} line_part;
typedef struct part_sums {
   int32x4_t a, b, c, d;
} part_sums;

PARE_INLINE part_sums part_zero(void)
{
   int32x4_t zero = vdupq_n_s32(0);
   return (part_sums){ zero, zero, zero, zero };
}
PARE_INLINE part_sums part_dot(part_sums s, line_part part, int8x16_t four)
{
   return (part_sums){ vdotq_s32(s.a, part.a, four), vdotq_s32(s.b, part.b, four), vdotq_s32(s.c, part.c, four),
                       vdotq_s32(s.d, part.d, four) };
}
PARE_INLINE part_sums part_offset(part_sums s, line_part part, const int values)
{
   return values ? part_dot(part_dot(s, part, vdupq_n_s8(64)), part, vdupq_n_s8(64)) : s;
}
PARE_INLINE const part_code *part_codes(const uint8_t *codes, int64_t n, part_code *room, const int values)
{
   (void)n;
   (void)room;
   (void)values;
   return codes;
}
PARE_INLINE int8x16_t flip16(uint8x16_t x, const int flip)
{
   return vreinterpretq_s8_u8(flip ? veorq_u8(x, vdupq_n_u8(0x80)) : x);
}
PARE_INLINE line_part part_load(const uint8_t *line, const int values)
{
   return (line_part){ flip16(vld1q_u8(line), !values), flip16(vld1q_u8(line + 16), !values),
                       flip16(vld1q_u8(line + 32), !values), flip16(vld1q_u8(line + 48), !values) };
}
PARE_INLINE part_sums part_add(part_sums s, line_part part, const part_code *four, const int values)
{
   return part_dot(s, part, flip16(v32_load_four((const int8_t *)four).low, values));
}
PARE_INLINE void part_store(int32_t *out, part_sums s, part_sums offset)
{
   vst1q_s32(out, vaddq_s32(s.a, offset.a));
   vst1q_s32(out + 4, vaddq_s32(s.b, offset.b));
   vst1q_s32(out + 8, vaddq_s32(s.c, offset.c));
   vst1q_s32(out + 12, vaddq_s32(s.d, offset.d));
}

#undef BOTH
#undef BITS
#undef FLOATS
#endif
