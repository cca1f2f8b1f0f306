/* plan_check: proves again, from the steps alone, that no region is overwritten while it is needed.
 *
 * Every region lives from the first stage that writes it to the last that reads it (the logits to the end).
 * In a stage workers are at different steps, so two regions of one stage live at the same time, whatever the
 * order of the steps. The one exception: b may lie exactly on a when both have rows of f32 equally far apart, no
 * step reads a after the one that writes b, and the stage goes row by row, so that a worker writes only rows of b
 * whose rows of a it has used itself; or the step is a product that adds a to its results. Regions are taken in the
 * order they are written and compared with those still alive. */
#include "run/plan.h"

#define NEVER SIZE_MAX

typedef struct life {
   size_t written, read; /* steps: the first that writes it, the last that reads it */
   size_t from, to;      /* stages */
} life;

typedef struct checker {
   pare_ctx *ctx;
   const pare_plan *plan;
   size_t *stage_of; /* [n_steps] */
   life *lives;      /* [n_regions] */
   size_t *alive;    /* [n_regions] numbers of regions */
   size_t n_alive;
   pare_plan_proof proof;
} checker;

static pare_status wrong(const checker *c, size_t region, const char *what)
{
   return pare_fail(c->ctx, PARE_INTERNAL, "plan", "region %zu %s", region, what);
}

/* ---- lives ---- */

static pare_status note_read(checker *c, const pare_region *region, size_t step)
{
   life *l = &c->lives[region->number];
   if (l->written >= step) return wrong(c, region->number, "is read before it is written");
   l->read = step;
   l->to = c->stage_of[step];
   return PARE_OK;
}

static pare_status note_write(checker *c, const pare_region *region, size_t step)
{
   life *l = &c->lives[region->number];
   if (l->written != NEVER) return wrong(c, region->number, "is written by two steps");
   *l = (life){ .written = step, .read = step, .from = c->stage_of[step], .to = c->stage_of[step] };
   return PARE_OK;
}

static pare_status note_step(checker *c, const pare_step *step, size_t at)
{
   for (size_t i = 0; i < sizeof step->in / sizeof *step->in; i++)
      if (step->in[i]) PARE_TRY(note_read(c, step->in[i], at));
   for (size_t i = 0; i < pare_step_outputs(step); i++)
      PARE_TRY(note_write(c, pare_step_output(step, i), at));
   return PARE_OK;
}

static pare_status find_lives(checker *c)
{
   const pare_plan *plan = c->plan;
   size_t at = 0;
   for (size_t i = 0; i < plan->n_regions; i++) c->lives[i] = (life){ .written = NEVER };
   for (size_t s = 0; s < plan->n_stages; s++)
      for (size_t i = 0; i < plan->stages[s].n_steps; i++) c->stage_of[at++] = s;
   for (size_t i = 0; i < plan->n_steps; i++) PARE_TRY(note_step(c, &plan->steps[i], i));
   c->lives[plan->logits->number].to = plan->n_stages;
   return PARE_OK;
}

/* ---- places ---- */

/* What a row, or a row of codes, takes; codes are written and read in fours. */
static int64_t row_bytes(const pare_region *region)
{
   return region->codes ? (region->width + 3) / 4 * 4 : region->width * (int64_t)sizeof(float);
}

static size_t least_bytes(const pare_plan *plan, const pare_region *region)
{
   size_t rows = (size_t)pare_region_rows(plan, region);
   size_t stride = (size_t)region->stride, codes = (size_t)region->codes;
   if (!codes) return rows * stride;
   return rows * codes * (stride + sizeof(float) + sizeof(int32_t));
}

static pare_status check_place(const checker *c, const pare_region *region)
{
   size_t memory = c->plan->memory_bytes;
   if (region->stride < row_bytes(region)) return wrong(c, region->number, "has rows that overlap");
   if (region->kept && region->stride != row_bytes(region)) return wrong(c, region->number, "has gaps between rows");
   if (region->bytes < least_bytes(c->plan, region)) return wrong(c, region->number, "does not hold its rows");
   if (region->offset % 64 != 0) return wrong(c, region->number, "is not aligned");
   if (region->offset > memory || region->bytes > memory - region->offset)
      return wrong(c, region->number, "does not lie in the plan's memory");
   if (c->lives[region->number].written == NEVER) return wrong(c, region->number, "is never written");
   return PARE_OK;
}

static bool share_bytes(const pare_region *a, const pare_region *b)
{
   return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* A stage of one product whose results are b, and which reads of a what it writes. */
static bool adds(const pare_stage *stage, const pare_region *a, const pare_region *b)
{
   const pare_step *step = stage->steps;
   return stage->n_steps == 1 && step->kind == PARE_STEP_LINEAR_I8 && step->linear.n_parts == 1 && step->in[1] == a &&
          pare_step_output(step, 0) == b;
}

/* b is computed into a, row on row, or by a product that adds a. */
static bool in_place(const checker *c, const pare_region *a, const pare_region *b)
{
   const life *la = &c->lives[a->number], *lb = &c->lives[b->number];
   bool same = a->offset == b->offset && a->stride == b->stride && a->of_rows == b->of_rows && !a->codes &&
               !b->codes;
   const pare_stage *stage = &c->plan->stages[lb->from];
   return same && la->to == lb->from && la->read <= lb->written &&
          (pare_step_by_rows(stage->steps) || adds(stage, a, b));
}

static pare_status compare(checker *c, const pare_region *a, const pare_region *b)
{
   if (!share_bytes(a, b)) {
      c->proof.pairs++;
      return PARE_OK;
   }
   if (in_place(c, a, b)) {
      c->proof.in_place++;
      return PARE_OK;
   }
   return pare_fail(c->ctx, PARE_INTERNAL, "plan", "regions %zu and %zu are needed at the same time and overlap",
                    a->number, b->number);
}

static void drop_dead(checker *c, size_t stage)
{
   size_t kept = 0;
   for (size_t i = 0; i < c->n_alive; i++)
      if (c->lives[c->alive[i]].to >= stage) c->alive[kept++] = c->alive[i];
   c->n_alive = kept;
}

static pare_status check_step(checker *c, size_t at)
{
   const pare_step *step = &c->plan->steps[at];
   drop_dead(c, c->stage_of[at]);
   for (size_t out = 0; out < pare_step_outputs(step); out++) {
      const pare_region *region = pare_step_output(step, out);
      for (size_t i = 0; i < c->n_alive; i++)
         PARE_TRY(compare(c, c->plan->regions[c->alive[i]], region));
      c->alive[c->n_alive++] = region->number;
   }
   return PARE_OK;
}

static pare_status check(checker *c)
{
   PARE_TRY(find_lives(c));
   for (size_t i = 0; i < c->plan->n_regions; i++) PARE_TRY(check_place(c, c->plan->regions[i]));
   for (size_t i = 0; i < c->plan->n_steps; i++) PARE_TRY(check_step(c, i));
   return PARE_OK;
}

pare_status pare_plan_check(pare_ctx *ctx, const pare_plan *plan, pare_plan_proof *proof)
{
   checker c = { .ctx = ctx, .plan = plan };
   pare_status status = PARE_RESOURCE;
   c.stage_of = pare_alloc_array(ctx, plan->n_steps + 1, sizeof *c.stage_of);
   c.lives = pare_alloc_array(ctx, plan->n_regions + 1, sizeof *c.lives);
   c.alive = pare_alloc_array(ctx, plan->n_regions + 1, sizeof *c.alive);
   if (c.stage_of && c.lives && c.alive) status = check(&c);
   pare_free(ctx, c.stage_of);
   pare_free(ctx, c.lives);
   pare_free(ctx, c.alive);
   *proof = c.proof;
   return status;
}
