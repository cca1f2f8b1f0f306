/* unary: functions of one number, element by element: sqrt, rsqrt, reciprocal, neg, abs, exp, log, erf, tanh,
 * sigmoid, sin and cos.
 *
 * Inputs: x f32 of any shape. Result: the same type. rsqrt is 1 / sqrt(x), sigmoid 1 / (1 + exp(-x)). All are
 * taken in double and rounded once. */
#include <math.h>

#include "ops/shape_rules.h"

static double function_of(pare_op op, double x)
{
   switch (op) {
   case PARE_OP_sqrt: return sqrt(x);
   case PARE_OP_rsqrt: return 1 / sqrt(x);
   case PARE_OP_reciprocal: return 1 / x;
   case PARE_OP_neg: return -x;
   case PARE_OP_abs: return fabs(x);
   case PARE_OP_exp: return exp(x);
   case PARE_OP_log: return log(x);
   case PARE_OP_erf: return erf(x);
   case PARE_OP_tanh: return tanh(x);
   case PARE_OP_sigmoid: return 1 / (1 + exp(-x));
   case PARE_OP_sin: return sin(x);
   default: return cos(x);
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const float *x = pare_op_f32(call->input[0]);
   float *out = call->output->data;
   for (int64_t i = 0; i < pare_tensor_count(call->output); i++)
      out[i] = (float)function_of(call->node->op, (double)x[i]);
   return PARE_OK;
}

#define UNARY(symbol, what)                                                                              \
   const pare_op_info pare_op_##symbol = { .name = #symbol, .help = what ", element by element",         \
                                           .fields = pare_no_fields, .n_inputs = 1,                      \
                                           .infer = pare_op_infer_elements, .eval = eval,                \
                                           .macs = pare_op_no_macs }

UNARY(sqrt, "square root");
UNARY(rsqrt, "one by the square root");
UNARY(reciprocal, "one by the number");
UNARY(neg, "the number with the other sign");
UNARY(abs, "magnitude");
UNARY(exp, "exponential");
UNARY(log, "natural logarithm");
UNARY(erf, "error function");
UNARY(tanh, "hyperbolic tangent");
UNARY(sigmoid, "logistic function");
UNARY(sin, "sine");
UNARY(cos, "cosine");
