/* fold_scale: constant factors into what is scaled anyway.
 *
 * Before:  a value times or by numbers (mul, div, chains of them).
 * After:   the factor is in the scale of the attentions that take it as queries or keys; or in weights (and bias) of
 *          the linear layer or norm that gives the value; or in the weights of the linear layer that takes it. The
 *          product is gone.
 * Leaves:  weights with other users, weights that are not f32 (the product would be rounded), factors that are not
 *          finite or 0; values that something else sees.
 * Bound:   outputs differ by at most 5e-4 of the largest, from rounding in another order. */
#include <math.h>

#include "ops/ops.h"
#include "passes/passes.h"
#include "pipeline/rewrite.h"

enum { X, FACTOR };

static const pare_pattern *const patterns[] = { P_SCALED(FACTOR, P_ANY(X)), NULL };
static const pare_op anchors[] = { PARE_OP_mul, PARE_OP_div, PARE_OP_COUNT };

static bool tells(const pare_node *node)
{
   double number;
   return pare_value_number(node->input[1], &number) ||
          (node->op == PARE_OP_mul && pare_value_number(node->input[0], &number));
}

/* ---- into attention ---- */

/* The new scale of an attention that takes the value; NAN when it takes it as values or a mask too. */
static double scale_of(const pare_node *node, const pare_value *value, double factor)
{
   const pare_attention_attrs *attrs = node->attrs;
   double scale = attrs->scale;
   for (size_t i = 0; i < node->n_inputs; i++)
      if (node->input[i] == value) scale *= i < 2 ? factor : (double)NAN;
   return fabs(scale) <= 1e6 ? scale : (double)NAN;
}

/* Every user of the result is an attention that can have the factor in its scale. */
static bool goes_to_attention(const pare_rewriter *r)
{
   const pare_value *value = r->root->output[0];
   const pare_uses *uses = r->uses;
   if (uses->is_output[value->index] || uses->first[value->index] == uses->first[value->index + 1]) return false;
   for (size_t u = uses->first[value->index]; u < uses->first[value->index + 1]; u++) {
      const pare_node *user = uses->user[u];
      if (user->op != PARE_OP_attention || isnan(scale_of(user, value, r->match->number[FACTOR]))) return false;
   }
   return true;
}

/* A user that takes the value twice stands twice in a row in the list. */
static void scale_attention(const pare_rewriter *r)
{
   const pare_value *value = r->root->output[0];
   const pare_uses *uses = r->uses;
   size_t first = uses->first[value->index];
   for (size_t u = first; u < uses->first[value->index + 1]; u++) {
      if (u > first && uses->user[u] == uses->user[u - 1]) continue;
      pare_attention_attrs *attrs = uses->user[u]->attrs;
      attrs->scale = scale_of(uses->user[u], value, r->match->number[FACTOR]);
   }
}

/* ---- into weights ---- */

static bool is_alone(const pare_graph *graph, const pare_weight *weight)
{
   const pare_node *user = pare_weight_next_user(graph, weight, NULL);
   return user && !pare_weight_next_user(graph, weight, user) && weight->encoding.kind == PARE_ENC_F32;
}

/* The weights of the node that a factor goes into: all of them, or the matrices of a linear layer alone. */
static size_t list_weights(const pare_node *node, bool matrices, pare_weight **out)
{
   size_t count = 0;
   for (size_t i = 0; i < node->n_weights; i++)
      if (!matrices || node->weight[i]->rank == 2) out[count++] = node->weight[i];
   return count;
}

/* These weights are f32, each of them used here alone and once. */
static bool may_scale(pare_rewriter *r, const pare_node *node, bool matrices)
{
   pare_weight *weights[PARE_MAX_WEIGHTS];
   size_t count = list_weights(node, matrices, weights);
   for (size_t i = 0; i < count; i++) {
      bool once = is_alone(r->graph, weights[i]);
      for (size_t j = 0; j < i; j++) once = once && weights[j] != weights[i];
      if (once) continue;
      pare_rewrite_refuse(r, "the weight %s of %s is not f32, or has another user", weights[i]->name, node->name);
      return false;
   }
   return true;
}

static void scale_row(void *user, int64_t row, int64_t k, float *values)
{
   double factor = *(const double *)user;
   (void)row;
   for (int64_t i = 0; i < k; i++) values[i] = (float)((double)values[i] * factor);
}

/* The change is no error: what the graph computes stays. */
static pare_status scale_weights(pare_ctx *ctx, pare_rewriter *r, const pare_node *node, bool matrices)
{
   pare_weight *weights[PARE_MAX_WEIGHTS];
   size_t count = list_weights(node, matrices, weights);
   for (size_t i = 0; i < count; i++) {
      pare_encode_error error;
      PARE_TRY(pare_weight_edit(ctx, weights[i], PARE_ENC_F32, pare_pass_outfile(r->run, weights[i]), scale_row,
                                &r->match->number[FACTOR], &error));
      error.squared_error = 0;
      PARE_TRY(pare_pass_record(ctx, r->run, weights[i], &error));
   }
   return PARE_OK;
}

/* What gives the value, when it may be scaled: its result goes nowhere else. */
static pare_node *find_giver(pare_rewriter *r)
{
   pare_value *x = r->match->value[X];
   pare_node *node = x->producer;
   if (!node || !pare_uses_only(r->uses, x)) return NULL;
   const pare_linear_attrs *attrs = node->attrs;
   if (node->op != PARE_OP_linear && node->op != PARE_OP_rms_norm && node->op != PARE_OP_layer_norm) return NULL;
   if (node->op == PARE_OP_linear && (node->n_outputs > 1 || attrs->activation || attrs->gated)) return NULL;
   return may_scale(r, node, false) ? node : NULL;
}

/* The linear layer that takes the result, and nothing else does. */
static pare_node *find_taker(pare_rewriter *r)
{
   pare_node *node = pare_uses_only(r->uses, r->root->output[0]);
   return node && node->op == PARE_OP_linear && may_scale(r, node, true) ? node : NULL;
}

static pare_status build(pare_ctx *ctx, pare_rewriter *r, pare_value **out)
{
   pare_value *x = r->match->value[X];
   double factor = r->match->number[FACTOR];
   if (!isfinite(factor) || factor == 0) return pare_rewrite_refuse(r, "the factor is %g", factor);
   if (!pare_type_equal(&x->type, &r->root->output[0]->type))
      return pare_rewrite_refuse(r, "%s has another shape than what it scales", r->root->name);
   pare_rewrite_refuse(r, "no linear layer or norm gives it alone, and no linear layer or attention takes it alone");
   pare_node *giver, *taker;
   if (goes_to_attention(r)) scale_attention(r);
   else if ((giver = find_giver(r))) PARE_TRY(scale_weights(ctx, r, giver, false));
   else if ((taker = find_taker(r))) PARE_TRY(scale_weights(ctx, r, taker, true));
   else return PARE_OK;
   *out = x;
   return PARE_OK;
}

static const pare_rewrite rewrite = { .result = "a factor elsewhere", .anchors = anchors, .tells = tells,
                                      .patterns = patterns, .build = build };

const pare_pass pare_pass_fold_scale = {
   .name = "fold_scale", .help = "put constant factors into weights and scales of attention",
   .fields = pare_no_fields, .tolerance = PARE_FUSE_TOLERANCE, .rewrite = &rewrite
};
