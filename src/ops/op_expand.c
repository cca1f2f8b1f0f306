/* expand: dimensions of size 1 repeated.
 *
 * Inputs: x f32 or i32 of any shape. Result: x's shape broadcast with the shape of the attribute, as in ONNX;
 * 1 keeps a dimension. */
#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "shape", .kind = PARE_FIELD_INTS, .offset = offsetof(pare_reshape_attrs, shape), .min = 1,
     .max = 0x1p40, .help = "sizes to broadcast with, aligned at the last; 1 keeps a dimension" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_reshape_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_tensor(ctx, node, 0));
   if (attrs->shape.count == 0) return pare_op_refuse(ctx, node, "no shape");
   *out = node->input[0]->type;
   pare_type to = pare_type_of(out->dtype, (int)attrs->shape.count, attrs->shape.items);
   return pare_op_broadcast(ctx, node, &to, out);
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   pare_stride_walk walk = pare_stride_walk_of(&call->input[0]->type, &call->output->type);
   int32_t *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++)
      out[i] = pare_op_i32(call->input[0])[pare_stride_walk_at(&walk, i)];
   return PARE_OK;
}

const pare_op_info pare_op_expand = {
   .name = "expand", .help = "dimensions of size 1 repeated", .fields = fields,
   .attrs_size = sizeof(pare_reshape_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
