/* residual_norm: a sum, and the norm of the sum.
 *
 * Inputs: a, b f32[..., D, n]. Weights: w [n], with kind "layer" an optional bias [n]. Results: a + b, of their type;
 * and its rms_norm or layer_norm over the whole row, the same or, with result "i8", as quantize gives it. */
#include "ops/op_rules.h"

static const char *const kinds[] = { "rms", "layer", NULL };

static const pare_field fields[] = {
   PARE_NORM_FIELDS(offsetof(pare_residual_norm_attrs, norm)),
   { .name = "kind", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_residual_norm_attrs, kind),
     .choices = kinds, .help = "which norm" },
   PARE_FIELDS_END
};

static pare_status count_outputs(pare_ctx *ctx, const pare_node *node, size_t *n_outputs)
{
   const pare_residual_norm_attrs *attrs = node->attrs;
   *n_outputs = 2;
   if (node->n_weights == 1 || attrs->kind == PARE_NORM_LAYER) return PARE_OK;
   return pare_op_refuse(ctx, node, "an rms norm has no bias");
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_residual_norm_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_rows(ctx, node, 0));
   if (!pare_type_equal(&node->input[0]->type, &node->input[1]->type))
      return pare_op_refuse(ctx, node, "the two inputs have different types");
   out[0] = node->input[0]->type;
   for (size_t i = 0; i < node->n_weights; i++)
      PARE_TRY(pare_op_want_vector(ctx, node, i, pare_op_width(&out[0])));
   return pare_op_infer_normed(ctx, node, &attrs->norm, &out[1]);
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_residual_norm_attrs *attrs = call->node->attrs;
   int64_t count = pare_tensor_count(&call->output[0]), n = pare_op_width(&call->output[0].type);
   const float *a = pare_op_f32(call->input[0]), *b = pare_op_f32(call->input[1]);
   const float *w = pare_op_f32(call->weight[0]);
   const float *bias = call->node->n_weights > 1 ? pare_op_f32(call->weight[1]) : NULL;
   float *sum = call->output[0].data, *normed = call->output[1].data;
   for (int64_t i = 0; i < count; i++) sum[i] = a[i] + b[i];
   for (int64_t at = 0; at < count; at += n) {
      if (attrs->kind == PARE_NORM_LAYER)
         pare_op_layer_normalize(sum + at, w, bias, n, attrs->norm.eps, normed + at);
      else pare_op_rms_normalize(sum + at, w, n, attrs->norm.eps, normed + at);
   }
   pare_op_finish_normed(&attrs->norm, &call->output[1]);
   return PARE_OK;
}

const pare_op_info pare_op_residual_norm = {
   .name = "residual_norm", .help = "a sum, and the norm of the sum", .fields = fields,
   .attrs_size = sizeof(pare_residual_norm_attrs), .n_inputs = 2, .min_weights = 1, .max_weights = 2,
   .count = count_outputs, .infer = infer, .eval = eval, .macs = pare_op_no_macs
};
