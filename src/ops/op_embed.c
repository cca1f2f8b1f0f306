/* embed: rows of a table.
 *
 * Inputs: ids i32[D]. Weights: W [V, d]. Result: f32[D, d], out[t] = W[ids[t]].
 * Serves token embeddings and, with positions for ids, learned positions. An id not in [0, V) is an error. */
#include <string.h>

#include "ops/op_rules.h"

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_list(ctx, node, 0));
   PARE_TRY(pare_op_want_table(ctx, node, 0));
   *out = pare_op_matrix_like(node->input[0], node->weight[0]->dim[1]);
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_tensor *table = call->weight[0];
   const int32_t *ids = pare_op_i32(call->input[0]);
   int64_t rows = table->type.dim[0], width = table->type.dim[1];
   float *out = call->output->data;
   for (int64_t t = 0; t < call->input[0]->type.dim[0]; t++) {
      if (ids[t] < 0 || ids[t] >= rows)
         return pare_op_refuse(ctx, call->node, "id %d, expected [0, %lld)", (int)ids[t], (long long)rows);
      memcpy(out + t * width, pare_op_f32(table) + ids[t] * width, (size_t)width * sizeof *out);
   }
   return PARE_OK;
}

const pare_op_info pare_op_embed = {
   .name = "embed", .help = "rows of a table, by id", .fields = pare_no_fields, .n_inputs = 1,
   .min_weights = 1, .max_weights = 1, .infer = infer, .eval = eval, .macs = pare_op_no_macs
};
