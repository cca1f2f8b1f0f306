/* clone: the same things added, in the same order, to a new graph. Values are numbered anew: inputs and
 * states first, then the results of the nodes in schedule order. */
#include "ir/check.h"

static pare_status clone_weights(pare_ctx *ctx, const pare_graph *from, pare_graph *to)
{
   for (size_t i = 0; i < from->n_weights; i++) {
      const pare_weight *weight = from->weights[i];
      pare_weight *copy;
      PARE_TRY(pare_graph_add_weight(ctx, to, weight->name, weight->rank, weight->dim, weight->encoding,
                                     weight->data, &copy));
   }
   return PARE_OK;
}

static pare_status clone_named(pare_ctx *ctx, const pare_graph *from, pare_graph *to, pare_value **copies)
{
   for (size_t i = 0; i < from->n_values; i++) {
      const pare_value *value = from->values[i];
      if (value->kind == PARE_VALUE_INPUT)
         PARE_TRY(pare_graph_add_input(ctx, to, value->name, value->type, &copies[i]));
      if (value->kind == PARE_VALUE_STATE)
         PARE_TRY(pare_graph_add_state(ctx, to, value->name, value->type, &copies[i]));
   }
   return PARE_OK;
}

static pare_status clone_nodes(pare_ctx *ctx, const pare_graph *from, pare_graph *to, pare_value **copies)
{
   for (const pare_node *node = from->first; node; node = node->next) {
      pare_node_spec spec = { .op = node->op, .name = node->name, .n_inputs = node->n_inputs,
                              .n_weights = node->n_weights, .attrs = node->attrs };
      for (size_t i = 0; i < node->n_inputs; i++) spec.input[i] = copies[node->input[i]->index];
      for (size_t i = 0; i < node->n_weights; i++) spec.weight[i] = to->weights[node->weight[i]->index];
      pare_value *results[PARE_MAX_OUTPUTS];
      PARE_TRY(pare_graph_add_node(ctx, to, &spec, NULL, results));
      for (size_t i = 0; i < node->n_outputs; i++) copies[node->output[i]->index] = results[i];
   }
   for (size_t i = 0; i < from->n_outputs; i++)
      PARE_TRY(pare_graph_add_output(ctx, to, copies[from->outputs[i]->index]));
   return PARE_OK;
}

pare_status pare_graph_clone(pare_ctx *ctx, const pare_graph *graph, pare_graph **out)
{
   pare_graph *copy = NULL;
   PARE_TRY(pare_graph_create(ctx, graph->name, &copy));
   pare_value **copies = pare_alloc_array(ctx, graph->n_values + 1, sizeof *copies);
   pare_status status = copies ? clone_weights(ctx, graph, copy) : PARE_RESOURCE;
   if (status == PARE_OK) status = clone_named(ctx, graph, copy, copies);
   if (status == PARE_OK) status = clone_nodes(ctx, graph, copy, copies);
   pare_free(ctx, copies);
   if (status != PARE_OK) {
      pare_graph_destroy(ctx, copy);
      return status;
   }
   *out = copy;
   return PARE_OK;
}
