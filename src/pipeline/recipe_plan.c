/* recipe_plan: see recipe_plan.h. */
#include "pipeline/recipe_plan.h"

#include <stdio.h>

static const struct {
   unsigned fact;
   const char *text;
} facts[] = {
   { PARE_HAS_FLOAT_MATRICES, "linear layers or tables with float weights" },
   { PARE_IS_QUANTIZED, "integer-encoded weights" },
   { PARE_IS_PRUNED, "pruned weights" },
};

static const char *name_of(unsigned missing)
{
   for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
      if (missing & facts[i].fact) return facts[i].text;
   return "?";
}

/* The model stays as it is while planning; the run's pointer serves both. */
pare_pass_run pare_recipe_plan_run_of(const pare_recipe *recipe, size_t step, const pare_model *model,
                                      pare_notes *notes, const char *path)
{
   const pare_recipe_step *s = &recipe->steps[step];
   return (pare_pass_run){ .model = (pare_model *)(uintptr_t)model,
                           .pass = s->pass,
                           .step = step,
                           .path = path,
                           .options = s->options,
                           .targets = &s->targets,
                           .skip = &s->skip,
                           .notes = notes };
}

pare_status pare_recipe_plan_check_requires(pare_ctx *ctx, const pare_pass_run *run)
{
   unsigned missing = run->pass->requires & ~pare_notes_facts(run->notes);
   if (!missing) return PARE_OK;
   const char *when = run->step ? "the passes before it leave none" : "the model has none";
   return pare_fail(ctx, PARE_USAGE, run->path, "%s needs %s, and %s", run->pass->name, name_of(missing),
                    when);
}

pare_status pare_recipe_plan_check_ensures(pare_ctx *ctx, const pare_pass_run *run)
{
   unsigned missing = run->pass->ensures & ~pare_notes_facts(run->notes);
   if (!missing || run->matched == 0) return PARE_OK;
   return pare_fail(ctx, PARE_INTERNAL, run->path, "%s left no %s", run->pass->name, name_of(missing));
}

static bool matches_any(const pare_graph *graph, const char *pattern)
{
   for (const pare_node *node = graph->first; node; node = node->next)
      if (pare_name_matches(node->name, &pattern, 1)) return true;
   for (size_t i = 0; i < graph->n_weights; i++)
      if (pare_name_matches(graph->weights[i]->name, &pattern, 1)) return true;
   return false;
}

/* Each pattern that the recipe gives must name something, and together they must name something to work on.
 * So must the pass's own where it requires something; other passes may find their work done. */
static pare_status check_targets(pare_ctx *ctx, const pare_recipe_step *step, const pare_pass_run *run)
{
   char where[PARE_STEP_PATH + 32];
   if (!step->targets_given && run->pass->requires && run->matched == 0)
      return pare_fail(ctx, PARE_USAGE, run->path, "%s finds nothing to work on", run->pass->name);
   if (!step->targets_given) return PARE_OK;
   for (size_t i = 0; i < step->targets.count; i++) {
      if (matches_any(run->model->graph, step->targets.items[i])) continue;
      snprintf(where, sizeof where, "%s.targets[%zu]", run->path, i);
      return pare_fail(ctx, PARE_USAGE, where, "\"%.128s\" matches no node and no weight",
                       step->targets.items[i]);
   }
   if (run->matched > 0) return PARE_OK;
   snprintf(where, sizeof where, "%s.targets", run->path);
   return pare_fail(ctx, PARE_USAGE, where, "names nothing that %s works on", run->pass->name);
}

static pare_status plan_step(pare_ctx *ctx, const pare_recipe *recipe, size_t step, const pare_model *model,
                             pare_recipe_plan *plan)
{
   pare_step_plan *out = &plan->steps[step];
   snprintf(out->path, sizeof out->path, "passes[%zu]", step);
   pare_pass_run run = pare_recipe_plan_run_of(recipe, step, model, &plan->notes, out->path);
   PARE_TRY(pare_recipe_plan_check_requires(ctx, &run));
   if (run.pass->plan) PARE_TRY(run.pass->plan(ctx, &run));
   PARE_TRY(check_targets(ctx, &recipe->steps[step], &run));
   PARE_TRY(pare_recipe_plan_check_ensures(ctx, &run));
   out->matched = run.matched;
   out->bytes_read = run.bytes_total;
   out->bytes_written = run.bytes_written;
   return PARE_OK;
}

/* At least two steps write; a result of the first may be replaced by the second. */
static bool replaces_results(const pare_recipe_plan *plan)
{
   size_t writing = 0;
   for (size_t i = 0; i < plan->n_steps; i++) writing += plan->steps[i].bytes_written > 0;
   return writing > 1;
}

pare_status pare_recipe_plan_make(pare_ctx *ctx, const pare_recipe *recipe, size_t n_steps,
                                  const pare_model *model, pare_recipe_plan *out)
{
   *out = (pare_recipe_plan){ .n_steps = n_steps };
   PARE_TRY(pare_notes_create(ctx, model->graph, &out->notes));
   out->steps = pare_alloc_array(ctx, n_steps + 1, sizeof *out->steps);
   pare_status status = out->steps ? PARE_OK : PARE_RESOURCE;
   for (size_t i = 0; i < n_steps && status == PARE_OK; i++) status = plan_step(ctx, recipe, i, model, out);
   out->needs_scratch = status == PARE_OK && replaces_results(out);
   if (status != PARE_OK) pare_recipe_plan_finish(ctx, out);
   return status;
}

void pare_recipe_plan_finish(pare_ctx *ctx, pare_recipe_plan *plan)
{
   pare_notes_finish(ctx, &plan->notes);
   pare_free(ctx, plan->steps);
   *plan = (pare_recipe_plan){ 0 };
}

/* ---- the estimate ---- */

static uint64_t note_bytes(const pare_weight_note *note, pare_encoding encoding)
{
   size_t bytes = 0;
   pare_encoding_bytes(&encoding, note->weight->rank, note->weight->dim, &bytes);
   return bytes;
}

/* Graph and lists, then a block of 16 rows as floats and as codes for every worker. */
static uint64_t guess_memory(const pare_ctx *ctx, const pare_notes *notes)
{
   uint64_t longest = 0, workers = ctx->threads > 0 ? (uint64_t)ctx->threads : 1;
   for (size_t i = 0; i < notes->count; i++) {
      uint64_t k = (uint64_t)notes->items[i].weight->dim[1];
      longest = k > longest ? k : longest;
   }
   return ((uint64_t)16 << 20) + workers * longest * PARE_BLOCK_N * (sizeof(float) + 1);
}

static void sum_up(const pare_ctx *ctx, const pare_recipe_plan *plan, pare_pipeline_estimate *out)
{
   *out = (pare_pipeline_estimate){ .memory_bytes = guess_memory(ctx, &plan->notes) };
   for (size_t i = 0; i < plan->notes.count; i++) {
      const pare_weight_note *note = &plan->notes.items[i];
      out->input_bytes += note_bytes(note, note->weight->encoding);
      if (!note->dropped) out->output_bytes += note_bytes(note, note->encoding);
   }
   for (size_t i = 0; i < plan->n_steps; i++) out->scratch_bytes += plan->steps[i].bytes_written;
}

pare_status pare_pipeline_check(pare_ctx *ctx, const pare_recipe *recipe, const pare_model *model,
                                pare_pipeline_estimate *estimate)
{
   pare_recipe_plan plan;
   PARE_TRY(pare_recipe_plan_make(ctx, recipe, recipe->n_steps, model, &plan));
   if (estimate) sum_up(ctx, &plan, estimate);
   pare_recipe_plan_finish(ctx, &plan);
   return PARE_OK;
}
