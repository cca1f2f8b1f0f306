/* layer_norm: each row brought to mean 0 and variance 1, times a gain, plus a bias (Ba et al. 2016).
 *
 * Inputs: x f32[..., D, n]. Weights: w [n], optional b [n]. Result: x's type, or i8 as quantize gives it,
 * out = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * w + b. */
#include <math.h>

#include "ops/op_rules.h"

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_rows(ctx, node, 0));
   PARE_TRY(pare_op_infer_normed(ctx, node, node->attrs, out));
   for (size_t i = 0; i < node->n_weights; i++) PARE_TRY(pare_op_want_vector(ctx, node, i, pare_op_width(out)));
   return PARE_OK;
}

void pare_op_layer_normalize(const float *x, const float *w, const float *b, int64_t n, double eps, float *out)
{
   double sum = 0, squares = 0;
   for (int64_t i = 0; i < n; i++) sum += (double)x[i];
   double mean = sum / (double)n;
   for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
   double factor = 1 / sqrt(squares / (double)n + eps);
   for (int64_t i = 0; i < n; i++) {
      float normal = (float)(((double)x[i] - mean) * factor);
      out[i] = normal * w[i] + (b ? b[i] : 0);
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_norm_attrs *attrs = call->node->attrs;
   int64_t count = pare_tensor_count(call->output), n = pare_op_width(&call->output->type);
   const float *x = pare_op_f32(call->input[0]), *w = pare_op_f32(call->weight[0]);
   const float *b = call->node->n_weights > 1 ? pare_op_f32(call->weight[1]) : NULL;
   float *out = call->output->data;
   for (int64_t at = 0; at < count; at += n) pare_op_layer_normalize(x + at, w, b, n, attrs->eps, out + at);
   pare_op_finish_normed(attrs, call->output);
   return PARE_OK;
}

const pare_op_info pare_op_layer_norm = {
   .name = "layer_norm", .help = "normalization to mean 0 and variance 1, with gain and optional bias",
   .fields = pare_norm_fields, .attrs_size = sizeof(pare_norm_attrs), .n_inputs = 1, .min_weights = 1,
   .max_weights = 2, .infer = infer, .eval = eval, .macs = pare_op_no_macs
};
