/* concat: tensors one after another along an axis.
 *
 * Inputs: one to PARE_MAX_INPUTS of one element type, f32 or i32, equal but for the axis, whose sizes are
 * known. Result: their type with the sum of those sizes. */
#include <string.h>

#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "axis", .kind = PARE_FIELD_INT, .offset = offsetof(pare_axis_attrs, axis), .min = -PARE_MAX_RANK,
     .max = PARE_MAX_RANK - 1, .initial = -1, .help = "the axis; negative ones count from the end" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_axis_attrs *attrs = node->attrs;
   int axis;
   *out = node->input[0]->type;
   PARE_TRY(pare_op_want_axis(ctx, node, attrs->axis, out->rank, &axis));
   int64_t total = 0;
   for (size_t i = 0; i < node->n_inputs; i++) {
      PARE_TRY(pare_op_want_tensor(ctx, node, i));
      pare_type type = node->input[i]->type;
      int64_t size = axis < type.rank ? type.dim[axis] : 0;
      if (axis < type.rank) type.dim[axis] = out->dim[axis];
      if (size < 1 || !pare_type_equal(&type, out))
         return pare_op_refuse(ctx, node, "input %zu differs from input 0 beside axis %d, or its size is unknown",
                               i, axis);
      if (size > PARE_MAX_ELEMENTS) return pare_op_refuse(ctx, node, "input %zu is too large", i);
      total += size;
   }
   out->dim[axis] = total;
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_axis_attrs *attrs = call->node->attrs;
   int axis;
   PARE_TRY(pare_op_want_axis(ctx, call->node, attrs->axis, call->output->type.rank, &axis));
   pare_axis_view view = pare_axis_view_of(&call->output->type, axis);
   int64_t at = 0;
   for (size_t i = 0; i < call->node->n_inputs; i++) {
      int64_t run = call->input[i]->type.dim[axis] * view.inner;
      for (int64_t o = 0; o < view.outer; o++)
         memcpy((float *)call->output->data + o * view.size * view.inner + at,
                pare_op_f32(call->input[i]) + o * run, (size_t)run * sizeof(float));
      at += run;
   }
   return PARE_OK;
}

const pare_op_info pare_op_concat = {
   .name = "concat", .help = "tensors one after another along an axis", .fields = fields,
   .attrs_size = sizeof(pare_axis_attrs), .n_inputs = 1, .optional_inputs = PARE_MAX_INPUTS - 1,
   .infer = infer, .eval = eval, .macs = pare_op_no_macs
};
