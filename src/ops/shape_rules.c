/* shape_rules: see shape_rules.h. */
#include "ops/shape_rules.h"

static pare_status refuse_input(pare_ctx *ctx, const pare_node *node, size_t input, const char *expected)
{
   pare_str found = { 0 };
   const pare_value *value = node->input[input];
   pare_status status = pare_type_print(ctx, &value->type, &found);
   if (status == PARE_OK)
      status = pare_op_refuse(ctx, node, "input %zu is %s%s, expected %s", input,
                              value->kind == PARE_VALUE_STATE ? "a state " : "", found.data, expected);
   pare_str_finish(ctx, &found);
   return status;
}

pare_status pare_op_want_tensor(pare_ctx *ctx, const pare_node *node, size_t input)
{
   const pare_value *value = node->input[input];
   bool good = value->type.dtype == PARE_F32 || value->type.dtype == PARE_I32;
   return good && value->kind != PARE_VALUE_STATE ? PARE_OK : refuse_input(ctx, node, input, "f32 or i32");
}

pare_status pare_op_want_f32(pare_ctx *ctx, const pare_node *node, size_t input)
{
   const pare_value *value = node->input[input];
   bool good = value->type.dtype == PARE_F32 && value->kind != PARE_VALUE_STATE;
   return good ? PARE_OK : refuse_input(ctx, node, input, "f32");
}

pare_status pare_op_want_axis(pare_ctx *ctx, const pare_node *node, int64_t axis, int rank, int *out)
{
   *out = (int)(axis < 0 ? axis + rank : axis);
   if (axis >= -rank && axis < rank) return PARE_OK;
   return pare_op_refuse(ctx, node, "axis %lld of a tensor of rank %d", (long long)axis, rank);
}

pare_status pare_op_broadcast(pare_ctx *ctx, const pare_node *node, const pare_type *type, pare_type *out)
{
   int rank = type->rank > out->rank ? type->rank : out->rank;
   pare_type shape = { .dtype = out->dtype, .rank = rank };
   for (int i = 1; i <= rank; i++) {
      int64_t a = i <= out->rank ? out->dim[out->rank - i] : 1;
      int64_t b = i <= type->rank ? type->dim[type->rank - i] : 1;
      if (a != b && a != 1 && b != 1)
         return pare_op_refuse(ctx, node, "the inputs differ in dimension %d from the last", i);
      shape.dim[rank - i] = a == 1 ? b : a;
   }
   *out = shape;
   return PARE_OK;
}

pare_axis_view pare_axis_view_of(const pare_type *type, int axis)
{
   pare_axis_view view = { 1, type->dim[axis], 1 };
   for (int i = 0; i < axis; i++) view.outer *= type->dim[i];
   for (int i = axis + 1; i < type->rank; i++) view.inner *= type->dim[i];
   return view;
}

pare_stride_walk pare_stride_walk_of(const pare_type *from, const pare_type *to)
{
   pare_stride_walk walk;
   int64_t stride = 1;
   for (int i = 1; i <= PARE_MAX_RANK; i++) {
      int64_t size = i <= from->rank ? from->dim[from->rank - i] : 1;
      walk.dim[PARE_MAX_RANK - i] = i <= to->rank ? to->dim[to->rank - i] : 1;
      walk.stride[PARE_MAX_RANK - i] = size == 1 ? 0 : stride;
      stride *= size;
   }
   return walk;
}

int64_t pare_stride_walk_at(const pare_stride_walk *walk, int64_t index)
{
   int64_t at = 0;
   for (int i = PARE_MAX_RANK - 1; i >= 0; i--) {
      at += index % walk->dim[i] * walk->stride[i];
      index /= walk->dim[i];
   }
   return at;
}
