/* plan: the walk over the graph that makes steps, and the grouping of steps into stages.
 *
 * Nodes are taken in the graph's order, with one exception: a linear layer takes along all later ones that
 * read the same value in the same way (query, key and value; gate and up), since they depend on nothing
 * else. They share the quantized input and one barrier. */
#include "run/plan.h"

/* Where a value is used by linear layers: a list through `next`, in graph order. */
typedef struct linear_use {
   const pare_node *node;
   struct linear_use *next;
} linear_use;

typedef struct walk {
   pare_plan *plan;
   const pare_graph *graph;
   const pare_kernels *kernels;
   linear_use **uses;  /* [n_values] */
   linear_use **ends;  /* [n_values] where the next use is linked in */
   bool *done;         /* [n_values] the node that makes this value has its step */
   const pare_node **group; /* [linear layers of one value, at most] */
} walk;

static pare_status start_walk(pare_ctx *ctx, walk *w)
{
   pare_arena *arena = w->plan->arena;
   size_t n = w->graph->n_values;
   w->uses = pare_arena_array(ctx, arena, n + 1, sizeof *w->uses);
   w->ends = pare_arena_array(ctx, arena, n + 1, sizeof *w->ends);
   w->done = pare_arena_array(ctx, arena, n + 1, sizeof *w->done);
   w->group = pare_arena_array(ctx, arena, w->graph->n_nodes + 1, sizeof *w->group);
   if (!w->uses || !w->ends || !w->done || !w->group) return PARE_RESOURCE;
   for (const pare_node *node = w->graph->first; node; node = node->next) {
      if (node->op != PARE_OP_linear) continue;
      linear_use *use = pare_arena_alloc(ctx, arena, sizeof *use);
      if (!use) return PARE_RESOURCE;
      size_t value = node->input[0]->index;
      use->node = node;
      if (w->ends[value]) w->ends[value]->next = use;
      else w->uses[value] = use;
      w->ends[value] = use;
   }
   return PARE_OK;
}

static pare_status walk_linear(pare_ctx *ctx, walk *w, const pare_node *node)
{
   size_t n = 0;
   for (const linear_use *use = w->uses[node->input[0]->index]; use; use = use->next) {
      bool *done = &w->done[use->node->output[0]->index];
      if (*done || !pare_plan_linear_alike(node, use->node)) continue;
      *done = true;
      w->group[n++] = use->node;
   }
   return pare_plan_linear(ctx, w->plan, w->kernels, w->group, n);
}

static pare_status walk_nodes(pare_ctx *ctx, walk *w)
{
   for (const pare_node *node = w->graph->first; node; node = node->next) {
      PARE_TRY(pare_check_stop(ctx));
      if (w->done[node->output[0]->index]) continue;
      if (node->op == PARE_OP_linear) PARE_TRY(walk_linear(ctx, w, node));
      else PARE_TRY(pare_plan_node(ctx, w->plan, w->kernels, node));
   }
   return PARE_OK;
}

static pare_status find_logits(pare_ctx *ctx, pare_plan *plan, const pare_graph *graph)
{
   if (graph->n_outputs != 1)
      return pare_fail(ctx, PARE_UNSUPPORTED, graph->name,
                       "the graph has %zu outputs, expected one, the logits", graph->n_outputs);
   plan->logits = plan->of[graph->outputs[0]->index];
   if (!plan->logits || !plan->logits->of_rows)
      return pare_fail(ctx, PARE_UNSUPPORTED, graph->name, "the output is not f32 [rows, vocabulary]");
   plan->logits->kept = true;
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
   walk w = { .plan = plan, .graph = graph, .kernels = kernels };
   plan->of = pare_arena_array(ctx, plan->arena, graph->n_values + 1, sizeof *plan->of);
   if (!plan->of) return PARE_RESOURCE;
   PARE_TRY(start_walk(ctx, &w));
   PARE_TRY(walk_nodes(ctx, &w));
   PARE_TRY(find_logits(ctx, plan, graph));
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
