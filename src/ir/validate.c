/* validate: every promise of graph.h, checked in an order in which no step reads what an earlier one found
 * damaged: lists and their indices, then weights, then nodes in schedule order, then outputs. */
#include <string.h>

#include "ir/check.h"

typedef struct checker {
   pare_ctx *ctx;
   const pare_graph *graph;
   bool *defined; /* [n_values] inputs, states, and results of the nodes passed so far */
   size_t n_results; /* of the nodes passed so far */
} checker;

#define REFUSE(c, where, ...) pare_fail((c)->ctx, PARE_INPUT, where, __VA_ARGS__)

static pare_status check_named_value(checker *c, const pare_value *value)
{
   PARE_TRY(pare_check_value_name(c->ctx, value->name));
   if (pare_graph_find_value(c->graph, value->name) != value)
      return REFUSE(c, value->name, "the name finds another input or state");
   if (value->producer) return REFUSE(c, value->name, "an input or state has a producer");
   if (!pare_type_valid(&value->type)) return REFUSE(c, value->name, "the type is not valid");
   c->defined[value->index] = true;
   return PARE_OK;
}

static pare_status check_values(checker *c)
{
   size_t temporaries = 0;
   for (size_t i = 0; i < c->graph->n_values; i++) {
      const pare_value *value = c->graph->values[i];
      if (value->index != i) return REFUSE(c, value->name, "value %zu has index %zu", i, value->index);
      if (value->kind != PARE_VALUE_TEMP) PARE_TRY(check_named_value(c, value));
      else temporaries++;
   }
   if (c->graph->value_names.count != c->graph->n_values - temporaries)
      return REFUSE(c, c->graph->name, "the index of names and the list of values differ");
   return PARE_OK;
}

static pare_status check_weights(checker *c)
{
   for (size_t i = 0; i < c->graph->n_weights; i++) {
      const pare_weight *weight = c->graph->weights[i];
      PARE_TRY(pare_check_name(c->ctx, "weight", weight->name));
      if (weight->index != i) return REFUSE(c, weight->name, "weight %zu has index %zu", i, weight->index);
      if (pare_graph_find_weight(c->graph, weight->name) != weight)
         return REFUSE(c, weight->name, "the name finds another weight");
      PARE_TRY(pare_check_storage(c->ctx, weight->name, weight->rank, weight->dim, &weight->encoding,
                                  weight->data));
   }
   if (c->graph->weight_names.count != c->graph->n_weights)
      return REFUSE(c, c->graph->name, "the index of names and the list of weights differ");
   return PARE_OK;
}

static pare_status check_operands(checker *c, const pare_node *node)
{
   for (size_t i = 0; i < node->n_inputs; i++) {
      if (!pare_graph_owns_value(c->graph, node->input[i]))
         return REFUSE(c, node->name, "input %zu is not a value of the graph", i);
      if (!c->defined[node->input[i]->index])
         return REFUSE(c, node->name, "input %zu is used before the node that gives it", i);
      if (node->input[i]->kind == PARE_VALUE_STATE && node->input[i]->user != node)
         return REFUSE(c, node->name, "the state %s belongs to another node", node->input[i]->name);
   }
   for (size_t i = 0; i < node->n_weights; i++) {
      if (!pare_graph_owns_weight(c->graph, node->weight[i]))
         return REFUSE(c, node->name, "weight %zu is not a weight of the graph", i);
   }
   return PARE_OK;
}

static pare_status check_result(checker *c, const pare_node *node, const pare_value *value,
                                const pare_type *type)
{
   if (!pare_graph_owns_value(c->graph, value))
      return REFUSE(c, node->name, "the result is not a value of the graph");
   if (value->kind != PARE_VALUE_TEMP || value->producer != node || c->defined[value->index])
      return REFUSE(c, node->name, "the result belongs to something else");
   c->defined[value->index] = true;
   c->n_results++;
   if (pare_type_equal(type, &value->type)) return PARE_OK;
   pare_str expected = { 0 }, found = { 0 };
   pare_status status = pare_type_print(c->ctx, type, &expected);
   if (status == PARE_OK) status = pare_type_print(c->ctx, &value->type, &found);
   if (status == PARE_OK)
      status = REFUSE(c, node->name, "the result is %s, expected %s", found.data, expected.data);
   pare_str_finish(c->ctx, &expected);
   pare_str_finish(c->ctx, &found);
   return status;
}

static pare_status check_results(checker *c, const pare_node *node)
{
   pare_type types[PARE_MAX_OUTPUTS];
   size_t count;
   PARE_TRY(pare_node_infer(c->ctx, node, &count, types));
   if (node->n_outputs != count)
      return REFUSE(c, node->name, "%zu results, expected %zu", node->n_outputs, count);
   for (size_t i = 0; i < count; i++) PARE_TRY(check_result(c, node, node->output[i], &types[i]));
   return PARE_OK;
}

static pare_status check_node(checker *c, const pare_node *node)
{
   PARE_TRY(pare_check_name(c->ctx, "node", node->name));
   if ((unsigned)node->op >= PARE_OP_COUNT) return REFUSE(c, node->name, "no such operation");
   const pare_op_info *info = pare_ops[node->op];
   if (pare_graph_find_node(c->graph, node->name) != node)
      return REFUSE(c, node->name, "the name finds another node");
   PARE_TRY(pare_check_arity(c->ctx, info, node->name, node->n_inputs, node->n_weights));
   PARE_TRY(check_operands(c, node));
   if (info->attrs_size && !node->attrs) return REFUSE(c, node->name, "%s has no attributes", info->name);
   PARE_TRY(pare_check_attrs(c->ctx, info, node->name, node->attrs));
   return check_results(c, node);
}

static pare_status check_nodes(checker *c)
{
   const pare_node *last = NULL;
   size_t count = 0;
   for (const pare_node *node = c->graph->first; node; last = node, node = node->next) {
      if (count++ == c->graph->n_nodes)
         return REFUSE(c, node->name, "the list of nodes is longer than its count");
      if (node->prev != last) return REFUSE(c, node->name, "the node before does not lead here");
      PARE_TRY(check_node(c, node));
   }
   if (last != c->graph->last || count != c->graph->n_nodes || c->graph->node_names.count != count)
      return REFUSE(c, c->graph->name, "the list of nodes has another end or length than the graph says");
   size_t named = c->graph->value_names.count;
   if (c->n_results + named != c->graph->n_values)
      return REFUSE(c, c->graph->name, "%zu results of nodes, expected %zu", c->graph->n_values - named,
                    c->n_results);
   return PARE_OK;
}

static pare_status check_outputs(checker *c)
{
   for (size_t i = 0; i < c->graph->n_outputs; i++) {
      const pare_value *value = c->graph->outputs[i];
      if (!pare_graph_owns_value(c->graph, value) || value->kind != PARE_VALUE_TEMP)
         return REFUSE(c, c->graph->name, "output %zu is not the result of a node", i);
   }
   return c->graph->n_outputs ? PARE_OK : REFUSE(c, c->graph->name, "the graph has no output");
}

/* The checks say PARE_INPUT; what damage means is for the caller to say. */
static pare_status as(pare_ctx *ctx, pare_status status, pare_status bad)
{
   if (status != PARE_INPUT) return status;
   pare_error found = ctx->error;
   return pare_fail_again(ctx, bad, found.where, "%s", found.message);
}

pare_status pare_graph_validate(pare_ctx *ctx, const pare_graph *graph, pare_status bad)
{
   checker c = { .ctx = ctx,
                 .graph = graph,
                 .defined = pare_alloc_array(ctx, graph->n_values + 1, sizeof(bool)) };
   if (!c.defined) return PARE_RESOURCE;
   pare_status status = check_values(&c);
   if (status == PARE_OK) status = check_weights(&c);
   if (status == PARE_OK) status = check_nodes(&c);
   if (status == PARE_OK) status = check_outputs(&c);
   pare_free(ctx, c.defined);
   return as(ctx, status, bad);
}
