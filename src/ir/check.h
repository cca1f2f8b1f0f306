/* check: what building and validating a graph both insist on. Not for other layers. */
#ifndef PARE_IR_CHECK_H
#define PARE_IR_CHECK_H

#include "ir/op.h"

/* PARE_INPUT unless the name is 1 to PARE_MAX_NAME bytes of UTF-8 without control characters. `what` says
 * whose name it is ("weight"). */
pare_status pare_check_name(pare_ctx *ctx, const char *what, const char *name);
/* PARE_INPUT unless the name of an input or state is [A-Za-z_][A-Za-z0-9_.]*, at most PARE_MAX_NAME bytes. */
pare_status pare_check_value_name(pare_ctx *ctx, const char *name);
/* PARE_INPUT, naming node and attribute, unless every value is in the range of its field. */
pare_status pare_check_attrs(pare_ctx *ctx, const pare_op_info *info, const char *node, const void *attrs);
/* PARE_INPUT unless the number of inputs and weights is what the op takes. */
pare_status pare_check_arity(pare_ctx *ctx, const pare_op_info *info, const char *node, size_t n_inputs,
                             size_t n_weights);
/* How many outputs the node has and their types (room for PARE_MAX_OUTPUTS), by the op's rules. */
pare_status pare_node_infer(pare_ctx *ctx, const pare_node *node, size_t *n_outputs, pare_type *types);
/* PARE_INPUT unless the encoding can hold the shape and data has the size it asks for. */
pare_status pare_check_storage(pare_ctx *ctx, const char *name, int rank, const int64_t *dim,
                               const pare_encoding *encoding, const pare_buffer *data);
/* PARE_INPUT when a list of `count` items is full. */
pare_status pare_check_room(pare_ctx *ctx, const char *what, size_t count);

bool pare_graph_owns_value(const pare_graph *graph, const pare_value *value);
bool pare_graph_owns_weight(const pare_graph *graph, const pare_weight *weight);

#endif
