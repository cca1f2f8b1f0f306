/* attention: causal attention of each token to its own sequence, through a cache of keys and values; or of rows
 * to rows, without one.
 *
 * Inputs: q f32[T, heads * head_dim], k and v f32[T, kv_heads * head_dim], positions i32[T], sequences
 * i32[T], and the state kv, f32, f16 or i8 [slots, kv_heads, past, 2 * head_dim]: a key and then a value for
 * each position.
 * Result: f32[T, heads * head_dim].
 * First every row of k and v is stored at (its sequence, its position), rounded to the state's type. Then row
 * t of q, at position p, attends positions max(0, p - window + 1) .. p of its sequence (from 0 without a
 * window): softmax(scale q . key) times the values, head h with the keys and values of head
 * h / (heads / kv_heads).
 * i8: keys, values and queries, head by head, are replaced by what int8 activations can say of them (op_rules.h,
 * with the rotation of head_dim). The executor also rounds the weights of the values to 8 bits of the largest of 64
 * positions, which is not part of this meaning.
 * Without the state (attention_rows.c), q is f32[B, T, heads * head_dim] and k and v are f32[B, S, kv_heads *
 * head_dim], or all three without B; each of the B batches attends its own keys. There may follow one of:
 *    positions i32[T]                       what causal and window go by, instead of the number of the row
 *    positions i32[T], sequences i32[T]     and only rows of the same sequence are attended
 *    a mask, broadcast to [B, heads, T, S]  f32: added to the scores; i32 (rank 2 or more): 0 is not attended
 * T and S are equal unless all rows see all keys. A row that attends nothing gives zeros. Without causal, later
 * positions are attended too. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "ops/attention_rows.h"

enum { Q, K, V, POSITIONS, SEQUENCES, KV };

static const pare_field fields[] = {
   { .name = "heads",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(pare_attention_attrs, heads),
     .min = 1,
     .max = 65536,
     .initial = 1,
     .help = "heads of the queries" },
   { .name = "kv_heads",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(pare_attention_attrs, kv_heads),
     .min = 1,
     .max = 65536,
     .initial = 1,
     .help = "heads of the keys and values" },
   { .name = "head_dim",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(pare_attention_attrs, head_dim),
     .min = 1,
     .max = 65536,
     .initial = 64,
     .help = "elements of a head" },
   { .name = "scale",
     .kind = PARE_FIELD_FLOAT,
     .offset = offsetof(pare_attention_attrs, scale),
     .min = -1e6,
     .max = 1e6,
     .initial = 1,
     .help = "factor of the dot products" },
   { .name = "window",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(pare_attention_attrs, window),
     .max = 1 << 30,
     .help = "only the last so many positions are attended, the own one included; 0 for all" },
   { .name = "causal", .kind = PARE_FIELD_BOOL, .offset = offsetof(pare_attention_attrs, causal), .initial = 1,
     .help = "positions after the own one are not attended; always so with a state" },
   PARE_FIELDS_END
};

static pare_status want_width(pare_ctx *ctx, const pare_node *node, size_t input, int64_t heads)
{
   const pare_attention_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_want_matrix(ctx, node, input));
   PARE_TRY(pare_op_want_same_rows(ctx, node, input, Q));
   if (node->input[input]->type.dim[1] == heads * attrs->head_dim) return PARE_OK;
   return pare_op_refuse(ctx, node, "input %zu has %lld columns, expected %lld heads of %lld", input,
                         (long long)node->input[input]->type.dim[1], (long long)heads,
                         (long long)attrs->head_dim);
}

static pare_status want_cache(pare_ctx *ctx, const pare_node *node)
{
   const pare_attention_attrs *attrs = node->attrs;
   const pare_value *kv = node->input[KV];
   pare_type expected =
      pare_type_make(kv->type.dtype, 4, PARE_DIM_SLOTS, attrs->kv_heads, PARE_DIM_PAST, 2 * attrs->head_dim);
   bool stored = kv->type.dtype == PARE_F32 || kv->type.dtype == PARE_F16 || kv->type.dtype == PARE_I8;
   if (kv->kind == PARE_VALUE_STATE && stored && pare_type_equal(&kv->type, &expected)) return PARE_OK;
   return pare_op_refuse(ctx, node, "input %d is not a state f32, f16 or i8 [slots, %lld, past, %lld]", KV,
                         (long long)attrs->kv_heads, (long long)(2 * attrs->head_dim));
}

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_attention_attrs *attrs = node->attrs;
   if (attrs->heads % attrs->kv_heads != 0)
      return pare_op_refuse(ctx, node, "%lld kv_heads do not divide %lld heads", (long long)attrs->kv_heads,
                            (long long)attrs->heads);
   if (node->n_inputs <= KV) return pare_attention_rows_infer(ctx, node, out);
   if (!attrs->causal) return pare_op_refuse(ctx, node, "with a state it is causal");
   PARE_TRY(want_width(ctx, node, Q, attrs->heads));
   PARE_TRY(want_width(ctx, node, K, attrs->kv_heads));
   PARE_TRY(want_width(ctx, node, V, attrs->kv_heads));
   for (size_t i = POSITIONS; i <= SEQUENCES; i++) {
      PARE_TRY(pare_op_want_list(ctx, node, i));
      PARE_TRY(pare_op_want_same_rows(ctx, node, i, Q));
   }
   PARE_TRY(want_cache(ctx, node));
   *out = node->input[Q]->type;
   return PARE_OK;
}

/* Key (and, head_dim later, value) of one head at one position. */
static float *cache_row(const pare_tensor *kv, int64_t slot, int64_t head, int64_t position)
{
   const int64_t *dim = kv->type.dim;
   return (float *)kv->data + ((slot * dim[1] + head) * dim[2] + position) * dim[3];
}

static pare_status check_places(pare_ctx *ctx, const pare_eval_call *call)
{
   const int32_t *positions = pare_op_i32(call->input[POSITIONS]),
                 *slots = pare_op_i32(call->input[SEQUENCES]);
   const int64_t *dim = call->input[KV]->type.dim;
   for (int64_t t = 0; t < call->output->type.dim[0]; t++) {
      if (positions[t] < 0 || positions[t] >= dim[2])
         return pare_op_refuse(ctx, call->node, "position %d, expected [0, %lld)", (int)positions[t],
                               (long long)dim[2]);
      if (slots[t] < 0 || slots[t] >= dim[0])
         return pare_op_refuse(ctx, call->node, "sequence %d, expected [0, %lld)", (int)slots[t],
                               (long long)dim[0]);
   }
   return PARE_OK;
}

/* to[size] = what the cache holds of a head's key or value. */
static void put(const float *from, int64_t size, pare_dtype dtype, float *to)
{
   memcpy(to, from, (size_t)size * sizeof *to);
   if (dtype == PARE_I8) pare_op_round(to, size, pare_rotation_for(size), PARE_ACT_I8);
   for (int64_t i = 0; dtype == PARE_F16 && i < size; i++) to[i] = pare_f16_to_f32(pare_f32_to_f16(to[i]));
}

static void store(const pare_eval_call *call)
{
   const pare_attention_attrs *attrs = call->node->attrs;
   const pare_tensor *kv = call->input[KV];
   const int32_t *positions = pare_op_i32(call->input[POSITIONS]),
                 *slots = pare_op_i32(call->input[SEQUENCES]);
   int64_t size = attrs->head_dim;
   pare_dtype dtype = call->node->input[KV]->type.dtype;
   for (int64_t row = 0; row < call->output->type.dim[0] * attrs->kv_heads; row++) {
      int64_t t = row / attrs->kv_heads, head = row % attrs->kv_heads;
      float *to = cache_row(kv, slots[t], head, positions[t]);
      put(pare_op_f32(call->input[K]) + row * size, size, dtype, to);
      put(pare_op_f32(call->input[V]) + row * size, size, dtype, to + size);
   }
}

/* weights[j] = softmax over positions first + j, j in [0, count) */
static void attend(const pare_attention_attrs *attrs, const float *q, const float *rows, int64_t count,
                   double *weights, float *out)
{
   int64_t size = attrs->head_dim;
   double most = -INFINITY, total = 0;
   for (int64_t j = 0; j < count; j++) {
      double sum = 0;
      for (int64_t i = 0; i < size; i++) sum += (double)q[i] * (double)rows[j * 2 * size + i];
      weights[j] = sum * attrs->scale;
      most = weights[j] > most ? weights[j] : most;
   }
   for (int64_t j = 0; j < count; j++) total += weights[j] = exp(weights[j] - most);
   for (int64_t i = 0; i < size; i++) {
      double sum = 0;
      for (int64_t j = 0; j < count; j++) sum += weights[j] * (double)rows[(j * 2 + 1) * size + i];
      out[i] = (float)(sum / total);
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   if (call->node->n_inputs <= KV) return pare_attention_rows_eval(ctx, call);
   const pare_attention_attrs *attrs = call->node->attrs;
   const pare_tensor *kv = call->input[KV];
   const int32_t *positions = pare_op_i32(call->input[POSITIONS]),
                 *slots = pare_op_i32(call->input[SEQUENCES]);
   int64_t size = attrs->head_dim, group = attrs->heads / attrs->kv_heads;
   PARE_TRY(check_places(ctx, call));
   double *weights = pare_alloc_array(ctx, (size_t)kv->type.dim[2], sizeof *weights);
   float *q = pare_alloc_array(ctx, (size_t)size, sizeof *q);
   if (!weights || !q) {
      pare_free(ctx, weights);
      pare_free(ctx, q);
      return PARE_RESOURCE;
   }
   store(call);
   for (int64_t row = 0; row < call->output->type.dim[0] * attrs->heads; row++) {
      int64_t t = row / attrs->heads, head = row % attrs->heads, last = positions[t];
      int64_t first = attrs->window && last >= attrs->window ? last - attrs->window + 1 : 0;
      memcpy(q, pare_op_f32(call->input[Q]) + row * size, (size_t)size * sizeof *q);
      if (call->node->input[KV]->type.dtype == PARE_I8)
         pare_op_round(q, size, pare_rotation_for(size), PARE_ACT_I8);
      attend(attrs, q, cache_row(kv, slots[t], head / group, first), last - first + 1, weights,
             (float *)call->output->data + row * size);
   }
   pare_free(ctx, weights);
   pare_free(ctx, q);
   return PARE_OK;
}

/* Dot products and weighted sums over the positions attended. */
static double macs(const pare_node *node, int64_t past)
{
   const pare_attention_attrs *attrs = node->attrs;
   int64_t seen = attrs->window && past >= attrs->window ? attrs->window : past + 1;
   return 2.0 * (double)(attrs->heads * attrs->head_dim) * (double)seen;
}

const pare_op_info pare_op_attention = {
   .name = "attention", .help = "attention, through a cache of keys and values or among rows", .fields = fields,
   .attrs_size = sizeof(pare_attention_attrs), .n_inputs = 3, .optional_inputs = 3, .infer = infer,
   .eval = eval, .macs = macs
};
