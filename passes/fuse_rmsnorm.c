/* fuse_rmsnorm: rms_norm in place of the arithmetic it is made of.
 *
 * Before:  x / sqrt(mean(x^2) + eps) * w along the last axis, with root, square and quotient in any of their
 *          forms and the factors in any order.
 * After:   one rms_norm node each.
 * Leaves:  norms without a gain, or whose gain is no vector of the last axis.
 * Bound:   outputs differ by at most 5e-4 of the largest, from rounding in another order. */
#include "ops/ops.h"
#include "passes/passes.h"
#include "pipeline/rewrite.h"

enum { X, GAIN, EPS };

#define SQUARES P_OP(add, P_OP(reduce_mean, P_PRODUCT(1, P_ANY(X), P_ANY(X))), P_SCALAR(EPS))
#define ROOT P_EITHER(P_OP(sqrt, SQUARES), P_OP(pow, SQUARES, P_NUMBER(0.5)))
#define INVERSE                                                                               \
   P_EITHER(P_OP(rsqrt, SQUARES), P_OP(reciprocal, ROOT), P_OP(div, P_NUMBER(1), ROOT),       \
            P_OP(pow, SQUARES, P_NUMBER(-0.5)))

static const pare_pattern *const patterns[] = {
   P_PRODUCT(1, P_OP(div, P_ANY(X), ROOT), P_CONST(GAIN)),
   P_PRODUCT(1, INVERSE, P_ANY(X), P_CONST(GAIN)),
   P_EITHER(P_OP(div, P_ANY(X), ROOT), P_PRODUCT(1, INVERSE, P_ANY(X))),
   NULL
};

static pare_status build(pare_ctx *ctx, pare_rewriter *r, pare_value **out)
{
   const pare_match *m = r->match;
   pare_norm_attrs attrs = { .eps = m->number[EPS] };
   pare_node_spec spec = { .op = PARE_OP_rms_norm, .n_inputs = 1, .n_weights = 1, .input = { m->value[X] },
                           .attrs = &attrs };
   if (!(attrs.eps >= 0 && attrs.eps <= 1)) return pare_rewrite_refuse(r, "eps is %g, expected [0, 1]", attrs.eps);
   if (!m->value[GAIN]) return pare_rewrite_refuse(r, "it has no gain, which rms_norm needs");
   if (!pare_rewrite_by_rows(r)) return PARE_OK;
   if (!pare_type_equal(&m->value[X]->type, &r->root->output[0]->type))
      return pare_rewrite_refuse(r, "%s has another shape than what it is made of", r->root->name);
   spec.weight[0] = pare_rewrite_vector(r, m->value[GAIN], m->value[X]);
   return spec.weight[0] ? pare_rewrite_add(ctx, r, "rms_norm", &spec, out) : PARE_OK;
}

static const pare_rewrite rewrite = { .result = "rms_norm", .anchors = pare_rewrite_roots,
                                      .tells = pare_rewrite_is_root, .patterns = patterns, .build = build };

const pare_pass pare_pass_fuse_rmsnorm = {
   .name = "fuse_rmsnorm", .help = "recognise rms_norm in the arithmetic it is made of",
   .fields = pare_no_fields, .tolerance = PARE_FUSE_TOLERANCE, .rewrite = &rewrite
};
