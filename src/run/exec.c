/* exec: see exec.h. A stage with little work runs on the caller, without waking anybody. */
#include "run/exec.h"

#include "base/pool.h"

/* In elements passed once: below SMALL_WORK a barrier costs more than it saves; an item of rows has about
 * ITEM_WORK. */
enum { SMALL_WORK = 32768, ITEM_WORK = 16384 };

static const pare_step_rows row_work[PARE_STEP_ATTENTION] = {
   [PARE_STEP_EMBED] = pare_step_embed,
   [PARE_STEP_QUANTIZE] = pare_step_quantize,
   [PARE_STEP_RMS_NORM] = pare_step_rms_norm,
   [PARE_STEP_LAYER_NORM] = pare_step_layer_norm,
   [PARE_STEP_ROPE] = pare_step_rope,
   [PARE_STEP_KV_STORE] = pare_step_kv_store,
   [PARE_STEP_ADD] = pare_step_add,
   [PARE_STEP_MUL] = pare_step_mul,
   [PARE_STEP_ACTIVATION] = pare_step_activation,
   [PARE_STEP_SLICE] = pare_step_slice,
   [PARE_STEP_SELECT] = pare_step_select,
};

static const struct {
   pare_step_items count;
   pare_step_item item;
} item_work[PARE_STEP_COUNT] = {
   [PARE_STEP_ATTENTION] = { pare_attention_items, pare_attention_item },
   [PARE_STEP_LINEAR_I8] = { pare_linear_i8_items, pare_linear_i8_item },
   [PARE_STEP_LINEAR_F32] = { pare_linear_f32_items, pare_linear_f32_item },
};

typedef struct stage_job {
   const pare_run *run;
   const pare_stage *stage;
   int64_t rows, rows_of_item;
} stage_job;

static void work_on_rows(void *arg, int64_t item, int worker)
{
   const stage_job *job = arg;
   int64_t from = item * job->rows_of_item, to = from + job->rows_of_item;
   if (to > job->rows) to = job->rows;
   for (size_t i = 0; i < job->stage->n_steps; i++) {
      const pare_step *step = &job->stage->steps[i];
      row_work[step->kind](job->run, step, from, to, worker);
   }
}

static void work_on_item(void *arg, int64_t item, int worker)
{
   const stage_job *job = arg;
   const pare_step *step = job->stage->steps;
   item_work[step->kind].item(job->run, step, item, worker);
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

static void run_items(pare_ctx *ctx, int64_t count, double cost, pare_work work, void *arg)
{
   if (cost >= SMALL_WORK) {
      pare_pool_run(ctx, count, work, arg);
      return;
   }
   for (int64_t item = 0; item < count; item++) work(arg, item, 0);
}

static void run_stage(pare_ctx *ctx, const pare_run *run, const pare_stage *stage)
{
   const pare_step *step = stage->steps;
   stage_job job = { .run = run, .stage = stage, .rows = pare_run_rows(run, stage->of_rows) };
   double cost = row_cost(stage);
   if (!pare_step_by_rows(step)) {
      double all = step->kind == PARE_STEP_ATTENTION ? attention_cost(run, step) : cost * (double)job.rows;
      run_items(ctx, item_work[step->kind].count(run, step), all, work_on_item, &job);
      return;
   }
   job.rows_of_item = 1 + (int64_t)(ITEM_WORK / cost);
   run_items(ctx, (job.rows + job.rows_of_item - 1) / job.rows_of_item, cost * (double)job.rows, work_on_rows,
             &job);
}

pare_status pare_exec(pare_ctx *ctx, const pare_run *run)
{
   for (size_t i = 0; i < run->plan->n_stages; i++) {
      PARE_TRY(pare_check_stop(ctx));
      run_stage(ctx, run, &run->plan->stages[i]);
   }
   return pare_check_stop(ctx);
}
