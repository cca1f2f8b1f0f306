/* opt_cse: compute once what is computed twice.
 *
 * Before:  any graph.     After: no two nodes have the same operation, inputs, weights and attributes; constants of
 *          equal bytes are one node. The first of equal nodes stays.
 * Leaves:  nodes that write to a state; weights that lose their last user (opt_dce removes them).
 * Lossless. */
#include <string.h>

#include "base/name_index.h"
#include "ir/op.h"
#include "passes/passes.h"

static bool writes_state(const pare_node *node)
{
   for (size_t i = 0; i < node->n_inputs; i++)
      if (node->input[i]->kind == PARE_VALUE_STATE) return true;
   return false;
}

static bool same_weight(const pare_weight *a, const pare_weight *b)
{
   if (a == b) return true;
   bool alike = a->rank == b->rank && a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1] &&
                a->encoding.kind == b->encoding.kind && a->encoding.transposed == b->encoding.transposed &&
                a->encoding.rotation == b->encoding.rotation && a->encoding.group == b->encoding.group;
   return alike && pare_buffer_size(a->data) == pare_buffer_size(b->data) &&
          memcmp(pare_buffer_data(a->data), pare_buffer_data(b->data), pare_buffer_size(a->data)) == 0;
}

/* Everything but weights as a text: equal nodes have equal texts. Weights of constants go by their bytes, others
 * by name, since a weight that two layers hold twice may be changed in one of them. */
static pare_status describe(pare_ctx *ctx, const pare_node *node, pare_str *out)
{
   const pare_op_info *info = pare_ops[node->op];
   pare_json_writer writer;
   pare_str_clear(out);
   PARE_TRY(pare_str_printf(ctx, out, "%s", info->name));
   for (size_t i = 0; i < node->n_inputs; i++) PARE_TRY(pare_str_printf(ctx, out, " %zu", node->input[i]->index));
   for (size_t i = 0; i < node->n_weights; i++) {
      const pare_weight *weight = node->weight[i];
      if (node->op != PARE_OP_constant) PARE_TRY(pare_str_printf(ctx, out, " \"%s\"", weight->name));
      else PARE_TRY(pare_str_printf(ctx, out, " %lld", (long long)pare_weight_count(weight)));
   }
   pare_json_begin(&writer, ctx, out, false);
   pare_json_open_object(&writer, NULL);
   PARE_TRY(pare_fields_to_json(ctx, info->fields, node->attrs, true, &writer));
   pare_json_close_object(&writer);
   return writer.status;
}

/* Nodes seen so far by their text; those of one text (constants of one size) in a list. */
typedef struct seen {
   pare_node *node;
   struct seen *next;
} seen;

typedef struct search {
   pare_arena *arena;
   pare_name_index index;
   pare_str text;
   pare_node **twin;    /* [n_nodes] nodes to go, in schedule order */
   size_t n_twins;
} search;

static pare_status remember(pare_ctx *ctx, search *s, pare_node *node, seen *others)
{
   seen *entry = pare_arena_alloc(ctx, s->arena, sizeof *entry);
   if (!entry) return PARE_RESOURCE;
   *entry = (seen){ .node = node };
   if (others) {
      entry->next = others->next;
      others->next = entry;
      return PARE_OK;
   }
   char *key = pare_arena_strdup(ctx, s->arena, s->text.data);
   return key ? pare_name_index_add(ctx, &s->index, key, entry) : PARE_RESOURCE;
}

static pare_status visit(pare_ctx *ctx, search *s, pare_graph *graph, pare_node *node)
{
   if (writes_state(node)) return PARE_OK;
   PARE_TRY(describe(ctx, node, &s->text));
   seen *others = pare_name_index_find(&s->index, s->text.data);
   for (seen *other = others; other; other = other->next) {
      if (node->op == PARE_OP_constant && !same_weight(node->weight[0], other->node->weight[0])) continue;
      for (size_t i = 0; i < node->n_outputs; i++)
         pare_graph_replace_value(graph, node->output[i], other->node->output[i]);
      s->twin[s->n_twins++] = node;
      return PARE_OK;
   }
   return remember(ctx, s, node, others);
}

/* Values keep their index until all is seen, so nodes go at the end, last ones first. */
static pare_status merge(pare_ctx *ctx, search *s, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   s->twin = pare_arena_array(ctx, s->arena, graph->n_nodes + 1, sizeof *s->twin);
   if (!s->twin) return PARE_RESOURCE;
   for (pare_node *node = graph->first; node; node = node->next) PARE_TRY(visit(ctx, s, graph, node));
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
   pare_name_index_finish(ctx, &s.index);
   pare_str_finish(ctx, &s.text);
   pare_arena_destroy(ctx, s.arena);
   return status;
}

const pare_pass pare_pass_opt_cse = {
   .name = "opt_cse", .help = "compute once what is computed twice",
   .fields = pare_no_fields, .run = run_pass
};
