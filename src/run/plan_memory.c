/* plan_memory: lifetimes of regions, work in place, and offsets in one allocation.
 *
 * A life is counted in stages, since inside a stage workers are at different steps: whatever one worker
 * still reads, another must not overwrite with rows of something else. In place means row on row, equally far
 * apart, which is safe within a stage of rows; or, of a product that adds, each result on what is added to it.
 * Offsets are given largest region first, each at the lowest place where no region alive at the same time lies
 * ("greedy by size", Pisarchyk and Lee 2020). */
#include <stdlib.h>

#include "run/plan.h"

enum { ALIGN = 64 };

static size_t align_up(size_t bytes)
{
   return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

pare_region_codes pare_region_codes_of(const pare_plan *plan, const pare_region *region)
{
   int64_t all = pare_region_rows(plan, region) * region->codes;
   unsigned char *scales = region->at + region->stride * all;
   return (pare_region_codes){ .codes = (int8_t *)region->at, .scales = (float *)scales,
                               .sums = (int32_t *)(scales + align_up((size_t)all * 4)) };
}

static pare_status size_region(pare_ctx *ctx, const pare_plan *plan, pare_region *region)
{
   size_t rows = (size_t)pare_region_rows(plan, region), row = (size_t)region->stride, bytes;
   size_t codes = (size_t)region->codes;
   if (codes) row *= codes;
   bool over = __builtin_mul_overflow(rows, row, &bytes) || bytes > PTRDIFF_MAX / 4;
   if (over)
      return pare_fail(ctx, PARE_RESOURCE, NULL, "a batch of %zu tokens does not fit into memory", rows);
   region->bytes = align_up(bytes) + (codes ? 2 * align_up(codes * rows * 4) : 0);
   return PARE_OK;
}

static pare_region *root_of(pare_region *region)
{
   while (region->same_as) region = region->same_as;
   return region;
}

static void find_lives(const pare_plan *plan)
{
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      for (int in = 0; in < 2; in++) {
         if (step->in[in]) step->in[in]->last = i;
      }
      for (size_t out = 0; out < pare_step_outputs(step); out++) {
         pare_region *region = pare_step_output(step, out);
         region->made = region->last = i;
      }
   }
}

/* Kernels that may write over what they read, row for row. */
static bool can_be_in_place(pare_step_kind kind)
{
   switch (kind) {
   case PARE_STEP_RMS_NORM:
   case PARE_STEP_LAYER_NORM:
   case PARE_STEP_RESIDUAL_NORM:
   case PARE_STEP_ROPE:
   case PARE_STEP_ADD:
   case PARE_STEP_MUL:
   case PARE_STEP_ACTIVATION: return true;
   default: return false;
   }
}

/* If this, the step at `at`, is the last one that uses the input. */
static void place_in_input(pare_region *out, pare_region *in, size_t at)
{
   if (!in || out->codes || out->same_as) return;
   pare_region *root = root_of(in);
   if (root->last != at || root->kept || root->stride != out->stride) return;
   out->same_as = root;
   root->last = out->last;
   root->kept = out->kept;
}

/* A product adds in place, each result where what is added to it lies. */
static void find_in_place(const pare_plan *plan)
{
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      if (step->kind == PARE_STEP_LINEAR_I8) place_in_input(pare_step_output(step, 0), step->in[1], i);
      if (!can_be_in_place(step->kind)) continue;
      place_in_input(step->out, step->in[0], i);
      place_in_input(step->out, step->in[1], i);
   }
}

static pare_status number_stages(pare_ctx *ctx, pare_plan *plan)
{
   size_t *stage_of = pare_arena_array(ctx, plan->arena, plan->n_steps + 1, sizeof *stage_of);
   if (!stage_of) return PARE_RESOURCE;
   for (size_t s = 0, i = 0; s < plan->n_stages; s++) {
      for (size_t n = plan->stages[s].n_steps; n > 0; n--) stage_of[i++] = s;
   }
   for (size_t i = 0; i < plan->n_regions; i++) {
      pare_region *region = plan->regions[i];
      region->first_stage = stage_of[region->made];
      region->last_stage = region->kept ? plan->n_stages : stage_of[region->last];
   }
   return PARE_OK;
}

static int by_size(const void *a, const void *b)
{
   const pare_region *x = *(pare_region *const *)a, *y = *(pare_region *const *)b;
   if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
   return x->made < y->made ? -1 : x->made > y->made;
}

static bool meet(const pare_region *a, const pare_region *b)
{
   return a->first_stage <= b->last_stage && b->first_stage <= a->last_stage;
}

/* Into the lowest gap among the n placed regions, which are sorted by offset; keeps them sorted. */
static void place(pare_region **placed, size_t n, pare_region *region)
{
   size_t end = 0, at = 0;
   for (size_t i = 0; i < n; i++) {
      if (!meet(placed[i], region)) continue;
      if (placed[i]->offset >= end + region->bytes) break;
      if (placed[i]->offset + placed[i]->bytes > end) end = placed[i]->offset + placed[i]->bytes;
   }
   region->offset = end;
   for (at = n; at > 0 && placed[at - 1]->offset > end; at--) placed[at] = placed[at - 1];
   placed[at] = region;
}

static pare_status give_offsets(pare_ctx *ctx, pare_plan *plan, pare_region **roots, pare_region **placed)
{
   size_t n = 0;
   for (size_t i = 0; i < plan->n_regions; i++) {
      PARE_TRY(size_region(ctx, plan, plan->regions[i]));
      if (!plan->regions[i]->same_as) roots[n++] = plan->regions[i];
   }
   qsort(roots, n, sizeof *roots, by_size);
   for (size_t i = 0; i < n; i++) {
      PARE_TRY(pare_check_stop(ctx));
      place(placed, i, roots[i]);
      size_t end = roots[i]->offset + roots[i]->bytes;
      if (end > PTRDIFF_MAX / 2)
         return pare_fail(ctx, PARE_RESOURCE, NULL, "a batch does not fit into memory");
      if (end > plan->memory_bytes) plan->memory_bytes = end;
   }
   for (size_t i = 0; i < plan->n_regions; i++) plan->regions[i]->offset = root_of(plan->regions[i])->offset;
   return PARE_OK;
}

pare_status pare_plan_memory(pare_ctx *ctx, pare_plan *plan)
{
   find_lives(plan);
   find_in_place(plan);
   PARE_TRY(number_stages(ctx, plan));
   pare_region **lists = pare_alloc_array(ctx, 2 * plan->n_regions + 1, sizeof *lists);
   if (!lists) return PARE_RESOURCE;
   pare_status status = give_offsets(ctx, plan, lists, lists + plan->n_regions);
   pare_free(ctx, lists);
   return status;
}

void pare_plan_attach(pare_plan *plan, unsigned char *memory)
{
   for (size_t i = 0; i < plan->n_regions; i++) plan->regions[i]->at = memory + plan->regions[i]->offset;
}
