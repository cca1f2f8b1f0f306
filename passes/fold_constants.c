/* fold_constants: compute what is known before any input is.
 *
 * Before:  any graph.     After: a constant (with a weight of its own, f32) for every f32 result of at most 2^20
 *          elements that depends on constants alone; no node that gives its only tensor back: factors, divisors and
 *          powers of 1, subtracted zeros, and shapes, orders and types that are so already.
 * Leaves:  i32 results, which no weight can hold, when something that is not constant uses them; weights that lose
 *          their last user (opt_dce removes them).
 * Lossless: values are those of the reference evaluation. */
#include <stdio.h>
#include <string.h>

#include "ir/match.h"
#include "ops/evaluate.h"
#include "ops/ops.h"
#include "passes/passes.h"

enum { LARGEST = 1 << 20 };

/* ---- nodes that change nothing ---- */

static bool is_number(const pare_value *value, double wanted)
{
   double number;
   return pare_value_number(value, &number) && number == wanted;
}

static bool is_identity(const pare_transpose_attrs *attrs, int rank)
{
   for (int i = 0; i < rank; i++)
      if (pare_transpose_source(attrs, rank, i) != i) return false;
   return true;
}

/* The input that the node gives back bit for bit, or NULL. */
static pare_value *find_same(const pare_node *node)
{
   pare_value *x = node->n_inputs ? node->input[0] : NULL, *same = NULL;
   switch (node->op) {
   case PARE_OP_mul: same = is_number(node->input[1], 1) ? x : is_number(x, 1) ? node->input[1] : NULL; break;
   case PARE_OP_div:
   case PARE_OP_pow: same = is_number(node->input[1], 1) ? x : NULL; break;
   case PARE_OP_sub: same = is_number(node->input[1], 0) ? x : NULL; break;
   case PARE_OP_transpose: same = is_identity(node->attrs, x->type.rank) ? x : NULL; break;
   case PARE_OP_cast:
   case PARE_OP_reshape:
   case PARE_OP_expand: same = x; break;
   case PARE_OP_concat: same = node->n_inputs == 1 ? x : NULL; break;
   default: break;
   }
   bool computed = same && same->kind == PARE_VALUE_TEMP; /* an output must be the result of a node */
   return computed && pare_type_equal(&same->type, &node->output[0]->type) ? same : NULL;
}

static pare_status skip_same(pare_ctx *ctx, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   for (pare_node *node = graph->first, *next; node; node = next) {
      next = node->next;
      pare_value *same = find_same(node);
      if (!same) continue;
      PARE_TRY(pare_pass_applied(ctx, run, "changes nothing", node->name));
      pare_graph_replace_value(graph, node->output[0], same);
      pare_graph_remove_node(graph, node);
   }
   return PARE_OK;
}

/* ---- values known beforehand ---- */

typedef struct folder {
   pare_pass_run *run;
   pare_graph *graph;
   pare_arena *arena;
   pare_uses uses;
   void **data;          /* [n_values] of known values: f32 or i32; NULL: not known, or not needed yet */
   bool *folded;         /* [n_values] the node that gives it will go */
   bool *kept;           /* [n_values] and a constant comes in its place */
   pare_node **nodes;    /* known, but constants; in schedule order */
   size_t n_nodes;
} folder;

static const pare_sizes no_sizes;

static bool is_small(const pare_type *type)
{
   for (int i = 0; i < type->rank; i++)
      if (type->dim[i] < 0) return false;
   return pare_type_count(type, &no_sizes) <= LARGEST;
}

static bool is_constant(const pare_value *value)
{
   const pare_node *node = value->producer;
   return node && node->op == PARE_OP_constant && is_small(&value->type) &&
          pare_encoding_is_float(node->weight[0]->encoding.kind);
}

static bool is_foldable(const folder *f, const pare_node *node)
{
   if (node->n_inputs == 0 || node->n_weights > 0 || node->n_outputs != 1) return false;
   if (!is_small(&node->output[0]->type)) return false;
   for (size_t i = 0; i < node->n_inputs; i++)
      if (!f->data[node->input[i]->index] && !is_constant(node->input[i])) return false;
   return true;
}

static pare_status read_constant(pare_ctx *ctx, folder *f, const pare_value *value)
{
   size_t count = pare_type_count(&value->type, &no_sizes);
   float *data = pare_arena_array(ctx, f->arena, count, sizeof *data);
   if (!data) return PARE_RESOURCE;
   for (size_t i = 0; i < count; i++) data[i] = pare_weight_value(value->producer->weight[0], (int64_t)i);
   f->data[value->index] = data;
   return PARE_OK;
}

static pare_status evaluate(pare_ctx *ctx, folder *f, pare_node *node)
{
   pare_tensor in[PARE_MAX_INPUTS], out = { .type = node->output[0]->type };
   pare_eval_call call = { .node = node, .output = &out };
   for (size_t i = 0; i < node->n_inputs; i++) {
      const pare_value *value = node->input[i];
      if (!f->data[value->index]) PARE_TRY(read_constant(ctx, f, value));
      in[i] = (pare_tensor){ .type = value->type, .data = f->data[value->index] };
      call.input[i] = &in[i];
   }
   out.data = pare_arena_array(ctx, f->arena, pare_type_count(&out.type, &no_sizes), sizeof(float));
   if (!out.data) return PARE_RESOURCE;
   PARE_TRY(pare_ops[node->op]->eval(ctx, &call));
   f->data[node->output[0]->index] = out.data;
   f->nodes[f->n_nodes++] = node;
   return PARE_OK;
}

static pare_status evaluate_known(pare_ctx *ctx, folder *f)
{
   for (pare_node *node = f->graph->first; node; node = node->next) {
      if (is_foldable(f, node)) PARE_TRY(evaluate(ctx, f, node));
      PARE_TRY(pare_check_stop(ctx));
   }
   return PARE_OK;
}

/* Whether something that stays uses the value. Users come later, so they have been decided when decisions are
 * made from the last node on. */
static bool is_needed(const folder *f, const pare_value *value)
{
   if (f->uses.is_output[value->index]) return true;
   for (size_t u = f->uses.first[value->index]; u < f->uses.first[value->index + 1]; u++)
      if (!f->folded[f->uses.user[u]->output[0]->index]) return true;
   return false;
}

static void decide(folder *f)
{
   for (size_t i = f->n_nodes; i-- > 0;) {
      const pare_value *value = f->nodes[i]->output[0];
      bool needed = is_needed(f, value);
      f->folded[value->index] = !needed || value->type.dtype == PARE_F32;
      f->kept[value->index] = needed && value->type.dtype == PARE_F32;
   }
}

/* ---- what comes in their place ---- */

/* A name that no node and no weight has. */
static void name_constant(const folder *f, const pare_node *node, char name[PARE_MAX_NAME + 32])
{
   int size = PARE_MAX_NAME + 32, room = PARE_MAX_NAME - 20;
   snprintf(name, (size_t)size, "%.*s.folded", room, node->name);
   for (int i = 2; pare_graph_find_node(f->graph, name) || pare_graph_find_weight(f->graph, name); i++)
      snprintf(name, (size_t)size, "%.*s.folded.%d", room, node->name, i);
}

/* Of any rank as a vector; the constant gives it its shape. */
static pare_status add_weight(pare_ctx *ctx, folder *f, const char *name, const pare_value *value,
                              pare_weight **out)
{
   pare_buffer *bytes;
   int64_t count = (int64_t)pare_type_count(&value->type, &no_sizes);
   PARE_TRY(pare_buffer_create(ctx, (size_t)count * sizeof(float), &bytes));
   memcpy(pare_buffer_edit(bytes), f->data[value->index], (size_t)count * sizeof(float));
   pare_status status = pare_pass_add_weight(ctx, f->run, name, 1, &count, (pare_encoding){ .kind = PARE_ENC_F32 },
                                             bytes, out);
   pare_buffer_unref(ctx, bytes);
   return status;
}

static pare_status add_constant(pare_ctx *ctx, folder *f, pare_node *node)
{
   char name[PARE_MAX_NAME + 32];
   pare_value *value;
   pare_reshape_attrs attrs = { 0 };
   pare_node_spec spec = { .op = PARE_OP_constant, .name = name, .n_weights = 1, .attrs = &attrs };
   const pare_type *type = &node->output[0]->type;
   name_constant(f, node, name);
   PARE_TRY(add_weight(ctx, f, name, node->output[0], &spec.weight[0]));
   attrs.shape.count = type->rank > 1 ? type->rank : 0;
   for (int i = 0; i < attrs.shape.count; i++) attrs.shape.items[i] = type->dim[i];
   PARE_TRY(pare_graph_add_node(ctx, f->graph, &spec, node, &value));
   pare_graph_replace_value(f->graph, node->output[0], value);
   return PARE_OK;
}

/* Adding values leaves the indices of others alone; removing does not, so nodes to go are listed first. */
static pare_status replace(pare_ctx *ctx, folder *f)
{
   size_t n_gone = 0;
   for (size_t i = 0; i < f->n_nodes; i++) {
      pare_node *node = f->nodes[i];
      if (f->kept[node->output[0]->index]) PARE_TRY(add_constant(ctx, f, node));
      if (f->folded[node->output[0]->index]) f->nodes[n_gone++] = node;
   }
   for (size_t i = n_gone; i-- > 0;) {
      PARE_TRY(pare_pass_applied(ctx, f->run, "inputs are known", f->nodes[i]->name));
      pare_graph_remove_node(f->graph, f->nodes[i]);
   }
   return PARE_OK;
}

static pare_status fold(pare_ctx *ctx, folder *f)
{
   size_t n = f->graph->n_values + 1;
   f->data = pare_arena_array(ctx, f->arena, n, sizeof *f->data);
   f->folded = pare_arena_array(ctx, f->arena, n, sizeof *f->folded);
   f->kept = pare_arena_array(ctx, f->arena, n, sizeof *f->kept);
   f->nodes = pare_arena_array(ctx, f->arena, n, sizeof *f->nodes);
   if (!f->data || !f->folded || !f->kept || !f->nodes) return PARE_RESOURCE;
   PARE_TRY(pare_uses_find(ctx, f->graph, &f->uses));
   PARE_TRY(evaluate_known(ctx, f));
   decide(f);
   return replace(ctx, f);
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   folder f = { .run = run, .graph = run->model->graph };
   PARE_TRY(skip_same(ctx, run));
   f.arena = pare_arena_create(ctx);
   pare_status status = f.arena ? fold(ctx, &f) : PARE_RESOURCE;
   pare_uses_finish(ctx, &f.uses);
   pare_arena_destroy(ctx, f.arena);
   return status;
}

const pare_pass pare_pass_fold_constants = {
   .name = "fold_constants", .help = "compute what depends on constants alone, leave out what changes nothing",
   .fields = pare_no_fields, .run = run_pass
};
