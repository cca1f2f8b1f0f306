/* evaluate: see evaluate.h. A run keeps one tensor a value, indexed as graph->values is. */
#include "ops/evaluate.h"

#include <string.h>

typedef struct run {
   pare_ctx *ctx;
   const pare_graph *graph;
   const pare_evaluation *plan;
   pare_tensor *tensors;   /* [n_values] */
   size_t *uses;           /* [n_values] uses still to come */
   pare_tensor decoded[PARE_MAX_WEIGHTS];
} run;

pare_type pare_type_concrete(const pare_type *type, const pare_sizes *sizes)
{
   const int64_t symbols[] = { sizes->tokens, sizes->rows, sizes->slots, sizes->past };
   pare_type concrete = *type;
   for (int i = 0; i < type->rank; i++) {
      if (type->dim[i] < 0) concrete.dim[i] = symbols[-1 - type->dim[i]];
   }
   return concrete;
}

size_t pare_type_count(const pare_type *type, const pare_sizes *sizes)
{
   pare_type concrete = pare_type_concrete(type, sizes);
   size_t count = 1;
   for (int i = 0; i < concrete.rank; i++) {
      if (concrete.dim[i] < 0 || __builtin_mul_overflow(count, (size_t)concrete.dim[i], &count))
         return SIZE_MAX;
   }
   return count;
}

static void *bound_data(const run *r, const char *name)
{
   for (size_t i = 0; i < r->plan->n_bindings; i++) {
      if (strcmp(r->plan->bindings[i].name, name) == 0) return r->plan->bindings[i].data;
   }
   return NULL;
}

static pare_status bind_values(run *r)
{
   const pare_sizes *sizes = &r->plan->sizes;
   if (sizes->tokens < 0 || sizes->rows < 0 || sizes->slots < 0 || sizes->past < 0)
      return pare_fail(r->ctx, PARE_USAGE, NULL, "a size of the run is negative");
   for (size_t i = 0; i < r->graph->n_values; i++) {
      const pare_value *value = r->graph->values[i];
      r->tensors[i].type = pare_type_concrete(&value->type, sizes);
      if (value->kind == PARE_VALUE_TEMP) continue;
      if (value->kind == PARE_VALUE_STATE) r->tensors[i].type.dtype = PARE_F32;
      r->tensors[i].data = bound_data(r, value->name);
      if (!r->tensors[i].data)
         return pare_fail(r->ctx, PARE_USAGE, value->name, "no data for this input or state");
   }
   return PARE_OK;
}

static void count_uses(run *r)
{
   for (const pare_node *node = r->graph->first; node; node = node->next) {
      for (size_t i = 0; i < node->n_inputs; i++) r->uses[node->input[i]->index]++;
   }
   for (size_t i = 0; i < r->graph->n_outputs; i++) r->uses[r->graph->outputs[i]->index]++;
}

static pare_status decode_weights(run *r, const pare_node *node)
{
   for (size_t i = 0; i < node->n_weights; i++) {
      const pare_weight *weight = node->weight[i];
      float *data = pare_alloc_array(r->ctx, (size_t)pare_weight_count(weight), sizeof *data);
      if (!data) return PARE_RESOURCE;
      r->decoded[i] = (pare_tensor){ pare_type_of(PARE_F32, weight->rank, weight->dim), data };
      PARE_TRY(r->plan->decode(r->ctx, r->plan->user, weight, data));
   }
   return PARE_OK;
}

static void forget_weights(run *r)
{
   for (size_t i = 0; i < PARE_MAX_WEIGHTS; i++) {
      pare_free(r->ctx, r->decoded[i].data);
      r->decoded[i].data = NULL;
   }
}

static void forget_unused(run *r, const pare_value *value)
{
   pare_tensor *tensor = &r->tensors[value->index];
   if (value->kind != PARE_VALUE_TEMP || r->uses[value->index] > 0) return;
   pare_free(r->ctx, tensor->data);
   tensor->data = NULL;
}

static pare_status evaluate_node(run *r, const pare_node *node)
{
   pare_tensor results[PARE_MAX_OUTPUTS];
   pare_eval_call call = { .node = node, .output = results };
   for (size_t i = 0; i < node->n_outputs; i++) {
      pare_tensor *tensor = &r->tensors[node->output[i]->index];
      tensor->data = pare_alloc_array(r->ctx, pare_type_count(&node->output[i]->type, &r->plan->sizes),
                                      sizeof(float));
      if (!tensor->data) return PARE_RESOURCE;
      results[i] = *tensor;
   }
   for (size_t i = 0; i < node->n_inputs; i++) call.input[i] = &r->tensors[node->input[i]->index];
   for (size_t i = 0; i < node->n_weights; i++) call.weight[i] = &r->decoded[i];
   PARE_TRY(decode_weights(r, node));
   PARE_TRY(pare_ops[node->op]->eval(r->ctx, &call));
   for (size_t i = 0; r->plan->observe && i < node->n_outputs; i++)
      PARE_TRY(r->plan->observe(r->ctx, r->plan->user, node->output[i], &results[i]));
   return PARE_OK;
}

static pare_status evaluate_nodes(run *r)
{
   for (const pare_node *node = r->graph->first; node; node = node->next) {
      PARE_TRY(pare_check_stop(r->ctx));
      pare_status status = evaluate_node(r, node);
      forget_weights(r);
      PARE_TRY(status);
      for (size_t i = 0; i < node->n_inputs; i++) {
         r->uses[node->input[i]->index]--;
         forget_unused(r, node->input[i]);
      }
      for (size_t i = 0; i < node->n_outputs; i++) forget_unused(r, node->output[i]);
   }
   return PARE_OK;
}

static void copy_outputs(const run *r)
{
   for (size_t i = 0; r->plan->outputs && i < r->graph->n_outputs; i++) {
      const pare_value *value = r->graph->outputs[i];
      size_t count = pare_type_count(&value->type, &r->plan->sizes);
      memcpy(r->plan->outputs[i], r->tensors[value->index].data, count * sizeof(float));
   }
}

static void finish(run *r)
{
   for (size_t i = 0; r->tensors && i < r->graph->n_values; i++) {
      if (r->graph->values[i]->kind == PARE_VALUE_TEMP) pare_free(r->ctx, r->tensors[i].data);
   }
   pare_free(r->ctx, r->tensors);
   pare_free(r->ctx, r->uses);
}

pare_status pare_evaluate(pare_ctx *ctx, const pare_graph *graph, const pare_evaluation *evaluation)
{
   run r = { .ctx = ctx, .graph = graph, .plan = evaluation };
   r.tensors = pare_alloc_array(ctx, graph->n_values + 1, sizeof *r.tensors);
   r.uses = pare_alloc_array(ctx, graph->n_values + 1, sizeof *r.uses);
   pare_status status = r.tensors && r.uses ? bind_values(&r) : PARE_RESOURCE;
   if (status == PARE_OK) {
      count_uses(&r);
      status = evaluate_nodes(&r);
   }
   if (status == PARE_OK) copy_outputs(&r);
   finish(&r);
   return status;
}
