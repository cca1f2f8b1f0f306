/* fuse_gelu: activations in place of the arithmetic they are made of.
 *
 * Before:  GELU by erf, by tanh or by sigmoid (quick), and SiLU, as products, sums and functions in any order, with
 *          the constant factors wherever an exporter puts them; a sigmoid may be spelled out with exp.
 * After:   one activation node each. What they computed from may have other users; what was inside may not.
 * Leaves:  everything whose numbers are not those of the four functions.
 * Bound:   outputs differ by at most 5e-4 of the largest, from rounding in another order. */
#include "ops/ops.h"
#include "passes/passes.h"
#include "pipeline/rewrite.h"

enum { X };

#define SQRT_HALF 0.70710678118654752
#define SQRT_2_BY_PI 0.79788456080286536
#define CUBIC 0.044715

#define ONE_AND_EXP(x) P_OP(add, P_OP(exp, x), P_NUMBER(1))
#define LOGISTIC(x, minus_x)                                                                                \
   P_EITHER(P_OP(sigmoid, x), P_OP(reciprocal, ONE_AND_EXP(minus_x)),                                       \
            P_OP(div, P_NUMBER(1), ONE_AND_EXP(minus_x)))
/* x + 0.044715 x^3, and that without a factor x */
#define CUBE_SUM P_OP(add, P_ANY(X), P_PRODUCT(CUBIC, P_ANY(X), P_ANY(X), P_ANY(X)))
#define SQUARE_SUM P_OP(add, P_PRODUCT(CUBIC, P_ANY(X), P_ANY(X)), P_NUMBER(1))

static const pare_pattern *const patterns[] = {
   P_PRODUCT(0.5, P_ANY(X), P_OP(add, P_OP(erf, P_PRODUCT(SQRT_HALF, P_ANY(X))), P_NUMBER(1))),
   P_PRODUCT(0.5, P_ANY(X), P_OP(add, P_OP(tanh, P_PRODUCT(SQRT_2_BY_PI, CUBE_SUM)), P_NUMBER(1))),
   P_PRODUCT(0.5, P_ANY(X), P_OP(add, P_OP(tanh, P_PRODUCT(SQRT_2_BY_PI, P_ANY(X), SQUARE_SUM)), P_NUMBER(1))),
   P_PRODUCT(1, P_ANY(X), LOGISTIC(P_PRODUCT(1.702, P_ANY(X)), P_PRODUCT(-1.702, P_ANY(X)))),
   P_OP(div, P_ANY(X), ONE_AND_EXP(P_PRODUCT(-1.702, P_ANY(X)))),
   P_PRODUCT(1, P_ANY(X), LOGISTIC(P_ANY(X), P_PRODUCT(-1, P_ANY(X)))),
   P_OP(div, P_ANY(X), ONE_AND_EXP(P_PRODUCT(-1, P_ANY(X)))),
   NULL
};

/* What each of the patterns is. */
static const int kinds[] = { PARE_ACTIVATION_GELU_ERF,   PARE_ACTIVATION_GELU_TANH, PARE_ACTIVATION_GELU_TANH,
                             PARE_ACTIVATION_QUICK_GELU, PARE_ACTIVATION_QUICK_GELU, PARE_ACTIVATION_SILU,
                             PARE_ACTIVATION_SILU };

static const pare_op anchors[] = { PARE_OP_erf, PARE_OP_tanh, PARE_OP_sigmoid, PARE_OP_exp, PARE_OP_COUNT };

static pare_status build(pare_ctx *ctx, pare_rewriter *r, pare_value **out)
{
   pare_value *x = r->match->value[X];
   if (!pare_type_equal(&x->type, &r->root->output[0]->type))
      return pare_rewrite_refuse(r, "%s has another shape than what it is made of", r->root->name);
   pare_activation_attrs attrs = { .kind = kinds[r->match->pattern] };
   pare_node_spec spec = { .op = PARE_OP_activation, .n_inputs = 1, .input = { x }, .attrs = &attrs };
   return pare_rewrite_add(ctx, r, "activation", &spec, out);
}

static const pare_rewrite rewrite = { .result = "activation", .anchors = anchors, .patterns = patterns,
                                      .build = build };

const pare_pass pare_pass_fuse_gelu = {
   .name = "fuse_gelu", .help = "recognise GELU and SiLU in the arithmetic they are made of",
   .fields = pare_no_fields, .tolerance = PARE_FUSE_TOLERANCE, .rewrite = &rewrite
};
