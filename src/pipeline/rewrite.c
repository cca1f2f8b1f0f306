/* rewrite: see rewrite.h. */
#include "pipeline/rewrite.h"

#include <stdio.h>
#include <string.h>

#include "ops/ops.h"

pare_status pare_rewrite_refuse(pare_rewriter *r, const char *fmt, ...)
{
   va_list args;
   va_start(args, fmt);
   vsnprintf(r->why, sizeof r->why, fmt, args);
   va_end(args);
   return PARE_OK;
}

pare_status pare_rewrite_add(pare_ctx *ctx, pare_rewriter *r, const char *suffix, pare_node_spec *spec,
                             pare_value **out)
{
   char name[PARE_MAX_NAME + 32];
   int room = PARE_MAX_NAME - (int)strlen(suffix) - 12;
   snprintf(name, sizeof name, "%.*s.%s", room, r->root->name, suffix);
   for (int i = 2; pare_graph_find_node(r->graph, name); i++)
      snprintf(name, sizeof name, "%.*s.%s.%d", room, r->root->name, suffix, i);
   spec->name = name;
   return pare_graph_add_node(ctx, r->graph, spec, r->root, out);
}

static bool is_anchor(const pare_rewrite *rewrite, const pare_node *node)
{
   for (const pare_op *anchor = rewrite->anchors; *anchor != PARE_OP_COUNT; anchor++)
      if (*anchor == node->op) return !rewrite->tells || rewrite->tells(node);
   return false;
}

/* All nodes of the match are ancestors of the root, so they stand before it; later ones go first. */
static void remove_nodes(pare_rewriter *r)
{
   size_t left = r->match->n_inside;
   for (pare_node *node = r->root, *before; node && left > 0; node = before) {
      before = node->prev;
      if (!pare_match_has(r->match, node)) continue;
      pare_graph_remove_node(r->graph, node);
      left--;
   }
}

static pare_status build(pare_ctx *ctx, const pare_rewrite *rewrite, pare_rewriter *r, bool *done)
{
   pare_value *value = NULL;
   *done = false;
   PARE_TRY(rewrite->build(ctx, r, &value));
   if (!value) return PARE_OK;
   if (!pare_type_equal(&value->type, &r->root->output[0]->type))
      return pare_fail(ctx, PARE_INTERNAL, r->root->name, "%s gives another type than the pattern",
                       rewrite->result);
   pare_graph_replace_value(r->graph, r->root->output[0], value);
   remove_nodes(r);
   *done = true;
   return PARE_OK;
}

static pare_status try_anchor(pare_ctx *ctx, pare_pass_run *run, const pare_rewrite *rewrite,
                              const pare_uses *uses, pare_node *anchor, bool *done)
{
   pare_match match;
   pare_rewriter r = { .run = run, .graph = run->model->graph, .uses = uses, .match = &match };
   const char *name = anchor->name;
   *done = false;
   if (pare_match_find(&match, uses, rewrite->patterns, anchor)) {
      r.root = match.root;
      PARE_TRY(build(ctx, rewrite, &r, done));
   } else {
      pare_rewrite_refuse(&r, "%s", match.why);
   }
   return *done ? pare_pass_applied(ctx, run, rewrite->result, name)
                : pare_pass_declined(ctx, run, rewrite->result, name, "%s", r.why);
}

/* A node may have gone with an earlier match; names are those of the arena and stay. */
static pare_status try_all(pare_ctx *ctx, pare_pass_run *run, const pare_rewrite *rewrite,
                           const char *const *names, size_t count)
{
   pare_uses uses;
   pare_status status = PARE_OK;
   bool stale = false;
   PARE_TRY(pare_uses_find(ctx, run->model->graph, &uses));
   for (size_t i = 0; i < count && status == PARE_OK; i++) {
      pare_node *anchor = pare_graph_find_node(run->model->graph, names[i]);
      if (!anchor) continue;
      if (stale) {
         pare_uses_finish(ctx, &uses);
         PARE_TRY(pare_uses_find(ctx, run->model->graph, &uses));
      }
      status = try_anchor(ctx, run, rewrite, &uses, anchor, &stale);
      if (status == PARE_OK) status = pare_check_stop(ctx);
   }
   pare_uses_finish(ctx, &uses);
   return status;
}

pare_status pare_rewrite_run(pare_ctx *ctx, pare_pass_run *run, const pare_rewrite *rewrite)
{
   const pare_graph *graph = run->model->graph;
   const char **names = pare_alloc_array(ctx, graph->n_nodes + 1, sizeof *names);
   size_t count = 0;
   if (!names) return PARE_RESOURCE;
   for (const pare_node *node = graph->first; node; node = node->next)
      if (is_anchor(rewrite, node)) names[count++] = node->name;
   pare_status status = try_all(ctx, run, rewrite, names, count);
   pare_free(ctx, names);
   return status;
}

/* ---- for norms ---- */

const pare_op pare_rewrite_roots[] = { PARE_OP_sqrt, PARE_OP_rsqrt, PARE_OP_pow, PARE_OP_COUNT };

bool pare_rewrite_is_root(const pare_node *node)
{
   double exponent;
   if (node->op != PARE_OP_pow) return true;
   return pare_value_number(node->input[1], &exponent) && (exponent == 0.5 || exponent == -0.5);
}

static bool is_reduction(pare_op op)
{
   return op == PARE_OP_reduce_mean || op == PARE_OP_reduce_sum || op == PARE_OP_reduce_max;
}

bool pare_rewrite_by_rows(pare_rewriter *r)
{
   for (size_t i = 0; i < r->match->n_inside; i++) {
      const pare_node *node = r->match->inside[i];
      const pare_reduce_attrs *attrs = node->attrs;
      if (!is_reduction(node->op)) continue;
      bool last = attrs->axis == -1 || attrs->axis == node->input[0]->type.rank - 1;
      if (last && attrs->keep) continue;
      pare_rewrite_refuse(r, "%s does not go along the last axis and keep it", node->name);
      return false;
   }
   return true;
}

pare_weight *pare_rewrite_vector(pare_rewriter *r, const pare_value *constant, const pare_value *value)
{
   const pare_type *type = &constant->type;
   pare_weight *weight = constant->producer->weight[0];
   int64_t n = value->type.dim[value->type.rank - 1];
   if (weight->rank == 1 && weight->dim[0] == n && type->dim[type->rank - 1] == n) return weight;
   pare_rewrite_refuse(r, "%s is no vector of %lld numbers", constant->producer->name, (long long)n);
   return NULL;
}
