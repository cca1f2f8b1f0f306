/* transpose: dimensions in another order.
 *
 * Inputs: x f32 or i32 of any shape. Result: dimension i is dimension perm[i] of x; without a perm all are
 * reversed. */
#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "perm", .kind = PARE_FIELD_INTS, .offset = offsetof(pare_transpose_attrs, perm),
     .max = PARE_MAX_RANK - 1, .help = "which dimension comes at each place; empty to reverse all" },
   PARE_FIELDS_END
};

int pare_transpose_source(const pare_transpose_attrs *attrs, int rank, int place)
{
   return attrs->perm.count == 0 ? rank - 1 - place : (int)attrs->perm.items[place];
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_transpose_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_tensor(ctx, node, 0));
   const pare_type *x = &node->input[0]->type;
   unsigned seen = 0;
   *out = *x;
   if (attrs->perm.count != 0 && attrs->perm.count != x->rank)
      return pare_op_refuse(ctx, node, "a perm of %lld for rank %d", (long long)attrs->perm.count, x->rank);
   for (int i = 0; i < x->rank; i++) {
      int source = pare_transpose_source(attrs, x->rank, i);
      if (source >= x->rank || (seen & 1u << source))
         return pare_op_refuse(ctx, node, "perm is no order of the %d dimensions", x->rank);
      seen |= 1u << source;
      out->dim[i] = x->dim[source];
   }
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_type *x = &call->input[0]->type, *type = &call->output->type;
   pare_stride_walk of_x = pare_stride_walk_of(x, x), walk = pare_stride_walk_of(type, type);
   int missing = PARE_MAX_RANK - type->rank;
   for (int i = 0; i < type->rank; i++)
      walk.stride[missing + i] =
         of_x.stride[missing + pare_transpose_source(call->node->attrs, type->rank, i)];
   int32_t *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++)
      out[i] = pare_op_i32(call->input[0])[pare_stride_walk_at(&walk, i)];
   return PARE_OK;
}

const pare_op_info pare_op_transpose = {
   .name = "transpose", .help = "dimensions in another order", .fields = fields,
   .attrs_size = sizeof(pare_transpose_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
