/* extract: the part of a graph that some of its values depend on, as a graph of its own with those for outputs. */
#include "ir/check.h"

typedef struct extraction {
   const pare_graph *from;
   pare_graph *to;
   bool *needed;        /* [n_values] */
   pare_value **copies; /* [n_values] */
} extraction;

static bool gives_needed(const extraction *e, const pare_node *node)
{
   for (size_t i = 0; i < node->n_outputs; i++)
      if (e->needed[node->output[i]->index]) return true;
   return false;
}

static void mark(extraction *e, pare_value *const *values, size_t count)
{
   for (size_t i = 0; i < count; i++) e->needed[values[i]->index] = true;
   for (const pare_node *node = e->from->last; node; node = node->prev) {
      if (!gives_needed(e, node)) continue;
      for (size_t i = 0; i < node->n_inputs; i++) e->needed[node->input[i]->index] = true;
   }
}

static pare_status copy_named(pare_ctx *ctx, extraction *e)
{
   for (size_t i = 0; i < e->from->n_values; i++) {
      const pare_value *value = e->from->values[i];
      if (!e->needed[i] || value->kind == PARE_VALUE_TEMP) continue;
      if (value->kind == PARE_VALUE_STATE)
         PARE_TRY(pare_graph_add_state(ctx, e->to, value->name, value->type, &e->copies[i]));
      else PARE_TRY(pare_graph_add_input(ctx, e->to, value->name, value->type, &e->copies[i]));
   }
   return PARE_OK;
}

static pare_status copy_weight(pare_ctx *ctx, extraction *e, const pare_weight *weight, pare_weight **out)
{
   *out = pare_graph_find_weight(e->to, weight->name);
   if (*out) return PARE_OK;
   return pare_graph_add_weight(ctx, e->to, weight->name, weight->rank, weight->dim, weight->encoding, weight->data,
                                out);
}

static pare_status copy_node(pare_ctx *ctx, extraction *e, const pare_node *node)
{
   pare_node_spec spec = { .op = node->op, .name = node->name, .n_inputs = node->n_inputs,
                           .n_weights = node->n_weights, .attrs = node->attrs };
   for (size_t i = 0; i < node->n_inputs; i++) spec.input[i] = e->copies[node->input[i]->index];
   for (size_t i = 0; i < node->n_weights; i++) PARE_TRY(copy_weight(ctx, e, node->weight[i], &spec.weight[i]));
   pare_value *results[PARE_MAX_OUTPUTS];
   PARE_TRY(pare_graph_add_node(ctx, e->to, &spec, NULL, results));
   for (size_t i = 0; i < node->n_outputs; i++) e->copies[node->output[i]->index] = results[i];
   return PARE_OK;
}

static pare_status copy_all(pare_ctx *ctx, extraction *e, pare_value *const *values, size_t count)
{
   PARE_TRY(copy_named(ctx, e));
   for (const pare_node *node = e->from->first; node; node = node->next)
      if (gives_needed(e, node)) PARE_TRY(copy_node(ctx, e, node));
   for (size_t i = 0; i < count; i++) PARE_TRY(pare_graph_add_output(ctx, e->to, e->copies[values[i]->index]));
   return PARE_OK;
}

pare_status pare_graph_extract(pare_ctx *ctx, const pare_graph *graph, pare_value *const *values, size_t count,
                               pare_graph **out)
{
   extraction e = { .from = graph };
   PARE_TRY(pare_graph_create(ctx, graph->name, &e.to));
   e.needed = pare_alloc_array(ctx, graph->n_values + 1, sizeof *e.needed);
   e.copies = pare_alloc_array(ctx, graph->n_values + 1, sizeof *e.copies);
   pare_status status = e.needed && e.copies ? PARE_OK : PARE_RESOURCE;
   if (status == PARE_OK) {
      mark(&e, values, count);
      status = copy_all(ctx, &e, values, count);
   }
   pare_free(ctx, e.needed);
   pare_free(ctx, e.copies);
   if (status != PARE_OK) {
      pare_graph_destroy(ctx, e.to);
      return status;
   }
   *out = e.to;
   return PARE_OK;
}
