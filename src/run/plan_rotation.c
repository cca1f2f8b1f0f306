/* plan_rotation: what would be rotated back and forth stays rotated.
 *
 * Attention over the i8 cache ends with results that are rotated as the cached values are, in blocks that divide a
 * head. Products of them rotate their input in blocks of K. Where these are the same blocks, and nothing else reads
 * the results, neither is done: the transform is its own inverse. A step that would do nothing else is left out.
 * Whether products share a step does not matter, so that a graph runs to the same bits whatever was fused. */
#include "run/plan.h"

/* Whether all that reads the region rotates it, in such blocks. */
static bool is_rotated_by_all(const pare_plan *plan, const pare_region *region, int64_t rotation)
{
   bool is_read = false;
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      if (step->in[0] != region && step->in[1] != region) continue;
      bool rotates = step->kind == PARE_STEP_QUANTIZE || step->kind == PARE_STEP_ROTATE;
      if (!rotates || step->quantize.rotation != rotation) return false;
      is_read = true;
   }
   return is_read && !region->kept;
}

/* Takes out a step whose result is its input: who reads the one reads the other. */
static void leave_out(pare_plan *plan, size_t at)
{
   pare_region *in = plan->steps[at].in[0], *out = plan->steps[at].out;
   plan->steps[at] = (pare_step){ .kind = PARE_STEP_COUNT };
   for (size_t i = at; i < plan->n_steps; i++)
      for (size_t n = 0; n < sizeof plan->steps->in / sizeof *plan->steps->in; n++)
         if (plan->steps[i].in[n] == out) plan->steps[i].in[n] = in;
}

/* From the last one on: who then reads the region in place of a step that was left out is not met again. */
static void stop_rotating(pare_plan *plan, const pare_region *region)
{
   for (size_t i = plan->n_steps; i-- > 0;) {
      pare_step *step = &plan->steps[i];
      if (step->in[0] != region) continue;
      if (step->kind == PARE_STEP_ROTATE) leave_out(plan, i);
      else step->quantize.rotation = 0;
   }
}

void pare_plan_keep_rotations(pare_plan *plan)
{
   for (size_t i = 0; i < plan->n_steps; i++) {
      pare_step *step = &plan->steps[i];
      if (step->kind != PARE_STEP_ATTENTION || step->attention.cache->dtype != PARE_I8) continue;
      int64_t rotation = pare_cache_rotation(step->attention.cache);
      if (rotation == 0 || !is_rotated_by_all(plan, step->out, rotation)) continue;
      stop_rotating(plan, step->out);
      step->attention.stays_rotated = true;
   }
}
