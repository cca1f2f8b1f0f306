/* rms_norm: each run of m elements divided by its root mean square, times a gain (Zhang and Sennrich 2019).
 *
 * Inputs: x f32[..., D, n]. Weights: w [m], m divides n. Result: x's type, or i8 as quantize gives it,
 * out = x / sqrt(mean(x^2) + eps) * w for each run of m elements by itself (m < n: query and key norms). */
#include <math.h>

#include "ops/op_rules.h"

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_rows(ctx, node, 0));
   PARE_TRY(pare_op_infer_normed(ctx, node, node->attrs, out));
   int64_t m = node->weight[0]->dim[0];
   PARE_TRY(pare_op_want_vector(ctx, node, 0, m));
   if (pare_op_width(out) % m == 0) return PARE_OK;
   return pare_op_refuse(ctx, node, "a gain of %lld elements does not divide rows of %lld", (long long)m,
                         (long long)pare_op_width(out));
}

void pare_op_rms_normalize(const float *x, const float *w, int64_t m, double eps, float *out)
{
   double sum = 0;
   for (int64_t i = 0; i < m; i++) sum += (double)x[i] * (double)x[i];
   float factor = (float)(1 / sqrt(sum / (double)m + eps));
   for (int64_t i = 0; i < m; i++) out[i] = x[i] * factor * w[i];
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_norm_attrs *attrs = call->node->attrs;
   int64_t count = pare_tensor_count(call->output), m = call->weight[0]->type.dim[0];
   const float *x = pare_op_f32(call->input[0]), *w = pare_op_f32(call->weight[0]);
   float *out = call->output->data;
   for (int64_t at = 0; at < count; at += m) pare_op_rms_normalize(x + at, w, m, attrs->eps, out + at);
   pare_op_finish_normed(attrs, call->output);
   return PARE_OK;
}

const pare_op_info pare_op_rms_norm = {
   .name = "rms_norm", .help = "root mean square normalization with a gain", .fields = pare_norm_fields,
   .attrs_size = sizeof(pare_norm_attrs), .n_inputs = 1, .min_weights = 1, .max_weights = 1, .infer = infer,
   .eval = eval, .macs = pare_op_no_macs
};
