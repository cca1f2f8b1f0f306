/* exec: see exec.h. A stage with little work runs on the caller, without waking anybody. */
#include "run/exec.h"

#include "base/pool.h"

/* In elements passed once: below SMALL_WORK a barrier costs more than it saves; rows are handed out by about
 * ITEM_WORK. */
enum { SMALL_WORK = 32768, ITEM_WORK = 16384 };

static const pare_step_range row_work[PARE_STEP_ATTENTION] = {
   [PARE_STEP_EMBED] = pare_step_embed,
   [PARE_STEP_QUANTIZE] = pare_step_quantize,
   [PARE_STEP_ROTATE] = pare_step_rotate,
   [PARE_STEP_RMS_NORM] = pare_step_norm,
   [PARE_STEP_LAYER_NORM] = pare_step_norm,
   [PARE_STEP_RESIDUAL_NORM] = pare_step_residual_norm,
   [PARE_STEP_ROPE] = pare_step_rope,
   [PARE_STEP_KV_STORE] = pare_step_kv_store,
   [PARE_STEP_ADD] = pare_step_add,
   [PARE_STEP_MUL] = pare_step_mul,
   [PARE_STEP_ACTIVATION] = pare_step_activation,
   [PARE_STEP_SLICE] = pare_step_slice,
   [PARE_STEP_SELECT] = pare_step_select,
};

static const struct {
   pare_step_cutter cut;
   pare_step_range items;
} item_work[PARE_STEP_COUNT] = {
   [PARE_STEP_ATTENTION] = { pare_attention_cut, pare_attention_items },
   [PARE_STEP_LINEAR_I8] = { pare_linear_i8_cut, pare_linear_i8_items },
   [PARE_STEP_LINEAR_F32] = { pare_linear_f32_cut, pare_linear_f32_items },
};

typedef struct stage_job {
   const pare_run *run;
   const pare_stage *stage;
} stage_job;

static void work_on_rows(void *arg, int64_t from, int64_t to, int worker)
{
   const stage_job *job = arg;
   for (size_t i = 0; i < job->stage->n_steps; i++) {
      const pare_step *step = &job->stage->steps[i];
      row_work[step->kind](job->run, step, from, to, worker);
   }
}

static void work_on_items(void *arg, int64_t from, int64_t to, int worker)
{
   const stage_job *job = arg;
   const pare_step *step = job->stage->steps;
   item_work[step->kind].items(job->run, step, from, to, worker);
}

/* Keys seen by all rows together. */
static double attention_cost(const pare_run *run, const pare_step *step)
{
   double seen = 0;
   for (int64_t row = 0; row < run->batch->n_tokens; row++) seen += (double)run->batch->positions[row] + 1;
   return seen * step->row_cost;
}

static double row_cost(const pare_stage *stage)
{
   double cost = 0;
   for (size_t i = 0; i < stage->n_steps; i++) cost += stage->steps[i].row_cost;
   return cost;
}

static void run_cut(pare_ctx *ctx, pare_step_cut cut, double cost, pare_work_range work, void *arg)
{
   if (cost >= SMALL_WORK) pare_pool_run_ranges(ctx, cut.items, cut.grain, work, arg);
   else if (cut.items > 0) work(arg, 0, cut.items, 0);
}

static void run_stage(pare_ctx *ctx, const pare_run *run, const pare_stage *stage)
{
   const pare_step *step = stage->steps;
   stage_job job = { .run = run, .stage = stage };
   int64_t rows = pare_run_rows(run, stage->of_rows);
   double cost = row_cost(stage), all = cost * (double)rows;
   if (pare_step_by_rows(step)) {
      run_cut(ctx, (pare_step_cut){ rows, 1 + (int64_t)(ITEM_WORK / cost) }, all, work_on_rows, &job);
      return;
   }
   if (step->kind == PARE_STEP_ATTENTION) all = attention_cost(run, step);
   run_cut(ctx, item_work[step->kind].cut(run, step), all, work_on_items, &job);
}

pare_status pare_exec(pare_ctx *ctx, const pare_run *run)
{
   for (size_t i = 0; i < run->plan->n_stages; i++) {
      PARE_TRY(pare_check_stop(ctx));
      run_stage(ctx, run, &run->plan->stages[i]);
   }
   return pare_check_stop(ctx);
}
