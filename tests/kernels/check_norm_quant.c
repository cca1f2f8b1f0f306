/* check_norm_quant: sum, norm and quantization of a row, against its parts in scalar. */
#include <string.h>

#include "kernel_check.h"

/* What a call writes. */
typedef struct outputs {
   check_out sum, q, scale, code_sum;
} outputs;

static outputs make_outputs(check *c, const pare_norm_quant *p)
{
   return (outputs){ check_output(c, (size_t)p->n * 4), check_output(c, (size_t)p->kpad), check_output(c, 4),
                     check_output(c, 4) };
}

static void run(const pare_kernels *k, pare_norm_quant p, const outputs *out, bool in_place)
{
   if (in_place && p.b) {
      memcpy(out->sum.data, p.b, (size_t)p.n * 4);
      p.b = out->sum.data;
   }
   p.sum = out->sum.data;
   p.q = out->q.data;
   p.scale = out->scale.data;
   p.code_sum = out->code_sum.data;
   k->norm_quant(k, &p);
}

static void check_case(check *c, int64_t n, int64_t rot, int kind, int shape)
{
   pare_norm_quant p = { .a = check_floats(c, n, kind), .eps = 1e-5f, .n = n, .rot = rot };
   p.layer = shape & 1;
   if (shape & 2) {
      p.b = check_floats(c, n, kind == 1 ? 1 : 0);
   }
   if (shape & 4) {
      p.gain = check_floats(c, n, 0);
   }
   if ((shape & 8) && p.layer) {
      p.bias = check_floats(c, n, 0);
   }
   p.kpad = n + check_range(c, 0, 5);
   p.tmp = check_input(c, (size_t)n * 4);
   outputs want = make_outputs(c, &p), got = make_outputs(c, &p);
   run(c->ref, p, &want, false);
   run(c->k, p, &got, n % 2);
   check_same(c, "norm_quant sum", got.sum, want.sum, true);
   check_same(c, "norm_quant codes", got.q, want.q, false);
   check_same(c, "norm_quant scale", got.scale, want.scale, true);
   check_same(c, "norm_quant sum of codes", got.code_sum, want.code_sum, false);
   check_reset(c);
}

void check_norm_quant(check *c)
{
   static const int64_t sizes[] = { 1, 7, 15, 16, 17, 33, 40, 100, 257 }, rots[] = { 32, 64, 128 };
   for (int shape = 0; shape < 16; shape++) {
      for (int i = 0; i < 9; i++) {
         check_case(c, sizes[i], 0, shape % CHECK_KINDS, shape);
      }
      for (int i = 0; i < 12; i++) {
         check_case(c, rots[i % 3] * (1 + i), rots[i % 3], i % CHECK_KINDS, shape);
      }
   }
}
