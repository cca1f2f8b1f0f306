/* select: some rows, by number.
 *
 * Inputs: x f32[D, n], rows i32[R]. Result: f32[R, n], out[r] = x[rows[r]]. A number outside [0, D) is an
 * error. */
#include <string.h>

#include "ops/op_rules.h"

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_matrix(ctx, node, 0));
   PARE_TRY(pare_op_want_list(ctx, node, 1));
   *out = pare_op_matrix_like(node->input[1], node->input[0]->type.dim[1]);
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const int32_t *rows = pare_op_i32(call->input[1]);
   int64_t count = call->input[0]->type.dim[0], n = call->output->type.dim[1];
   float *out = call->output->data;
   for (int64_t r = 0; r < call->output->type.dim[0]; r++) {
      if (rows[r] < 0 || rows[r] >= count)
         return pare_op_refuse(ctx, call->node, "row %d, expected [0, %lld)", (int)rows[r], (long long)count);
      memcpy(out + r * n, pare_op_f32(call->input[0]) + rows[r] * n, (size_t)n * sizeof *out);
   }
   return PARE_OK;
}

const pare_op_info pare_op_select = {
   .name = "select", .help = "some rows, by number", .fields = pare_no_fields, .n_inputs = 2, .infer = infer,
   .eval = eval, .macs = pare_op_no_macs
};
