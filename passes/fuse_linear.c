/* fuse_linear: products of one input become one product of several matrices.
 *
 * Before:  any graph.     After: linear nodes that read one value in the same way (query, key and value; gate and
 *                         up) are one node with a result for each matrix, at most four. Matrices and biases stay
 *                         what they are and keep their names.
 * Leaves:  products that are activated or gated, products of other activations or another rotation.
 * Lossless: each result has the bits it had. */
#include "ir/uses.h"
#include "ops/ops.h"
#include "passes/passes.h"

typedef struct options {
   bool unused; /* the pass has no options; C has no empty struct */
} options;

static const pare_field fields[] = { PARE_FIELDS_END };
static const char pattern[] = "products of one input";

/* The nodes that become one, in schedule order, and their matrices together. */
typedef struct group {
   pare_node *node[PARE_MAX_OUTPUTS];
   size_t n, n_results;
} group;

static bool is_plain(const pare_node *node)
{
   const pare_linear_attrs *attrs = node->attrs;
   return node->op == PARE_OP_linear && !attrs->activation && !attrs->gated;
}

/* NULL when b can join a's product, else why not. */
static const char *difference(const group *g, const pare_node *b)
{
   const pare_node *a = g->node[0];
   const pare_linear_attrs *x = a->attrs, *y = b->attrs;
   if (y->activation || y->gated) return "its result is activated";
   if (x->act != y->act) return "its activations are not those of the products before it";
   if (a->weight[0]->encoding.rotation != b->weight[0]->encoding.rotation)
      return "its matrix is not rotated as those before it";
   return g->n_results + b->n_outputs > PARE_MAX_OUTPUTS ? "one product has no more matrices" : NULL;
}

/* What can be one product with `first`. The others are told of once, when they meet the first. */
static pare_status collect(pare_ctx *ctx, pare_pass_run *run, const pare_uses *uses, pare_node *first, group *out)
{
   size_t value = first->input[0]->index;
   bool later = false;
   *out = (group){ .node = { first }, .n = 1, .n_results = first->n_outputs };
   for (size_t i = uses->first[value]; i < uses->first[value + 1]; i++) {
      pare_node *node = uses->user[i];
      if (node == first) later = true;
      if (!later || node == first || node->op != PARE_OP_linear) continue;
      const char *why = difference(out, node);
      if (why) {
         PARE_TRY(pare_pass_declined(ctx, run, pattern, node->name, "%s", why));
         continue;
      }
      out->n_results += node->n_outputs;
      out->node[out->n++] = node;
   }
   return PARE_OK;
}

static bool describe(const group *g, pare_node_spec *spec, char name[PARE_MAX_NAME + 1])
{
   const char *names[PARE_MAX_OUTPUTS];
   *spec = (pare_node_spec){ .op = PARE_OP_linear, .name = name, .n_inputs = 1, .attrs = g->node[0]->attrs };
   spec->input[0] = g->node[0]->input[0];
   for (size_t i = 0; i < g->n; i++) {
      names[i] = g->node[i]->name;
      for (size_t w = 0; w < g->node[i]->n_weights; w++) spec->weight[spec->n_weights++] = g->node[i]->weight[w];
   }
   return pare_name_join(names, g->n, name);
}

/* The nodes of the group give way to one before the first of them. */
static pare_status fuse(pare_ctx *ctx, pare_pass_run *run, const group *g, pare_node **out)
{
   pare_graph *graph = run->model->graph;
   char name[PARE_MAX_NAME + 1];
   pare_node_spec spec;
   pare_value *results[PARE_MAX_OUTPUTS];
   if (!describe(g, &spec, name))
      return pare_pass_declined(ctx, run, pattern, g->node[0]->name, "the names are too long to be joined");
   PARE_TRY(pare_graph_add_node(ctx, graph, &spec, g->node[0], results));
   *out = results[0]->producer;
   for (size_t i = 0, at = 0; i < g->n; i++) {
      for (size_t r = 0; r < g->node[i]->n_outputs; r++)
         pare_graph_replace_value(graph, g->node[i]->output[r], results[at++]);
      pare_graph_remove_node(graph, g->node[i]);
   }
   return pare_pass_applied(ctx, run, pattern, name);
}

/* The node may give way to another, from which the walk goes on. */
static pare_status visit(pare_ctx *ctx, pare_pass_run *run, pare_node **node)
{
   pare_uses uses;
   group g;
   PARE_TRY(pare_check_stop(ctx));
   PARE_TRY(pare_uses_find(ctx, run->model->graph, &uses));
   pare_status status = collect(ctx, run, &uses, *node, &g);
   pare_uses_finish(ctx, &uses);
   PARE_TRY(status);
   return g.n > 1 ? fuse(ctx, run, &g, node) : PARE_OK;
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   for (pare_node *node = run->model->graph->first; node; node = node->next)
      if (is_plain(node)) PARE_TRY(visit(ctx, run, &node));
   return PARE_OK;
}

const pare_pass pare_pass_fuse_linear = {
   .name = "fuse_linear", .help = "products of one input become one product of several matrices", .fields = fields,
   .options_size = sizeof(options), .run = run_pass
};
