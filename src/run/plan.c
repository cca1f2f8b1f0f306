/* plan: the walk over the graph that makes steps, and the grouping of steps into stages. */
#include "run/plan.h"

static pare_status walk_nodes(pare_ctx *ctx, pare_plan *plan, const pare_graph *graph, const pare_kernels *kernels)
{
   for (const pare_node *node = graph->first; node; node = node->next) {
      PARE_TRY(pare_check_stop(ctx));
      if (node->op == PARE_OP_linear) PARE_TRY(pare_plan_linear(ctx, plan, kernels, node));
      else PARE_TRY(pare_plan_node(ctx, plan, kernels, node));
   }
   return PARE_OK;
}

static pare_status find_logits(pare_ctx *ctx, pare_plan *plan, const pare_graph *graph)
{
   if (graph->n_outputs != 1)
      return pare_fail(ctx, PARE_UNSUPPORTED, graph->name,
                       "the graph has %zu outputs, expected one, the logits", graph->n_outputs);
   plan->logits = plan->of[graph->outputs[0]->index];
   if (!plan->logits || !plan->logits->of_rows || plan->logits->codes)
      return pare_fail(ctx, PARE_UNSUPPORTED, graph->name, "the output is not f32 [rows, vocabulary]");
   plan->logits->kept = true;
   plan->logits->stride = plan->logits->width * (int64_t)sizeof(float);
   plan->vocab = plan->logits->width;
   return PARE_OK;
}

static bool same_stage(const pare_step *before, const pare_step *step)
{
   return pare_step_by_rows(before) && pare_step_by_rows(step) && before->of_rows == step->of_rows;
}

static pare_status group_steps(pare_ctx *ctx, pare_plan *plan)
{
   plan->stages = pare_arena_array(ctx, plan->arena, plan->n_steps + 1, sizeof *plan->stages);
   if (!plan->stages) return PARE_RESOURCE;
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      if (i > 0 && same_stage(step - 1, step)) plan->stages[plan->n_stages - 1].n_steps++;
      else
         plan->stages[plan->n_stages++] =
            (pare_stage){ .steps = step, .n_steps = 1, .of_rows = step->of_rows };
   }
   return PARE_OK;
}

static pare_status make_plan(pare_ctx *ctx, pare_plan *plan, const pare_graph *graph,
                             const pare_kernels *kernels)
{
   plan->of = pare_arena_array(ctx, plan->arena, graph->n_values + 1, sizeof *plan->of);
   if (!plan->of) return PARE_RESOURCE;
   PARE_TRY(walk_nodes(ctx, plan, graph, kernels));
   PARE_TRY(find_logits(ctx, plan, graph));
   pare_plan_keep_rotations(plan);
   PARE_TRY(pare_plan_add_in_products(ctx, plan));
   pare_plan_tidy(plan);
   PARE_TRY(group_steps(ctx, plan));
   return pare_plan_memory(ctx, plan);
}

pare_status pare_plan_create(pare_ctx *ctx, const pare_graph *graph, const pare_kernels *kernels,
                             const pare_session_options *limits, pare_plan **out)
{
   pare_arena *arena = pare_arena_create(ctx);
   if (!arena) return PARE_RESOURCE;
   pare_plan *plan = pare_arena_alloc(ctx, arena, sizeof *plan);
   if (!plan) {
      pare_arena_destroy(ctx, arena);
      return PARE_RESOURCE;
   }
   plan->arena = arena;
   plan->limits = *limits;
   plan->token_ids = INT32_MAX;
   pare_status status = make_plan(ctx, plan, graph, kernels);
   if (status != PARE_OK) {
      pare_plan_destroy(ctx, plan);
      return status;
   }
   *out = plan;
   return PARE_OK;
}

size_t pare_plan_own_bytes(const pare_plan *plan)
{
   return pare_arena_bytes(plan->arena) + plan->steps_capacity * sizeof *plan->steps +
          plan->regions_capacity * sizeof(pare_region *);
}

void pare_plan_destroy(pare_ctx *ctx, pare_plan *plan)
{
   if (!plan) return;
   pare_free(ctx, plan->steps);
   pare_free(ctx, plan->regions);
   pare_arena_destroy(ctx, plan->arena);
}
