/* add: sum, element by element.
 *
 * Inputs: a, b f32[D, n]. Result: the same type, a + b. */
#include "ops/op_rules.h"

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const float *a = pare_op_f32(call->input[0]), *b = pare_op_f32(call->input[1]);
   float *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++) out[i] = a[i] + b[i];
   return PARE_OK;
}

const pare_op_info pare_op_add = {
   .name = "add", .help = "sum, element by element", .fields = pare_no_fields, .n_inputs = 2,
   .infer = pare_op_infer_pair, .eval = eval, .macs = pare_op_no_macs
};
