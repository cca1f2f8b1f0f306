/* plan_residual: a product adds what else would be added to it.
 *
 * The sum of a residual connection is one addition a result, which an int8 product makes while it has the result in a
 * register: written and read again is the sum alone. That holds where only the addition reads the results, and what is
 * added is there before the product begins. The step then is a norm, or nothing. Not a graph pass, as in
 * plan_rotation.c: the bits are the same, and the step is what the interpreter makes of the two nodes. */
#include "run/plan.h"

static size_t count_readers(const pare_plan *plan, const pare_region *region)
{
   size_t n = 0;
   for (size_t i = 0; i < plan->n_steps; i++) n += (plan->steps[i].in[0] == region) + (plan->steps[i].in[1] == region);
   return n;
}

/* The step that writes it. */
static size_t maker_of(const pare_plan *plan, const pare_region *region)
{
   for (size_t i = 0; i < plan->n_steps; i++)
      for (size_t out = 0; out < pare_step_outputs(&plan->steps[i]); out++)
         if (pare_step_output(&plan->steps[i], out) == region) return i;
   return plan->n_steps;
}

/* The step whose results are `product`, where it can add `other`; else NULL. */
static pare_step *adder_of(const pare_plan *plan, const pare_region *product, const pare_region *other)
{
   size_t at = maker_of(plan, product);
   if (product->kept || count_readers(plan, product) != 1 || at == plan->n_steps) return NULL;
   pare_step *step = &plan->steps[at];
   bool plain = step->kind == PARE_STEP_LINEAR_I8 && step->linear.n_parts == 1 && !step->linear.activation;
   return plain && !step->in[1] && maker_of(plan, other) < at ? step : NULL;
}

/* The sum is the product's; a norm of it stays. */
static void take_over(pare_plan *plan, size_t at, pare_step *product, pare_region *added)
{
   pare_step *sum = &plan->steps[at];
   pare_region *results = product->linear.parts[0].out;
   product->in[1] = added;
   product->linear.parts[0].out = sum->out;
   pare_plan_drop_region(plan, results);
   if (sum->kind == PARE_STEP_ADD) {
      pare_plan_drop_step(plan, at);
      return;
   }
   sum->kind = sum->norm.layer ? PARE_STEP_LAYER_NORM : PARE_STEP_RMS_NORM;
   sum->in[0] = sum->out;
   sum->in[1] = NULL;
   sum->out = sum->norm.normed;
   sum->norm.normed = NULL;
}

void pare_plan_add_in_products(pare_plan *plan)
{
   for (size_t i = plan->n_steps; i-- > 0;) {
      const pare_step *step = &plan->steps[i];
      if (step->kind != PARE_STEP_RESIDUAL_NORM && step->kind != PARE_STEP_ADD) continue;
      for (int in = 0; in < 2; in++) {
         pare_step *product = adder_of(plan, step->in[in], step->in[1 - in]);
         if (!product) continue;
         take_over(plan, i, product, step->in[1 - in]);
         break;
      }
   }
}
