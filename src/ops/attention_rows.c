/* attention_rows: attention of rows to rows of the same batch, without a cache: what encoders and exported
 * graphs of whole sequences do. Inputs and meaning stand at the top of op_attention.c. */
#include "ops/attention_rows.h"

#include <math.h>

#include "ops/shape_rules.h"

enum { Q, K, V, FOURTH, SEQUENCES };

static bool is_list(const pare_value *value)
{
   return value->type.dtype == PARE_I32 && value->type.rank == 1;
}

/* ---- inference ---- */

static pare_status want_heads(pare_ctx *ctx, const pare_node *node, size_t input, int64_t heads)
{
   const pare_attention_attrs *attrs = node->attrs;
   const pare_type *type = &node->input[input]->type;
   PARE_TRY(pare_op_want_rows(ctx, node, input));
   if (type->rank > 3 || type->rank != node->input[Q]->type.rank)
      return pare_op_refuse(ctx, node, "input %zu has rank %d, expected 2, or 3 in all of q, k and v", input,
                            type->rank);
   if (type->rank == 3 && type->dim[0] != node->input[Q]->type.dim[0])
      return pare_op_refuse(ctx, node, "inputs 0 and %zu are batches of different sizes", input);
   if (pare_op_width(type) == heads * attrs->head_dim) return PARE_OK;
   return pare_op_refuse(ctx, node, "input %zu has %lld columns, expected %lld heads of %lld", input,
                         (long long)pare_op_width(type), (long long)heads, (long long)attrs->head_dim);
}

static int64_t rows_of(const pare_type *type)
{
   return type->dim[type->rank - 2];
}

static pare_status want_mask(pare_ctx *ctx, const pare_node *node)
{
   const pare_attention_attrs *attrs = node->attrs;
   const pare_type *q = &node->input[Q]->type;
   PARE_TRY(pare_op_want_tensor(ctx, node, FOURTH));
   pare_type scores = pare_type_make(PARE_F32, 4, q->rank == 3 ? q->dim[0] : 1, attrs->heads, rows_of(q),
                                     rows_of(&node->input[K]->type));
   pare_type all = scores;
   PARE_TRY(pare_op_broadcast(ctx, node, &node->input[FOURTH]->type, &all));
   return pare_type_equal(&all, &scores) ? PARE_OK : pare_op_refuse(ctx, node, "the mask is too large");
}

static pare_status want_lists(pare_ctx *ctx, const pare_node *node)
{
   for (size_t i = FOURTH; i < node->n_inputs; i++) {
      PARE_TRY(pare_op_want_list(ctx, node, i));
      if (node->input[i]->type.dim[0] != rows_of(&node->input[Q]->type))
         return pare_op_refuse(ctx, node, "inputs 0 and %zu have different numbers of rows", i);
   }
   return PARE_OK;
}

pare_status pare_attention_rows_infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_attention_attrs *attrs = node->attrs;
   PARE_TRY(want_heads(ctx, node, Q, attrs->heads));
   PARE_TRY(want_heads(ctx, node, K, attrs->kv_heads));
   PARE_TRY(want_heads(ctx, node, V, attrs->kv_heads));
   bool lists = node->n_inputs == 5 || (node->n_inputs == 4 && is_list(node->input[FOURTH]));
   int64_t rows = rows_of(&node->input[Q]->type), keys = rows_of(&node->input[K]->type);
   if (rows_of(&node->input[V]->type) != keys)
      return pare_op_refuse(ctx, node, "inputs 1 and 2 have different numbers of rows");
   if ((attrs->causal || attrs->window || lists) && keys != rows)
      return pare_op_refuse(ctx, node, "inputs 0 and 1 have different numbers of rows");
   if (lists) PARE_TRY(want_lists(ctx, node));
   else if (node->n_inputs == 4) PARE_TRY(want_mask(ctx, node));
   *out = node->input[Q]->type;
   return PARE_OK;
}

/* ---- evaluation ---- */

typedef struct rows_run {
   const pare_attention_attrs *attrs;
   const pare_eval_call *call;
   const int32_t *positions, *sequences; /* or NULL: the number of the row, one sequence */
   const pare_tensor *mask;              /* or NULL */
   pare_stride_walk of_mask;
   int64_t rows, keys;
   double *weights;                      /* [keys] */
} rows_run;

static bool may_attend(const rows_run *r, int64_t row, int64_t key)
{
   int64_t own = r->positions ? r->positions[row] : row, other = r->positions ? r->positions[key] : key;
   if (r->sequences && r->sequences[row] != r->sequences[key]) return false;
   if (r->attrs->causal && other > own) return false;
   return !r->attrs->window || own - other < r->attrs->window;
}

/* What the mask adds to a score: minus infinity where nothing is attended. */
static double bias_of(const rows_run *r, int64_t score)
{
   if (!r->mask) return 0;
   int64_t at = pare_stride_walk_at(&r->of_mask, score);
   if (r->mask->type.dtype == PARE_F32) return (double)pare_op_f32(r->mask)[at];
   return pare_op_i32(r->mask)[at] ? 0 : -INFINITY;
}

/* One row of one head; `score` is the number of its first score among all. */
static void attend(const rows_run *r, const float *q, const float *k, const float *v, int64_t row, int64_t score,
                   float *out)
{
   int64_t size = r->attrs->head_dim, stride = r->attrs->kv_heads * size;
   double most = -INFINITY, total = 0;
   for (int64_t j = 0; j < r->keys; j++) {
      double sum = 0;
      for (int64_t i = 0; i < size; i++) sum += (double)q[i] * (double)k[j * stride + i];
      r->weights[j] = may_attend(r, row, j) ? sum * r->attrs->scale + bias_of(r, score + j) : -INFINITY;
      most = fmax(most, r->weights[j]);
   }
   for (int64_t j = 0; j < r->keys; j++)
      total += r->weights[j] = isinf(r->weights[j]) ? 0 : exp(r->weights[j] - most);
   for (int64_t i = 0; i < size; i++) {
      double sum = 0;
      for (int64_t j = 0; j < r->keys; j++) sum += r->weights[j] * (double)v[j * stride + i];
      out[i] = total > 0 ? (float)(sum / total) : 0;
   }
}

static void attend_all(const rows_run *r, int64_t batches)
{
   const pare_attention_attrs *attrs = r->attrs;
   const float *q = pare_op_f32(r->call->input[Q]), *k = pare_op_f32(r->call->input[K]);
   const float *v = pare_op_f32(r->call->input[V]);
   int64_t size = attrs->head_dim, group = attrs->heads / attrs->kv_heads;
   for (int64_t i = 0; i < batches * attrs->heads * r->rows; i++) {
      int64_t row = i % r->rows, head = i / r->rows % attrs->heads, batch = i / r->rows / attrs->heads;
      int64_t at = ((batch * r->rows + row) * attrs->heads + head) * size;
      int64_t first = (batch * r->keys * attrs->kv_heads + head / group) * size;
      attend(r, q + at, k + first, v + first, row, i * r->keys, (float *)r->call->output->data + at);
   }
}

pare_status pare_attention_rows_eval(pare_ctx *ctx, const pare_eval_call *call)
{
   const pare_attention_attrs *attrs = call->node->attrs;
   const pare_type *q = &call->input[Q]->type;
   rows_run r = { .attrs = attrs, .call = call, .rows = rows_of(q), .keys = rows_of(&call->input[K]->type) };
   int64_t batches = q->rank == 3 ? q->dim[0] : 1;
   bool lists = call->node->n_inputs == 5 || (call->node->n_inputs == 4 && is_list(call->node->input[FOURTH]));
   if (lists) r.positions = pare_op_i32(call->input[FOURTH]);
   else if (call->node->n_inputs == 4) r.mask = call->input[FOURTH];
   if (call->node->n_inputs == 5) r.sequences = pare_op_i32(call->input[SEQUENCES]);
   if (r.mask) {
      pare_type scores = pare_type_make(PARE_F32, 4, batches, attrs->heads, r.rows, r.keys);
      r.of_mask = pare_stride_walk_of(&r.mask->type, &scores);
   }
   r.weights = pare_alloc_array(ctx, (size_t)r.keys + 1, sizeof *r.weights);
   if (!r.weights) return PARE_RESOURCE;
   attend_all(&r, batches);
   pare_free(ctx, r.weights);
   return PARE_OK;
}
