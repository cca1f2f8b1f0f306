/* node: adding, unlinking and rewiring nodes. A node is complete, checked and typed before it is linked, so a
 * failure leaves the graph as it was (but for some bytes of the arena). */
#include <string.h>

#include "ir/check.h"
#include "ir/value_list.h"

static pare_status check_spec(pare_ctx *ctx, const pare_graph *graph, const pare_node_spec *spec)
{
   PARE_TRY(pare_check_name(ctx, "node", spec->name));
   if ((unsigned)spec->op >= PARE_OP_COUNT)
      return pare_fail(ctx, PARE_INTERNAL, spec->name, "no such operation");
   if (pare_graph_find_node(graph, spec->name))
      return pare_fail(ctx, PARE_INPUT, spec->name, "there is a node of this name");
   PARE_TRY(pare_check_arity(ctx, pare_ops[spec->op], spec->name, spec->n_inputs, spec->n_weights));
   for (size_t i = 0; i < spec->n_inputs; i++) {
      if (!pare_graph_owns_value(graph, spec->input[i]))
         return pare_fail(ctx, PARE_INTERNAL, spec->name, "input %zu is not a value of this graph", i);
      if (spec->input[i]->user)
         return pare_fail(ctx, PARE_INPUT, spec->name, "the state %s belongs to the node %s",
                          spec->input[i]->name, spec->input[i]->user->name);
   }
   for (size_t i = 0; i < spec->n_weights; i++) {
      if (!pare_graph_owns_weight(graph, spec->weight[i]))
         return pare_fail(ctx, PARE_INTERNAL, spec->name, "weight %zu is not a weight of this graph", i);
   }
   return pare_check_room(ctx, "nodes", graph->n_nodes);
}

static pare_status set_attrs(pare_ctx *ctx, pare_graph *graph, const pare_op_info *info, const void *attrs,
                             pare_node *node)
{
   if (info->attrs_size == 0) return PARE_OK;
   node->attrs = pare_arena_alloc(ctx, graph->arena, info->attrs_size);
   if (!node->attrs) return PARE_RESOURCE;
   if (attrs) memcpy(node->attrs, attrs, info->attrs_size);
   else PARE_TRY(pare_fields_init(ctx, info->fields, graph->arena, node->attrs));
   PARE_TRY(pare_fields_own_numbers(ctx, info->fields, graph->arena, node->attrs));
   return pare_check_attrs(ctx, info, node->name, node->attrs);
}

static pare_status make_outputs(pare_ctx *ctx, pare_graph *graph, pare_node *node)
{
   pare_type types[PARE_MAX_OUTPUTS];
   const pare_op_info *info = pare_ops[node->op];
   PARE_TRY(pare_node_infer(ctx, node, &node->n_outputs, types));
   for (size_t i = 0; i < node->n_outputs; i++) {
      if (!pare_type_valid(&types[i]))
         return pare_fail(ctx, PARE_INPUT, node->name, "%s: the result is too large", info->name);
      node->output[i] = pare_arena_alloc(ctx, graph->arena, sizeof **node->output);
      if (!node->output[i]) return PARE_RESOURCE;
      *node->output[i] = (pare_value){ .kind = PARE_VALUE_TEMP, .type = types[i], .producer = node };
   }
   return PARE_OK;
}

static pare_status make_node(pare_ctx *ctx, pare_graph *graph, const pare_node_spec *spec, pare_node **out)
{
   const pare_op_info *info = pare_ops[spec->op];
   pare_node *node = pare_arena_alloc(ctx, graph->arena, sizeof *node);
   char *name = node ? pare_arena_strdup(ctx, graph->arena, spec->name) : NULL;
   if (!name) return PARE_RESOURCE;
   *node = (pare_node){ .op = spec->op, .name = name, .n_inputs = spec->n_inputs, .n_weights = spec->n_weights };
   memcpy(node->input, spec->input, spec->n_inputs * sizeof *node->input);
   memcpy(node->weight, spec->weight, spec->n_weights * sizeof *node->weight);
   PARE_TRY(set_attrs(ctx, graph, info, spec->attrs, node));
   PARE_TRY(make_outputs(ctx, graph, node));
   *out = node;
   return PARE_OK;
}

/* Makes the node the user of its states, or no longer. */
static void claim_states(const pare_node *node, pare_node *user)
{
   for (size_t i = 0; i < node->n_inputs; i++)
      if (node->input[i]->kind == PARE_VALUE_STATE) node->input[i]->user = user;
}

static void link_node(pare_graph *graph, pare_node *node, pare_node *before)
{
   node->next = before;
   node->prev = before ? before->prev : graph->last;
   if (node->prev) node->prev->next = node;
   else graph->first = node;
   if (before) before->prev = node;
   else graph->last = node;
   graph->n_nodes++;
}

static void unlist_outputs(pare_graph *graph, const pare_node *node, size_t count)
{
   while (count > 0) pare_value_list_remove(graph, node->output[--count]);
}

static pare_status list_outputs(pare_ctx *ctx, pare_graph *graph, const pare_node *node)
{
   for (size_t i = 0; i < node->n_outputs; i++) {
      if (pare_value_list_add(ctx, graph, node->output[i]) == PARE_OK) continue;
      unlist_outputs(graph, node, i);
      return PARE_RESOURCE;
   }
   return PARE_OK;
}

pare_status pare_graph_add_node(pare_ctx *ctx, pare_graph *graph, const pare_node_spec *spec,
                                pare_node *before, pare_value **out)
{
   pare_node *node = NULL;
   PARE_TRY(check_spec(ctx, graph, spec));
   PARE_TRY(make_node(ctx, graph, spec, &node));
   PARE_TRY(list_outputs(ctx, graph, node));
   pare_status status = pare_name_index_add(ctx, &graph->node_names, node->name, node);
   if (status != PARE_OK) {
      unlist_outputs(graph, node, node->n_outputs);
      return status;
   }
   link_node(graph, node, before);
   claim_states(node, node);
   memcpy(out, node->output, node->n_outputs * sizeof *out);
   return PARE_OK;
}

void pare_graph_remove_node(pare_graph *graph, pare_node *node)
{
   if (node->prev) node->prev->next = node->next;
   else graph->first = node->next;
   if (node->next) node->next->prev = node->prev;
   else graph->last = node->prev;
   graph->n_nodes--;
   claim_states(node, NULL);
   pare_name_index_remove(&graph->node_names, node->name);
   unlist_outputs(graph, node, node->n_outputs);
}

static void set_result(pare_node *node, const pare_value *old, pare_value *value)
{
   size_t i = 0;
   while (node->output[i] != old) i++;
   node->output[i] = value;
   value->producer = node;
}

void pare_graph_take_over(pare_value *from, pare_value *to)
{
   pare_node *old = from->producer, *node = to->producer;
   set_result(old, from, to);
   set_result(node, to, from);
}

void pare_graph_replace_value(pare_graph *graph, pare_value *from, pare_value *to)
{
   if (from->kind == PARE_VALUE_STATE && to->kind == PARE_VALUE_STATE) {
      to->user = from->user;
      from->user = NULL;
   }
   for (pare_node *node = graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_inputs; i++) {
         if (node->input[i] == from) node->input[i] = to;
      }
   }
   for (size_t i = 0; i < graph->n_outputs; i++) {
      if (graph->outputs[i] == from) graph->outputs[i] = to;
   }
}

void pare_graph_replace_values(pare_graph *graph, pare_value *const *instead)
{
   for (pare_node *node = graph->first; node; node = node->next)
      for (size_t i = 0; i < node->n_inputs; i++) node->input[i] = instead[node->input[i]->index];
   for (size_t i = 0; i < graph->n_outputs; i++) graph->outputs[i] = instead[graph->outputs[i]->index];
}
