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

/* Nodes, and what is said of them, when one value has many products. */
static void fuse_many(int count, size_t *n_nodes, size_t *said)
{
   pare_str text = { 0 };
   pare_model *model;
   pare_recipe *recipe;
   pare_pipeline_report *report;
   const pare_pipeline_options options = { .trusted = true };
   pare_str_printf(&ctx, &text, "graph \"g\" {\n  input %%tokens : i32[tokens]\n  weight \"e\" [4, 8] f32\n"
                                "  %%0 = embed \"e\" (%%tokens) [\"e\"] : f32[tokens, 8]\n");
   for (int i = 1; i <= count; i++)
      pare_str_printf(&ctx, &text, "  %%%d = linear \"l%d\" (%%0) [\"e\"]%s : f32[tokens, 4]\n  output %%%d\n", i, i,
                      i % 3 ? "" : " {\"activation\":\"relu\"}", i);
   pare_str_puts(&ctx, &text, "}\n");
   assert_ok(&ctx, model_from_text(&ctx, text.data, &model));
   assert_ok(&ctx, recipe_from_steps(&ctx, "{\"pass\": \"fuse_linear\"}", &recipe));
   assert_ok(&ctx, pare_pipeline_run(&ctx, recipe, model, &options, &report));
   *n_nodes = model->graph->n_nodes;
   *said = strlen(report->passes[0].patterns);
   pare_pipeline_report_destroy(&ctx, report);
   pare_recipe_destroy(&ctx, recipe);
   pare_model_destroy(&ctx, model);
   pare_str_finish(&ctx, &text);
}

/* A report must not grow faster than the graph: artifacts of strangers are fused when they are opened. */
START_TEST(many_products_of_one_value)
{
   size_t n_nodes, few, many;
   unit_heap_init(&ctx, &heap);
   fuse_many(120, &n_nodes, &few);
   ck_assert_uint_eq(n_nodes, 1 + 40 + 20);
   fuse_many(1200, &n_nodes, &many);
   ck_assert_uint_eq(n_nodes, 1 + 400 + 200);
   ck_assert_uint_lt(many, 13 * few);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("pipeline_fuse", many_products_of_one_value, a_layer_of_primitives_becomes_a_layer,
          memory_runs_out_anywhere)
