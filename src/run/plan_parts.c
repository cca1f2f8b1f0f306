/* plan_parts: what every part of the planner uses: steps, regions, inputs and outputs of nodes, vectors. */
#include <string.h>

#include "ops/ops.h"
#include "run/plan.h"

pare_step *pare_plan_add_step(pare_ctx *ctx, pare_plan *plan, pare_step_kind kind, const pare_node *node,
                              bool of_rows)
{
   pare_status status = pare_grow(ctx, (void **)&plan->steps, &plan->steps_capacity, plan->n_steps + 1,
                                  sizeof *plan->steps);
   if (status != PARE_OK) return NULL;
   pare_step *step = &plan->steps[plan->n_steps++];
   memset(step, 0, sizeof *step);
   step->kind = kind;
   step->node = node;
   step->of_rows = of_rows;
   return step;
}

/* An odd number of cache lines: rows a power of two apart, or a multiple of one, would share few sets of a cache. */
static int64_t stride_of(int64_t width, int codes)
{
   int64_t bytes = codes ? width : width * (int64_t)sizeof(float);
   return (bytes + PARE_LINE - 1) / PARE_LINE * PARE_LINE | PARE_LINE;
}

pare_region *pare_plan_add_region(pare_ctx *ctx, pare_plan *plan, int64_t width, bool of_rows, int codes)
{
   pare_region *region = pare_arena_alloc(ctx, plan->arena, sizeof *region);
   if (!region || pare_grow(ctx, (void **)&plan->regions, &plan->regions_capacity, plan->n_regions + 1,
                            sizeof *plan->regions) != PARE_OK)
      return NULL;
   *region = (pare_region){ .number = plan->n_regions, .width = width, .stride = stride_of(width, codes),
                            .of_rows = of_rows, .codes = codes };
   plan->regions[plan->n_regions++] = region;
   return region;
}

void pare_plan_tidy(pare_plan *plan)
{
   size_t steps = 0, regions = 0;
   for (size_t i = 0; i < plan->n_regions; i++) plan->regions[i]->made = SIZE_MAX;
   for (size_t i = 0; i < plan->n_steps; i++) {
      if (plan->steps[i].kind == PARE_STEP_COUNT) continue;
      plan->steps[steps++] = plan->steps[i];
      for (size_t out = 0; out < pare_step_outputs(&plan->steps[i]); out++)
         pare_step_output(&plan->steps[i], out)->made = i;
   }
   for (size_t i = 0; i < plan->n_regions; i++) {
      if (plan->regions[i]->made == SIZE_MAX) continue;
      plan->regions[i]->number = regions;
      plan->regions[regions++] = plan->regions[i];
   }
   plan->n_steps = steps;
   plan->n_regions = regions;
}

pare_status pare_plan_output(pare_ctx *ctx, pare_plan *plan, const pare_node *node, size_t i,
                             pare_region **out)
{
   const pare_type *type = &node->output[i]->type;
   bool rows = type->dim[0] == PARE_DIM_ROWS;
   bool known = type->dtype == PARE_F32 || type->dtype == PARE_I8;
   if (!known || type->rank != 2 || (type->dim[0] != PARE_DIM_TOKENS && !rows) ||
       type->dim[1] < 1)
      return pare_fail(ctx, PARE_UNSUPPORTED, node->name,
                       "the result is not f32 or i8 [tokens or rows, a known size]");
   *out = pare_plan_add_region(ctx, plan, type->dim[1], rows, type->dtype == PARE_I8);
   if (!*out) return PARE_RESOURCE;
   plan->of[node->output[i]->index] = *out;
   return PARE_OK;
}

pare_status pare_plan_input(pare_ctx *ctx, pare_plan *plan, const pare_node *node, size_t i,
                            pare_region **out)
{
   *out = plan->of[node->input[i]->index];
   if (*out) return PARE_OK;
   return pare_fail(ctx, PARE_UNSUPPORTED, node->name, "input %zu is not computed by a node", i);
}

pare_status pare_plan_list(pare_ctx *ctx, const pare_node *node, size_t i, pare_batch_list *out)
{
   static const char *const names[] = { "tokens", "positions", "sequences", "rows" };
   const pare_value *value = node->input[i];
   for (int list = PARE_LIST_TOKENS; value->kind == PARE_VALUE_INPUT && list <= PARE_LIST_ROWS; list++) {
      int64_t dim = list == PARE_LIST_ROWS ? PARE_DIM_ROWS : PARE_DIM_TOKENS;
      pare_type type = pare_type_make(PARE_I32, 1, dim);
      if (strcmp(value->name, names[list]) != 0 || !pare_type_equal(&value->type, &type)) continue;
      *out = (pare_batch_list)list;
      return PARE_OK;
   }
   return pare_fail(ctx, PARE_UNSUPPORTED, node->name,
                    "input %zu is not one of the inputs tokens, positions, sequences and rows", i);
}

int pare_float_storage(const pare_weight *weight)
{
   if (weight->encoding.kind == PARE_ENC_F16) return PARE_FLOAT_F16;
   return weight->encoding.kind == PARE_ENC_BF16 ? PARE_FLOAT_BF16 : PARE_FLOAT_F32;
}

pare_status pare_plan_vector(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                             const pare_weight *weight, const float **out)
{
   if (!pare_encoding_is_float(weight->encoding.kind) || weight->rank != 1)
      return pare_fail(ctx, PARE_UNSUPPORTED, weight->name, "a vector of floats is expected here");
   float *vector = pare_arena_array(ctx, plan->arena, (size_t)weight->dim[0], sizeof *vector);
   if (!vector) return PARE_RESOURCE;
   plan->vector_bytes += (size_t)weight->dim[0] * sizeof *vector;
   kernels->to_f32(pare_buffer_data(weight->data), pare_float_storage(weight), weight->dim[0], vector);
   *out = vector;
   return PARE_OK;
}

pare_status pare_plan_activation(pare_ctx *ctx, const pare_kernels *kernels, const pare_node *node, int kind,
                                 pare_unary **out)
{
   switch (kind) {
   case PARE_ACTIVATION_SILU: *out = kernels->silu; break;
   case PARE_ACTIVATION_GELU_TANH: *out = kernels->gelu_tanh; break;
   case PARE_ACTIVATION_GELU_ERF: *out = kernels->gelu_erf; break;
   case PARE_ACTIVATION_QUICK_GELU: *out = kernels->quick_gelu; break;
   case PARE_ACTIVATION_RELU: *out = kernels->relu; break;
   default: return pare_fail(ctx, PARE_UNSUPPORTED, node->name, "activation %d is unknown", kind);
   }
   return PARE_OK;
}

void pare_plan_need_scratch(pare_plan *plan, size_t bytes)
{
   bytes = (bytes + 63) & ~(size_t)63;
   if (bytes > plan->scratch_bytes) plan->scratch_bytes = bytes;
}

const char *pare_step_name(pare_step_kind kind)
{
   static const char *const names[PARE_STEP_COUNT] = {
      [PARE_STEP_EMBED] = "embed",           [PARE_STEP_QUANTIZE] = "quantize",
      [PARE_STEP_ROTATE] = "rotate",
      [PARE_STEP_RMS_NORM] = "rms_norm",     [PARE_STEP_LAYER_NORM] = "layer_norm",
      [PARE_STEP_RESIDUAL_NORM] = "residual_norm",
      [PARE_STEP_ROPE] = "rope",             [PARE_STEP_KV_STORE] = "kv_store",
      [PARE_STEP_ADD] = "add",               [PARE_STEP_MUL] = "mul",
      [PARE_STEP_ACTIVATION] = "activation", [PARE_STEP_SLICE] = "slice",
      [PARE_STEP_SELECT] = "select",         [PARE_STEP_ATTENTION] = "attention",
      [PARE_STEP_LINEAR_I8] = "linear_i8",   [PARE_STEP_LINEAR_F32] = "linear_f32",
   };
   return names[kind];
}

size_t pare_step_outputs(const pare_step *step)
{
   if (step->kind == PARE_STEP_LINEAR_I8 || step->kind == PARE_STEP_LINEAR_F32)
      return step->linear.gated ? 1 : step->linear.n_parts;
   if (step->kind == PARE_STEP_RESIDUAL_NORM) return 2;
   return step->out ? 1 : 0;
}

pare_region *pare_step_output(const pare_step *step, size_t i)
{
   if (step->kind == PARE_STEP_LINEAR_I8 || step->kind == PARE_STEP_LINEAR_F32)
      return step->linear.parts[i].out;
   return i == 0 ? step->out : step->norm.normed;
}
