/* quantize: the activations of products of integers.
 *
 * Inputs: x f32[..., D, n]. Result: i8[..., D, n]. Each row is rotated by Walsh-Hadamard blocks of `rotation`
 * elements, scaled by its absmax to [-127, 127] and rounded to nearest even. A value of this type stands for codes
 * with a scale a row; only linear reads it, and only with weights of the same rotation.
 *
 * Here, in the evaluation, its elements are f32: code times scale, still rotated. */
#include <string.h>

#include "ops/op_rules.h"

static const pare_field fields[] = { PARE_ROTATION_FIELD(offsetof(pare_quantize_attrs, rotation)), PARE_FIELDS_END };

int64_t pare_activations_rotation(const pare_value *value)
{
   const pare_node *node = value->producer;
   if (!node || value->type.dtype != PARE_I8) return -1;
   switch (node->op) {
   case PARE_OP_quantize: return ((const pare_quantize_attrs *)node->attrs)->rotation;
   case PARE_OP_rms_norm:
   case PARE_OP_layer_norm: return ((const pare_norm_attrs *)node->attrs)->rotation;
   case PARE_OP_residual_norm: return ((const pare_residual_norm_attrs *)node->attrs)->norm.rotation;
   default: return -1;
   }
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_quantize_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_rows(ctx, node, 0));
   *out = node->input[0]->type;
   out->dtype = PARE_I8;
   return pare_op_want_rotation(ctx, node, attrs->rotation, pare_op_width(out));
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_quantize_attrs *attrs = call->node->attrs;
   float *out = call->output->data;
   int64_t n = pare_op_width(&call->output->type), count = pare_tensor_count(call->output);
   memcpy(out, call->input[0]->data, (size_t)count * sizeof *out);
   for (int64_t at = 0; at < count; at += n) {
      pare_op_rotate(out + at, n, attrs->rotation);
      pare_op_round_row(out + at, n, PARE_ACT_I8);
   }
   return PARE_OK;
}

const pare_op_info pare_op_quantize = {
   .name = "quantize", .help = "the activations of products of integers", .fields = fields,
   .attrs_size = sizeof(pare_quantize_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
