/* reference_check: see reference_check.h. Both graphs get the same inputs and empty states of their own. */
#include "pipeline/reference_check.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "ops/evaluate.h"
#include "quant/weight_io.h"

enum { TOKENS = 4, LARGEST = 8 << 20 };
#define MOST_MACS 4e8 /* a second or two in plain C */

static const pare_sizes sizes = { .tokens = TOKENS, .rows = 1, .slots = 1, .past = TOKENS };

/* What a graph computed from the inputs: its outputs, then its states. */
typedef struct results {
   pare_binding *bindings; /* inputs, then states */
   float **outputs;
   float *data;
   size_t n_outputs, n_all; /* elements of data: those of outputs, all */
   size_t n_bindings;
} results;

bool pare_reference_can_check(const pare_graph *graph)
{
   size_t elements = 0;
   double macs = 0;
   for (size_t i = 0; i < graph->n_weights; i++) {
      elements += (size_t)pare_weight_count(graph->weights[i]);
      if (elements > LARGEST) return false;
   }
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_type *type = &graph->values[i]->type;
      size_t count = pare_type_count(type, &sizes);
      bool drawn = type->dtype == PARE_F32 || type->dtype == PARE_I32;
      if (count > LARGEST || (elements += count) > 4 * (size_t)LARGEST) return false;
      if (graph->values[i]->kind == PARE_VALUE_INPUT && !drawn) return false;
   }
   for (const pare_node *node = graph->first; node; node = node->next)
      macs += TOKENS * pare_ops[node->op]->macs(node, TOKENS);
   return macs <= MOST_MACS;
}

/* ---- inputs ---- */

/* Rows of the smallest table that the input is looked up in. */
static int64_t find_bound(const pare_graph *graph, const pare_value *input)
{
   int64_t bound = INT32_MAX;
   for (const pare_node *node = graph->first; node; node = node->next) {
      if (node->op != PARE_OP_embed || node->input[0] != input) continue;
      if (node->weight[0]->dim[0] < bound) bound = node->weight[0]->dim[0];
   }
   return bound;
}

static bool is_named(const pare_value *input, const char *name)
{
   return strcmp(input->name, name) == 0;
}

/* Of such numbers nothing is known, not even what they are looked up in. */
static bool is_mask(const pare_graph *graph, const pare_value *input)
{
   if (input->type.dtype != PARE_I32 || find_bound(graph, input) < INT32_MAX) return false;
   return !is_named(input, "sequences") && !is_named(input, "rows") && !is_named(input, "positions");
}

static bool has_masks(const pare_graph *graph)
{
   for (size_t i = 0; i < graph->n_values; i++)
      if (graph->values[i]->kind == PARE_VALUE_INPUT && is_mask(graph, graph->values[i])) return true;
   return false;
}

/* One sequence from its start; `rows` asks for the last token. Other numbers are what can be looked up, or zeros and
 * ones, which do for masks. `place` is that in a row. */
static int32_t draw_int(const pare_value *input, int64_t bound, int64_t i, int64_t place, bool opposite, pare_rng *rng)
{
   if (is_named(input, "sequences")) return 0;
   if (is_named(input, "rows")) return TOKENS - 1;
   if (is_named(input, "positions")) return (int32_t)(i < bound ? i : bound - 1);
   int32_t drawn = (int32_t)pare_rng_below(rng, bound < INT32_MAX ? (uint64_t)bound : 2);
   if (bound < INT32_MAX) return drawn;
   return (place > 1 ? drawn : place == 0) ^ opposite;
}

/* Every row begins with a 1 and a 0, or a number above and one below 0: whatever a mask makes of them, some of a row
 * is attended. Where nothing is, exporters average over nonsense. opposite: zeros for ones and ones for zeros. */
static void draw(const pare_graph *graph, const pare_value *input, bool opposite, pare_rng *rng, void *data)
{
   pare_type type = pare_type_concrete(&input->type, &sizes);
   int64_t width = type.dim[type.rank - 1], bound = find_bound(graph, input);
   for (int64_t i = 0; i < (int64_t)pare_type_count(&type, &sizes); i++) {
      int64_t place = i % width;
      if (type.dtype == PARE_I32) {
         ((int32_t *)data)[i] = draw_int(input, bound, i, place, opposite, rng);
         continue;
      }
      float drawn = (float)(pare_rng_unit(rng) * 4 - 2);
      ((float *)data)[i] = place == 0 ? fabsf(drawn) : place == 1 ? -fabsf(drawn) : drawn;
   }
}

/* Inputs, each drawn from the same start whatever else the graph has, and zeros for states. */
static void lay_out(const pare_graph *graph, bool opposite, results *r)
{
   float *at = r->data;
   pare_binding *binding = r->bindings;
   pare_rng rng;
   for (size_t i = 0; i < graph->n_outputs; i++) {
      r->outputs[i] = at;
      at += pare_type_count(&graph->outputs[i]->type, &sizes);
   }
   pare_rng_seed(&rng, 1);
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_value *value = graph->values[i];
      if (value->kind == PARE_VALUE_TEMP) continue;
      *binding++ = (pare_binding){ value->name, at };
      if (value->kind == PARE_VALUE_INPUT) draw(graph, value, opposite, &rng, at);
      at += pare_type_count(&value->type, &sizes);
   }
}

static void count_results(const pare_graph *graph, results *r)
{
   for (size_t i = 0; i < graph->n_outputs; i++)
      r->n_outputs += pare_type_count(&graph->outputs[i]->type, &sizes);
   r->n_all = r->n_outputs;
   for (size_t i = 0; i < graph->n_values; i++) {
      if (graph->values[i]->kind == PARE_VALUE_TEMP) continue;
      r->n_all += pare_type_count(&graph->values[i]->type, &sizes);
      r->n_bindings++;
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

static pare_status evaluate(pare_ctx *ctx, const pare_graph *graph, bool opposite, results *r)
{
   count_results(graph, r);
   r->data = pare_alloc_array(ctx, r->n_all + 1, sizeof *r->data);
   r->outputs = r->data ? pare_alloc_array(ctx, graph->n_outputs + 1, sizeof *r->outputs) : NULL;
   r->bindings = r->outputs ? pare_alloc_array(ctx, r->n_bindings + 1, sizeof *r->bindings) : NULL;
   if (!r->bindings) return PARE_RESOURCE;
   lay_out(graph, opposite, r);
   return pare_evaluate(ctx, graph, &(pare_evaluation){ .sizes = sizes,
                                                        .bindings = r->bindings,
                                                        .n_bindings = r->n_bindings,
                                                        .decode = decode,
                                                        .outputs = r->outputs });
}

/* Numbers that are not finite must be the same ones. */
static bool agree(const results *a, const results *b, double tolerance)
{
   double most = 0;
   if (a->n_outputs != b->n_outputs) return false;
   if (memcmp(a->data, b->data, a->n_outputs * sizeof *a->data) == 0) return true;
   for (size_t i = 0; i < a->n_outputs; i++)
      if (isfinite(a->data[i])) most = fmax(most, fabs((double)a->data[i]));
   for (size_t i = 0; i < a->n_outputs; i++) {
      if (memcmp(&a->data[i], &b->data[i], sizeof(float)) == 0 || (isnan(a->data[i]) && isnan(b->data[i]))) continue;
      if (!(tolerance > 0 && fabs((double)a->data[i] - (double)b->data[i]) <= tolerance * most)) return false;
   }
   return true;
}

static pare_status compare(pare_ctx *ctx, const pare_pass *pass, const pare_graph *before, const pare_graph *after,
                           bool opposite, bool *same)
{
   results a = { 0 }, b = { 0 };
   pare_status status = evaluate(ctx, before, opposite, &a);
   if (status == PARE_OK) status = evaluate(ctx, after, opposite, &b);
   *same = status == PARE_OK && agree(&a, &b, pass->tolerance);
   results_finish(ctx, &a);
   results_finish(ctx, &b);
   return status;
}

/* Masks are drawn twice, as they are and the other way round. A pass that keeps the bits must keep those of both. One
 * that changes the order of operations must agree on one of them: beside a causal mask, the other may leave nothing to
 * the first token, and what then comes out is nonsense that it need not keep. */
pare_status pare_reference_check(pare_ctx *ctx, const pare_pass *pass, const pare_graph *before,
                                 const pare_graph *after)
{
   bool same, keeps_bits = pass->tolerance == 0;
   PARE_TRY(compare(ctx, pass, before, after, false, &same));
   if (same == keeps_bits && has_masks(before)) PARE_TRY(compare(ctx, pass, before, after, true, &same));
   return same ? PARE_OK : pare_fail(ctx, PARE_INTERNAL, pass->name, "the graph computes something else than before");
}
