/* reshape: the same elements in the same order under another shape.
 *
 * Inputs: x f32 or i32 of any shape. Result: the shape of the attribute, in which 0 is x's dimension at that
 * place and -1 (once at most) is what is left, as in ONNX. Symbols are carried by 0 and -1 alone; what is left
 * must be a number or one symbol. */
#include <string.h>

#include "ops/shape_rules.h"

static const pare_field fields[] = {
   { .name = "shape", .kind = PARE_FIELD_INTS, .offset = offsetof(pare_reshape_attrs, shape), .min = -1,
     .max = 0x1p40, .help = "sizes; 0 keeps the dimension at that place, -1 takes what is left" },
   PARE_FIELDS_END
};

enum { N_SYMBOLS = -PARE_DIM_PAST }; /* PAST is the last */

/* A product of sizes and symbols: how often each symbol is in it. */
typedef struct product {
   int64_t size;
   int symbols[N_SYMBOLS]; /* by -1 - dim */
} product;

static bool product_take(product *p, int64_t dim, int times)
{
   if (dim < 0) p->symbols[-1 - dim] += times;
   else if (times > 0) return !__builtin_mul_overflow(p->size, dim, &p->size);
   else if (p->size % dim != 0) return false;
   else p->size /= dim;
   return true;
}

/* The product as one dimension: a size, or one symbol. */
static bool product_dim(const product *p, int64_t *out)
{
   int found = -1;
   for (int i = 0; i < N_SYMBOLS; i++) {
      if (p->symbols[i] == 0) continue;
      if (p->symbols[i] != 1 || found >= 0) return false;
      found = i;
   }
   *out = found >= 0 ? -1 - found : p->size;
   return found < 0 || p->size == 1;
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_reshape_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_tensor(ctx, node, 0));
   const pare_type *x = &node->input[0]->type;
   product left = { .size = 1 };
   int open = -1;
   bool fits = true;
   if (attrs->shape.count == 0) return pare_op_refuse(ctx, node, "no shape");
   *out = (pare_type){ .dtype = x->dtype, .rank = (int)attrs->shape.count };
   for (int i = 0; i < x->rank; i++) fits &= product_take(&left, x->dim[i], 1);
   for (int i = 0; i < out->rank && fits; i++) {
      int64_t dim = attrs->shape.items[i];
      if (dim == 0 && i >= x->rank) return pare_op_refuse(ctx, node, "there is no dimension %d to keep", i);
      if (dim == -1 && open >= 0) return pare_op_refuse(ctx, node, "-1 occurs twice");
      if (dim == -1) open = i;
      else fits = product_take(&left, out->dim[i] = dim ? dim : x->dim[i], -1);
   }
   int64_t rest = 0;
   fits = fits && product_dim(&left, &rest) && (open >= 0 || rest == 1);
   if (!fits) return pare_op_refuse(ctx, node, "the input has another number of elements than the shape");
   if (open >= 0) out->dim[open] = rest;
   return PARE_OK;
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   memcpy(call->output->data, call->input[0]->data, (size_t)pare_tensor_count(call->output) * sizeof(float));
   return PARE_OK;
}

const pare_op_info pare_op_reshape = {
   .name = "reshape", .help = "the same elements under another shape", .fields = fields,
   .attrs_size = sizeof(pare_reshape_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
