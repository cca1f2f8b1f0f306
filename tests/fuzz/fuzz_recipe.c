/* fuzz_recipe: any bytes as a recipe: read, printed, read back, and planned on a small model. */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/pipeline_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(pare_ctx *ctx, const pare_recipe *recipe, pare_str *text)
{
   pare_json_writer writer;
   pare_json_begin(&writer, ctx, text, false);
   if (pare_recipe_print(ctx, recipe, &writer, NULL) != PARE_OK) abort();
}

/* What a recipe prints reads back as the same recipe. */
static void round_trip(pare_ctx *ctx, const pare_recipe *recipe)
{
   pare_str first = { 0 }, second = { 0 };
   pare_recipe *again;
   print(ctx, recipe, &first);
   if (pare_recipe_parse(ctx, first.data, first.size, "printed", &again) != PARE_OK) abort();
   print(ctx, again, &second);
   if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0) abort();
   pare_recipe_destroy(ctx, again);
   pare_str_finish(ctx, &first);
   pare_str_finish(ctx, &second);
}

static void plan(pare_ctx *ctx, const pare_recipe *recipe)
{
   pare_model *model;
   pare_pipeline_estimate estimate;
   if (model_from_text(ctx, PIPELINE_GRAPH, &model) != PARE_OK) abort();
   pare_status status = pare_pipeline_check(ctx, recipe, model, &estimate);
   if (status != PARE_OK && status != PARE_USAGE) abort();
   pare_model_destroy(ctx, model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_recipe *recipe;
   pare_ctx_init(&ctx);
   pare_status status = pare_recipe_parse(&ctx, (const char *)data, size, "fuzz", &recipe);
   if (status == PARE_OK) {
      round_trip(&ctx, recipe);
      plan(&ctx, recipe);
      pare_recipe_destroy(&ctx, recipe);
   } else if (status != PARE_USAGE && status != PARE_INPUT) {
      abort();
   }
   pare_ctx_finish(&ctx);
   return 0;
}
