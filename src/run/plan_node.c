/* plan_node: each operation of the graph, but linear, as a step of the plan. */
#include "ops/ops.h"
#include "run/plan.h"

/* Rough cost of an element in a step, in plain passes over one. */
enum { COST_COPY = 1, COST_NORM = 2, COST_ROPE = 2, COST_ACTIVATION = 6, COST_QUANTIZE = 6 };

/* What every case below gets. */
typedef struct planner {
   pare_ctx *ctx;
   pare_plan *plan;
   const pare_kernels *kernels;
   const pare_node *node;
} planner;

/* A step with the node's first n inputs and its output. */
static pare_status plain_step(const planner *p, pare_step_kind kind, size_t n, int cost, pare_step **out)
{
   pare_region *in[2] = { NULL, NULL }, *result;
   for (size_t i = 0; i < n; i++) PARE_TRY(pare_plan_input(p->ctx, p->plan, p->node, i, &in[i]));
   PARE_TRY(pare_plan_output(p->ctx, p->plan, p->node, 0, &result));
   pare_step *step = pare_plan_add_step(p->ctx, p->plan, kind, p->node, result->of_rows);
   if (!step) return PARE_RESOURCE;
   step->in[0] = in[0];
   step->in[1] = in[1];
   step->out = result;
   step->row_cost = cost * (double)result->width;
   *out = step;
   return PARE_OK;
}

static pare_status plan_embed(const planner *p)
{
   const pare_weight *table = p->node->weight[0];
   pare_batch_list ids;
   pare_step *step;
   PARE_TRY(pare_plan_list(p->ctx, p->node, 0, &ids));
   if (ids != PARE_LIST_TOKENS && ids != PARE_LIST_POSITIONS)
      return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name, "only tokens and positions can be looked up");
   if (table->encoding.transposed)
      return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name, "a transposed table cannot be looked up");
   int64_t context = p->plan->limits.context;
   if (ids == PARE_LIST_POSITIONS && table->dim[0] < context)
      return pare_fail(p->ctx, PARE_USAGE, p->node->name,
                       "a context of %lld was asked for, the table has %lld positions", (long long)context,
                       (long long)table->dim[0]);
   if (ids == PARE_LIST_TOKENS && table->dim[0] < p->plan->token_ids) p->plan->token_ids = table->dim[0];
   PARE_TRY(plain_step(p, PARE_STEP_EMBED, 0, COST_COPY, &step));
   step->embed.table = table;
   step->embed.ids = ids;
   return PARE_OK;
}

/* A result that is quantized passes through a row of the worker's scratch memory. */
static void need_row(const planner *p, pare_step *step, const pare_region *result)
{
   if (!result->codes) return;
   pare_plan_need_scratch(p->plan, (size_t)result->width * sizeof(float));
   step->row_cost += COST_QUANTIZE * (double)result->width;
}

static pare_status fill_norm(const planner *p, const pare_norm_attrs *attrs, pare_step *step)
{
   PARE_TRY(pare_plan_vector(p->ctx, p->plan, p->kernels, p->node->weight[0], &step->norm.weight));
   if (p->node->n_weights > 1)
      PARE_TRY(pare_plan_vector(p->ctx, p->plan, p->kernels, p->node->weight[1], &step->norm.bias));
   step->norm.eps = (float)attrs->eps;
   step->norm.run = p->node->weight[0]->dim[0];
   step->norm.rotation = attrs->rotation;
   return PARE_OK;
}

static pare_status plan_norm(const planner *p, pare_step_kind kind)
{
   pare_step *step;
   PARE_TRY(plain_step(p, kind, 1, COST_NORM, &step));
   step->norm.layer = kind == PARE_STEP_LAYER_NORM;
   need_row(p, step, step->out);
   return fill_norm(p, p->node->attrs, step);
}

static pare_status plan_residual_norm(const planner *p)
{
   const pare_residual_norm_attrs *attrs = p->node->attrs;
   pare_step *step;
   PARE_TRY(plain_step(p, PARE_STEP_RESIDUAL_NORM, 2, COST_COPY + COST_NORM, &step));
   step->norm.layer = attrs->kind == PARE_NORM_LAYER;
   PARE_TRY(pare_plan_output(p->ctx, p->plan, p->node, 1, &step->norm.normed));
   need_row(p, step, step->norm.normed);
   return fill_norm(p, &attrs->norm, step);
}

static pare_status plan_quantize(const planner *p)
{
   const pare_quantize_attrs *attrs = p->node->attrs;
   pare_step *step;
   PARE_TRY(plain_step(p, PARE_STEP_QUANTIZE, 1, 0, &step));
   step->quantize.rotation = attrs->rotation;
   need_row(p, step, step->out);
   return PARE_OK;
}

static pare_status plan_rope(const planner *p)
{
   const pare_rope_attrs *attrs = p->node->attrs;
   const pare_rope_table *table;
   pare_batch_list list;
   pare_step *step;
   PARE_TRY(pare_plan_list(p->ctx, p->node, 1, &list));
   if (list != PARE_LIST_POSITIONS)
      return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name, "input 1 is not the input positions");
   PARE_TRY(pare_rope_table_of(p->ctx, p->plan->arena, &p->plan->rope_tables, attrs, p->plan->limits.context,
                               &table));
   PARE_TRY(plain_step(p, PARE_STEP_ROPE, 1, COST_ROPE, &step));
   step->rope.table = table;
   step->rope.head_dim = attrs->head_dim;
   step->rope.heads = step->out->width / attrs->head_dim;
   step->rope.interleaved = attrs->interleaved;
   return PARE_OK;
}

static pare_status check_attention_lists(const planner *p)
{
   pare_batch_list positions, slots;
   PARE_TRY(pare_plan_list(p->ctx, p->node, 3, &positions));
   PARE_TRY(pare_plan_list(p->ctx, p->node, 4, &slots));
   if (positions == PARE_LIST_POSITIONS && slots == PARE_LIST_SLOTS) return PARE_OK;
   return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name,
                    "inputs 3 and 4 are not the inputs positions and sequences");
}

/* Two steps: rows of keys and values into the cache, then, when all are there, the attention itself. */
static pare_status plan_attention(const planner *p)
{
   const pare_attention_attrs *attrs = p->node->attrs;
   pare_region *k, *v;
   pare_cache *cache;
   pare_step *step;
   if (p->node->n_inputs < 6)
      return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name, "attention without a cache cannot be run");
   PARE_TRY(check_attention_lists(p));
   PARE_TRY(pare_plan_input(p->ctx, p->plan, p->node, 1, &k));
   PARE_TRY(pare_plan_input(p->ctx, p->plan, p->node, 2, &v));
   PARE_TRY(pare_cache_of(p->ctx, p->plan->arena, &p->plan->caches, p->node->input[5], p->plan->limits.slots,
                          p->plan->limits.context, &cache));
   if (cache->dtype == PARE_I8)
      pare_plan_need_scratch(p->plan, (size_t)pare_attention_i8_scratch(cache->head_dim));
   pare_step *store = pare_plan_add_step(p->ctx, p->plan, PARE_STEP_KV_STORE, p->node, false);
   if (!store) return PARE_RESOURCE;
   store->in[0] = k;
   store->in[1] = v;
   store->attention.cache = cache;
   store->row_cost = 2 * COST_COPY * (double)k->width;
   PARE_TRY(plain_step(p, PARE_STEP_ATTENTION, 1, COST_COPY, &step));
   step->attention.cache = cache;
   step->attention.heads = attrs->heads;
   step->attention.window = attrs->window;
   step->attention.scale = (float)attrs->scale;
   return PARE_OK;
}

static pare_status plan_activation(const planner *p)
{
   const pare_activation_attrs *attrs = p->node->attrs;
   pare_step *step;
   PARE_TRY(plain_step(p, PARE_STEP_ACTIVATION, 1, COST_ACTIVATION, &step));
   return pare_plan_activation(p->ctx, p->kernels, p->node, attrs->kind, &step->activation.fn);
}

static pare_status plan_pair(const planner *p, pare_step_kind kind)
{
   pare_step *step;
   const pare_type *a = &p->node->input[0]->type, *b = &p->node->input[1]->type;
   if (!pare_type_equal(a, b))
      return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name, "only inputs of one shape can be combined");
   return plain_step(p, kind, 2, COST_COPY, &step);
}

static pare_status plan_slice(const planner *p)
{
   const pare_slice_attrs *attrs = p->node->attrs;
   pare_step *step;
   if (attrs->step != 1 || (attrs->axis != -1 && attrs->axis != 1))
      return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name, "only columns that are neighbours can be cut out");
   PARE_TRY(plain_step(p, PARE_STEP_SLICE, 1, COST_COPY, &step));
   step->slice.from = attrs->from;
   return PARE_OK;
}

static pare_status plan_select(const planner *p)
{
   pare_batch_list list;
   pare_step *step;
   PARE_TRY(pare_plan_list(p->ctx, p->node, 1, &list));
   PARE_TRY(plain_step(p, PARE_STEP_SELECT, 1, COST_COPY, &step));
   if (list == PARE_LIST_ROWS && !step->in[0]->of_rows) return PARE_OK;
   return pare_fail(p->ctx, PARE_UNSUPPORTED, p->node->name,
                    "only the input rows can select, and only among tokens");
}

pare_status pare_plan_node(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels, const pare_node *node)
{
   planner p = { ctx, plan, kernels, node };
   switch (node->op) {
   case PARE_OP_embed: return plan_embed(&p);
   case PARE_OP_rms_norm: return plan_norm(&p, PARE_STEP_RMS_NORM);
   case PARE_OP_layer_norm: return plan_norm(&p, PARE_STEP_LAYER_NORM);
   case PARE_OP_residual_norm: return plan_residual_norm(&p);
   case PARE_OP_quantize: return plan_quantize(&p);
   case PARE_OP_rope: return plan_rope(&p);
   case PARE_OP_attention: return plan_attention(&p);
   case PARE_OP_add: return plan_pair(&p, PARE_STEP_ADD);
   case PARE_OP_mul: return plan_pair(&p, PARE_STEP_MUL);
   case PARE_OP_activation: return plan_activation(&p);
   case PARE_OP_slice: return plan_slice(&p);
   case PARE_OP_select: return plan_select(&p);
   default: break;
   }
   return pare_fail(ctx, PARE_UNSUPPORTED, node->name, "%s cannot be run by itself, only as part of a pattern that "
                    "a fuse pass recognises", pare_ops[node->op]->name);
}
