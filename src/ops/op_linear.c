/* linear: a matrix product.
 *
 * Inputs: x f32[..., D, K]. Weights: W [N, K], optional bias [N]. Result: f32[..., D, N], out = x W^T + bias.
 * act i8: each row of x is first replaced by what int8 activations can say of it: rotated by Walsh-Hadamard
 * blocks of the weight's rotation, scaled by its absmax to [-127, 127], rounded to nearest even; and back. As
 * the rotation is orthonormal and W comes with its own undone, this equals the product of the codes but for
 * rounding in f32. The rules of the codes are those of kernels/round.h, written a second time on purpose: a
 * judge shares no code with the judged. */
#include <math.h>
#include <string.h>

#include "ops/op_rules.h"

static const char *const act_names[] = { "f32", "i8", NULL };

static const pare_field fields[] = {
   { .name = "act", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_linear_attrs, act), .choices = act_names,
     .help = "how activations enter the product" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_linear_attrs *attrs = node->attrs;
   const pare_weight *w = node->weight[0];
   PARE_TRY(pare_op_want_rows(ctx, node, 0));
   PARE_TRY(pare_op_want_table(ctx, node, 0));
   int64_t k = pare_op_width(&node->input[0]->type);
   if (w->dim[1] != k)
      return pare_op_refuse(ctx, node, "%lld columns times a weight [%lld, %lld]", (long long)k,
                            (long long)w->dim[0], (long long)w->dim[1]);
   if (node->n_weights > 1) PARE_TRY(pare_op_want_vector(ctx, node, 1, w->dim[0]));
   if ((attrs->act == PARE_ACT_I8) != !pare_encoding_is_float(w->encoding.kind))
      return pare_op_refuse(ctx, node,
                            "activations are %s and the weight is %s, expected i8 with integer weights, f32 with "
                            "floats",
                            act_names[attrs->act], pare_encoding_name(w->encoding.kind));
   *out = node->input[0]->type;
   out->dim[out->rank - 1] = w->dim[0];
   return PARE_OK;
}

static void rotate(float *x, int64_t n, int64_t block)
{
   float factor = block ? (float)(1 / sqrt((double)block)) : 1;
   for (int64_t start = 0; block && start < n; start += block) {
      float *b = x + start;
      for (int64_t step = 1; step < block; step *= 2) {
         for (int64_t i = 0; i < block; i++) {
            if (i & step) continue;
            float low = b[i], high = b[i + step];
            b[i] = low + high;
            b[i + step] = low - high;
         }
      }
      for (int64_t i = 0; i < block; i++) b[i] *= factor;
   }
}

static void round_row(float *x, int64_t n)
{
   float most = 0;
   for (int64_t i = 0; i < n; i++) {
      if (!isfinite(x[i])) most = NAN; /* no comparison changes it again: the whole row becomes NaN */
      else if (fabsf(x[i]) > most) most = fabsf(x[i]);
   }
   float scale = most / 127, inverse = 127 / most;
   if (most < 0x1p-120f) scale = inverse = 0;
   for (int64_t i = 0; i < n; i++) x[i] = scale * fmaxf(-127, fminf(127, rintf(x[i] * inverse)));
}

static float dot(const float *a, const float *b, int64_t n)
{
   double sum = 0;
   for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
   return (float)sum;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_linear_attrs *attrs = call->node->attrs;
   const float *w = pare_op_f32(call->weight[0]);
   const float *bias = call->node->n_weights > 1 ? pare_op_f32(call->weight[1]) : NULL;
   int64_t k = pare_op_width(&call->input[0]->type), n = pare_op_width(&call->output->type);
   int64_t rows = pare_tensor_count(call->output) / n;
   int64_t rotation = call->node->weight[0]->encoding.rotation;
   float *x = pare_alloc_array(ctx, (size_t)k, sizeof *x), *out = call->output->data;
   if (!x) return PARE_RESOURCE;
   for (int64_t t = 0; t < rows; t++) {
      memcpy(x, pare_op_f32(call->input[0]) + t * k, (size_t)k * sizeof *x);
      if (attrs->act == PARE_ACT_I8) {
         rotate(x, k, rotation);
         round_row(x, k);
         rotate(x, k, rotation);
      }
      for (int64_t c = 0; c < n; c++) out[t * n + c] = dot(x, w + c * k, k) + (bias ? bias[c] : 0);
   }
   pare_free(ctx, x);
   return PARE_OK;
}

static double macs(const pare_node *node, int64_t past)
{
   (void)past;
   return (double)node->weight[0]->dim[0] * (double)node->weight[0]->dim[1];
}

const pare_op_info pare_op_linear = {
   .name = "linear", .help = "product with a weight matrix, plus an optional bias", .fields = fields,
   .attrs_size = sizeof(pare_linear_attrs), .n_inputs = 1, .min_weights = 1, .max_weights = 2, .infer = infer,
   .eval = eval, .macs = macs
};
