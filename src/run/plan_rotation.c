/* plan_rotation: what would be rotated back and forth stays rotated.
 *
 * Attention over the i8 cache ends with results that are rotated as the cached values are, in blocks that divide a
 * head. The product after it rotates its input in blocks of K. Where these are the same blocks, and nothing else reads
 * the results, neither is done: the transform is its own inverse. */
#include "run/plan.h"

/* The only step that reads the region; NULL if there are several or none. */
static pare_step *only_reader(const pare_plan *plan, const pare_region *region)
{
   pare_step *reader = NULL;
   for (size_t i = 0; i < plan->n_steps; i++) {
      pare_step *step = &plan->steps[i];
      if (step->in[0] != region && step->in[1] != region) continue;
      if (reader) return NULL;
      reader = step;
   }
   return region->kept ? NULL : reader;
}

void pare_plan_keep_rotations(pare_plan *plan)
{
   for (size_t i = 0; i < plan->n_steps; i++) {
      pare_step *step = &plan->steps[i];
      if (step->kind != PARE_STEP_ATTENTION || step->attention.cache->dtype != PARE_I8) continue;
      pare_step *reader = only_reader(plan, step->out);
      if (!reader || (reader->kind != PARE_STEP_QUANTIZE && reader->kind != PARE_STEP_ROTATE)) continue;
      int64_t rotation = pare_cache_rotation(step->attention.cache);
      if (rotation == 0 || reader->quantize.rotation != rotation) continue;
      reader->quantize.rotation = 0;
      step->attention.stays_rotated = true;
   }
}
