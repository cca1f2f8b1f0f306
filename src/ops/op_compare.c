/* compare: an order of two numbers, element by element.
 *
 * Inputs: a, b of one element type, f32 or i32, broadcast against each other. Result: i32 of the common shape,
 * 1 where the relation holds and 0 elsewhere (also where a number is NaN, but for ne). */
#include "ops/shape_rules.h"

static const char *const kinds[] = { "lt", "le", "gt", "ge", "eq", "ne", NULL };

static const pare_field fields[] = {
   { .name = "kind", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_compare_attrs, kind), .choices = kinds,
     .help = "the relation of the first input to the second" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_tensor(ctx, node, 0));
   PARE_TRY(pare_op_want_tensor(ctx, node, 1));
   if (node->input[0]->type.dtype != node->input[1]->type.dtype)
      return pare_op_refuse(ctx, node, "the inputs have different element types");
   *out = node->input[0]->type;
   out->dtype = PARE_I32;
   return pare_op_broadcast(ctx, node, &node->input[1]->type, out);
}

static bool holds(int kind, double a, double b)
{
   switch (kind) {
   case PARE_COMPARE_LT: return a < b;
   case PARE_COMPARE_LE: return a <= b;
   case PARE_COMPARE_GT: return a > b;
   case PARE_COMPARE_GE: return a >= b;
   case PARE_COMPARE_EQ: return a == b;
   default: return a != b;
   }
}

static double number_at(const pare_tensor *tensor, int64_t i)
{
   return tensor->type.dtype == PARE_I32 ? pare_op_i32(tensor)[i] : (double)pare_op_f32(tensor)[i];
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_compare_attrs *attrs = call->node->attrs;
   pare_stride_walk of_a = pare_stride_walk_of(&call->input[0]->type, &call->output->type);
   pare_stride_walk of_b = pare_stride_walk_of(&call->input[1]->type, &call->output->type);
   int32_t *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++)
      out[i] = holds(attrs->kind, number_at(call->input[0], pare_stride_walk_at(&of_a, i)),
                     number_at(call->input[1], pare_stride_walk_at(&of_b, i)));
   return PARE_OK;
}

const pare_op_info pare_op_compare = {
   .name = "compare", .help = "an order of two numbers, element by element", .fields = fields,
   .attrs_size = sizeof(pare_compare_attrs), .n_inputs = 2, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
