/* plan_linear: linear layers as steps. Layers with one input share a step; int8 ones share the quantized
 * input too, made by a step of its own before them.
 *
 * Work is counted in blocks of 16 channels. Those of an int8 layer are handed out in grains, a multiple of
 * four blocks, which the kernel likes best, and so large that handing out costs nothing beside reading. */
#include "ops/ops.h"
#include "run/plan.h"

enum { COST_QUANTIZE = 6, GRAIN_BYTES = 1 << 17, KERNEL_BLOCKS = 4 };
enum { I8_PER_PASS = 32, F32_PER_PASS = 2 }; /* products in the time of one plain pass over an element */

/* Integer weights of any encoding enter the int8 product. */
static bool is_i8(const pare_node *node)
{
   return !pare_encoding_is_float(node->weight[0]->encoding.kind);
}

bool pare_plan_linear_alike(const pare_node *a, const pare_node *b)
{
   return is_i8(a) == is_i8(b) && a->weight[0]->encoding.rotation == b->weight[0]->encoding.rotation;
}

static pare_status check(pare_ctx *ctx, const pare_node *node)
{
   const pare_linear_attrs *attrs = node->attrs;
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   if (is_i8(node) != (attrs->act == PARE_ACT_I8))
      return pare_fail(ctx, PARE_UNSUPPORTED, node->name,
                       "activations must be i8 exactly when the weight is of integers");
   if (attrs->activation || attrs->gated)
      return pare_fail(ctx, PARE_UNSUPPORTED, node->name, "the executor does not activate products yet");
   for (size_t i = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS); is_i8(node) && i-- > 0;) {
      if ((uintptr_t)pare_buffer_data(m[i].weight->data) % PARE_LINE == 0) continue;
      return pare_fail(ctx, PARE_UNSUPPORTED, m[i].weight->name, "the codes are not aligned to %d bytes",
                       PARE_LINE);
   }
   return PARE_OK;
}

static pare_status add_quantize(pare_ctx *ctx, pare_plan *plan, const pare_node *node, pare_region *x,
                                pare_region **out)
{
   pare_step *step = pare_plan_add_step(ctx, plan, PARE_STEP_QUANTIZE, node, x->of_rows);
   if (!step) return PARE_RESOURCE;
   *out = pare_plan_add_region(ctx, plan, x->width, x->of_rows, true);
   if (!*out) return PARE_RESOURCE;
   step->in[0] = x;
   step->out = *out;
   step->quantize.rotation = node->weight[0]->encoding.rotation;
   step->row_cost = COST_QUANTIZE * (double)x->width;
   pare_plan_need_scratch(plan, (size_t)x->width * sizeof(float));
   return PARE_OK;
}

static int64_t grain_of(const pare_node *node)
{
   if (!is_i8(node)) return 1;
   const pare_weight *weight = node->weight[0];
   int64_t block_bytes = (int64_t)pare_encoding_block_bytes(&weight->encoding, weight->dim[1]);
   int64_t fours = (GRAIN_BYTES + KERNEL_BLOCKS * block_bytes - 1) / (KERNEL_BLOCKS * block_bytes);
   return KERNEL_BLOCKS * fours;
}

static pare_status add_part(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                            const pare_linear_matrix *m, pare_step *step)
{
   pare_linear_part *part = &step->linear.parts[step->linear.n_parts++];
   bool i8 = step->kind == PARE_STEP_LINEAR_I8;
   part->weight = m->weight;
   part->n = part->weight->dim[0];
   part->first_block = step->linear.blocks;
   int64_t group = part->weight->encoding.group;
   if (group) pare_plan_need_scratch(plan, (size_t)((step->linear.k + group - 1) / group * group * PARE_LINE));
   if (m->bias) PARE_TRY(pare_plan_vector(ctx, plan, kernels, m->bias, &part->bias));
   step->linear.blocks += (part->n + PARE_BLOCK - 1) / PARE_BLOCK;
   step->row_cost += (double)part->n * (double)step->linear.k / (i8 ? I8_PER_PASS : F32_PER_PASS);
   return PARE_OK;
}

static pare_status add_parts(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                             const pare_node *node, pare_step *step)
{
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   size_t n = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS);
   for (size_t i = 0; i < n; i++) {
      PARE_TRY(add_part(ctx, plan, kernels, &m[i], step));
      PARE_TRY(pare_plan_output(ctx, plan, node, i, &step->linear.parts[step->linear.n_parts - 1].out));
   }
   return PARE_OK;
}

pare_status pare_plan_linear(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                             const pare_node *const *nodes, size_t n)
{
   pare_region *x;
   for (size_t i = 0; i < n; i++) PARE_TRY(check(ctx, nodes[i]));
   PARE_TRY(pare_plan_input(ctx, plan, nodes[0], 0, &x));
   int64_t k = x->width;
   bool i8 = is_i8(nodes[0]);
   if (i8) PARE_TRY(add_quantize(ctx, plan, nodes[0], x, &x));
   else pare_plan_need_scratch(plan, (size_t)k * PARE_BLOCK * sizeof(float));
   pare_linear_part *parts = pare_arena_array(ctx, plan->arena, n * PARE_MAX_OUTPUTS, sizeof *parts);
   if (!parts) return PARE_RESOURCE;
   pare_step *step = pare_plan_add_step(ctx, plan, i8 ? PARE_STEP_LINEAR_I8 : PARE_STEP_LINEAR_F32, nodes[0],
                                        x->of_rows);
   if (!step) return PARE_RESOURCE;
   step->in[0] = x;
   step->linear.parts = parts;
   step->linear.k = k;
   step->linear.grain = grain_of(nodes[0]);
   for (size_t i = 0; i < n; i++) PARE_TRY(add_parts(ctx, plan, kernels, nodes[i], step));
   return PARE_OK;
}
