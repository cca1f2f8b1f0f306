/* binary: add, sub, mul, div, pow, max and min, element by element.
 *
 * Inputs: a, b f32 of any shape, broadcast against each other (shape_rules.h). Result: their common shape.
 * As ONNX has them; max and min give NaN when either input is one. */
#include <math.h>

#include "ops/shape_rules.h"

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_f32(ctx, node, 0));
   PARE_TRY(pare_op_want_f32(ctx, node, 1));
   *out = node->input[0]->type;
   return pare_op_broadcast(ctx, node, &node->input[1]->type, out);
}

static float combine(pare_op op, float a, float b)
{
   switch (op) {
   case PARE_OP_add: return a + b;
   case PARE_OP_sub: return a - b;
   case PARE_OP_mul: return a * b;
   case PARE_OP_div: return a / b;
   case PARE_OP_pow: return (float)pow((double)a, (double)b);
   case PARE_OP_max: return isnan(a) || a > b ? a : b;
   default: return isnan(a) || a < b ? a : b;
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const float *a = pare_op_f32(call->input[0]), *b = pare_op_f32(call->input[1]);
   pare_stride_walk of_a = pare_stride_walk_of(&call->input[0]->type, &call->output->type);
   pare_stride_walk of_b = pare_stride_walk_of(&call->input[1]->type, &call->output->type);
   float *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++)
      out[i] = combine(call->node->op, a[pare_stride_walk_at(&of_a, i)], b[pare_stride_walk_at(&of_b, i)]);
   return PARE_OK;
}

#define BINARY(symbol, what)                                                                             \
   const pare_op_info pare_op_##symbol = { .name = #symbol, .help = what ", element by element",         \
                                           .fields = pare_no_fields, .n_inputs = 2, .infer = infer,      \
                                           .eval = eval, .macs = pare_op_no_macs }

BINARY(add, "sum");
BINARY(sub, "difference");
BINARY(mul, "product");
BINARY(div, "quotient");
BINARY(pow, "the first to the power of the second");
BINARY(max, "the larger");
BINARY(min, "the smaller");
