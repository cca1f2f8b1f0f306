/* where: one of two numbers, element by element.
 *
 * Inputs: c i32, a and b of one element type, f32 or i32, all broadcast against each other. Result: a's element
 * type, the common shape: a where c is not 0, else b. */
#include "ops/shape_rules.h"

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   for (size_t i = 0; i < 3; i++) PARE_TRY(pare_op_want_tensor(ctx, node, i));
   if (node->input[0]->type.dtype != PARE_I32) return pare_op_refuse(ctx, node, "input 0 is f32, expected i32");
   if (node->input[1]->type.dtype != node->input[2]->type.dtype)
      return pare_op_refuse(ctx, node, "inputs 1 and 2 have different element types");
   *out = node->input[1]->type;
   PARE_TRY(pare_op_broadcast(ctx, node, &node->input[2]->type, out));
   return pare_op_broadcast(ctx, node, &node->input[0]->type, out);
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   pare_stride_walk of[3];
   for (size_t i = 0; i < 3; i++) of[i] = pare_stride_walk_of(&call->input[i]->type, &call->output->type);
   const int32_t *c = pare_op_i32(call->input[0]);
   int32_t *out = call->output->data; /* the bits, whatever the element type */
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++) {
      size_t taken = c[pare_stride_walk_at(&of[0], i)] ? 1 : 2;
      out[i] = pare_op_i32(call->input[taken])[pare_stride_walk_at(&of[taken], i)];
   }
   return PARE_OK;
}

const pare_op_info pare_op_where = {
   .name = "where", .help = "one of two numbers, element by element", .fields = pare_no_fields, .n_inputs = 3,
   .infer = infer, .eval = eval, .macs = pare_op_no_macs
};
