/* The passes that recognise operations, on a whole layer of primitives: what they leave, and memory running out at
 * every place. */
#include <stdio.h>

#include "passes/passes.h"
#include "pipeline_model.h"

static pare_ctx ctx;
static unit_heap heap;

/* The graph of a golden case, which reaches to the output. */
static char *read_case(const char *rest)
{
   char path[512];
   pare_buffer *bytes;
   const char *slash = strrchr(__FILE__, '/');
   snprintf(path, sizeof path, "%.*s/../golden/%s", slash ? (int)(slash - __FILE__) : 1, slash ? __FILE__ : ".", rest);
   assert_ok(&ctx, pare_read_file(&ctx, path, 1 << 20, &bytes));
   char *text = calloc(pare_buffer_size(bytes) + 1, 1);
   memcpy(text, pare_buffer_data(bytes), pare_buffer_size(bytes));
   pare_buffer_unref(&ctx, bytes);
   *strstr(text, "---- output") = 0;
   char *graph = strstr(text, "graph ");
   memmove(text, graph, strlen(graph) + 1);
   return text;
}

#define ALL_STEPS                                                                                           \
   "{\"pass\": \"fold_constants\"}, {\"pass\": \"opt_cse\"}, {\"pass\": \"fuse_layernorm\"}, "               \
   "{\"pass\": \"fuse_rmsnorm\"}, {\"pass\": \"fuse_rope\"}, {\"pass\": \"fuse_attention\"}, "               \
   "{\"pass\": \"fuse_gelu\"}, {\"pass\": \"fold_scale\"}, {\"pass\": \"opt_dce\"}"

static pare_status run(const char *text, size_t *n_nodes)
{
   const pare_pipeline_options options = { 0 };
   pare_model *model = NULL;
   pare_recipe *recipe = NULL;
   pare_pipeline_report *report = NULL;
   pare_status status = model_from_text(&ctx, text, &model);
   if (status == PARE_OK) status = recipe_from_steps(&ctx, ALL_STEPS, &recipe);
   if (status == PARE_OK) status = pare_pipeline_run(&ctx, recipe, model, &options, &report);
   if (status == PARE_OK) *n_nodes = model->graph->n_nodes;
   pare_pipeline_report_destroy(&ctx, report);
   pare_recipe_destroy(&ctx, recipe);
   pare_model_destroy(&ctx, model);
   return status;
}

START_TEST(a_layer_of_primitives_becomes_a_layer)
{
   size_t n_nodes = 0;
   unit_heap_init(&ctx, &heap);
   char *text = read_case("fuse_attention/llama_layer.txt");
   assert_ok(&ctx, run(text, &n_nodes));
   ck_assert_uint_eq(n_nodes, 16);
   ck_assert_int_eq(heap.blocks, 0);
   free(text);
}
END_TEST

START_TEST(memory_runs_out_anywhere)
{
   size_t n_nodes;
   unit_heap_init(&ctx, &heap);
   char *text = read_case("fuse_attention/llama_layer.txt");
   pare_status status = PARE_RESOURCE;
   for (long at = 1; status != PARE_OK; at += 1 + at / 40) {
      unit_heap_init(&ctx, &heap);
      heap.fail_at = at;
      status = run(text, &n_nodes);
      ck_assert_msg(status == PARE_OK || status == PARE_RESOURCE, "%ld: %s", at, ctx.error.message);
      ck_assert_int_eq(heap.blocks, 0);
   }
   free(text);
}
END_TEST

UNIT_MAIN("pipeline_fuse", a_layer_of_primitives_becomes_a_layer, memory_runs_out_anywhere)
