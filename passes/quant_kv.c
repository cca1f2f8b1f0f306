/* quant_kv: store keys and values of the attention cache in a smaller type.
 *
 * Before:  states of type f32 or f16 (the caches).    After: all of them have the type asked for.
 * Leaves:  weights and nodes; attention converts when it stores and loads. Prefill and decode both read keys
 *          and values through the cache, so a token's result does not depend on how it came.
 * Lossy:   f16 rounds keys and values to 11 bits; there are no weights to measure an error on. */
#include "passes/passes.h"

typedef struct options {
   int type;
} options;

static const char *const type_names[] = { "f16", "f32", NULL };
static const pare_dtype types[] = { PARE_F16, PARE_F32 };

static const pare_field fields[] = {
   { .name = "type", .kind = PARE_FIELD_ENUM, .offset = offsetof(options, type), .choices = type_names,
     .help = "type of the cached keys and values" },
   PARE_FIELDS_END
};

static bool is_cache(const pare_value *value)
{
   return value->kind == PARE_VALUE_STATE && (value->type.dtype == PARE_F32 || value->type.dtype == PARE_F16);
}

static pare_status plan(pare_ctx *ctx, pare_pass_run *run)
{
   (void)ctx;
   const pare_graph *graph = run->model->graph;
   for (size_t i = 0; i < graph->n_values; i++) run->matched += is_cache(graph->values[i]);
   return PARE_OK;
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   const options *o = run->options;
   pare_graph *graph = run->model->graph;
   for (size_t i = 0; i < graph->n_values; i++) {
      pare_value *value = graph->values[i];
      if (!is_cache(value)) continue;
      run->matched++;
      run->changed |= value->type.dtype != types[o->type];
      value->type.dtype = types[o->type];
   }
   return pare_check_stop(ctx);
}

const pare_pass pare_pass_quant_kv = {
   .name = "quant_kv", .help = "store the attention cache in a smaller type", .fields = fields,
   .options_size = sizeof(options), .lossy = true, .plan = plan, .run = run_pass
};
