/* opt_cse: compute once what is computed twice.
 *
 * Before:  any graph.     After: no two nodes have the same operation, inputs, weights and attributes; constants of
 *          equal bytes (by SHA-256) are one node. The first of equal nodes stays.
 * Leaves:  nodes that write to a state; weights that lose their last user (opt_dce removes them).
 * Lossless. */
#include "base/hash.h"
#include "base/name_index.h"
#include "ir/op.h"
#include "passes/passes.h"

static bool writes_state(const pare_node *node)
{
   for (size_t i = 0; i < node->n_inputs; i++)
      if (node->input[i]->kind == PARE_VALUE_STATE) return true;
   return false;
}

/* Weights of constants go by their bytes, others by name, since a weight that two layers hold twice may be changed in
 * one of them. */
static pare_status describe_weight(pare_ctx *ctx, const pare_node *node, const pare_weight *weight, pare_str *out)
{
   char hash[PARE_SHA256_HEX];
   const pare_encoding *e = &weight->encoding;
   if (node->op != PARE_OP_constant) return pare_str_printf(ctx, out, " \"%s\"", weight->name);
   pare_sha256_of(pare_buffer_data(weight->data), pare_buffer_size(weight->data), hash);
   return pare_str_printf(ctx, out, " %d %lld %lld %d %d %d %d %s", weight->rank, (long long)weight->dim[0],
                          (long long)weight->dim[1], (int)e->kind, e->transposed, e->rotation, e->group, hash);
}

typedef struct search {
   pare_arena *arena;
   pare_name_index seen;   /* nodes by what they compute */
   pare_str text;
   pare_value **instead;   /* [n_values] what is used in the place of a value, mostly itself */
   pare_node **twin;       /* [n_nodes] nodes to go, in schedule order */
   size_t n_twins;
} search;

/* What a node computes, as a text: equal nodes have equal texts. */
static pare_status describe(pare_ctx *ctx, search *s, const pare_node *node)
{
   const pare_op_info *info = pare_ops[node->op];
   pare_json_writer writer;
   pare_str_clear(&s->text);
   PARE_TRY(pare_str_printf(ctx, &s->text, "%s", info->name));
   for (size_t i = 0; i < node->n_inputs; i++)
      PARE_TRY(pare_str_printf(ctx, &s->text, " %zu", s->instead[node->input[i]->index]->index));
   for (size_t i = 0; i < node->n_weights; i++) PARE_TRY(describe_weight(ctx, node, node->weight[i], &s->text));
   pare_json_begin(&writer, ctx, &s->text, false);
   pare_json_open_object(&writer, NULL);
   PARE_TRY(pare_fields_to_json(ctx, info->fields, node->attrs, true, &writer));
   pare_json_close_object(&writer);
   return writer.status;
}

static pare_status visit(pare_ctx *ctx, search *s, pare_node *node)
{
   if (writes_state(node)) return PARE_OK;
   PARE_TRY(pare_check_stop(ctx));
   PARE_TRY(describe(ctx, s, node));
   const pare_node *first = pare_name_index_find(&s->seen, s->text.data);
   if (!first) {
      char *key = pare_arena_strdup(ctx, s->arena, s->text.data);
      return key ? pare_name_index_add(ctx, &s->seen, key, node) : PARE_RESOURCE;
   }
   for (size_t i = 0; i < node->n_outputs; i++) s->instead[node->output[i]->index] = first->output[i];
   s->twin[s->n_twins++] = node;
   return PARE_OK;
}

/* Values keep their index until all is seen, so nodes go at the end, last ones first. */
static pare_status merge(pare_ctx *ctx, search *s, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   s->instead = pare_arena_array(ctx, s->arena, graph->n_values + 1, sizeof *s->instead);
   s->twin = s->instead ? pare_arena_array(ctx, s->arena, graph->n_nodes + 1, sizeof *s->twin) : NULL;
   if (!s->twin) return PARE_RESOURCE;
   for (size_t i = 0; i < graph->n_values; i++) s->instead[i] = graph->values[i];
   for (pare_node *node = graph->first; node; node = node->next) PARE_TRY(visit(ctx, s, node));
   pare_graph_replace_values(graph, s->instead);
   for (size_t i = s->n_twins; i-- > 0;) {
      PARE_TRY(pare_pass_applied(ctx, run, "computed before", s->twin[i]->name));
      pare_graph_remove_node(graph, s->twin[i]);
   }
   return PARE_OK;
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   search s = { .arena = pare_arena_create(ctx) };
   pare_status status = s.arena ? merge(ctx, &s, run) : PARE_RESOURCE;
   pare_name_index_finish(ctx, &s.seen);
   pare_str_finish(ctx, &s.text);
   pare_arena_destroy(ctx, s.arena);
   return status;
}

const pare_pass pare_pass_opt_cse = {
   .name = "opt_cse", .help = "compute once what is computed twice",
   .fields = pare_no_fields, .run = run_pass
};
