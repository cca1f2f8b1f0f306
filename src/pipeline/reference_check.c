/* reference_check: see reference_check.h. Both graphs get the same tokens and empty states of their own. */
#include "pipeline/reference_check.h"

#include <string.h>

#include "base/rng.h"
#include "ops/evaluate.h"
#include "quant/weight_io.h"

enum { TOKENS = 4, LARGEST = 8 << 20 };
enum { AT_TOKENS, AT_POSITIONS, AT_SEQUENCES, AT_ROWS, N_INPUTS };

static const pare_sizes sizes = { .tokens = TOKENS, .rows = 1, .slots = 1, .past = TOKENS };
static const char *const input_names[N_INPUTS] = { "tokens", "positions", "sequences", "rows" };

typedef struct inputs {
   int32_t values[N_INPUTS][TOKENS];
} inputs;

/* What a graph computed from the inputs: its outputs, then its states. */
typedef struct results {
   pare_binding *bindings; /* inputs, then states */
   float **outputs;
   float *data;
   size_t n_outputs, n_all; /* elements of data: those of outputs, all */
   size_t n_states;
} results;

/* The place of an input among the names; -1 for other values. */
static int input_index(const pare_value *value)
{
   for (int i = 0; i < N_INPUTS; i++)
      if (value->kind == PARE_VALUE_INPUT && strcmp(value->name, input_names[i]) == 0) return i;
   return -1;
}

static bool is_list(const pare_type *type)
{
   return type->dtype == PARE_I32 && type->rank == 1 &&
          (type->dim[0] == PARE_DIM_TOKENS || type->dim[0] == PARE_DIM_ROWS);
}

bool pare_reference_can_check(const pare_graph *graph)
{
   int64_t elements = 0;
   for (size_t i = 0; i < graph->n_weights; i++) {
      elements += pare_weight_count(graph->weights[i]);
      if (elements > LARGEST) return false;
   }
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_value *value = graph->values[i];
      if (value->kind != PARE_VALUE_INPUT) continue;
      if (input_index(value) < 0 || !is_list(&value->type)) return false;
   }
   return true;
}

/* Rows of the smallest table that the input is looked up in. */
static int64_t find_bound(const pare_graph *graph, int input)
{
   int64_t bound = INT32_MAX;
   for (const pare_node *node = graph->first; node; node = node->next) {
      if (node->op != PARE_OP_embed || input_index(node->input[0]) != input) continue;
      if (node->weight[0]->dim[0] < bound) bound = node->weight[0]->dim[0];
   }
   return bound;
}

/* One sequence from its start; `rows` asks for the last token. */
static void draw(const pare_graph *graph, inputs *in)
{
   uint64_t vocab = (uint64_t)find_bound(graph, AT_TOKENS);
   int64_t positions = find_bound(graph, AT_POSITIONS);
   pare_rng rng;
   pare_rng_seed(&rng, 1);
   *in = (inputs){ .values[AT_ROWS] = { TOKENS - 1 } };
   for (int i = 0; i < TOKENS; i++) {
      in->values[AT_TOKENS][i] = (int32_t)pare_rng_below(&rng, vocab);
      in->values[AT_POSITIONS][i] = i < positions ? i : (int32_t)positions - 1;
   }
}

static void count_results(const pare_graph *graph, results *r)
{
   for (size_t i = 0; i < graph->n_outputs; i++)
      r->n_outputs += pare_type_count(&graph->outputs[i]->type, &sizes);
   r->n_all = r->n_outputs;
   for (size_t i = 0; i < graph->n_values; i++) {
      if (graph->values[i]->kind != PARE_VALUE_STATE) continue;
      r->n_all += pare_type_count(&graph->values[i]->type, &sizes);
      r->n_states++;
   }
}

static void lay_out(const pare_graph *graph, inputs *in, results *r)
{
   float *at = r->data;
   pare_binding *binding = r->bindings;
   for (int i = 0; i < N_INPUTS; i++) *binding++ = (pare_binding){ input_names[i], in->values[i] };
   for (size_t i = 0; i < graph->n_outputs; i++) {
      r->outputs[i] = at;
      at += pare_type_count(&graph->outputs[i]->type, &sizes);
   }
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_value *value = graph->values[i];
      if (value->kind != PARE_VALUE_STATE) continue;
      *binding++ = (pare_binding){ value->name, at };
      at += pare_type_count(&value->type, &sizes);
   }
}

static void results_finish(pare_ctx *ctx, results *r)
{
   pare_free(ctx, r->bindings);
   pare_free(ctx, r->outputs);
   pare_free(ctx, r->data);
}

static pare_status decode(pare_ctx *ctx, void *user, const pare_weight *weight, float *out)
{
   (void)user;
   return pare_weight_read(ctx, weight, 0, weight->dim[0], out);
}

static pare_status evaluate(pare_ctx *ctx, const pare_graph *graph, inputs *in, results *r)
{
   count_results(graph, r);
   r->data = pare_alloc_array(ctx, r->n_all + 1, sizeof *r->data);
   r->outputs = r->data ? pare_alloc_array(ctx, graph->n_outputs + 1, sizeof *r->outputs) : NULL;
   r->bindings = r->outputs ? pare_alloc_array(ctx, N_INPUTS + r->n_states, sizeof *r->bindings) : NULL;
   if (!r->bindings) return PARE_RESOURCE;
   lay_out(graph, in, r);
   return pare_evaluate(ctx, graph, &(pare_evaluation){ .sizes = sizes,
                                                        .bindings = r->bindings,
                                                        .n_bindings = N_INPUTS + r->n_states,
                                                        .decode = decode,
                                                        .outputs = r->outputs });
}

pare_status pare_reference_check(pare_ctx *ctx, const char *pass, const pare_graph *before,
                                 const pare_graph *after)
{
   inputs in;
   results a = { 0 }, b = { 0 };
   draw(before, &in);
   pare_status status = evaluate(ctx, before, &in, &a);
   if (status == PARE_OK) status = evaluate(ctx, after, &in, &b);
   if (status == PARE_OK &&
       (a.n_outputs != b.n_outputs || memcmp(a.data, b.data, a.n_outputs * sizeof *a.data) != 0))
      status = pare_fail(ctx, PARE_INTERNAL, pass, "the graph computes something else than before");
   results_finish(ctx, &a);
   results_finish(ctx, &b);
   return status;
}
