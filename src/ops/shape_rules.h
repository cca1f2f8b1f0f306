/* shape_rules: what the ops on tensors of any rank share: axes, broadcasting and walking over elements. Only
 * for src/ops.
 *
 * "Tensor" is f32 or i32 of rank 1 to 5, not a state; both have elements of four bytes. Broadcasting is that
 * of numpy and ONNX: shapes are aligned at their last dimension, and a dimension of 1 (or one that is not
 * there) is repeated. A symbol equals only itself. */
#ifndef PARE_OPS_SHAPE_RULES_H
#define PARE_OPS_SHAPE_RULES_H

#include "ops/op_rules.h"

pare_status pare_op_want_tensor(pare_ctx *ctx, const pare_node *node, size_t input);
/* A tensor of f32. */
pare_status pare_op_want_f32(pare_ctx *ctx, const pare_node *node, size_t input);

/* The place in [0, rank) of an axis that may count from the end (-1 is the last). */
pare_status pare_op_want_axis(pare_ctx *ctx, const pare_node *node, int64_t axis, int rank, int *out);
/* out->rank and out->dim become the common shape of themselves and the type's. */
pare_status pare_op_broadcast(pare_ctx *ctx, const pare_node *node, const pare_type *type, pare_type *out);
/* Elements of a concrete type before, along and after an axis: x[outer][size][inner]. */
typedef struct pare_axis_view {
   int64_t outer, size, inner;
} pare_axis_view;
pare_axis_view pare_axis_view_of(const pare_type *type, int axis);

/* A walk over the elements of a concrete shape, with the element of one operand that belongs to each. */
typedef struct pare_stride_walk {
   int64_t dim[PARE_MAX_RANK], stride[PARE_MAX_RANK]; /* aligned at the last; missing ones are 1 and 0 */
} pare_stride_walk;
/* An operand of type `from`, broadcast to `to`. */
pare_stride_walk pare_stride_walk_of(const pare_type *from, const pare_type *to);
int64_t pare_stride_walk_at(const pare_stride_walk *walk, int64_t index);

#endif
