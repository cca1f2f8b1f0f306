/* check_groups: weights of 4, 3 and 2 bits with multipliers: unpacking, the product, packing, rows. */
#include <math.h>
#include <string.h>

#include "tests/kernels/kernel_check.h"

static int64_t groups_of(int64_t k, int64_t group)
{
   return (k + group - 1) / group;
}

/* Weights of any bytes: n channels, k inputs. */
static pare_groups make_weights(check *c, int bits, int group, int64_t n, int64_t k)
{
   int64_t groups = groups_of(k, group);
   pare_groups w = { .bits = bits, .group = group, .k = k };
   w.block_bytes = ((groups + 3) / 4 + groups * group / 32 * bits) * 64;
   size_t bytes = (size_t)((n + 15) / 16 * w.block_bytes);
   uint8_t *data = check_input(c, bytes);
   for (size_t i = 0; i < bytes; i++) {
      data[i] = (uint8_t)check_range(c, 0, 255);
   }
   w.data = data;
   return w;
}

static pare_linear_i8 make_product(check *c, int64_t m, int64_t n, int64_t k)
{
   int64_t kq = (k + 3) / 4, lda = 4 * kq + check_range(c, 0, 5);
   int8_t *act = check_input(c, (size_t)(m * lda));
   int32_t *sums = check_input(c, (size_t)m * sizeof *sums);
   bool extreme = check_range(c, 0, 3) == 0;
   for (int64_t r = 0; r < m; r++) {
      sums[r] = 0;
      for (int64_t i = 0; i < lda; i++) {
         act[r * lda + i] = i >= k ? 0 : (int8_t)(extreme ? -127 : check_range(c, -127, 127));
         sums[r] += act[r * lda + i];
      }
   }
   pare_linear_i8 p = { .act = act, .act_sum = sums, .m = m, .n = n, .kq = kq, .lda = lda };
   p.w_scale = check_floats(c, n, 0);
   p.act_scale = check_floats(c, m, 0);
   p.bias = check_range(c, 0, 1) ? check_floats(c, n, 0) : NULL;
   p.ld_add = n + check_range(c, 0, 3);
   p.add = check_range(c, 0, 1) ? check_floats(c, m * p.ld_add, 0) : NULL;
   p.ldo = n + check_range(c, 0, 3);
   return p;
}

typedef struct groups_product {
   const pare_linear_i8 *args;
   const pare_groups *w;
   void *lines;
   int64_t first, blocks;
} groups_product;

static void run_in_place(check *c, void *out, void *of)
{
   const groups_product *p = of;
   pare_linear_i8 args = check_in_place(p->args, p->first, out);
   c->k->linear_groups(c->k, &args, p->w, p->lines, p->first, p->blocks + 3);
}

static void compare_products(check *c, pare_groups w, pare_linear_i8 p)
{
   int64_t m = p.m, n = p.n, k = w.k, group = w.group;
   size_t bytes = (size_t)(m * p.ldo) * sizeof(float);
   check_out want = check_output(c, bytes), got = check_output(c, bytes);
   check_out lines = check_output(c, (size_t)(64 * groups_of(k, group) * group));
   int64_t blocks = (n + 15) / 16, first = check_range(c, 0, blocks - 1) / 2;
   p.out = want.data;
   c->ref->linear_groups(c->ref, &p, &w, lines.data, first, blocks);
   p.out = got.data;
   c->k->linear_groups(c->k, &p, &w, lines.data, first, blocks + 3);
   check_same(c, "linear_groups", got, want, false);
   groups_product of = { &p, &w, lines.data, first, blocks };
   if (p.add) check_told(c, "linear_groups adding in place", want, run_in_place, &of);
   check_reset(c);
}

static void check_product(check *c, int bits, int group, int64_t m, int64_t n, int64_t k)
{
   pare_groups w = make_weights(c, bits, group, n, k);
   compare_products(c, w, make_product(c, m, n, k));
}

/* The largest sums: every level 0 or the highest, magnitudes of 15, all activations alike. */
static void check_extreme(check *c, int bits, int group, int64_t m, int which)
{
   const int64_t n = 16, k = 300;
   pare_groups w = make_weights(c, bits, group, n, k);
   pare_linear_i8 p = make_product(c, m, n, k);
   uint8_t *levels = check_input(c, 16 * 384), multipliers[16 * 12];
   memset(levels, which & 1 ? (1 << bits) - 1 : 0, 16 * 384);
   memset(multipliers, which & 2 ? 31 : 15, sizeof multipliers);
   uint8_t *data = check_input(c, (size_t)w.block_bytes);
   c->ref->pack_groups(&w, levels, multipliers, data);
   w.data = data;
   int8_t *act = check_input(c, (size_t)(m * p.lda));
   int32_t *sums = check_input(c, (size_t)m * sizeof *sums);
   for (int64_t r = 0; r < m; r++) {
      memset(act + r * p.lda, which & 4 ? -127 : 127, (size_t)p.lda);
      sums[r] = (int32_t)(k * act[r * p.lda]);
   }
   p.act = act;
   p.act_sum = sums;
   compare_products(c, w, p);
}

/* The same product from lines of all blocks, by linear_i8. */
static void check_lines(check *c, int bits, int group, int64_t n, int64_t k)
{
   pare_groups w = make_weights(c, bits, group, n, k);
   pare_linear_i8 p = make_product(c, 3, n, k);
   int64_t blocks = (n + 15) / 16, bytes = p.kq * 64;
   check_out want = check_output(c, (size_t)(blocks * bytes)), got = check_output(c, (size_t)(blocks * bytes));
   for (int64_t b = 0; b < blocks; b++) {
      c->ref->unpack_groups(&w, b, (uint8_t *)want.data + b * bytes);
      c->k->unpack_groups(&w, b, (uint8_t *)got.data + b * bytes);
   }
   check_same(c, "unpack_groups", got, want, false);
   check_out out = check_output(c, (size_t)(3 * p.ldo) * 4), out2 = check_output(c, (size_t)(3 * p.ldo) * 4);
   check_out lines = check_output(c, (size_t)(64 * groups_of(k, group) * group));
   p.codes = want.data;
   p.out = out.data;
   c->ref->linear_i8(c->ref, &p, 0, blocks);
   p.codes = NULL;
   p.out = out2.data;
   c->k->linear_groups(c->k, &p, &w, lines.data, 0, blocks);
   check_same(c, "linear_groups as linear_i8", out2, out, false);
   check_reset(c);
}

static int code_of(int level, int bits, int up)
{
   return bits == 4 ? level - 8 + up : bits == 3 ? level - 4 + up : 2 * level - 3;
}

/* What is packed comes back, as the specification has it. */
static void check_packing(check *c, int bits, int group, int64_t k)
{
   int64_t groups = groups_of(k, group), padded = groups * group;
   pare_groups w = make_weights(c, bits, group, 16, k);
   uint8_t *levels = check_input(c, (size_t)(16 * padded)), *multipliers = check_input(c, (size_t)(16 * groups));
   for (int64_t i = 0; i < 16 * padded; i++) {
      levels[i] = i % padded < k ? (uint8_t)check_range(c, 0, (1 << bits) - 1) : 0;
   }
   for (int64_t i = 0; i < 16 * groups; i++) {
      multipliers[i] = (uint8_t)check_range(c, 0, 31);
   }
   check_out packed = check_output(c, (size_t)w.block_bytes), again = check_output(c, (size_t)w.block_bytes);
   c->ref->pack_groups(&w, levels, multipliers, packed.data);
   c->k->pack_groups(&w, levels, multipliers, again.data);
   check_same(c, "pack_groups", again, packed, false);
   w.data = packed.data;
   for (int64_t row = 0; row < 16; row++) {
      check_out x = check_output(c, (size_t)k * 4), x2 = check_output(c, (size_t)k * 4);
      c->ref->dequant_row_groups(&w, row, 0.0123f, x.data);
      c->k->dequant_row_groups(&w, row, 0.0123f, x2.data);
      check_same(c, "dequant_row_groups", x2, x, false);
      for (int64_t i = 0; i < k; i++) {
         int multiplier = multipliers[row * groups + i / group];
         int product = (multiplier & 15) * code_of(levels[row * padded + i], bits, multiplier >> 4);
         check_true(c, "row of groups", ((float *)x.data)[i] == (float)product * 0.0123f);
      }
   }
   check_reset(c);
}

void check_groups(check *c)
{
   static const int64_t ks[] = { 1, 5, 31, 32, 33, 61, 128, 260, 700 };
   static const int64_t ns[] = { 1, 16, 17, 64, 130 };
   for (int bits = 2; bits <= 4; bits++) {
      for (int group = 32; group <= 128; group *= 2) {
         for (int i = 0; i < 9; i++) {
            check_product(c, bits, group, check_range(c, 1, 14), ns[i % 5], ks[i]);
            check_product(c, bits, group, check_range(c, 1, 4), ns[(i + 2) % 5], ks[i]);
            check_lines(c, bits, group, ns[(i + 1) % 5], ks[i]);
            check_packing(c, bits, group, ks[i]);
         }
      }
      for (int64_t m = 1; m <= 8; m++) {
         check_product(c, bits, 32, m, 80, 356);
      }
      check_product(c, bits, 128, 2, 17, PARE_MAX_K);
      check_product(c, bits, 64, 7, 17, PARE_MAX_K);
      check_product(c, bits, 64, 140, 33, 356);
      for (int which = 0; which < 8; which++) {
         check_extreme(c, bits, 32 << which % 3, 1 + which % 4, which);
         check_extreme(c, bits, 32 << which % 3, 6 + which, which);
      }
   }
}
