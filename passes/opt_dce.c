/* opt_dce: remove what no output depends on.
 *
 * Before:  any graph.     After: every node leads to an output, every weight has a user.
 * Leaves:  inputs and states, which are the graph's interface. An attention node whose result nobody uses
 *          goes, and with it what it would have stored: only it reads that state.
 * Lossless. */
#include "passes/passes.h"

/* What some output needs: values by index, weights by index. */
typedef struct needed {
   bool *value, *weight;
} needed;

static void needed_finish(pare_ctx *ctx, needed *n)
{
   pare_free(ctx, n->value);
   pare_free(ctx, n->weight);
}

static bool is_needed(const needed *n, const pare_node *node)
{
   for (size_t i = 0; i < node->n_outputs; i++)
      if (n->value[node->output[i]->index]) return true;
   return false;
}

/* Nodes stand in schedule order, so one walk from the last to the first finds everything. */
static pare_status needed_find(pare_ctx *ctx, const pare_graph *graph, needed *n)
{
   n->value = pare_alloc_array(ctx, graph->n_values + 1, sizeof *n->value);
   n->weight = n->value ? pare_alloc_array(ctx, graph->n_weights + 1, sizeof *n->weight) : NULL;
   if (!n->weight) {
      pare_free(ctx, n->value);
      return PARE_RESOURCE;
   }
   for (size_t i = 0; i < graph->n_outputs; i++) n->value[graph->outputs[i]->index] = true;
   for (const pare_node *node = graph->last; node; node = node->prev) {
      if (!is_needed(n, node)) continue;
      for (size_t i = 0; i < node->n_inputs; i++) n->value[node->input[i]->index] = true;
      for (size_t i = 0; i < node->n_weights; i++) n->weight[node->weight[i]->index] = true;
   }
   return PARE_OK;
}

static pare_status plan(pare_ctx *ctx, pare_pass_run *run)
{
   const pare_graph *graph = run->model->graph;
   needed n;
   PARE_TRY(needed_find(ctx, graph, &n));
   for (const pare_node *node = graph->first; node; node = node->next)
      run->matched += !is_needed(&n, node);
   for (size_t i = 0; i < graph->n_weights; i++)
      if (!n.weight[i]) pare_pass_plan_drop(run, graph->weights[i]);
   needed_finish(ctx, &n);
   return PARE_OK;
}

/* Removing a node moves the indices of values, so the nodes to go are listed first; users come before
 * producers. */
static pare_status remove_nodes(pare_ctx *ctx, pare_pass_run *run, const needed *n)
{
   pare_graph *graph = run->model->graph;
   size_t count = 0;
   pare_node **dead = pare_alloc_array(ctx, graph->n_nodes + 1, sizeof *dead);
   if (!dead) return PARE_RESOURCE;
   for (pare_node *node = graph->last; node; node = node->prev)
      if (!is_needed(n, node)) dead[count++] = node;
   for (size_t i = 0; i < count; i++) pare_graph_remove_node(graph, dead[i]);
   run->matched += (int64_t)count;
   run->changed |= count > 0;
   pare_free(ctx, dead);
   return PARE_OK;
}

static void remove_weights(pare_ctx *ctx, pare_pass_run *run, const needed *n)
{
   pare_graph *graph = run->model->graph;
   for (size_t i = graph->n_weights; i-- > 0;)
      if (!n->weight[i]) pare_pass_drop(ctx, run, graph->weights[i]);
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   needed n;
   PARE_TRY(needed_find(ctx, run->model->graph, &n));
   pare_status status = remove_nodes(ctx, run, &n);
   if (status == PARE_OK) remove_weights(ctx, run, &n);
   needed_finish(ctx, &n);
   return status;
}

const pare_pass pare_pass_opt_dce = {
   .name = "opt_dce", .help = "remove nodes and weights that no output depends on",
   .fields = pare_no_fields, .plan = plan, .run = run_pass
};
