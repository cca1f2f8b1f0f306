/* quant_kv: store keys and values of the attention cache in a smaller type.
 *
 * Before:  states of type f32, f16 or i8 (the caches).    After: all of them have the type asked for, but i8
 *          needs heads that can be rotated, of a multiple of 32 elements, at most 1,024: others become f16,
 *          which is reported.
 * Leaves:  weights and nodes; attention converts when it stores and loads. Prefill and decode both read keys
 *          and values through the cache, so a token's result does not depend on how it came.
 * Lossy:   f16 rounds keys and values to 11 bits; i8 rotates each (Walsh-Hadamard, as the activations of linear
 *          layers) and rounds it to 8 bits with one scale a token and head, and attention runs in integers.
 *          There are no weights to measure an error on. */
#include "passes/passes.h"

typedef struct options {
   int type;
} options;

static const char *const type_names[] = { "i8", "f16", "f32", NULL };
static const pare_dtype types[] = { PARE_I8, PARE_F16, PARE_F32 };

enum { MOST_HEAD = 1024 }; /* of an i8 cache */

static const pare_field fields[] = { { .name = "type",
                                       .kind = PARE_FIELD_ENUM,
                                       .offset = offsetof(options, type),
                                       .choices = type_names,
                                       .help = "type of the cached keys and values" },
                                     PARE_FIELDS_END };

static bool is_cache(const pare_value *value)
{
   pare_dtype dtype = value->type.dtype;
   return value->kind == PARE_VALUE_STATE && (dtype == PARE_F32 || dtype == PARE_F16 || dtype == PARE_I8);
}

/* What the cache can be; keys and values lie one after the other in the last dimension. */
static pare_dtype type_for(const pare_value *cache, pare_dtype wanted)
{
   int64_t head = cache->type.rank == 4 ? cache->type.dim[3] / 2 : 0;
   bool fits = head > 0 && pare_rotation_for(head) > 0 && head <= MOST_HEAD;
   return wanted == PARE_I8 && !fits ? PARE_F16 : wanted;
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
      pare_dtype type = type_for(value, types[o->type]);
      run->changed |= value->type.dtype != type;
      value->type.dtype = type;
      if (type == types[o->type]) continue;
      PARE_TRY(pare_pass_fallback(ctx, run, value->name, "i8", "f16",
                                  "heads must have a multiple of 32 elements, at most 1024"));
   }
   return pare_check_stop(ctx);
}

const pare_pass pare_pass_quant_kv = { .name = "quant_kv",
                                       .help = "store the attention cache in a smaller type",
                                       .fields = fields,
                                       .options_size = sizeof(options),
                                       .lossy = true,
                                       .plan = plan,
                                       .run = run_pass };
