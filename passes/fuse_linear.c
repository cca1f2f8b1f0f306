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

static const char pattern[] = "products of one input";

/* The nodes that become one, in schedule order, and their matrices together. */
typedef struct group {
   pare_node *node[PARE_MAX_OUTPUTS];
   size_t n, n_results;
} group;

/* All that will be fused. */
typedef struct groups {
   group *items;
   size_t count, capacity;
} groups;

/* Products of one value by the way they read it: activations and rotation have no more combinations. */
enum { MOST_WAYS = 12 };
typedef struct ways {
   group open[MOST_WAYS];
   size_t count;
   size_t products; /* linear nodes of the value, those included that cannot join */
} ways;

static bool is_plain(const pare_node *node)
{
   const pare_linear_attrs *attrs = node->attrs;
   return !attrs->activation && !attrs->gated;
}

static bool reads_alike(const pare_node *a, const pare_node *b)
{
   const pare_linear_attrs *x = a->attrs, *y = b->attrs;
   return x->act == y->act && a->weight[0]->encoding.rotation == b->weight[0]->encoding.rotation;
}

static pare_status keep(pare_ctx *ctx, groups *all, const group *g)
{
   if (g->n < 2) return PARE_OK;
   PARE_TRY(pare_grow(ctx, (void **)&all->items, &all->capacity, all->count + 1, sizeof *all->items));
   all->items[all->count++] = *g;
   return PARE_OK;
}

/* Into the group of its way; a full one is kept and another begun. */
static pare_status join(pare_ctx *ctx, groups *all, ways *w, pare_node *node)
{
   size_t i = 0;
   while (i < w->count && !reads_alike(w->open[i].node[0], node)) i++;
   group *g = &w->open[i];
   if (i == w->count) {
      w->count++;
      g->n = g->n_results = 0;
   }
   if (g->n_results + node->n_outputs > PARE_MAX_OUTPUTS) {
      PARE_TRY(keep(ctx, all, g));
      g->n = g->n_results = 0;
   }
   g->node[g->n++] = node;
   g->n_results += node->n_outputs;
   return PARE_OK;
}

/* Why a product stays alone beside others of the same value. */
static const char *why_alone(const ways *w, size_t at)
{
   const pare_linear_attrs *own = w->open[at].node[0]->attrs, *other = NULL;
   if (w->count > 1) other = w->open[at == 0].node[0]->attrs;
   if (!other) return "one product has no more matrices";
   return own->act != other->act ? "its activations are not those of the other products"
                                 : "its matrix is not rotated as the others";
}

static pare_status close_all(pare_ctx *ctx, pare_pass_run *run, groups *all, const ways *w)
{
   for (size_t i = 0; i < w->count; i++) {
      const group *g = &w->open[i];
      PARE_TRY(keep(ctx, all, g));
      if (g->n == 1 && w->products > 1)
         PARE_TRY(pare_pass_declined(ctx, run, pattern, g->node[0]->name, "%s", why_alone(w, i)));
   }
   return PARE_OK;
}

/* The products among the n users of a value. */
static pare_status collect(pare_ctx *ctx, pare_pass_run *run, pare_node *const *user, size_t n, groups *all)
{
   ways w = { .count = 0 };
   for (size_t i = 0; i < n; i++) w.products += user[i]->op == PARE_OP_linear;
   for (size_t i = 0; i < n; i++) {
      if (user[i]->op != PARE_OP_linear) continue;
      if (is_plain(user[i])) PARE_TRY(join(ctx, all, &w, user[i]));
      else if (w.products > 1)
         PARE_TRY(pare_pass_declined(ctx, run, pattern, user[i]->name, "its result is activated"));
   }
   return close_all(ctx, run, all, &w);
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
static pare_status fuse(pare_ctx *ctx, pare_pass_run *run, const group *g)
{
   pare_graph *graph = run->model->graph;
   char name[PARE_MAX_NAME + 1];
   pare_node_spec spec;
   pare_value *results[PARE_MAX_OUTPUTS];
   if (!describe(g, &spec, name))
      return pare_pass_declined(ctx, run, pattern, g->node[0]->name, "the names are too long to be joined");
   PARE_TRY(pare_graph_add_node(ctx, graph, &spec, g->node[0], results));
   for (size_t i = 0, at = 0; i < g->n; i++) {
      for (size_t r = 0; r < g->node[i]->n_outputs; r++)
         pare_graph_take_over(g->node[i]->output[r], results[at++]);
      pare_graph_remove_node(graph, g->node[i]);
   }
   return pare_pass_applied(ctx, run, pattern, name);
}

/* Groups have no node in common, and fusing one leaves the nodes of the others what they are. */
static pare_status find_groups(pare_ctx *ctx, pare_pass_run *run, groups *all)
{
   pare_uses uses;
   const pare_graph *graph = run->model->graph;
   PARE_TRY(pare_uses_find(ctx, graph, &uses));
   pare_status status = PARE_OK;
   for (size_t i = 0; i < graph->n_values && status == PARE_OK; i++)
      status = collect(ctx, run, uses.user + uses.first[i], uses.first[i + 1] - uses.first[i], all);
   pare_uses_finish(ctx, &uses);
   return status;
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   groups all = { 0 };
   pare_status status = find_groups(ctx, run, &all);
   for (size_t i = 0; i < all.count && status == PARE_OK; i++) {
      status = pare_check_stop(ctx);
      if (status == PARE_OK) status = fuse(ctx, run, &all.items[i]);
   }
   pare_free(ctx, all.items);
   return status;
}

const pare_pass pare_pass_fuse_linear = {
   .name = "fuse_linear", .help = "products of one input become one product of several matrices",
   .fields = pare_no_fields, .run = run_pass
};
