/* pipeline: running the steps of a recipe; see pipeline.h. Planning is in recipe_plan.c. */
#include "pipeline/pipeline.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline/pass_check.h"
#include "pipeline/recipe_plan.h"
#include "pipeline/rewrite.h"

typedef struct runner {
   const pare_recipe *recipe;
   pare_model *model;
   const pare_pipeline_options *options;
   pare_recipe_plan plan;
   pare_notes notes;          /* as the weights are now */
   pare_outfile *scratch;     /* for results that a later step replaces */
   pare_pipeline_report *report;
   int64_t zeros;             /* in all weights counted so far */
} runner;

/* ---- measuring ---- */

static pare_pass_measure measure(const runner *r)
{
   pare_model_totals totals = pare_model_count(r->model);
   return (pare_pass_measure){ .params = totals.params, .zeros = r->zeros, .bytes = totals.tensor_bytes,
                               .macs = totals.macs_per_token };
}

/* Zeros found in weights that no earlier pass read were there all the time. */
static void count_zeros(runner *r, const pare_pass_run *run, pare_pass_report *report)
{
   for (size_t i = 0; i < run->step; i++) {
      r->report->passes[i].before.zeros += run->zeros_found;
      r->report->passes[i].after.zeros += run->zeros_found;
   }
   report->before.zeros += run->zeros_found;
   r->zeros += run->zeros_found + run->zeros_delta;
}

static const char *keep(pare_ctx *ctx, const runner *r, const pare_str *lines)
{
   return pare_arena_strdup(ctx, r->report->arena, lines->size ? lines->data : "");
}

static pare_status fill_report(pare_ctx *ctx, runner *r, const pare_pass_run *run, pare_pass_report *report)
{
   count_zeros(r, run, report);
   report->after = measure(r);
   report->matched = run->matched;
   report->skipped = !run->changed;
   const pare_encode_error *error = &run->error;
   if (error->squared_value > 0) report->relative_error = sqrt(error->squared_error / error->squared_value);
   report->fallbacks = keep(ctx, r, run->fallbacks);
   report->patterns = report->fallbacks ? keep(ctx, r, run->patterns) : NULL;
   return report->patterns ? PARE_OK : PARE_RESOURCE;
}

/* ---- one step ---- */

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   pare_pass_check check;
   PARE_TRY(pare_recipe_plan_check_requires(ctx, run));
   PARE_TRY(pare_pass_check_begin(ctx, run, &check));
   const pare_pass *pass = run->pass;
   pare_status status = pass->rewrite ? pare_rewrite_run(ctx, run, pass->rewrite) : pass->run(ctx, run);
   if (status == PARE_OK) status = pare_pass_check_end(ctx, run, &check);
   pare_pass_check_finish(ctx, &check);
   PARE_TRY(status);
   return pare_recipe_plan_check_ensures(ctx, run);
}

static pare_status print_graph(pare_ctx *ctx, const runner *r, const char *pass)
{
   const char *wanted = r->options->print_after;
   if (!wanted || (strcmp(wanted, "all") != 0 && strcmp(wanted, pass) != 0)) return PARE_OK;
   pare_str text = { 0 };
   pare_status status = pare_graph_print(ctx, r->model->graph, &text);
   if (status == PARE_OK) status = r->options->print(ctx, r->options->user, pass, text.data, text.size);
   pare_str_finish(ctx, &text);
   return status;
}

static pare_status run_step(pare_ctx *ctx, runner *r, size_t step)
{
   const pare_step_plan *planned = &r->plan.steps[step];
   pare_pass_report *report = &r->report->passes[step];
   pare_str fallbacks = { 0 }, patterns = { 0 };
   PARE_TRY(pare_check_stop(ctx));
   PARE_TRY(pare_notes_find_users(ctx, r->model->graph, &r->notes));
   pare_pass_run run = pare_recipe_plan_run_of(r->recipe, step, r->model, &r->notes, planned->path);
   run.result = r->options->result;
   run.scratch = r->scratch;
   run.bytes_total = planned->bytes_read;
   run.fallbacks = &fallbacks;
   run.trusted = r->options->trusted;
   run.patterns = &patterns;
   *report = (pare_pass_report){ .pass = run.pass, .before = measure(r) };
   double start = pare_now();
   pare_status status = run_pass(ctx, &run);
   report->seconds = pare_now() - start;
   if (status == PARE_OK) status = fill_report(ctx, r, &run, report);
   pare_str_finish(ctx, &fallbacks);
   pare_str_finish(ctx, &patterns);
   PARE_TRY(status);
   r->report->n_passes++;
   return print_graph(ctx, r, run.pass->name);
}

/* ---- the whole run ---- */

static pare_status find_step(pare_ctx *ctx, const pare_recipe *recipe, const char *option, const char *pass,
                             size_t *out)
{
   for (size_t i = 0; i < recipe->n_steps; i++) {
      if (strcmp(recipe->steps[i].pass->name, pass) != 0) continue;
      *out = i;
      return PARE_OK;
   }
   return pare_fail(ctx, PARE_USAGE, option, "\"%.64s\" is no pass of this recipe", pass);
}

/* How many steps to run. */
static pare_status count_steps(pare_ctx *ctx, const pare_recipe *recipe, const pare_pipeline_options *options,
                               size_t *out)
{
   size_t step = 0;
   *out = recipe->n_steps;
   if (options->stop_after) {
      PARE_TRY(find_step(ctx, recipe, "--stop-after", options->stop_after, &step));
      *out = step + 1;
   }
   if (!options->print_after || strcmp(options->print_after, "all") == 0) return PARE_OK;
   return find_step(ctx, recipe, "--print-after", options->print_after, &step);
}

static pare_status report_create(pare_ctx *ctx, size_t n_steps, pare_pipeline_report **out)
{
   pare_pipeline_report *report = pare_alloc(ctx, sizeof *report);
   if (!report) return PARE_RESOURCE;
   *out = report;
   report->arena = pare_arena_create(ctx);
   report->passes =
      report->arena ? pare_arena_array(ctx, report->arena, n_steps, sizeof *report->passes) : NULL;
   return report->passes ? PARE_OK : PARE_RESOURCE;
}

/* Notes of the run start from the weights as they are, with the plan's knowledge of who rewrites them
 * last. */
static pare_status prepare(pare_ctx *ctx, runner *r, size_t n_steps)
{
   PARE_TRY(pare_graph_validate(ctx, r->model->graph, PARE_INTERNAL));
   PARE_TRY(pare_recipe_plan_make(ctx, r->recipe, n_steps, r->model, &r->plan));
   PARE_TRY(pare_notes_create(ctx, r->model->graph, &r->notes));
   for (size_t i = 0; i < r->notes.count; i++) r->notes.items[i].last_step = r->plan.notes.items[i].last_step;
   if (r->options->result && r->plan.needs_scratch)
      PARE_TRY(pare_outfile_scratch(ctx, r->options->scratch_dir, &r->scratch));
   return report_create(ctx, n_steps, &r->report);
}

static void finish(pare_ctx *ctx, runner *r)
{
   pare_recipe_plan_finish(ctx, &r->plan);
   pare_notes_finish(ctx, &r->notes);
   pare_outfile_destroy(ctx, r->scratch);
}

pare_status pare_pipeline_run(pare_ctx *ctx, const pare_recipe *recipe, pare_model *model,
                              const pare_pipeline_options *options, pare_pipeline_report **out)
{
   runner r = { .recipe = recipe, .model = model, .options = options };
   size_t n_steps;
   PARE_TRY(count_steps(ctx, recipe, options, &n_steps));
   pare_status status = prepare(ctx, &r, n_steps);
   for (size_t i = 0; i < n_steps && status == PARE_OK; i++) status = run_step(ctx, &r, i);
   finish(ctx, &r);
   if (status == PARE_OK) {
      *out = r.report;
      return PARE_OK;
   }
   pare_pipeline_report_destroy(ctx, r.report);
   return status;
}

pare_status pare_pipeline_fuse(pare_ctx *ctx, pare_model *model)
{
   const pare_pipeline_options options = { .trusted = true };
   pare_recipe *recipe;
   pare_pipeline_report *report = NULL;
   PARE_TRY(pare_recipe_for_fusion(ctx, &recipe));
   pare_status status = pare_pipeline_run(ctx, recipe, model, &options, &report);
   pare_pipeline_report_destroy(ctx, report);
   pare_recipe_destroy(ctx, recipe);
   return status;
}

void pare_pipeline_report_destroy(pare_ctx *ctx, pare_pipeline_report *report)
{
   if (!report) return;
   pare_arena_destroy(ctx, report->arena);
   pare_free(ctx, report);
}
