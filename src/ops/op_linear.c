/* linear: matrix products of one input.
 *
 * Inputs: x f32[..., D, K], or i8[..., D, K] as a norm or quantize gives it, rotated as the weights are.
 * Weights: one to four matrices W [N, K], each with a bias [N] after it or none.
 * Results: for each matrix f32[..., D, N], out = activation(x W^T + bias); activation "none" leaves it as it is.
 * gated: exactly two matrices of one shape, gate and up, and one result, activation(gate) * up.
 * act i8, i16: each row of an f32 input is first replaced by what activations of 8 bits (op_quantize.c) or 16 can say
 * of it, turned back. As the rotation is orthonormal and W comes with its own undone, this equals the product of the
 * codes but for rounding in f32.
 * act f32: activations stay what they are; weights of any encoding. */
#include <string.h>

#include "ops/op_rules.h"

static const pare_field fields[] = {
   { .name = "act", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_linear_attrs, act), .choices = pare_act_names,
     .help = "how activations enter the product" },
   { .name = "activation", .kind = PARE_FIELD_ENUM, .offset = offsetof(pare_linear_attrs, activation),
     .choices = pare_activation_names, .help = "a function of each element of the results" },
   { .name = "gated", .kind = PARE_FIELD_BOOL, .offset = offsetof(pare_linear_attrs, gated),
     .help = "two matrices give one result: the first product, activated, times the second" },
   PARE_FIELDS_END
};

size_t pare_linear_matrices(const pare_node *node, pare_linear_matrix *out, size_t room)
{
   size_t count = 0;
   for (size_t i = 0; i < node->n_weights && count < room;) {
      size_t at = i++;
      const pare_weight *bias = i < node->n_weights && node->weight[i]->rank == 1 ? node->weight[i++] : NULL;
      out[count++] = (pare_linear_matrix){ node->weight[at], bias, at };
   }
   return count;
}

static pare_status check_input(pare_ctx *ctx, const pare_node *node)
{
   const pare_linear_attrs *attrs = node->attrs;
   const pare_value *x = node->input[0];
   if (x->type.dtype != PARE_I8) return pare_op_want_rows(ctx, node, 0);
   int64_t rotation = pare_activations_rotation(x), expected = node->weight[0]->encoding.rotation;
   if (rotation < 0) return pare_op_refuse(ctx, node, "input 0 is i8 and no operation quantized it");
   if (attrs->act != PARE_ACT_I8)
      return pare_op_refuse(ctx, node, "input 0 is i8, the activations are %s", pare_act_names[attrs->act]);
   if (rotation == expected) return PARE_OK;
   return pare_op_refuse(ctx, node, "input 0 is rotated by %lld, the weights by %lld", (long long)rotation,
                         (long long)expected);
}

static pare_status check_matrix(pare_ctx *ctx, const pare_node *node, const pare_linear_matrix *m)
{
   const pare_linear_attrs *attrs = node->attrs;
   const pare_weight *w = m->weight;
   PARE_TRY(pare_op_want_table(ctx, node, m->at));
   int64_t k = pare_op_width(&node->input[0]->type);
   if (w->dim[1] != k)
      return pare_op_refuse(ctx, node, "%lld columns times a weight [%lld, %lld]", (long long)k,
                            (long long)w->dim[0], (long long)w->dim[1]);
   if (m->bias) PARE_TRY(pare_op_want_vector(ctx, node, m->at + 1, w->dim[0]));
   if (attrs->act != PARE_ACT_F32 && pare_encoding_is_float(w->encoding.kind))
      return pare_op_refuse(ctx, node,
                            "activations are %s and the weight is %s, expected f32 with floats, i16 or i8 with "
                            "integer weights",
                            pare_act_names[attrs->act], pare_encoding_name(w->encoding.kind));
   if (w->encoding.rotation == node->weight[0]->encoding.rotation) return PARE_OK;
   return pare_op_refuse(ctx, node, "weights 0 and %zu have different rotations", m->at);
}

static pare_status count_outputs(pare_ctx *ctx, const pare_node *node, size_t *n_outputs)
{
   const pare_linear_attrs *attrs = node->attrs;
   pare_linear_matrix m[PARE_MAX_OUTPUTS + 1];
   size_t n = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS + 1);
   if (n > PARE_MAX_OUTPUTS)
      return pare_op_refuse(ctx, node, "more matrices than %d", PARE_MAX_OUTPUTS);
   if (attrs->gated && n != 2) return pare_op_refuse(ctx, node, "%zu matrices, expected two, gate and up", n);
   *n_outputs = attrs->gated ? 1 : n;
   return PARE_OK;
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_linear_attrs *attrs = node->attrs;
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   size_t n = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS);
   PARE_TRY(check_input(ctx, node));
   for (size_t i = 0; i < n; i++) {
      PARE_TRY(check_matrix(ctx, node, &m[i]));
      if (attrs->gated && i > 0) continue;
      out[i] = node->input[0]->type;
      out[i].dtype = PARE_F32;
      out[i].dim[out[i].rank - 1] = m[i].weight->dim[0];
   }
   if (attrs->gated && m[0].weight->dim[0] != m[1].weight->dim[0])
      return pare_op_refuse(ctx, node, "gate and up have %lld and %lld channels",
                            (long long)m[0].weight->dim[0], (long long)m[1].weight->dim[0]);
   return PARE_OK;
}

static float dot(const float *a, const float *b, int64_t n)
{
   double sum = 0;
   for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
   return (float)sum;
}

/* Element c of product i of the row x, activated where that is wanted. */
static float element(const pare_eval_call *call, const pare_linear_matrix *m, size_t i, const float *x, int64_t c)
{
   const pare_linear_attrs *attrs = call->node->attrs;
   int64_t k = m[i].weight->dim[1];
   const float *w = pare_op_f32(call->weight[m[i].at]) + c * k;
   float sum = dot(x, w, k) + (m[i].bias ? pare_op_f32(call->weight[m[i].at + 1])[c] : 0);
   if (attrs->activation == 0 || (attrs->gated && i > 0)) return sum;
   return (float)pare_op_activate(attrs->activation - 1, (double)sum);
}

static void eval_row(const pare_eval_call *call, const pare_linear_matrix *m, int64_t t, const float *x)
{
   const pare_linear_attrs *attrs = call->node->attrs;
   for (size_t i = 0; i < call->node->n_outputs; i++) {
      int64_t n = m[i].weight->dim[0];
      float *out = (float *)call->output[i].data + t * n;
      for (int64_t c = 0; c < n; c++) {
         out[c] = element(call, m, i, x, c);
         if (attrs->gated) out[c] *= element(call, m, 1, x, c);
      }
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_linear_attrs *attrs = call->node->attrs;
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   int64_t k = pare_op_width(&call->input[0]->type), rows = pare_tensor_count(call->input[0]) / k;
   int64_t rotation = call->node->weight[0]->encoding.rotation;
   bool quantized = call->node->input[0]->type.dtype == PARE_I8;
   float *x = pare_alloc_array(ctx, (size_t)k, sizeof *x);
   if (!x) return PARE_RESOURCE;
   pare_linear_matrices(call->node, m, PARE_MAX_OUTPUTS);
   for (int64_t t = 0; t < rows; t++) {
      memcpy(x, pare_op_f32(call->input[0]) + t * k, (size_t)k * sizeof *x);
      if (quantized) pare_op_rotate(x, k, rotation);
      else pare_op_round(x, k, rotation, attrs->act);
      eval_row(call, m, t, x);
   }
   pare_free(ctx, x);
   return PARE_OK;
}

static double macs(const pare_node *node, int64_t past)
{
   (void)past;
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   double sum = 0;
   for (size_t i = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS); i-- > 0;)
      sum += (double)m[i].weight->dim[0] * (double)m[i].weight->dim[1];
   return sum;
}

const pare_op_info pare_op_linear = {
   .name = "linear", .help = "products with weight matrices, each with an optional bias", .fields = fields,
   .attrs_size = sizeof(pare_linear_attrs), .n_inputs = 1, .min_weights = 1, .max_weights = PARE_MAX_WEIGHTS,
   .count = count_outputs, .infer = infer, .eval = eval, .macs = macs
};
