/* evaluate: runs a whole graph with the reference evaluation of each op. Slow and plain: the judge of passes
 * that must not change results, and of the executor.
 *
 *    int32_t ids[3] = ..., positions[3] = { 0, 1, 2 }, slots[3] = { 0 }, rows[1] = { 2 };
 *    float *cache = zeros of pare_type_count(kv->type, sizes) elements, *logits = room for the output;
 *    pare_binding bindings[] = { { "tokens", ids }, { "positions", positions }, ..., { "kv.0", cache } };
 *    pare_evaluate(ctx, graph, &(pare_evaluation){ .sizes = sizes, .bindings = bindings, .n_bindings = 5,
 *                  .decode = decode, .outputs = &logits });
 *
 * Weights are decoded when a node needs them and freed after it, results after their last use. */
#ifndef PARE_OPS_EVALUATE_H
#define PARE_OPS_EVALUATE_H

#include "ir/op.h"

/* Writes pare_weight_count(weight) values: row-major [N][K], rotation and transposition undone. */
typedef pare_status (*pare_decode)(pare_ctx *ctx, void *user, const pare_weight *weight, float *out);
/* A pare_decode for the float encodings; PARE_UNSUPPORTED for others. `user` is not used. */
pare_status pare_decode_float(pare_ctx *ctx, void *user, const pare_weight *weight, float *out);

/* Data of an input (i32 or f32 as its type says) or of a state (always f32, also where the type says f16;
 * updated in place), row-major, owned by the caller. */
typedef struct pare_binding {
   const char *name;
   void *data;
} pare_binding;

typedef struct pare_evaluation {
   pare_sizes sizes;
   const pare_binding *bindings; /* one for each input and state; others are not looked at */
   size_t n_bindings;
   pare_decode decode;
   void *user;            /* handed to decode and observe */
   /* Called with each result, in schedule order; may be NULL. */
   pare_status (*observe)(pare_ctx *ctx, void *user, const pare_value *value, const pare_tensor *result);
   float *const *outputs; /* one for each output of the graph, with room for its elements; may be NULL */
} pare_evaluation;

/* PARE_USAGE when a binding or a size is missing, PARE_INPUT when ids, positions or rows are out of range
 * (states may then be half updated). The graph must be valid. */
pare_status pare_evaluate(pare_ctx *ctx, const pare_graph *graph, const pare_evaluation *evaluation);

/* The type with its symbols replaced, and its number of elements (SIZE_MAX when it does not fit memory). */
pare_type pare_type_concrete(const pare_type *type, const pare_sizes *sizes);
size_t pare_type_count(const pare_type *type, const pare_sizes *sizes);

#endif
