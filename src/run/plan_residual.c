/* plan_residual: a product adds what else would be added to it.
 *
 * The sum of a residual connection is one addition a result, which an int8 product makes while it has the result in a
 * register, in the place of what is added: lines that it would fetch to write them are read, and the sum alone is
 * written and read again. (With the sum elsewhere a product fetches both, and loses more than the norm gains.) That
 * holds where only the addition reads the results, what is added is there before the product begins, and nothing
 * reads it after. The step then is a norm, or nothing. Not a graph pass, as in plan_rotation.c: the bits are the same,
 * and the step is what the interpreter makes of the two nodes. */
#include "run/plan.h"

/* Of longer inputs sums may have to wait in the place of the results (avx512_linear.c). */
enum { LONGEST = 8192 };

#define NEVER SIZE_MAX

/* Who uses a region: the step that writes it, how often it is read, the last step that reads it and the one before. */
typedef struct usage {
   size_t made, reads, last, before;
} usage;

static void note_read(usage *u, size_t step)
{
   u->reads++;
   if (u->last == NEVER || step >= u->last) {
      u->before = u->last;
      u->last = step;
   } else if (u->before == NEVER || step > u->before) u->before = step;
}

static void find_usage(const pare_plan *plan, usage *all)
{
   for (size_t i = 0; i < plan->n_regions; i++) all[i] = (usage){ NEVER, 0, NEVER, NEVER };
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      for (int in = 0; in < 2; in++)
         if (step->in[in]) note_read(&all[step->in[in]->number], i);
      for (size_t out = 0; out < pare_step_outputs(step); out++) all[pare_step_output(step, out)->number].made = i;
   }
}

/* Whether the product alone gives these results, and adds nothing yet. */
static bool can_add(const pare_step *product)
{
   return product->kind == PARE_STEP_LINEAR_I8 && product->linear.n_parts == 1 && !product->linear.activation &&
          !product->in[1] && product->linear.k <= LONGEST;
}

/* The step whose results are `product`, where it can add `other` in place of the step at `sum`; else NULL. */
static pare_step *adder_of(const pare_plan *plan, const usage *all, size_t sum, const pare_region *product,
                           const pare_region *other)
{
   const usage *results = &all[product->number], *added = &all[other->number];
   if (product->kept || other->kept || other->stride != plan->steps[sum].out->stride) return NULL;
   if (results->made == NEVER || results->reads != 1 || !can_add(&plan->steps[results->made])) return NULL;
   bool before = added->made != NEVER && added->made < results->made;
   bool last = added->last == sum && (added->before == NEVER || added->before < results->made);
   return before && last ? &plan->steps[results->made] : NULL;
}

/* The sum is the product's; a norm of it stays, a mere sum has nothing left to do. */
static void take_over(usage *all, pare_step *sum, size_t at, pare_step *product, pare_region *added)
{
   pare_region *results = product->linear.parts[0].out;
   product->in[1] = added;
   product->linear.parts[0].out = sum->out;
   all[sum->out->number].made = all[results->number].made;
   all[results->number].made = NEVER;
   if (sum->kind == PARE_STEP_ADD) {
      *sum = (pare_step){ .kind = PARE_STEP_COUNT };
      return;
   }
   sum->kind = sum->norm.layer ? PARE_STEP_LAYER_NORM : PARE_STEP_RMS_NORM;
   sum->in[0] = sum->out;
   sum->in[1] = NULL;
   note_read(&all[sum->out->number], at);
   sum->out = sum->norm.normed;
   sum->norm.normed = NULL;
}

static void try_sum(pare_plan *plan, usage *all, size_t at)
{
   pare_step *sum = &plan->steps[at];
   if (sum->kind != PARE_STEP_RESIDUAL_NORM && sum->kind != PARE_STEP_ADD) return;
   for (int in = 0; in < 2; in++) {
      pare_region *added = sum->in[1 - in];
      pare_step *product = adder_of(plan, all, at, sum->in[in], added);
      if (!product) continue;
      take_over(all, sum, at, product, added);
      return;
   }
}

pare_status pare_plan_add_in_products(pare_ctx *ctx, pare_plan *plan)
{
   usage *all = pare_alloc_array(ctx, plan->n_regions + 1, sizeof *all);
   if (!all) return PARE_RESOURCE;
   find_usage(plan, all);
   for (size_t i = 0; i < plan->n_steps; i++) try_sum(plan, all, i);
   pare_free(ctx, all);
   return PARE_OK;
}
