/* the pipeline: checks before compute, what it measures, that passes cannot lie, failing allocations. */
#include <math.h>
#include <stdio.h>

#include "ops/ops.h"
#include "passes/passes.h"
#include "pipeline_model.h"

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   pare_model *model;
} fixture;

static void fixture_init(fixture *f)
{
   unit_heap_init(&f->ctx, &f->heap);
   assert_ok(&f->ctx, model_from_text(&f->ctx, PIPELINE_GRAPH, &f->model));
}

static void fixture_finish(fixture *f)
{
   pare_model_destroy(&f->ctx, f->model);
   pare_ctx_finish(&f->ctx);
   ck_assert_int_eq(f->heap.blocks, 0);
}

static pare_status run_with(fixture *f, const char *steps, const pare_pipeline_options *options,
                            pare_pipeline_report **report)
{
   pare_recipe *recipe;
   assert_ok(&f->ctx, recipe_from_steps(&f->ctx, steps, &recipe));
   pare_status status = pare_pipeline_run(&f->ctx, recipe, f->model, options, report);
   pare_recipe_destroy(&f->ctx, recipe);
   return status;
}

static pare_status run(fixture *f, const char *steps, pare_pipeline_report **report)
{
   pare_pipeline_options options = { 0 };
   return run_with(f, steps, &options, report);
}

START_TEST(prunes_then_quantizes)
{
   fixture f;
   pare_pipeline_report *report;
   fixture_init(&f);
   assert_ok(&f.ctx, run(&f, "{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}, {\"pass\": \"quant_rtn\"},"
                             "{\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}", &report));
   ck_assert_int_eq(report->n_passes, 4);
   const pare_pass_report *p = report->passes;
   int64_t pruned = 64 * 64 / 2 + 2 * (64 * 24 / 2);
   ck_assert_int_eq(p[0].before.zeros, p[0].after.zeros - pruned);
   ck_assert_int_eq(p[0].after.zeros, p[1].before.zeros);
   ck_assert_int_ge(p[1].after.zeros, p[1].before.zeros);
   ck_assert_int_eq(p[0].matched, 3);
   ck_assert_int_eq(p[1].matched, 5); /* the dead node's weight is a matrix too */
   ck_assert(p[0].relative_error > 0.2 && p[0].relative_error < 0.5);
   ck_assert(p[1].relative_error > 0 && p[1].relative_error < 0.02);
   ck_assert(p[1].after.bytes < p[1].before.bytes);
   ck_assert(strstr(p[1].fallbacks, "model.layers.0.qkv.weight\ti8 rotated\ti8\tpruned values stay") != NULL);
   ck_assert(strstr(p[1].fallbacks, "embed") == NULL);
   ck_assert(p[3].after.macs < p[3].before.macs && p[3].after.params < p[3].before.params);
   ck_assert(!p[2].skipped && p[2].relative_error == 0);
   pare_weight *w = pare_graph_find_weight(f.model->graph, "model.layers.0.qkv.weight");
   ck_assert_int_eq(w->encoding.kind, PARE_ENC_I8);
   ck_assert_int_eq(w->encoding.rotation, 0);
   ck_assert_int_eq(pare_graph_find_weight(f.model->graph, "model.embed.weight")->encoding.rotation, 64);
   ck_assert_int_eq(pare_graph_find_weight(f.model->graph, "wpe.weight")->encoding.kind, PARE_ENC_F32);
   ck_assert(count_zeros_of(&f.ctx, f.model, "model.layers.0.qkv.weight") >= 64 * 64 / 2);
   ck_assert_int_eq(pare_graph_find_value(f.model->graph, "kv.0")->type.dtype, PARE_I8);
   ck_assert(pare_graph_find_weight(f.model->graph, "unused.weight") == NULL);
   pare_pipeline_report_destroy(&f.ctx, report);
   fixture_finish(&f);
}
END_TEST

START_TEST(refuses_before_compute)
{
   const struct {
      const char *steps, *where, *message;
   } cases[] = {
      { "{\"pass\": \"quant_rtn\", \"positions\": true}, {\"pass\": \"quant_rtn\"}", "passes[1]",
        "needs linear layers or tables with float weights" },
      { "{\"pass\": \"quant_rtn\"}, {\"pass\": \"quant_rtn\"}", "passes[1]", "finds nothing to work on" },
      { "{\"pass\": \"quant_rtn\"}, {\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}", "passes[1]",
        "finds nothing to work on" },
      { "{\"pass\": \"quant_rtn\", \"targets\": [\"layers.*\", \"layer.*\"]}", "passes[0].targets[1]",
        "matches no" },
      { "{\"pass\": \"quant_rtn\", \"targets\": \"layers.0.norm\"}", "passes[0].targets", "names nothing" },
      { "{\"pass\": \"quant_rtn\", \"targets\": []}", "passes[0].targets", "names nothing" },
      { "{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}, {\"pass\": \"quant_rtn\", \"rotate\": \"on\"}",
        "passes[1]", "would lose the zeros" },
   };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      fixture f;
      pare_recipe *recipe;
      pare_pipeline_report *report;
      pare_str before = { 0 }, after = { 0 };
      fixture_init(&f);
      assert_ok(&f.ctx, pare_graph_print(&f.ctx, f.model->graph, &before));
      assert_ok(&f.ctx, recipe_from_steps(&f.ctx, cases[i].steps, &recipe));
      ck_assert_int_eq(pare_pipeline_check(&f.ctx, recipe, f.model, NULL), PARE_USAGE);
      ck_assert_str_eq(f.ctx.error.where, cases[i].where);
      pare_ctx_clear(&f.ctx);
      assert_fails(&f.ctx, run(&f, cases[i].steps, &report), PARE_USAGE, cases[i].message);
      assert_ok(&f.ctx, pare_graph_print(&f.ctx, f.model->graph, &after));
      ck_assert_str_eq(before.data, after.data);
      pare_str_finish(&f.ctx, &before);
      pare_str_finish(&f.ctx, &after);
      pare_recipe_destroy(&f.ctx, recipe);
      fixture_finish(&f);
   }
}
END_TEST

/* All linear layers first, then a table that no linear layer has. */
START_TEST(quantizes_in_two_steps)
{
   fixture f;
   pare_pipeline_report *report;
   fixture_init(&f);
   assert_ok(&f.ctx, run(&f, "{\"pass\": \"quant_rtn\"}, {\"pass\": \"quant_rtn\", \"positions\": true}",
                         &report));
   ck_assert_int_eq(report->passes[1].matched, 1);
   ck_assert_int_eq(pare_graph_find_weight(f.model->graph, "wpe.weight")->encoding.kind, PARE_ENC_I8);
   pare_pipeline_report_destroy(&f.ctx, report);
   fixture_finish(&f);
}
END_TEST

START_TEST(estimates_what_it_then_does)
{
   const char *steps =
      "{\"pass\": \"prune_magnitude\", \"pattern\": \"2:4\"}, {\"pass\": \"quant_rtn\"}, "
      "{\"pass\": \"opt_dce\"}";
   fixture f;
   pare_recipe *recipe;
   pare_pipeline_estimate estimate;
   pare_pipeline_report *report;
   fixture_init(&f);
   assert_ok(&f.ctx, recipe_from_steps(&f.ctx, steps, &recipe));
   assert_ok(&f.ctx, pare_pipeline_check(&f.ctx, recipe, f.model, &estimate));
   assert_ok(&f.ctx, run(&f, steps, &report));
   ck_assert_uint_eq(estimate.input_bytes, report->passes[0].before.bytes);
   ck_assert(estimate.scratch_bytes > estimate.output_bytes && estimate.memory_bytes > 0);
   ck_assert_uint_eq(estimate.output_bytes, report->passes[2].after.bytes);
   pare_pipeline_report_destroy(&f.ctx, report);
   pare_recipe_destroy(&f.ctx, recipe);
   fixture_finish(&f);
}
END_TEST

static pare_status keep_name(pare_ctx *ctx, void *user, const char *pass, const char *text, size_t size)
{
   ck_assert(strncmp(text, "graph \"tiny\"", 12) == 0 && text[size - 2] == '}');
   return pare_str_printf(ctx, user, "%s ", pass);
}

START_TEST(prints_and_stops)
{
   const char *steps = "{\"pass\": \"quant_rtn\"}, {\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}";
   fixture f;
   pare_pipeline_report *report;
   pare_str names = { 0 };
   pare_pipeline_options options = {
      .print_after = "all", .stop_after = "quant_kv", .print = keep_name, .user = &names
   };
   fixture_init(&f);
   assert_ok(&f.ctx, run_with(&f, steps, &options, &report));
   ck_assert_int_eq(report->n_passes, 2);
   ck_assert_str_eq(names.data, "quant_rtn quant_kv ");
   pare_pipeline_report_destroy(&f.ctx, report);
   options.stop_after = "prune_magnitude";
   assert_fails(&f.ctx, run_with(&f, steps, &options, &report), PARE_USAGE, "no pass of this recipe");
   options = (pare_pipeline_options){ .print_after = "cast" };
   assert_fails(&f.ctx, run_with(&f, steps, &options, &report), PARE_USAGE, "no pass of this recipe");
   pare_str_finish(&f.ctx, &names);
   fixture_finish(&f);
}
END_TEST

START_TEST(skips_what_has_nothing_to_do)
{
   fixture f;
   pare_pipeline_report *report;
   fixture_init(&f);
   assert_ok(
      &f.ctx,
      run(&f, "{\"pass\": \"opt_dce\"}, {\"pass\": \"opt_dce\"}, {\"pass\": \"quant_kv\", \"type\": \"f32\"}",
          &report));
   ck_assert(!report->passes[0].skipped && report->passes[1].skipped && report->passes[2].skipped);
   pare_pipeline_report_destroy(&f.ctx, report);
   fixture_finish(&f);
}
END_TEST

/* ---- passes that lie ---- */

static pare_status hide_change(pare_ctx *ctx, pare_pass_run *r)
{
   (void)ctx;
   pare_graph_find_value(r->model->graph, "kv.0")->type.dtype = PARE_F16;
   return PARE_OK;
}

static pare_status claim_change(pare_ctx *ctx, pare_pass_run *r)
{
   (void)ctx;
   r->changed = true;
   return PARE_OK;
}

static pare_status break_graph(pare_ctx *ctx, pare_pass_run *r)
{
   (void)ctx;
   r->model->graph->first->output[0]->type.dim[1] = 7;
   r->changed = true;
   return PARE_OK;
}

static void drop_nothing(void *user, int64_t row, int64_t k, float *values)
{
   (void)user;
   (void)row;
   for (int64_t i = 0; i < k; i++) values[i] = 1;
}

static pare_status revive_zeros(pare_ctx *ctx, pare_pass_run *r)
{
   pare_encode_error error;
   pare_weight *w = pare_graph_find_weight(r->model->graph, "model.layers.0.qkv.weight");
   PARE_TRY(pare_weight_edit(ctx, w, PARE_ENC_F32, NULL, drop_nothing, NULL, &error));
   return pare_pass_record(ctx, r, w, &error);
}

/* As many zeros as before, in other places. */
static void shift_values(void *user, int64_t row, int64_t k, float *values)
{
   (void)user;
   (void)row;
   float first = values[0];
   for (int64_t i = 0; i + 1 < k; i++) values[i] = values[i + 1];
   values[k - 1] = first;
}

static pare_status shift(pare_ctx *ctx, pare_pass_run *r, pare_weight **w, pare_encode_error *error)
{
   *w = pare_graph_find_weight(r->model->graph, "model.layers.0.qkv.weight");
   return pare_weight_edit(ctx, *w, PARE_ENC_F32, NULL, shift_values, NULL, error);
}

static pare_status move_zeros(pare_ctx *ctx, pare_pass_run *r)
{
   pare_encode_error error;
   pare_weight *w;
   PARE_TRY(shift(ctx, r, &w, &error));
   ck_assert_int_eq(error.zeros, error.zeros_before);
   return pare_pass_record(ctx, r, w, &error);
}

static pare_status hide_edit(pare_ctx *ctx, pare_pass_run *r)
{
   pare_encode_error error;
   pare_weight *w;
   r->changed = true;
   return shift(ctx, r, &w, &error);
}

/* Says that it loses nothing. */
static pare_status change_result(pare_ctx *ctx, pare_pass_run *r)
{
   (void)ctx;
   pare_norm_attrs *attrs = pare_graph_find_node(r->model->graph, "layers.0.norm")->attrs;
   attrs->eps = 0.5;
   r->changed = true;
   return PARE_OK;
}

static pare_status run_liar(fixture *f, pare_status (*lie)(pare_ctx *, pare_pass_run *))
{
   const pare_pass liar = { .name = "liar", .help = "", .fields = pare_no_fields, .run = lie };
   const pare_pipeline_options options = { 0 };
   pare_pipeline_report *report;
   pare_recipe *recipe;
   assert_ok(&f->ctx,
             recipe_from_steps(&f->ctx,
                               "{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}, {\"pass\": \"opt_dce\"}",
                               &recipe));
   recipe->steps[1].pass = &liar;
   pare_status status = pare_pipeline_run(&f->ctx, recipe, f->model, &options, &report);
   pare_recipe_destroy(&f->ctx, recipe);
   return status;
}

START_TEST(catches_lies)
{
   const struct {
      pare_status (*lie)(pare_ctx *, pare_pass_run *);
      const char *message;
   } cases[] = { { hide_change, "says it changed nothing" }, { claim_change, "says it changed something" },
                 { break_graph, "" }, { revive_zeros, "weights that were pruned" },
                 { move_zeros, "weights that were pruned" }, { hide_edit, "did not record that" },
                 { change_result, "computes something else" } };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      fixture f;
      fixture_init(&f);
      assert_fails(&f.ctx, run_liar(&f, cases[i].lie), PARE_INTERNAL, cases[i].message);
      fixture_finish(&f);
   }
}
END_TEST

/* One of two norms by a number of which nothing is known: 1 in the first draw of the check, 0 in the second. */
#define SWITCHED                                                                                              \
   "graph \"g\" {\n  input %x : f32[tokens, 8]\n  input %switch : i32[1]\n  weight \"w\" [8] f32\n"             \
   "  %0 = rms_norm \"of_ones\" (%x) [\"w\"] {\"eps\":1e-06} : f32[tokens, 8]\n"                                 \
   "  %1 = rms_norm \"of_zeros\" (%x) [\"w\"] {\"eps\":1e-06} : f32[tokens, 8]\n"                                \
   "  %2 = where \"chosen\" (%switch, %0, %1) : f32[tokens, 8]\n  output %2\n}\n"

static void change_norm(pare_pass_run *r, const char *name)
{
   ((pare_norm_attrs *)pare_graph_find_node(r->model->graph, name)->attrs)->eps = 0.5;
   r->changed = true;
}

static pare_status change_ones(pare_ctx *ctx, pare_pass_run *r)
{
   (void)ctx;
   change_norm(r, "of_ones");
   return PARE_OK;
}

static pare_status change_zeros(pare_ctx *ctx, pare_pass_run *r)
{
   (void)ctx;
   change_norm(r, "of_zeros");
   return PARE_OK;
}

static pare_status change_both(pare_ctx *ctx, pare_pass_run *r)
{
   change_norm(r, "of_ones");
   return change_zeros(ctx, r);
}

static pare_status run_switched(pare_ctx *ctx, pare_status (*lie)(pare_ctx *, pare_pass_run *), double tolerance)
{
   const pare_pass liar = {
      .name = "liar", .help = "", .fields = pare_no_fields, .run = lie, .tolerance = tolerance
   };
   const pare_pipeline_options options = { 0 };
   pare_pipeline_report *report = NULL;
   pare_recipe *recipe;
   pare_model *model;
   assert_ok(ctx, model_from_text(ctx, SWITCHED, &model));
   assert_ok(ctx, recipe_from_steps(ctx, "{\"pass\": \"opt_dce\"}", &recipe));
   recipe->steps[0].pass = &liar;
   pare_status status = pare_pipeline_run(ctx, recipe, model, &options, &report);
   pare_pipeline_report_destroy(ctx, report);
   pare_recipe_destroy(ctx, recipe);
   pare_model_destroy(ctx, model);
   return status;
}

/* A lossless pass is found out by either draw; one with a tolerance may fail one of them, but not both. */
START_TEST(catches_lies_of_one_draw)
{
   const struct {
      pare_status (*lie)(pare_ctx *, pare_pass_run *);
      double tolerance;
      bool passes;
   } cases[] = { { change_ones, 0, false },   { change_zeros, 0, false },   { change_both, 0, false },
                 { change_ones, 1e-6, true }, { change_zeros, 1e-6, true }, { change_both, 1e-6, false } };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_status status = run_switched(&ctx, cases[i].lie, cases[i].tolerance);
      ck_assert_msg(status == (cases[i].passes ? PARE_OK : PARE_INTERNAL), "case %zu: %d", i, (int)status);
      if (!cases[i].passes) ck_assert_ptr_nonnull(strstr(ctx.error.message, "computes something else"));
      pare_ctx_clear(&ctx);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Results that a later pass replaces do not stay in the artifact's file. */
START_TEST(replaced_results_go_elsewhere)
{
   const char *text =
      "graph \"g\" {\n  input %tokens : i32[tokens]\n  weight \"e\" [400, 256] f32\n"
      "  weight \"w\" [512, 256] f32\n"
      "  %0 = embed \"embed\" (%tokens) [\"e\"] : f32[tokens, 256]\n"
      "  %1 = linear \"layers.0\" (%0) [\"w\"] : f32[tokens, 512]\n  output %1\n}\n";
   pare_ctx ctx;
   pare_model *model;
   pare_recipe *recipe;
   pare_pipeline_report *report;
   pare_pipeline_options options = { 0 };
   pare_ctx_init(&ctx);
   assert_ok(&ctx, model_from_text(&ctx, text, &model));
   assert_ok(&ctx, recipe_from_steps(
                      &ctx, "{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5}, {\"pass\": \"quant_rtn\"}",
                      &recipe));
   assert_ok(&ctx, pare_outfile_scratch(&ctx, NULL, &options.result));
   assert_ok(&ctx, pare_pipeline_run(&ctx, recipe, model, &options, &report));
   for (size_t i = 0; i < model->graph->n_weights; i++)
      ck_assert_int_ge(pare_outfile_find(options.result, model->graph->weights[i]->data), 0);
   ck_assert_uint_eq(pare_outfile_size(options.result), report->passes[1].after.bytes);
   pare_pipeline_report_destroy(&ctx, report);
   pare_recipe_destroy(&ctx, recipe);
   pare_model_destroy(&ctx, model);
   pare_outfile_destroy(&ctx, options.result);
   pare_ctx_finish(&ctx);
}
END_TEST

static volatile sig_atomic_t stop_now = SIGINT;

START_TEST(stops_when_told)
{
   fixture f;
   pare_pipeline_report *report;
   fixture_init(&f);
   f.ctx.stop = &stop_now;
   assert_fails(&f.ctx, run(&f, "{\"pass\": \"quant_rtn\"}", &report), PARE_STOPPED, "stopped");
   fixture_finish(&f);
}
END_TEST

START_TEST(survives_every_failing_allocation)
{
   const char *steps =
      "{\"pass\": \"prune_magnitude\", \"sparsity\": 0.5, \"scope\": \"global\"}, {\"pass\": \"quant_rtn\"},"
      "{\"pass\": \"quant_kv\"}, {\"pass\": \"opt_dce\"}";
   for (long fail_at = 1;; fail_at++) {
      fixture f;
      pare_recipe *recipe;
      pare_pipeline_report *report = NULL;
      const pare_pipeline_options options = { 0 };
      fixture_init(&f);
      assert_ok(&f.ctx, recipe_from_steps(&f.ctx, steps, &recipe));
      f.heap.fail_at = f.heap.calls + fail_at;
      pare_status status = pare_pipeline_run(&f.ctx, recipe, f.model, &options, &report);
      ck_assert_msg(status == PARE_OK || status == PARE_RESOURCE, "%s", f.ctx.error.message);
      f.heap.fail_at = 0;
      pare_pipeline_report_destroy(&f.ctx, report);
      pare_recipe_destroy(&f.ctx, recipe);
      fixture_finish(&f);
      if (status == PARE_OK) break;
   }
}
END_TEST

UNIT_MAIN("pipeline_run", prunes_then_quantizes, refuses_before_compute, quantizes_in_two_steps,
          estimates_what_it_then_does, prints_and_stops, skips_what_has_nothing_to_do, catches_lies,
          catches_lies_of_one_draw, replaced_results_go_elsewhere, stops_when_told, survives_every_failing_allocation)
