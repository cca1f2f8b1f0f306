/* fuse_layernorm: layer_norm in place of the arithmetic it is made of.
 *
 * Before:  (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * w + b along the last axis, with the root and the
 *          quotient in any of their forms, the difference taken once or twice, the bias or not.
 * After:   one layer_norm node each.
 * Leaves:  norms without a gain, or whose gain or bias is no vector of the last axis.
 * Bound:   outputs differ by at most 5e-4 of the largest, from rounding in another order. */
#include "ops/ops.h"
#include "passes/passes.h"
#include "pipeline/rewrite.h"

enum { X, GAIN, BIAS, EPS };

#define CENTERED P_OP(sub, P_ANY(X), P_OP(reduce_mean, P_ANY(X)))
#define VARIANCE P_OP(add, P_OP(reduce_mean, P_PRODUCT(1, CENTERED, CENTERED)), P_SCALAR(EPS))
#define DEVIATION P_EITHER(P_OP(sqrt, VARIANCE), P_OP(pow, VARIANCE, P_NUMBER(0.5)))
#define INVERSE                                                                                       \
   P_EITHER(P_OP(rsqrt, VARIANCE), P_OP(reciprocal, DEVIATION), P_OP(div, P_NUMBER(1), DEVIATION),    \
            P_OP(pow, VARIANCE, P_NUMBER(-0.5)))
#define NORMAL P_EITHER(P_OP(div, CENTERED, DEVIATION), P_PRODUCT(1, CENTERED, INVERSE))
#define SCALED                                                                                        \
   P_EITHER(P_PRODUCT(1, P_OP(div, CENTERED, DEVIATION), P_CONST(GAIN)),                              \
            P_PRODUCT(1, CENTERED, INVERSE, P_CONST(GAIN)))

static const pare_pattern *const patterns[] = { P_OP(add, SCALED, P_CONST(BIAS)), SCALED, NORMAL, NULL };

static pare_status build(pare_ctx *ctx, pare_rewriter *r, pare_value **out)
{
   const pare_match *m = r->match;
   pare_node_spec spec = { .op = PARE_OP_layer_norm, .n_inputs = 1, .input = { m->value[X] } };
   pare_norm_attrs attrs = { .eps = m->number[EPS] };
   spec.attrs = &attrs;
   if (!(attrs.eps >= 0 && attrs.eps <= 1)) return pare_rewrite_refuse(r, "eps is %g, expected [0, 1]", attrs.eps);
   if (!m->value[GAIN]) return pare_rewrite_refuse(r, "it has no gain, which layer_norm needs");
   if (!pare_rewrite_by_rows(r)) return PARE_OK;
   if (!pare_type_equal(&m->value[X]->type, &r->root->output[0]->type))
      return pare_rewrite_refuse(r, "%s has another shape than what it is made of", r->root->name);
   for (int slot = GAIN; slot <= BIAS && m->value[slot]; slot++) {
      spec.weight[spec.n_weights] = pare_rewrite_vector(r, m->value[slot], m->value[X]);
      if (!spec.weight[spec.n_weights++]) return PARE_OK;
   }
   return pare_rewrite_add(ctx, r, "layer_norm", &spec, out);
}

static const pare_rewrite rewrite = { .result = "layer_norm", .anchors = pare_rewrite_roots,
                                      .tells = pare_rewrite_is_root, .patterns = patterns, .build = build };

const pare_pass pare_pass_fuse_layernorm = {
   .name = "fuse_layernorm", .help = "recognise layer_norm in the arithmetic it is made of",
   .fields = pare_no_fields, .tolerance = PARE_FUSE_TOLERANCE, .rewrite = &rewrite
};
