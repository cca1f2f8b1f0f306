/* matmul: a product of two computed matrices, or of many.
 *
 * Inputs: a f32[..., M, K], b f32[..., K, N]; the dimensions before are broadcast. Result: f32[..., M, N].
 * As ONNX has it, but for vectors (rank 1), which it does not take. Products with weights are `linear`. */
#include "ops/shape_rules.h"

/* Batch dimensions as types of their own; a matrix without any is a batch of 1. */
static pare_type batch_of(const pare_type *type)
{
   pare_type batch = { .dtype = PARE_F32, .rank = type->rank > 2 ? type->rank - 2 : 1, .dim = { 1 } };
   for (int i = 0; i + 2 < type->rank; i++) batch.dim[i] = type->dim[i];
   return batch;
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   PARE_TRY(pare_op_want_f32(ctx, node, 0));
   PARE_TRY(pare_op_want_f32(ctx, node, 1));
   const pare_type *a = &node->input[0]->type, *b = &node->input[1]->type;
   if (a->rank < 2 || b->rank < 2) return pare_op_refuse(ctx, node, "an input of rank 1, expected 2 or more");
   if (a->dim[a->rank - 1] != b->dim[b->rank - 2])
      return pare_op_refuse(ctx, node, "the last dimension of input 0 is not the last but one of input 1");
   pare_type batch = batch_of(a), other = batch_of(b);
   PARE_TRY(pare_op_broadcast(ctx, node, &other, &batch));
   *out = a->rank >= b->rank ? *a : *b;
   for (int i = 0; i + 2 < out->rank; i++) out->dim[i] = batch.dim[i];
   out->dim[out->rank - 2] = a->dim[a->rank - 2];
   out->dim[out->rank - 1] = b->dim[b->rank - 1];
   return PARE_OK;
}

static void multiply(const float *a, const float *b, int64_t m, int64_t k, int64_t n, float *out)
{
   for (int64_t i = 0; i < m * n; i++) {
      double sum = 0;
      for (int64_t j = 0; j < k; j++) sum += (double)a[i / n * k + j] * (double)b[j * n + i % n];
      out[i] = (float)sum;
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_type *a = &call->input[0]->type, *b = &call->input[1]->type;
   pare_type of_a = batch_of(a), of_b = batch_of(b), of_out = batch_of(&call->output->type);
   pare_stride_walk walk_a = pare_stride_walk_of(&of_a, &of_out), walk_b = pare_stride_walk_of(&of_b, &of_out);
   int64_t m = a->dim[a->rank - 2], k = a->dim[a->rank - 1], n = b->dim[b->rank - 1], batches = 1;
   for (int i = 0; i < of_out.rank; i++) batches *= of_out.dim[i];
   for (int64_t i = 0; i < batches; i++)
      multiply(pare_op_f32(call->input[0]) + pare_stride_walk_at(&walk_a, i) * m * k,
               pare_op_f32(call->input[1]) + pare_stride_walk_at(&walk_b, i) * k * n, m, k, n,
               (float *)call->output->data + i * m * n);
   return PARE_OK;
}

/* Symbols count as one: what a single token costs with nothing before it. */
static double macs(const pare_node *node, int64_t past)
{
   (void)past;
   const pare_type *a = &node->input[0]->type, *out = &node->output[0]->type;
   double count = a->dim[a->rank - 1] > 0 ? (double)a->dim[a->rank - 1] : 1;
   for (int i = 0; i < out->rank; i++) count *= out->dim[i] > 0 ? (double)out->dim[i] : 1;
   return count;
}

const pare_op_info pare_op_matmul = {
   .name = "matmul", .help = "products of computed matrices", .fields = pare_no_fields, .n_inputs = 2,
   .infer = infer, .eval = eval, .macs = macs
};
