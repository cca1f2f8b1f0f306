/* graph: making and ending a graph, its inputs, states, weights and outputs. Nodes are in node.c. Lists that
 * grow live on the heap, all else in the arena. */
#include "ir/graph.h"

#include <string.h>

#include "ir/check.h"
#include "ir/value_list.h"

pare_status pare_graph_create(pare_ctx *ctx, const char *name, pare_graph **out)
{
   PARE_TRY(pare_check_name(ctx, "graph", name));
   pare_graph *graph = pare_alloc(ctx, sizeof *graph);
   if (!graph) return PARE_RESOURCE;
   graph->arena = pare_arena_create(ctx);
   graph->name = graph->arena ? pare_arena_strdup(ctx, graph->arena, name) : NULL;
   if (!graph->name) {
      pare_graph_destroy(ctx, graph);
      return PARE_RESOURCE;
   }
   *out = graph;
   return PARE_OK;
}

void pare_graph_destroy(pare_ctx *ctx, pare_graph *graph)
{
   if (!graph) return;
   for (size_t i = 0; i < graph->n_weights; i++) pare_buffer_unref(ctx, graph->weights[i]->data);
   pare_name_index_finish(ctx, &graph->node_names);
   pare_name_index_finish(ctx, &graph->weight_names);
   pare_name_index_finish(ctx, &graph->value_names);
   pare_free(ctx, graph->values);
   pare_free(ctx, graph->weights);
   pare_free(ctx, graph->outputs);
   pare_arena_destroy(ctx, graph->arena);
   pare_free(ctx, graph);
}

pare_status pare_value_list_add(pare_ctx *ctx, pare_graph *graph, pare_value *value)
{
   PARE_TRY(pare_grow(ctx, (void **)&graph->values, &graph->values_capacity, graph->n_values + 1,
                      sizeof *graph->values));
   value->index = graph->n_values;
   graph->values[graph->n_values++] = value;
   return PARE_OK;
}

void pare_value_list_remove(pare_graph *graph, pare_value *value)
{
   graph->n_values--;
   for (size_t i = value->index; i < graph->n_values; i++) {
      graph->values[i] = graph->values[i + 1];
      graph->values[i]->index = i;
   }
}

static pare_status add_named(pare_ctx *ctx, pare_graph *graph, const char *name, pare_value_kind kind,
                             pare_type type, pare_value **out)
{
   PARE_TRY(pare_check_value_name(ctx, name));
   PARE_TRY(pare_check_room(ctx, "inputs and states", graph->value_names.count));
   if (!pare_type_valid(&type)) return pare_fail(ctx, PARE_INPUT, name, "the type is not valid");
   if (pare_graph_find_value(graph, name))
      return pare_fail(ctx, PARE_INPUT, name, "there is an input or state of this name");
   pare_value *value = pare_arena_alloc(ctx, graph->arena, sizeof *value);
   char *copy = value ? pare_arena_strdup(ctx, graph->arena, name) : NULL;
   if (!copy) return PARE_RESOURCE;
   *value = (pare_value){ .name = copy, .kind = kind, .type = type };
   PARE_TRY(pare_value_list_add(ctx, graph, value));
   pare_status status = pare_name_index_add(ctx, &graph->value_names, copy, value);
   if (status != PARE_OK) {
      pare_value_list_remove(graph, value);
      return status;
   }
   *out = value;
   return PARE_OK;
}

pare_status pare_graph_add_input(pare_ctx *ctx, pare_graph *graph, const char *name, pare_type type,
                                 pare_value **out)
{
   return add_named(ctx, graph, name, PARE_VALUE_INPUT, type, out);
}

pare_status pare_graph_add_state(pare_ctx *ctx, pare_graph *graph, const char *name, pare_type type,
                                 pare_value **out)
{
   return add_named(ctx, graph, name, PARE_VALUE_STATE, type, out);
}

pare_status pare_graph_add_weight(pare_ctx *ctx, pare_graph *graph, const char *name, int rank,
                                  const int64_t *dim, pare_encoding encoding, pare_buffer *data,
                                  pare_weight **out)
{
   PARE_TRY(pare_check_name(ctx, "weight", name));
   PARE_TRY(pare_check_room(ctx, "weights", graph->n_weights));
   if (pare_graph_find_weight(graph, name))
      return pare_fail(ctx, PARE_INPUT, name, "there is a weight of this name");
   PARE_TRY(pare_check_storage(ctx, name, rank, dim, &encoding, data));
   PARE_TRY(pare_grow(ctx, (void **)&graph->weights, &graph->weights_capacity, graph->n_weights + 1,
                      sizeof *graph->weights));
   pare_weight *weight = pare_arena_alloc(ctx, graph->arena, sizeof *weight);
   char *copy = weight ? pare_arena_strdup(ctx, graph->arena, name) : NULL;
   if (!copy) return PARE_RESOURCE;
   *weight = (pare_weight){ .name = copy, .rank = rank, .dim = { dim[0], rank == 2 ? dim[1] : 1 },
                            .encoding = encoding, .index = graph->n_weights };
   PARE_TRY(pare_name_index_add(ctx, &graph->weight_names, copy, weight));
   weight->data = pare_buffer_ref(data);
   graph->weights[graph->n_weights++] = weight;
   *out = weight;
   return PARE_OK;
}

pare_status pare_weight_replace(pare_ctx *ctx, pare_weight *weight, pare_encoding encoding, pare_buffer *data)
{
   PARE_TRY(pare_check_storage(ctx, weight->name, weight->rank, weight->dim, &encoding, data));
   pare_buffer *old = weight->data;
   weight->data = pare_buffer_ref(data);
   weight->encoding = encoding;
   pare_buffer_unref(ctx, old);
   return PARE_OK;
}

void pare_graph_remove_weight(pare_ctx *ctx, pare_graph *graph, pare_weight *weight)
{
   pare_name_index_remove(&graph->weight_names, weight->name);
   graph->n_weights--;
   for (size_t i = weight->index; i < graph->n_weights; i++) {
      graph->weights[i] = graph->weights[i + 1];
      graph->weights[i]->index = i;
   }
   pare_buffer_unref(ctx, weight->data);
   weight->data = NULL;
}

pare_status pare_graph_add_output(pare_ctx *ctx, pare_graph *graph, pare_value *value)
{
   PARE_TRY(pare_check_room(ctx, "outputs", graph->n_outputs));
   if (!pare_graph_owns_value(graph, value))
      return pare_fail(ctx, PARE_INTERNAL, NULL, "output of another graph");
   if (value->kind != PARE_VALUE_TEMP)
      return pare_fail(ctx, PARE_INPUT, value->name, "no node gives this output");
   PARE_TRY(pare_grow(ctx, (void **)&graph->outputs, &graph->outputs_capacity, graph->n_outputs + 1,
                      sizeof *graph->outputs));
   graph->outputs[graph->n_outputs++] = value;
   return PARE_OK;
}
