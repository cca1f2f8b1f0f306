/* recipe_plan: a recipe worked through on paper: every pass's plan in order, each seeing the notes that those
 * before it left. Not for other layers. */
#ifndef PARE_PIPELINE_RECIPE_PLAN_H
#define PARE_PIPELINE_RECIPE_PLAN_H

#include "pipeline/pipeline.h"

enum { PARE_STEP_PATH = 32 };

typedef struct pare_step_plan {
   char path[PARE_STEP_PATH]; /* "passes[1]" */
   int64_t matched;
   double bytes_read;
   uint64_t bytes_written;
} pare_step_plan;

typedef struct pare_recipe_plan {
   pare_notes notes; /* as they will be after the last step */
   pare_step_plan *steps;
   size_t n_steps;
   bool needs_scratch; /* a result may be replaced by a later step */
} pare_recipe_plan;

/* Plans the first n_steps of the recipe. The caller finishes *out. */
pare_status pare_recipe_plan_make(pare_ctx *ctx, const pare_recipe *recipe, size_t n_steps,
                                  const pare_model *model, pare_recipe_plan *out);
void pare_recipe_plan_finish(pare_ctx *ctx, pare_recipe_plan *plan);

/* The run a step is planned or run with. */
pare_pass_run pare_recipe_plan_run_of(const pare_recipe *recipe, size_t step, const pare_model *model,
                                      pare_notes *notes, const char *path);
/* Fails with PARE_USAGE (naming path) when what the pass requires does not hold. */
pare_status pare_recipe_plan_check_requires(pare_ctx *ctx, const pare_pass_run *run);
/* Fails with PARE_INTERNAL when the pass matched something and what it ensures does not hold. */
pare_status pare_recipe_plan_check_ensures(pare_ctx *ctx, const pare_pass_run *run);

#endif
