/* arch_build: the nodes of a graph, one function an op. */
#include <stdio.h>

#include "formats/arch/arch.h"
#include "ops/ops.h"

enum { NAME_SIZE = 128 };

pare_builder pare_builder_on(pare_ctx *ctx, const pare_arch_source *source, const char *prefix)
{
   return (pare_builder){ .ctx = ctx, .source = source, .prefix = prefix };
}

static pare_value *add_input(pare_builder *b, const char *name, int64_t dim)
{
   pare_value *value = NULL;
   if (b->status == PARE_OK)
      b->status = pare_graph_add_input(b->ctx, b->graph, name, pare_type_make(PARE_I32, 1, dim), &value);
   return value;
}

void pare_builder_begin(pare_builder *b, const char *graph_name)
{
   if (b->status != PARE_OK) return;
   b->status = pare_graph_create(b->ctx, graph_name, &b->source->model->graph);
   b->graph = b->source->model->graph;
   b->tokens = add_input(b, "tokens", PARE_DIM_TOKENS);
   b->positions = add_input(b, "positions", PARE_DIM_TOKENS);
   b->sequences = add_input(b, "sequences", PARE_DIM_TOKENS);
   b->rows = add_input(b, "rows", PARE_DIM_ROWS);
}

void pare_builder_enter(pare_builder *b, const char *stored, int64_t layer)
{
   snprintf(b->scope, sizeof b->scope, "layers.%lld.", (long long)layer);
   snprintf(b->store_scope, sizeof b->store_scope, "%s.%lld.", stored, (long long)layer);
}

void pare_builder_leave(pare_builder *b)
{
   b->scope[0] = b->store_scope[0] = '\0';
}

static pare_value *add_node(pare_builder *b, const char *name, pare_node_spec spec)
{
   if (b->status != PARE_OK) return NULL;
   char full[NAME_SIZE];
   snprintf(full, sizeof full, "%s%s", b->scope, name);
   spec.name = full;
   while (spec.n_inputs < PARE_MAX_INPUTS && spec.input[spec.n_inputs]) spec.n_inputs++;
   while (spec.n_weights < PARE_MAX_WEIGHTS && spec.weight[spec.n_weights]) spec.n_weights++;
   pare_value *out = NULL;
   b->status = pare_graph_add_node(b->ctx, b->graph, &spec, NULL, &out);
   return b->status == PARE_OK ? out : NULL;
}

pare_value *pare_build_embed(pare_builder *b, const char *name, pare_value *ids, pare_weight *table)
{
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_embed, .input = { ids }, .weight = { table } });
}

pare_value *pare_build_linear(pare_builder *b, const char *name, pare_value *x, pare_weight *w,
                              pare_weight *bias)
{
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_linear, .input = { x }, .weight = { w, bias } });
}

pare_value *pare_build_rms_norm(pare_builder *b, const char *name, pare_value *x, pare_weight *w, double eps)
{
   pare_norm_attrs attrs = { .eps = eps };
   return add_node(
      b, name, (pare_node_spec){ .op = PARE_OP_rms_norm, .input = { x }, .weight = { w }, .attrs = &attrs });
}

pare_value *pare_build_layer_norm(pare_builder *b, const char *name, pare_value *x, pare_weight *w,
                                  pare_weight *bias, double eps)
{
   pare_norm_attrs attrs = { .eps = eps };
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_layer_norm, .input = { x }, .weight = { w, bias },
                                              .attrs = &attrs });
}

pare_value *pare_build_rope(pare_builder *b, const char *name, pare_value *x, const pare_rope_attrs *rope)
{
   return add_node(b, name,
                   (pare_node_spec){ .op = PARE_OP_rope, .input = { x, b->positions }, .attrs = rope });
}

pare_value *pare_build_activation(pare_builder *b, const char *name, pare_value *x, int kind)
{
   pare_activation_attrs attrs = { .kind = kind };
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_activation, .input = { x }, .attrs = &attrs });
}

pare_value *pare_build_add(pare_builder *b, const char *name, pare_value *x, pare_value *y)
{
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_add, .input = { x, y } });
}

pare_value *pare_build_mul(pare_builder *b, const char *name, pare_value *x, pare_value *y)
{
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_mul, .input = { x, y } });
}

pare_value *pare_build_slice(pare_builder *b, const char *name, pare_value *x, int64_t from, int64_t to)
{
   pare_slice_attrs attrs = { .from = from, .to = to, .step = 1, .axis = -1 };
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_slice, .input = { x }, .attrs = &attrs });
}

pare_value *pare_build_select(pare_builder *b, const char *name, pare_value *x)
{
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_select, .input = { x, b->rows } });
}

static pare_value *add_cache(pare_builder *b, int64_t layer, const pare_heads *heads)
{
   char name[NAME_SIZE];
   pare_value *cache = NULL;
   snprintf(name, sizeof name, "kv.%lld", (long long)layer);
   pare_type type = pare_type_make(PARE_F32, 4, (int64_t)PARE_DIM_SLOTS, heads->kv_heads,
                                   (int64_t)PARE_DIM_PAST, 2 * heads->head_dim);
   if (b->status == PARE_OK) b->status = pare_graph_add_state(b->ctx, b->graph, name, type, &cache);
   return b->status == PARE_OK ? cache : NULL;
}

pare_value *pare_build_attention(pare_builder *b, const char *name, pare_value *q, pare_value *k,
                                 pare_value *v, int64_t layer, const pare_heads *heads)
{
   pare_value *cache = add_cache(b, layer, heads);
   pare_attention_attrs attrs = {
      .heads = heads->heads, .kv_heads = heads->kv_heads, .head_dim = heads->head_dim, .scale = heads->scale,
      .causal = true
   };
   return add_node(b, name, (pare_node_spec){ .op = PARE_OP_attention, .attrs = &attrs,
                                              .input = { q, k, v, b->positions, b->sequences, cache } });
}

void pare_build_output(pare_builder *b, pare_value *x)
{
   if (b->status == PARE_OK) b->status = pare_graph_add_output(b->ctx, b->graph, x);
}
