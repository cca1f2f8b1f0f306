/* fuzz_fuse: any graph through the passes that recognise operations in primitives and those that fuse. The result
 * must be valid, and for graphs that are quick to evaluate, compute the same as before. */
#include <stdlib.h>
#include <string.h>

#include "ops/evaluate.h"
#include "pipeline/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 1 << 15, MOST_ELEMENTS = 1 << 15 };

static uint32_t draw(uint32_t *state)
{
   return *state = *state * 1664525u + 1013904223u;
}

/* Floats of [-1, 1) from byte `from` on, any bytes before. */
static void fill(uint8_t *bytes, size_t from, size_t size, uint32_t *state)
{
   for (size_t i = 0; i < from; i++) bytes[i] = (uint8_t)(draw(state) >> 24);
   for (size_t i = from; i + 4 <= size; i += 4) {
      float value = (float)(draw(state) >> 8) / (1 << 23) - 1;
      memcpy(bytes + i, &value, sizeof value);
   }
}

/* f32 and integers have values, the other floats are zero. */
static pare_status attach(pare_ctx *ctx, void *user, const char *name, int rank, const int64_t *dim,
                          pare_encoding encoding, pare_buffer **out)
{
   size_t bytes = 0;
   if (!pare_encoding_bytes(&encoding, rank, dim, &bytes) || bytes > MOST_BYTES)
      return pare_fail(ctx, PARE_INPUT, name, "too large");
   PARE_TRY(pare_buffer_create(ctx, bytes, out));
   bool is_float = pare_encoding_is_float(encoding.kind);
   size_t codes = is_float ? 0 : pare_encoding_scales_at(&encoding, dim[0], rank == 2 ? dim[1] : 1);
   if (!is_float || encoding.kind == PARE_ENC_F32) fill(pare_buffer_edit(*out), codes, bytes, user);
   return PARE_OK;
}

static bool is_quick(const pare_graph *graph)
{
   static const pare_sizes sizes = { .tokens = 4, .rows = 1, .slots = 1, .past = 4 };
   for (size_t i = 0; i < graph->n_values; i++)
      if (pare_type_count(&graph->values[i]->type, &sizes) > MOST_ELEMENTS) return false;
   return graph->n_nodes < 64;
}

static void must(bool good)
{
   if (!good) abort();
}

/* The passes that recognise operations in primitives, then those that fuse our own. */
#define STEP(pass) "{\"pass\": \"" pass "\"}"
static const char recognise[] = "{\"schema\": \"" PARE_RECIPE_SCHEMA "\", \"passes\": [" STEP(
   "fold_constants") ", " STEP("opt_cse") ", " STEP("fuse_layernorm") ", " STEP("fuse_rmsnorm") ", " STEP(
   "fuse_rope") ", " STEP("fuse_attention") ", " STEP("fuse_gelu") ", " STEP("fold_scale") ", " STEP(
   "opt_dce") "]}";

static pare_status run_recipe(pare_ctx *ctx, const pare_recipe *recipe, pare_model *model)
{
   pare_pipeline_report *report = NULL;
   pare_pipeline_options options = { .trusted = !is_quick(model->graph) };
   pare_status status = pare_pipeline_run(ctx, recipe, model, &options, &report);
   must(status != PARE_INTERNAL);
   must(pare_graph_validate(ctx, model->graph, PARE_INTERNAL) == PARE_OK);
   pare_pipeline_report_destroy(ctx, report);
   return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_model *model = NULL;
   pare_recipe *first = NULL, *second = NULL;
   uint32_t state = 1;
   pare_ctx_init(&ctx);
   must(pare_model_create(&ctx, &model) == PARE_OK);
   must(pare_recipe_parse(&ctx, recognise, sizeof recognise - 1, "recognise", &first) == PARE_OK);
   must(pare_recipe_for_fusion(&ctx, &second) == PARE_OK);
   pare_status status =
      pare_graph_parse(&ctx, (const char *)data, size, "fuzz", attach, &state, &model->graph);
   if (status == PARE_OK) status = run_recipe(&ctx, first, model);
   if (status == PARE_OK) run_recipe(&ctx, second, model);
   pare_recipe_destroy(&ctx, first);
   pare_recipe_destroy(&ctx, second);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   return 0;
}
