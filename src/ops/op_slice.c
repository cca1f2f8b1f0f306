/* slice: some places along an axis.
 *
 * Inputs: x f32 or i32 of any shape whose axis has a known size n. Result: the same type with the axis cut to
 * the places from, from + step, ... below to; 0 <= from < to <= n. Without an axis: columns. */
#include <string.h>

#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "from", .kind = PARE_FIELD_INT, .offset = offsetof(pare_slice_attrs, from), .max = 0x1p40,
     .help = "the first place" },
   { .name = "to", .kind = PARE_FIELD_INT, .offset = offsetof(pare_slice_attrs, to), .min = 1, .max = 0x1p40,
     .initial = 1, .help = "the place after the last" },
   { .name = "step", .kind = PARE_FIELD_INT, .offset = offsetof(pare_slice_attrs, step), .min = 1,
     .max = 0x1p40, .initial = 1, .help = "from one place to the next" },
   { .name = "axis", .kind = PARE_FIELD_INT, .offset = offsetof(pare_slice_attrs, axis), .min = -PARE_MAX_RANK,
     .max = PARE_MAX_RANK - 1, .initial = -1, .help = "the axis; negative ones count from the end" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_slice_attrs *attrs = node->attrs;
   int axis;
   PARE_TRY(pare_op_want_tensor(ctx, node, 0));
   *out = node->input[0]->type;
   PARE_TRY(pare_op_want_axis(ctx, node, attrs->axis, out->rank, &axis));
   int64_t n = out->dim[axis];
   if (n < 1) return pare_op_refuse(ctx, node, "the size of axis %d is not known", axis);
   if (attrs->from >= attrs->to || attrs->to > n)
      return pare_op_refuse(ctx, node, "%s %lld to %lld of %lld", axis + 1 == out->rank ? "columns" : "places",
                            (long long)attrs->from, (long long)attrs->to, (long long)n);
   out->dim[axis] = (attrs->to - attrs->from + attrs->step - 1) / attrs->step;
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_slice_attrs *attrs = call->node->attrs;
   int axis;
   PARE_TRY(pare_op_want_axis(ctx, call->node, attrs->axis, call->output->type.rank, &axis));
   pare_axis_view from = pare_axis_view_of(&call->input[0]->type, axis);
   pare_axis_view to = pare_axis_view_of(&call->output->type, axis);
   for (int64_t i = 0; i < to.outer * to.size; i++) {
      int64_t place = attrs->from + i % to.size * attrs->step;
      memcpy((float *)call->output->data + i * to.inner,
             pare_op_f32(call->input[0]) + (i / to.size * from.size + place) * from.inner,
             (size_t)to.inner * sizeof(float));
   }
   return PARE_OK;
}

const pare_op_info pare_op_slice = {
   .name = "slice", .help = "some places along an axis", .fields = fields,
   .attrs_size = sizeof(pare_slice_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
