/* op: what an operation is. The list is ops.def; each descriptor is defined in src/ops/op_<name>.c. */
#ifndef PARE_IR_OP_H
#define PARE_IR_OP_H

#include "base/fields.h"
#include "ir/graph.h"

/* Concrete values for the symbolic dimensions of a run. */
typedef struct pare_sizes {
   int64_t tokens, rows, slots, past;
} pare_sizes;

/* A concrete tensor of the reference evaluator: f32 or i32 elements, row-major, shape without symbols. */
typedef struct pare_tensor {
   pare_type type;
   void *data;
} pare_tensor;

/* One evaluation of a node: inputs (states too, which the op updates in place), weights decoded to f32, the
 * outputs. */
typedef struct pare_eval_call {
   const pare_node *node;
   const pare_tensor *input[PARE_MAX_INPUTS];
   const pare_tensor *weight[PARE_MAX_WEIGHTS];
   pare_tensor *output; /* [n_outputs] */
} pare_eval_call;

typedef struct pare_op_info {
   const char *name;
   const char *help;
   const pare_field *fields; /* of the attributes */
   size_t attrs_size;        /* 0: no attributes */
   size_t n_inputs;          /* at least so many */
   size_t optional_inputs;   /* and up to so many more */
   size_t min_weights, max_weights;
   /* Outputs of a node with these weights and attributes, 1 to PARE_MAX_OUTPUTS; NULL: always one. PARE_INPUT
    * with the node's name if they do not fit. */
   pare_status (*count)(pare_ctx *ctx, const pare_node *node, size_t *n_outputs);
   /* The type of each output from inputs, weights and attributes; PARE_INPUT if they do not fit. */
   pare_status (*infer)(pare_ctx *ctx, const pare_node *node, pare_type *out);
   /* Reference evaluation in plain C, the meaning of the op. */
   pare_status (*eval)(pare_ctx *ctx, const pare_eval_call *call);
   /* Multiply-accumulates per token, with `past` positions in the cache. */
   double (*macs)(const pare_node *node, int64_t past);
} pare_op_info;

extern const pare_op_info *const pare_ops[PARE_OP_COUNT];

const pare_op_info *pare_op_find(const char *name, pare_op *op); /* NULL when there is none */

#endif
