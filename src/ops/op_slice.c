/* slice: some columns.
 *
 * Inputs: x f32[D, n]. Result: f32[D, to - from], columns from .. to - 1; 0 <= from < to <= n. */
#include <string.h>

#include "ops/op_rules.h"

static const pare_field fields[] = {
   { .name = "from", .kind = PARE_FIELD_INT, .offset = offsetof(pare_slice_attrs, from), .max = 0x1p40,
     .help = "the first column" },
   { .name = "to", .kind = PARE_FIELD_INT, .offset = offsetof(pare_slice_attrs, to), .min = 1, .max = 0x1p40,
     .initial = 1, .help = "the column after the last" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_slice_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_matrix(ctx, node, 0));
   int64_t n = node->input[0]->type.dim[1];
   if (attrs->from >= attrs->to || attrs->to > n)
      return pare_op_refuse(ctx, node, "columns %lld to %lld of %lld", (long long)attrs->from,
                            (long long)attrs->to, (long long)n);
   *out = pare_op_matrix_like(node->input[0], attrs->to - attrs->from);
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_slice_attrs *attrs = call->node->attrs;
   int64_t n = call->input[0]->type.dim[1], width = call->output->type.dim[1];
   const float *x = pare_op_f32(call->input[0]) + attrs->from;
   float *out = call->output->data;
   for (int64_t t = 0; t < call->output->type.dim[0]; t++)
      memcpy(out + t * width, x + t * n, (size_t)width * sizeof *out);
   return PARE_OK;
}

const pare_op_info pare_op_slice = {
   .name = "slice", .help = "some columns", .fields = fields, .attrs_size = sizeof(pare_slice_attrs),
   .n_inputs = 1, .infer = infer, .eval = eval, .macs = pare_op_no_macs
};
