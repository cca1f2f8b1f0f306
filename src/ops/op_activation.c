/* activation: a function of one number, element by element.
 *
 * Inputs: x f32 of any shape. Result: the same type. Kinds:
 *    silu        x / (1 + exp(-x))
 *    gelu_tanh   x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))      (gelu_new, gelu_pytorch_tanh)
 *    gelu_erf    x / 2 (1 + erf(x / sqrt(2)))                           (gelu)
 *    quick_gelu  x / (1 + exp(-1.702 x))
 *    relu        max(x, 0) */
#include <math.h>

#include "ops/op_rules.h"

const char *const pare_activation_names[] = { "none", "silu", "gelu_tanh", "gelu_erf",
                                              "quick_gelu", "relu", NULL };

static const pare_field fields[] = {
   { .name = "kind", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_activation_attrs, kind),
     .choices = pare_activation_names + 1, .help = "the function" },
   PARE_FIELDS_END
};

double pare_op_activate(int kind, double x)
{
   switch (kind) {
   case PARE_ACTIVATION_SILU: return x / (1 + exp(-x));
   case PARE_ACTIVATION_GELU_TANH: return x / 2 * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
   case PARE_ACTIVATION_GELU_ERF: return x / 2 * (1 + erf(x * 0.7071067811865476));
   case PARE_ACTIVATION_QUICK_GELU: return x / (1 + exp(-1.702 * x));
   default: return x < 0 ? 0 : x;
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_activation_attrs *attrs = call->node->attrs;
   const float *x = pare_op_f32(call->input[0]);
   float *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++)
      out[i] = (float)pare_op_activate(attrs->kind, (double)x[i]);
   return PARE_OK;
}

const pare_op_info pare_op_activation = {
   .name = "activation", .help = "a function of one number, element by element", .fields = fields,
   .attrs_size = sizeof(pare_activation_attrs), .n_inputs = 1, .infer = pare_op_infer_elements, .eval = eval,
   .macs = pare_op_no_macs
};
