/* recipes: what is read, what is refused and how, and that a printed recipe parses back. */
#include <stdio.h>
#include <string.h>

#include "passes/passes.h"
#include "pipeline/recipe.h"
#include "unit.h"

#define STEPS(steps) "{\"schema\": \"pare.recipe/1\", \"passes\": [" steps "]}"

static pare_status parse(pare_ctx *ctx, const char *text, pare_recipe **out)
{
   return pare_recipe_parse(ctx, text, strlen(text), "test.json", out);
}

START_TEST(reads_steps_and_defaults)
{
   pare_ctx ctx;
   pare_recipe *recipe;
   pare_ctx_init(&ctx);
   assert_ok(&ctx,
             parse(&ctx,
                   STEPS("{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5, \"targets\": [\"a*\", \"b\"],"
                         "\"skip\": \"c\"}, {\"pass\": \"quant_rtn\"}, {\"pass\": \"opt_dce\"}"),
                   &recipe));
   ck_assert_int_eq(recipe->n_steps, 3);
   ck_assert(!recipe->deflate);
   const pare_recipe_step *steps = recipe->steps;
   ck_assert_ptr_eq(steps[0].pass, &pare_pass_prune_magnitude);
   ck_assert(steps[0].targets_given && !steps[1].targets_given);
   ck_assert_int_eq(steps[0].targets.count, 2);
   ck_assert_str_eq(steps[0].targets.items[1], "b");
   ck_assert_str_eq(steps[0].skip.items[0], "c");
   ck_assert_int_eq(steps[1].targets.count, 1);
   ck_assert_str_eq(steps[1].targets.items[0], "*");
   pare_recipe_destroy(&ctx, recipe);
   pare_ctx_finish(&ctx);
}
END_TEST

START_TEST(refuses_with_the_path)
{
   const struct {
      const char *text, *where, *message;
   } cases[] = {
      { "{", "test.json", "" },
      { "[]", "", "expected an object" },
      { "{\"passes\": []}", "schema", "missing" },
      { "{\"schema\": \"pare.recipe/2\", \"passes\": []}", "schema", "expected \"pare.recipe/1\"" },
      { "{\"schema\": \"pare.recipe/1\"}", "passes", "missing" },
      { "{\"schema\": \"pare.recipe/1\", \"passes\": 3}", "passes", "expected a list" },
      { STEPS(""), "passes", "empty" },
      { "{\"schema\": \"pare.recipe/1\", \"pases\": []}", "pases", "did you mean \"passes\"?" },
      { STEPS("3"), "passes[0]", "expected an object" },
      { STEPS("{}"), "passes[0]", "no \"pass\"" },
      { STEPS("{\"pass\": 1}"), "passes[0].pass", "expected a text" },
      { STEPS("{\"pass\": \"quant_rtm\"}"), "passes[0].pass", "did you mean \"quant_rtn\"?" },
      { STEPS("{\"pass\": \"opt_dce\"}, {\"pass\": \"quant_rtn\", \"rotat\": \"on\"}"), "passes[1].rotat",
        "did you mean \"rotate\"?" },
      { STEPS("{\"pass\": \"quant_rtn\", \"target\": \"x\"}"), "passes[0].target",
        "did you mean \"targets\"?" },
      { STEPS("{\"pass\": \"quant_rtn\", \"rotate\": true}"), "passes[0].rotate",
        "expected one of auto, on, off" },
      { STEPS("{\"pass\": \"opt_dce\", \"targets\": \"*\"}"), "passes[0].targets", "unknown key" },
      { STEPS("{\"pass\": \"prune_magnitude\", \"sparsity\": 1}"), "passes[0].sparsity", "[0, 0.99]" },
      { STEPS("{\"pass\": \"prune_magnitude\"}"), "passes[0]", "prunes nothing" },
      { STEPS("{\"pass\": \"prune_magnitude\", \"pattern\": \"4:2\"}"), "passes[0]", "expected N:M" },
      { STEPS("{\"pass\": \"prune_magnitude\", \"pattern\": \"2:4x\"}"), "passes[0]", "expected N:M" },
      { STEPS("{\"pass\": \"prune_magnitude\", \"pattern\": \"2:4\", \"sparsity\": 0.5}"), "passes[0]",
        "only one" },
      { STEPS("{\"pass\": \"prune_magnitude\", \"pattern\": \"2:4\", \"block\": 2}"), "passes[0]",
        "neither" },
   };
   pare_ctx ctx;
   pare_recipe *recipe;
   pare_ctx_init(&ctx);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_status status = parse(&ctx, cases[i].text, &recipe);
      ck_assert_msg(status == (i == 0 ? PARE_INPUT : PARE_USAGE), "%s: %d", cases[i].text, status);
      char where[300];
      snprintf(where, sizeof where, "test.json%s%s", *cases[i].where ? ": " : "", cases[i].where);
      if (i) ck_assert_str_eq(ctx.error.where, where);
      ck_assert_msg(strstr(ctx.error.message, cases[i].message) != NULL, "%s", ctx.error.message);
      pare_ctx_clear(&ctx);
   }
   pare_ctx_finish(&ctx);
}
END_TEST

static void print(pare_ctx *ctx, const pare_recipe *recipe, pare_str *text)
{
   pare_json_writer writer;
   pare_json_begin(&writer, ctx, text, true);
   assert_ok(ctx, pare_recipe_print(ctx, recipe, &writer, NULL));
}

START_TEST(prints_what_parses_back)
{
   const char *const types[] = { "i8", "i4", "i3", "i2", "f16", "bf16", "f32" };
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
      pare_recipe *first, *second;
      pare_str a = { 0 }, b = { 0 };
      assert_ok(&ctx, pare_recipe_for_type(&ctx, types[i], &first));
      print(&ctx, first, &a);
      assert_ok(&ctx, parse(&ctx, a.data, &second));
      print(&ctx, second, &b);
      ck_assert_str_eq(a.data, b.data);
      pare_str_finish(&ctx, &a);
      pare_str_finish(&ctx, &b);
      pare_recipe_destroy(&ctx, first);
      pare_recipe_destroy(&ctx, second);
   }
   pare_recipe *recipe;
   assert_fails(&ctx, pare_recipe_for_type(&ctx, "i9", &recipe), PARE_USAGE,
                "expected one of i8, i4, i3, i2, f16, bf16, f32");
   pare_ctx_finish(&ctx);
}
END_TEST

START_TEST(every_pass_is_described)
{
   for (size_t i = 0; pare_passes()[i]; i++) {
      const pare_pass *pass = pare_passes()[i];
      ck_assert_ptr_eq(pare_pass_find(pass->name), pass);
      ck_assert(pass->help && pass->fields && (pass->run != NULL) != (pass->rewrite != NULL));
      ck_assert((pass->options_size > 0) == (pass->fields->name != NULL));
      for (const pare_field *f = pass->fields; f->name; f++) ck_assert(f->help != NULL);
   }
   ck_assert(pare_pass_find("quant") == NULL);
}
END_TEST

START_TEST(survives_every_failing_allocation)
{
   const char *text = STEPS("{\"pass\": \"prune_magnitude\", \"pattern\": \"2:4\", \"targets\": [\"a\"]},"
                            "{\"pass\": \"quant_rtn\", \"skip\": [\"b\", \"c\"]}");
   for (long fail_at = 1;; fail_at++) {
      pare_ctx ctx;
      unit_heap heap;
      pare_recipe *recipe = NULL;
      unit_heap_init(&ctx, &heap);
      heap.fail_at = fail_at;
      pare_status status = parse(&ctx, text, &recipe);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      pare_recipe_destroy(&ctx, recipe);
      ck_assert_int_eq(heap.blocks, 0);
      pare_ctx_finish(&ctx);
      if (status == PARE_OK) break;
   }
}
END_TEST

UNIT_MAIN("pipeline_recipe", reads_steps_and_defaults, refuses_with_the_path, prints_what_parses_back,
          every_pass_is_described, survives_every_failing_allocation)
