/* check_int8: int8 product, packing, quantization and rotation. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/round.h"
#include "tests/kernels/kernel_check.h"

/* What weights and activations are: anything; all weights -128 or 127, all activations -127 or 127; any weights, all
 * activations 127 or -127, whose sums are larger than floats hold exactly. */
enum { ANY, EXTREMES, LARGE_SUMS };

typedef struct product {
   pare_linear_i8 args;
   int64_t first, blocks;
   int8_t *rows;   /* [16 * blocks][4 * kq] */
} product;

/* Codes of [n][k] and rows of activations. */
static product make_product(check *c, int64_t m, int64_t n, int64_t k, int values, bool bias)
{
   product p = { .blocks = (n + 15) / 16 };
   int64_t kq = (k + 3) / 4, kpad = 4 * kq, lda = kpad + check_range(c, 0, 5);
   p.rows = check_input(c, (size_t)(16 * p.blocks * kpad));
   int8_t *act = check_input(c, (size_t)(m * lda));
   int32_t *sums = check_input(c, (size_t)m * sizeof *sums);
   int8_t extreme_w = check_range(c, 0, 1) ? -128 : 127, extreme_a = check_range(c, 0, 1) ? -127 : 127;
   for (int64_t i = 0; i < 16 * p.blocks * kpad; i++) {
      bool inside = i / kpad < n && i % kpad < k;
      p.rows[i] = !inside ? 0 : values == EXTREMES ? extreme_w : (int8_t)check_range(c, -128, 127);
   }
   for (int64_t r = 0; r < m; r++) {
      sums[r] = 0;
      for (int64_t i = 0; i < lda; i++) {
         act[r * lda + i] = i >= k ? 0 : values != ANY ? extreme_a : (int8_t)check_range(c, -127, 127);
         sums[r] += act[r * lda + i];
      }
   }
   check_out lines = check_output(c, (size_t)(p.blocks * kq * 64));
   for (int64_t b = 0; b < p.blocks; b++) {
      c->ref->pack_i8(p.rows + b * 16 * kpad, kpad, kq, (uint8_t *)lines.data + b * kq * 64);
   }
   p.args = (pare_linear_i8){ .codes = lines.data, .act = act, .act_sum = sums, .m = m, .n = n,
      .kq = kq, .lda = lda };
   p.args.w_scale = check_floats(c, n, 0);
   p.args.act_scale = check_floats(c, m, 0);
   p.args.bias = bias ? check_floats(c, n, 0) : NULL;
   p.args.ld_add = n + check_range(c, 0, 3);
   p.args.add = check_range(c, 0, 1) ? check_floats(c, m * p.args.ld_add, 0) : NULL;
   p.args.ldo = n + check_range(c, 0, 3);
   return p;
}

static void run_product(check *c, void *out, void *of)
{
   product *p = of;
   p->args.out = out;
   c->k->linear_i8(c->k, &p->args, p->first, p->blocks + 3);
}

static void run_in_place(check *c, void *out, void *of)
{
   const product *p = of;
   pare_linear_i8 args = check_in_place(&p->args, p->first, out);
   c->k->linear_i8(c->k, &args, p->first, p->blocks + 3);
}

static void check_product(check *c, int64_t m, int64_t n, int64_t k, int values)
{
   product p = make_product(c, m, n, k, values, check_range(c, 0, 1));
   size_t bytes = (size_t)(m * p.args.ldo) * sizeof(float);
   check_out want = check_output(c, bytes), got = check_output(c, bytes);
   p.first = check_range(c, 0, p.blocks - 1) / 2;
   p.args.out = want.data;
   c->ref->linear_i8(c->ref, &p.args, p.first, p.blocks);
   run_product(c, got.data, &p);
   check_same(c, "linear_i8", got, want, false);
   check_told(c, "linear_i8 by other caches", want, run_product, &p);
   if (p.args.add) check_told(c, "linear_i8 adding in place", want, run_in_place, &p);
   check_reset(c);
}

/* The scalar product itself, against a plain sum over the unpacked rows. */
static void check_oracle(check *c)
{
   product p = make_product(c, 3, 37, 61, ANY, true);
   check_out out = check_output(c, (size_t)(3 * p.args.ldo) * sizeof(float));
   p.args.out = out.data;
   c->k->linear_i8(c->k, &p.args, 0, p.blocks);
   for (int64_t r = 0; r < 3; r++) {
      for (int64_t n = 0; n < 37; n++) {
         int32_t sum = 0;
         for (int64_t i = 0; i < 61; i++) {
            sum += p.rows[n * 64 + i] * p.args.act[r * p.args.lda + i];
         }
         float want = fmaf((float)sum, p.args.act_scale[r] * p.args.w_scale[n], p.args.bias[n]);
         if (p.args.add) want += p.args.add[r * p.args.ld_add + n];
         check_true(c, "linear_i8 value", p.args.out[r * p.args.ldo + n] == want);
      }
   }
   check_reset(c);
}

static void check_packing(check *c, int64_t k)
{
   int64_t kq = (k + 3) / 4, ld = 4 * kq + check_range(c, 0, 7);
   int8_t *rows = check_codes(c, 16 * ld, -128);
   check_out want = check_output(c, (size_t)(kq * 64)), got = check_output(c, (size_t)(kq * 64));
   c->ref->pack_i8(rows, ld, kq, want.data);
   c->k->pack_i8(rows, ld, kq, got.data);
   check_same(c, "pack_i8", got, want, false);
   int lane = (int)check_range(c, 0, 15);
   uint8_t *lines = check_input(c, (size_t)(kq * 64));
   memcpy(lines, want.data, (size_t)(kq * 64));
   check_out codes = check_output(c, (size_t)k), codes2 = check_output(c, (size_t)k);
   c->ref->unpack_row_i8(lines, lane, k, codes.data);
   c->k->unpack_row_i8(lines, lane, k, codes2.data);
   check_same(c, "unpack_row_i8", codes2, codes, false);
   check_true(c, "unpack after pack", memcmp(codes.data, rows + lane * ld, (size_t)k) == 0);
   check_out x = check_output(c, (size_t)k * 4), x2 = check_output(c, (size_t)k * 4);
   c->ref->dequant_row_i8(lines, lane, k, 0.0123f, x.data);
   c->k->dequant_row_i8(lines, lane, k, 0.0123f, x2.data);
   check_same(c, "dequant_row_i8", x2, x, false);
   check_reset(c);
}

void check_int8(check *c)
{
   static const int64_t ks[] = { 1, 3, 4, 5, 16, 61, 64, 127, 260 };
   static const int64_t ns[] = { 1, 15, 16, 17, 48, 63, 64, 65, 130 };
   for (int i = 0; i < 9; i++) {
      for (int j = 0; j < 9; j++) {
         check_product(c, check_range(c, 1, 14), ns[j], ks[i], ANY);
      }
      check_packing(c, ks[i]);
   }
   for (int64_t m = 1; m <= 70; m++) {
      check_product(c, m, 80, 36, m % 2 ? EXTREMES : ANY);
   }
   check_product(c, 2, 17, PARE_MAX_K, EXTREMES);
   check_product(c, 7, 64, PARE_MAX_K, EXTREMES);
   check_oracle(c);
   for (int i = 0; i < 60; i++) {
      check_packing(c, check_range(c, 1, 300));
   }
}

/* Rows, channels and inputs around those where a kernel that cuts them begins anew: chunks of 256 rows, pairs of blocks
 * and panels of 8, parts of inputs, rows of activations that leave a cache. */
static void check_cuts(check *c)
{
   static const struct {
      int64_t m, n, k;
   } cuts[] = { { 33, 48, 512 },  { 70, 33, 576 },  { 64, 65, 700 },   { 257, 40, 1030 },
                { 9, 150, 4608 }, { 40, 300, 4612 }, { 290, 130, 5003 }, { 520, 16, 260 } };
   for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
      check_product(c, cuts[i].m, cuts[i].n, cuts[i].k, i % 4 == 3 ? EXTREMES : ANY);
}

void check_int8_blocks(check *c)
{
   check_cuts(c);
   for (int64_t m = 1; m <= 9; m++) {
      check_product(c, m, 1115, 37, m % 2 ? EXTREMES : ANY);
      check_product(c, m, 600, 4100 + m, m % 2 ? ANY : EXTREMES);
   }
   for (int i = 0; i < 3; i++) {
      check_product(c, 7, 70, PARE_MAX_K - i, LARGE_SUMS);
      check_product(c, 13 + 27 * i, 70, 40000 + i, LARGE_SUMS);
   }
   for (int i = 0; i < 40; i++) {
      check_product(c, check_range(c, 10, 300), check_range(c, 1, 40), check_range(c, 480, 2600),
                    i % 4 == 0 ? EXTREMES : ANY);
   }
}

static void check_row(check *c, int64_t k, int64_t rot, const float *x)
{
   int64_t kpad = k + check_range(c, 0, 9);
   check_out want = check_output(c, (size_t)kpad), got = check_output(c, (size_t)kpad);
   check_out scale = check_output(c, 4), scale2 = check_output(c, 4);
   check_out sum = check_output(c, 4), sum2 = check_output(c, 4);
   float *tmp = check_input(c, (size_t)k * 4);
   c->ref->quant_row(x, k, rot, want.data, kpad, tmp, scale.data, sum.data);
   c->k->quant_row(x, k, rot, got.data, kpad, rot ? tmp : NULL, scale2.data, sum2.data);
   check_same(c, "quant_row codes", got, want, false);
   check_same(c, "quant_row scale", scale2, scale, false);
   check_same(c, "quant_row sum", sum2, sum, false);
}

static void check_row_i16(check *c, int64_t k, int64_t rot, const float *x)
{
   int64_t kpad = k + check_range(c, 0, 9), ldq = kpad + check_range(c, 0, 3);
   check_out want = check_output(c, (size_t)(ldq + kpad)), got = check_output(c, (size_t)(ldq + kpad));
   check_out scale = check_output(c, 8), scale2 = check_output(c, 8);
   check_out sum = check_output(c, 8), sum2 = check_output(c, 8);
   float *tmp = check_input(c, (size_t)k * 4);
   c->ref->quant_row_i16(x, k, rot, want.data, ldq, kpad, tmp, scale.data, sum.data);
   c->k->quant_row_i16(x, k, rot, got.data, ldq, kpad, rot ? tmp : NULL, scale2.data, sum2.data);
   check_same(c, "quant_row_i16 codes", got, want, false);
   check_same(c, "quant_row_i16 scales", scale2, scale, false);
   check_same(c, "quant_row_i16 sums", sum2, sum, false);
}

static void check_rotation(check *c, int64_t n, int64_t rot, int kind)
{
   float *x = check_floats(c, n, kind);
   check_out want = check_output(c, (size_t)n * 4), got = check_output(c, (size_t)n * 4);
   memcpy(want.data, x, (size_t)n * 4);
   memcpy(got.data, x, (size_t)n * 4);
   c->ref->hadamard(want.data, n, rot);
   c->k->hadamard(got.data, n, rot);
   check_same(c, "hadamard", got, want, true);
   if (kind == 0 && rot > 0) {
      float *y = got.data;
      c->k->hadamard(y, n, rot);
      for (int64_t i = 0; i < n; i++) {
         check_true(c, "hadamard is its own inverse", fabsf(y[i] - x[i]) < 1e-5f);
      }
   }
   check_reset(c);
}

/* The largest element of a row has a code in range without a limit, whatever its mantissa: vector tiers do not
 * ask the limits of round.h. */
static void check_largest_code(check *c)
{
   static const int exponents[] = { -120, -112, -1, 0, 127 };
   bool holds = true;
   for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
      for (uint32_t mantissa = 0; mantissa < 1u << 23; mantissa++) {
         uint32_t bits = (uint32_t)(exponents[i] + 127) << 23 | mantissa;
         float most = pare_f32_from_bits(bits);
         holds &= rintf(most * pare_round_row(bits).inverse) == PARE_ROUND_MAX;
         if (exponents[i] < -112) continue;
         holds &= rintf(most * pare_round_row_i16(bits).inverse) == PARE_ROUND_I16_MAX;
      }
   }
   check_true(c, "the largest code is 127, or 32512", holds);
}

/* Every code of 16 bits comes back from its two digits, which are codes that products take. */
static void check_digits(check *c)
{
   enum { MOST = 32512, CODES = 2 * MOST + 1 };
   float *x = check_floats(c, CODES, 0), scale[2];
   int32_t sum[2];
   int8_t *q = check_input(c, 2 * CODES);
   bool right = true;
   for (int i = 0; i < CODES; i++) {
      x[i] = (float)(i - MOST);
   }
   c->k->quant_row_i16(x, CODES, 0, q, CODES, CODES, NULL, scale, sum);
   for (int i = 0; i < CODES; i++) {
      right &= 255 * q[i] + q[CODES + i] == i - MOST && q[i] != -128 && q[CODES + i] != -128;
   }
   check_true(c, "digits of 16 bits", right && scale[0] == 255 && scale[1] == 1 && sum[0] == 0 && sum[1] == 0);
   x[7] = -INFINITY;
   c->k->quant_row_i16(x, CODES, 0, q, CODES, CODES, NULL, scale, sum);
   check_true(c, "Inf gives NaN scales", isnan(scale[0]) && isnan(scale[1]) && sum[0] == 0 && q[3] == 0);
   for (int i = 0; i < CODES; i++) {
      x[i] = 0x1p-113f;
   }
   c->k->quant_row_i16(x, CODES, 0, q, CODES, CODES, NULL, scale, sum);
   check_true(c, "below 2^-112 all is zero", scale[0] == 0 && scale[1] == 0 && sum[1] == 0 && q[3] == 0);
   check_reset(c);
}

static void check_round_rules(check *c)
{
   float *x = check_floats(c, 40, 0), scale;
   int32_t sum;
   int8_t q[40];
   memset(x, 0, 40 * sizeof *x);
   c->k->quant_row(x, 40, 0, q, 40, NULL, &scale, &sum);
   check_true(c, "row of zeros has scale 0", scale == 0.0f && sum == 0 && q[0] == 0);
   x[3] = 127.0f;
   x[4] = -127.0f;
   x[5] = 0.5f;
   x[6] = 1.5f;
   x[7] = -2.5f;
   c->k->quant_row(x, 40, 0, q, 40, NULL, &scale, &sum);
   bool ties = q[3] == 127 && q[4] == -127 && q[5] == 0 && q[6] == 2 && q[7] == -2 && scale == 1.0f;
   check_true(c, "ties to even", ties);
   x[8] = INFINITY;
   c->k->quant_row(x, 40, 0, q, 40, NULL, &scale, &sum);
   check_true(c, "Inf gives a NaN scale", pare_f32_bits(scale) == 0x7fc00000u && sum == 0 && q[3] == 0);
   check_reset(c);
}

void check_quant(check *c)
{
   static const int64_t rots[] = { 0, 32, 64, 128 };
   for (int kind = 0; kind < CHECK_KINDS; kind++) {
      for (int i = 0; i < 40; i++) {
         int64_t rot = rots[i % 4], k = rot ? rot * check_range(c, 1, 9) : check_range(c, 1, 300);
         check_row(c, k, rot, check_floats(c, k, kind));
         check_row_i16(c, k, rot, check_floats(c, k, kind));
         check_reset(c);
         check_rotation(c, k, rot, kind);
      }
   }
   for (int e = -149; e < 128; e++) {   /* rows of every magnitude, around each rule's limit */
      float *x = check_floats(c, 64, 0);
      for (int i = 0; i < 64; i++) {
         x[i] = ldexpf(x[i], e);
      }
      check_row(c, 64, e & 1 ? 64 : 0, x);
      check_row_i16(c, 64, e & 1 ? 64 : 0, x);
      check_reset(c);
   }
   check_round_rules(c);
   check_digits(c);
   check_largest_code(c);
}
