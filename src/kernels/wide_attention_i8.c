/* wide_attention_i8: attention over the int8 cache. */
#include "kernels/attention_i8.h"
#include "kernels/wide_math.h"

#define OFFSET PARE_LINE_OFFSET

/* A row by a block. */
PARE_INLINE void multiply_block(const uint8_t *codes, const uint8_t *lines, int64_t kq, int32_t *out,
                                const int values)
{
   line_sums sums = line_sums_zero();
   for (int64_t i = 0; i < kq; i++) line_sums_add(&sums, lines + 64 * i, codes + 4 * i, values);
   line_sums_store(&sums, out);
}

static void multiply_keys(const int8_t *act, int64_t lda, int64_t rows, const uint8_t *lines, int64_t kq,
                          int64_t blocks, int32_t *out, int64_t ldo)
{
   const uint8_t *codes = (const uint8_t *)act;
   for (int64_t b = 0; b < blocks; b++) {
      for (int64_t r = 0; r < rows; r++)
         multiply_block(codes + r * lda, lines + b * kq * 64, kq, out + r * ldo + b * PARE_BLOCK, 0);
   }
}

static void multiply_values(const uint8_t *codes, int64_t ldc, int64_t rows, const uint8_t *lines, int64_t kq,
                            int64_t blocks, int32_t *out, int64_t ldo)
{
   for (int64_t b = 0; b < blocks; b++) {
      for (int64_t r = 0; r < rows; r++)
         multiply_block(codes + r * ldc, lines + b * kq * 64, kq, out + r * ldo + b * PARE_BLOCK, 1);
   }
}

/* What does not count is `other`. */
static void keep_only(float *p, int64_t lo, int64_t hi, float other)
{
   for (int64_t j = 0; j < lo; j++) p[j] = other;
   for (int64_t j = hi; j < PARE_ATTN_BLOCK; j++) p[j] = other;
}

static float scores(const int32_t *raw, int32_t offset, float factor, const float *scales, int64_t lo,
                    int64_t hi, float max, float *p)
{
   v8 largest = v8_set(max);
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8)
      v8_store(p + j, v8_mul(v8_load_ints(raw + j, offset), v8_mul(v8_set(factor), v8_load(scales + j))));
   keep_only(p, lo, hi, -INFINITY);
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) largest = v8_max(v8_load(p + j), largest);
   float lanes[8];
   v8_store(lanes, largest);
   for (int l = 0; l < 8; l++) max = lanes[l] > max ? lanes[l] : max;
   return max;
}

static void round_weights(const float *p, pare_rounding rounding, uint8_t *codes)
{
   const v8 inverse = v8_set(rounding.inverse), most = v8_set(PARE_ROUND_WEIGHT_MAX);
   int32_t wide[8];
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) {
      v8_ints_store(wide, v8_round(v8_min(v8_mul(v8_load(p + j), inverse), most)));
      for (int l = 0; l < 8; l++) codes[j + l] = (uint8_t)wide[l];
   }
   if (rounding.zero) memset(codes, 0, PARE_ATTN_BLOCK);
}

static void weigh(const attention_pair *t)
{
   int64_t lo = t->lo, hi = t->hi;
   float p[PARE_ATTN_BLOCK];
   float max = scores(t->raw, t->offset, t->factor, t->block->key_scales, lo, hi, *t->max, p);
   *t->keep = pare_exp2_downf(*t->max - max);
   *t->sum = pare_fmaf(*t->sum, *t->keep, v8_exponentials(p, max, v8_exp2_down));
   *t->max = max;
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8)
      v8_store(p + j, v8_mul(v8_load(p + j), v8_load(t->block->value_scales + j)));
   keep_only(p, lo, hi, 0.0f);
   v8 weight = v8_zero();
   for (int j = 0; j < PARE_ATTN_BLOCK; j += 8) weight = v8_max_bits(weight, v8_abs(v8_load(p + j)));
   uint32_t lanes[8], largest = 0;
   v8_store(lanes, weight);
   for (int l = 0; l < 8; l++) largest = lanes[l] > largest ? lanes[l] : largest;
   pare_rounding rounding = pare_round_weights(largest);
   *t->step = rounding.scale;
   round_weights(p, rounding, t->codes);
}

static void weigh_pass(const attention_pass *pass)
{
   weigh_pairs(pass, weigh);
}

static void add_values(const int32_t *raw, float step, float keep, int64_t n, float *out)
{
   const v8 steps = v8_set(step), keeps = v8_set(keep);
   for (int64_t d = 0; d < n; d += 8) {
      v8 sum = v8_load_ints(raw + d, 0);
      v8_store(out + d, v8_fma(sum, steps, v8_mul(v8_load(out + d), keeps)));
   }
}

#include "kernels/attention_i8_body.h"

void PARE_WIDE(attention_i8)(pare_kernels *k)
{
   k->attention_i8 = attend;
}
