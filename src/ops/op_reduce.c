/* reduce: reduce_mean, reduce_sum and reduce_max along an axis.
 *
 * Inputs: x f32 of any shape. Result: the same shape with 1 for the axis, or without the axis when `keep` is
 * false. Sums are taken in double. */
#include <math.h>

#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "axis", .kind = PARE_FIELD_INT, .offset = offsetof(pare_reduce_attrs, axis), .min = -PARE_MAX_RANK,
     .max = PARE_MAX_RANK - 1, .initial = -1, .help = "the axis; negative ones count from the end" },
   { .name = "keep", .kind = PARE_FIELD_BOOL, .offset = offsetof(pare_reduce_attrs, keep), .initial = 1,
     .help = "the axis stays, with size 1" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_reduce_attrs *attrs = node->attrs;
   int axis;
   PARE_TRY(pare_op_want_f32(ctx, node, 0));
   *out = node->input[0]->type;
   PARE_TRY(pare_op_want_axis(ctx, node, attrs->axis, out->rank, &axis));
   out->dim[axis] = 1;
   if (attrs->keep) return PARE_OK;
   if (out->rank == 1) return pare_op_refuse(ctx, node, "the only axis cannot go");
   out->rank--;
   for (int i = axis; i <= out->rank; i++) out->dim[i] = i < out->rank ? out->dim[i + 1] : 0;
   return PARE_OK;
}

static double reduce(pare_op op, const float *x, pare_axis_view view)
{
   double result = op == PARE_OP_reduce_max ? -INFINITY : 0;
   for (int64_t i = 0; i < view.size; i++) {
      double number = (double)x[i * view.inner];
      result = op == PARE_OP_reduce_max ? fmax(result, number) : result + number;
   }
   return op == PARE_OP_reduce_mean ? result / (double)view.size : result;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_reduce_attrs *attrs = call->node->attrs;
   const pare_type *type = &call->input[0]->type;
   int axis;
   PARE_TRY(pare_op_want_axis(ctx, call->node, attrs->axis, type->rank, &axis));
   pare_axis_view view = pare_axis_view_of(type, axis);
   float *out = call->output->data;
   for (int64_t i = 0; i < view.outer * view.inner; i++) {
      int64_t at = i / view.inner * view.size * view.inner + i % view.inner;
      out[i] = (float)reduce(call->node->op, pare_op_f32(call->input[0]) + at, view);
   }
   return PARE_OK;
}

#define REDUCE(symbol, what)                                                                              \
   const pare_op_info pare_op_##symbol = { .name = #symbol, .help = what " along an axis",                \
                                           .fields = fields, .attrs_size = sizeof(pare_reduce_attrs),     \
                                           .n_inputs = 1, .infer = infer, .eval = eval,                   \
                                           .macs = pare_op_no_macs }

REDUCE(reduce_mean, "mean");
REDUCE(reduce_sum, "sum");
REDUCE(reduce_max, "maximum");
