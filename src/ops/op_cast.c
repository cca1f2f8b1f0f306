/* cast: numbers of another element type.
 *
 * Inputs: x f32 or i32 of any shape. Result: the same shape, elements of type `to`. f32 to i32 cuts off the
 * fraction; what i32 cannot hold becomes its nearest end, NaN becomes 0. */
#include <math.h>

#include "ops/shape_rules.h"

static const char *const types[] = { "f32", "i32", NULL };
static const pare_dtype dtypes[] = { PARE_F32, PARE_I32 };

static const pare_field fields[] = {
   { .name = "to", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_cast_attrs, to), .choices = types,
     .help = "the element type of the result" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_cast_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_tensor(ctx, node, 0));
   *out = node->input[0]->type;
   out->dtype = dtypes[attrs->to];
   return PARE_OK;
}

static int32_t cut_off(double x)
{
   if (isnan(x)) return 0;
   return (int32_t)fmax(INT32_MIN, fmin(INT32_MAX, trunc(x)));
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_tensor *x = call->input[0];
   bool from_int = x->type.dtype == PARE_I32;
   float *floats = call->output->data;
   int32_t *ints = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++) {
      double number = from_int ? pare_op_i32(x)[i] : (double)pare_op_f32(x)[i];
      if (call->output->type.dtype == PARE_F32) floats[i] = (float)number;
      else ints[i] = cut_off(number);
   }
   return PARE_OK;
}

const pare_op_info pare_op_cast = {
   .name = "cast", .help = "numbers of another element type", .fields = fields,
   .attrs_size = sizeof(pare_cast_attrs), .n_inputs = 1, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
