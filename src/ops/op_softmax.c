/* softmax: exponentials that sum to one along an axis.
 *
 * Inputs: x f32 of any shape. Result: the same type, exp(x - max) / sum(exp(x - max)) along the axis. Minus
 * infinity gives 0; an axis of nothing else gives NaN, as in ONNX. */
#include <math.h>

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
   PARE_TRY(pare_op_want_f32(ctx, node, 0));
   *out = node->input[0]->type;
   return pare_op_want_axis(ctx, node, attrs->axis, out->rank, &axis);
}

static void normalize(const float *x, pare_axis_view view, float *out)
{
   double most = -INFINITY, total = 0;
   for (int64_t i = 0; i < view.size; i++) most = fmax(most, (double)x[i * view.inner]);
   for (int64_t i = 0; i < view.size; i++) total += exp((double)x[i * view.inner] - most);
   for (int64_t i = 0; i < view.size; i++)
      out[i * view.inner] = (float)(exp((double)x[i * view.inner] - most) / total);
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_axis_attrs *attrs = call->node->attrs;
   int axis;
   PARE_TRY(pare_op_want_axis(ctx, call->node, attrs->axis, call->output->type.rank, &axis));
   pare_axis_view view = pare_axis_view_of(&call->output->type, axis);
   for (int64_t i = 0; i < view.outer * view.inner; i++) {
      int64_t at = i / view.inner * view.size * view.inner + i % view.inner;
      normalize(pare_op_f32(call->input[0]) + at, view, (float *)call->output->data + at);
   }
   return PARE_OK;
}

const pare_op_info pare_op_softmax = {
   .name = "softmax", .help = "exponentials that sum to one along an axis", .fields = fields,
   .attrs_size = sizeof(pare_axis_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
