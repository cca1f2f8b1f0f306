/* passes: which weights go, exactly, and that nothing else changes. Whole graphs are in tests/golden. */
#include <math.h>

#include "passes/passes.h"
#include "pipeline_model.h"

/* A model of one linear layer whose weight [n, k] holds `values`, pruned by `steps`; what is left in `out`.
 */
static void apply(const char *steps, int64_t n, int64_t k, const float *values, float *out)
{
   char text[512];
   unit_heap heap;
   pare_ctx ctx;
   pare_model *model;
   pare_recipe *recipe;
   pare_pipeline_report *report;
   const pare_pipeline_options options = { 0 };
   unit_heap_init(&ctx, &heap);
   snprintf(text, sizeof text,
            "graph \"g\" {\n  input %%tokens : i32[tokens]\n  weight \"e\" [4, %d] f32\n"
            "  weight \"w\" [%d, %d] f32\n  %%0 = embed \"embed\" (%%tokens) [\"e\"] : f32[tokens, %d]\n"
            "  %%1 = linear \"layers.0\" (%%0) [\"w\"] : f32[tokens, %d]\n  output %%1\n}\n",
            (int)k, (int)n, (int)k, (int)k, (int)n);
   assert_ok(&ctx, model_from_text(&ctx, text, &model));
   pare_weight *weight = pare_graph_find_weight(model->graph, "w");
   memcpy(pare_buffer_edit(weight->data), values, (size_t)(n * k) * sizeof *values);
   assert_ok(&ctx, recipe_from_steps(&ctx, steps, &recipe));
   assert_ok(&ctx, pare_pipeline_run(&ctx, recipe, model, &options, &report));
   assert_ok(&ctx, pare_weight_read(&ctx, weight, 0, n, out));
   pare_pipeline_report_destroy(&ctx, report);
   pare_recipe_destroy(&ctx, recipe);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}

#define EXPECT(steps, n, k, before, after)                                            \
   do {                                                                               \
      const float values_[] = before, wanted_[] = after;                              \
      float found_[sizeof values_ / sizeof *values_];                                 \
      apply(steps, n, k, values_, found_);                                            \
      for (size_t i_ = 0; i_ < sizeof found_ / sizeof *found_; i_++)                  \
         ck_assert_msg(found_[i_] == wanted_[i_], "element %zu: %g, expected %g", i_, \
                       (double)found_[i_], (double)wanted_[i_]);                      \
   } while (0)
#define ROW(...) { __VA_ARGS__ }

START_TEST(smallest_go_first_and_ties_in_order)
{
   EXPECT("{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}", 2, 3, ROW(1, -2, 3, -4, 5, 6),
          ROW(0, 0, 0, -4, 5, 6));
   EXPECT("{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}", 2, 3, ROW(2, -2, 2, -2, 2, 1),
          ROW(0, 0, 2, -2, 2, 0));
   EXPECT("{\"pass\": \"prune_magnitude\", \"sparsity\": 0.4}", 1, 4, ROW(3, 0, 1, 0), ROW(3, 0, 1, 0));
   EXPECT("{\"pass\": \"prune_magnitude\", \"sparsity\": 0.1}", 1, 4, ROW(3, 2, 1, 4), ROW(3, 2, 1, 4));
}
END_TEST

START_TEST(patterns_keep_the_largest)
{
   const char *two_of_four = "{\"pass\": \"prune_magnitude\", \"pattern\": \"2:4\"}";
   EXPECT(two_of_four, 1, 8, ROW(1, -4, 2, 3, 5, 5, 5, 5), ROW(0, -4, 0, 3, 0, 0, 5, 5));
   EXPECT(two_of_four, 1, 7, ROW(0, 0, 0, 1, 3, 1, 2), ROW(0, 0, 0, 1, 3, 0, 2));
   EXPECT(two_of_four, 2, 2, ROW(1, 2, 4, 3), ROW(0, 2, 4, 0));
   EXPECT("{\"pass\": \"prune_magnitude\", \"pattern\": \"1:2\"}", 1, 4, ROW(-1, 1, 2, -3), ROW(0, 1, 0, -3));
}
END_TEST

START_TEST(blocks_go_whole)
{
   const char *steps = "{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5, \"block\": 2}";
   EXPECT(steps, 2, 4, ROW(9, 1, 4, 4, 5, 6, 1, 8), ROW(9, 1, 0, 0, 5, 6, 0, 0));
   EXPECT(steps, 1, 3, ROW(1, 2, 1), ROW(1, 2, 0)); /* a short last block counts by its mean */
}
END_TEST

UNIT_MAIN("pipeline_passes", smallest_go_first_and_ties_in_order, patterns_keep_the_largest, blocks_go_whole)
