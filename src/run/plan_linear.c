/* plan_linear: linear nodes as steps; those of integer weights get a step before them that quantizes their input, or
 * rotates it as they are.
 *
 * Work is counted in blocks of 16 channels. Those of an int8 layer are handed out in grains, a multiple of
 * four blocks, which the kernel likes best, and so large that handing out costs nothing beside reading. */
#include "ops/ops.h"
#include "run/plan.h"

enum { COST_QUANTIZE = 6, COST_ACTIVATION = 6, GRAIN_BYTES = 1 << 17, KERNEL_BLOCKS = 4 };
/* Products in the time of one plain pass over an element, when weights come from memory. */
enum { I8_PER_PASS = 4, F32_PER_PASS = 2 };

/* Integer weights of any encoding enter the int8 product, unless activations stay f32. */
static bool is_i8(const pare_node *node)
{
   return ((const pare_linear_attrs *)node->attrs)->act != PARE_ACT_F32;
}

static pare_status check(pare_ctx *ctx, const pare_node *node)
{
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   for (size_t i = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS); i-- > 0;) {
      bool floats = pare_encoding_is_float(m[i].weight->encoding.kind);
      if (floats && is_i8(node))
         return pare_fail(ctx, PARE_UNSUPPORTED, node->name, "activations must be f32 when a weight is of floats");
      if (floats || (uintptr_t)pare_buffer_data(m[i].weight->data) % PARE_LINE == 0) continue;
      return pare_fail(ctx, PARE_UNSUPPORTED, m[i].weight->name, "the codes are not aligned to %d bytes",
                       PARE_LINE);
   }
   return PARE_OK;
}

/* A step that makes of x what the product takes: codes, or the same rotated. */
static pare_status add_quantize(pare_ctx *ctx, pare_plan *plan, const pare_node *node, pare_region *x,
                                pare_region **out)
{
   static const int codes[] = { [PARE_ACT_F32] = 0, [PARE_ACT_I8] = 1, [PARE_ACT_I16] = 2 };
   int act = ((const pare_linear_attrs *)node->attrs)->act;
   pare_step_kind kind = act == PARE_ACT_F32 ? PARE_STEP_ROTATE : PARE_STEP_QUANTIZE;
   pare_step *step = pare_plan_add_step(ctx, plan, kind, node, x->of_rows);
   if (!step) return PARE_RESOURCE;
   *out = pare_plan_add_region(ctx, plan, x->width, x->of_rows, codes[act]);
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
   const pare_linear_attrs *attrs = node->attrs;
   if (!is_i8(node)) return 1;
   const pare_weight *weight = node->weight[0];
   int64_t block_bytes = (int64_t)pare_encoding_block_bytes(&weight->encoding, weight->dim[1]);
   if (attrs->gated) block_bytes *= 2;
   int64_t fours = (GRAIN_BYTES + KERNEL_BLOCKS * block_bytes - 1) / (KERNEL_BLOCKS * block_bytes);
   return KERNEL_BLOCKS * fours;
}

static pare_status add_part(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                            const pare_linear_matrix *m, pare_step *step)
{
   bool second = step->linear.gated && step->linear.n_parts > 0;
   pare_linear_part *part = &step->linear.parts[step->linear.n_parts++];
   part->weight = m->weight;
   part->n = part->weight->dim[0];
   part->first_block = second ? 0 : step->linear.blocks;
   if (m->bias) PARE_TRY(pare_plan_vector(ctx, plan, kernels, m->bias, &part->bias));
   if (!second) step->linear.blocks += (part->n + PARE_BLOCK - 1) / PARE_BLOCK;
   double per_pass = step->kind == PARE_STEP_LINEAR_I8 ? (double)I8_PER_PASS / step->in[0]->codes : F32_PER_PASS;
   step->row_cost += (double)part->n * (double)step->linear.k / per_pass;
   if (step->linear.activation && !second) step->row_cost += COST_ACTIVATION * (double)part->n;
   return PARE_OK;
}

/* The worker's scratch memory: lines of weights in groups or panels of floats, then results that wait, digits, rows
 * of integer weights. */
static void need_scratch(pare_plan *plan, const pare_node *node, pare_step *step)
{
   size_t k = (size_t)step->linear.k, panel = k * PARE_BLOCK * sizeof(float), bytes = 0;
   bool floats = true;
   for (size_t i = 0; i < step->linear.n_parts; i++) {
      const pare_encoding *encoding = &step->linear.parts[i].weight->encoding;
      size_t group = (size_t)encoding->group, lines = group ? (k + group - 1) / group * group * PARE_LINE : 0;
      if (lines > bytes) bytes = lines;
      floats &= pare_encoding_is_float(encoding->kind);
   }
   if (!is_i8(node)) bytes = step->linear.gated ? 2 * panel : panel;
   step->linear.results_at = bytes;
   if (step->linear.gated) bytes += 2 * PARE_CHUNK * sizeof(float);
   step->linear.digits_at = bytes;
   if (step->in[0]->codes == 2) bytes += 2 * PARE_CHUNK * sizeof(float);
   step->linear.rows_at = bytes;
   if (!is_i8(node) && !floats) bytes += panel;
   pare_plan_need_scratch(plan, bytes);
}

static pare_status add_parts(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels,
                             const pare_node *node, pare_step *step)
{
   const pare_linear_attrs *attrs = node->attrs;
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   size_t n = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS);
   if (attrs->activation)
      PARE_TRY(pare_plan_activation(ctx, kernels, node, attrs->activation - 1, &step->linear.activation));
   step->linear.gated = attrs->gated;
   for (size_t i = 0; i < n; i++) PARE_TRY(add_part(ctx, plan, kernels, &m[i], step));
   for (size_t i = 0; i < node->n_outputs; i++)
      PARE_TRY(pare_plan_output(ctx, plan, node, i, &step->linear.parts[i].out));
   need_scratch(plan, node, step);
   return PARE_OK;
}

pare_status pare_plan_linear(pare_ctx *ctx, pare_plan *plan, const pare_kernels *kernels, const pare_node *node)
{
   pare_region *x;
   PARE_TRY(check(ctx, node));
   PARE_TRY(pare_plan_input(ctx, plan, node, 0, &x));
   bool i8 = is_i8(node);
   if (!x->codes && (i8 || node->weight[0]->encoding.rotation)) PARE_TRY(add_quantize(ctx, plan, node, x, &x));
   pare_linear_part *parts = pare_arena_array(ctx, plan->arena, PARE_MAX_OUTPUTS, sizeof *parts);
   if (!parts) return PARE_RESOURCE;
   pare_step *step =
      pare_plan_add_step(ctx, plan, i8 ? PARE_STEP_LINEAR_I8 : PARE_STEP_LINEAR_F32, node, x->of_rows);
   if (!step) return PARE_RESOURCE;
   step->in[0] = x;
   step->linear.parts = parts;
   step->linear.k = x->width;
   step->linear.grain = grain_of(node);
   return add_parts(ctx, plan, kernels, node, step);
}
