/* constant: a weight as an operand.
 *
 * Weights: W of any shape. Result: f32 of W's shape, or of the shape of the attribute, which has as many
 * elements: so a constant may have any rank. */
#include <string.h>

#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "shape", .kind = PARE_FIELD_INTS, .offset = offsetof(pare_reshape_attrs, shape), .min = 1,
     .max = 0x1p40, .help = "sizes; empty for those of the weight" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_reshape_attrs *attrs = node->attrs;
   const pare_weight *w = node->weight[0];
   *out = pare_type_of(PARE_F32, w->rank, w->dim);
   if (attrs->shape.count == 0) return PARE_OK;
   *out = pare_type_of(PARE_F32, (int)attrs->shape.count, attrs->shape.items);
   int64_t count = 1;
   for (int i = 0; i < out->rank; i++)
      if (__builtin_mul_overflow(count, out->dim[i], &count)) count = 0;
   if (count == pare_weight_count(w)) return PARE_OK;
   return pare_op_refuse(ctx, node, "the weight has %lld elements, the shape another number",
                         (long long)pare_weight_count(w));
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   memcpy(call->output->data, call->weight[0]->data, (size_t)pare_tensor_count(call->output) * sizeof(float));
   return PARE_OK;
}

const pare_op_info pare_op_constant = {
   .name = "constant", .help = "a weight as an operand", .fields = fields,
   .attrs_size = sizeof(pare_reshape_attrs), .min_weights = 1, .max_weights = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
