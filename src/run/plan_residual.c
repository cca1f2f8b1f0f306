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

/* How often steps from `from` on read it. */
static size_t count_reads(const pare_plan *plan, const pare_region *region, size_t from)
{
   size_t n = 0;
   for (size_t i = from; i < plan->n_steps; i++)
      n += (plan->steps[i].in[0] == region) + (plan->steps[i].in[1] == region);
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

/* Whether the product alone gives these results, and can add in place. */
static bool can_add(const pare_step *product)
{
   return product->kind == PARE_STEP_LINEAR_I8 && product->linear.n_parts == 1 && !product->linear.activation &&
          !product->in[1] && product->linear.k <= LONGEST;
}

/* The step whose results are `product`, where it can add `other` in place of the step at `sum`; else NULL. */
static pare_step *adder_of(const pare_plan *plan, size_t sum, const pare_region *product, const pare_region *other)
{
   size_t at = maker_of(plan, product);
   if (at >= sum || !can_add(&plan->steps[at]) || maker_of(plan, other) >= at) return NULL;
   bool needed = product->kept || other->kept || count_reads(plan, product, 0) != 1;
   return needed || count_reads(plan, other, at) != 1 ? NULL : &plan->steps[at];
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
         pare_step *product = adder_of(plan, i, step->in[in], step->in[1 - in]);
         if (!product) continue;
         take_over(plan, i, product, step->in[1 - in]);
         break;
      }
   }
}
