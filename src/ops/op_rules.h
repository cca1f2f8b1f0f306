/* op_rules: what the op files share: the usual rules of shape inference and access to tensors. Only for
 * src/ops.
 *
 * "Matrix" is f32[rows, n] with any rows and a known n; "rows" are f32[..., rows, n], a matrix of any rank from
 * 2; "list" is i32[rows]. */
#ifndef PARE_OPS_OP_RULES_H
#define PARE_OPS_OP_RULES_H

#include "ops/ops.h"

extern const pare_field pare_norm_fields[]; /* pare_norm_attrs */
/* The same three, of a struct that holds them at `base`. */
#define PARE_NORM_FIELDS(base)                                                                             \
   { .name = "eps", .kind = PARE_FIELD_FLOAT, .offset = (base) + offsetof(pare_norm_attrs, eps), .max = 1, \
     .initial = 1e-5, .help = "added to the mean square before its root is taken" },                       \
   { .name = "result", .kind = PARE_FIELD_ENUM, .offset = (base) + offsetof(pare_norm_attrs, result),      \
     .choices = pare_result_names, .help = "i8: the activations of the products that follow" },            \
   PARE_ROTATION_FIELD((base) + offsetof(pare_norm_attrs, rotation))
#define PARE_ROTATION_FIELD(at)                                                                            \
   { .name = "rotation", .kind = PARE_FIELD_INT, .offset = at, .max = 128,                                 \
     .help = "size of the Walsh-Hadamard blocks of quantized activations, 0 for none" }
extern const char *const pare_act_names[];    /* of PARE_ACT_* */
extern const char *const pare_result_names[]; /* of those that a norm can deliver */

/* The norms: a run of m elements; a row with an optional bias. x may be out. */
void pare_op_rms_normalize(const float *x, const float *w, int64_t m, double eps, float *out);
void pare_op_layer_normalize(const float *x, const float *w, const float *b, int64_t n, double eps, float *out);
/* The type of a norm's result, i8 where attrs say so; PARE_INPUT when the rotation does not fit n. */
pare_status pare_op_infer_normed(pare_ctx *ctx, const pare_node *node, const pare_norm_attrs *attrs,
                                 pare_type *out);
/* Rows of a norm's result to what int8 activations can say of them, where attrs say so. */
void pare_op_finish_normed(const pare_norm_attrs *attrs, const pare_tensor *result);
/* PARE_INPUT unless activations of n elements can be rotated so. */
pare_status pare_op_want_rotation(pare_ctx *ctx, const pare_node *node, int64_t rotation, int64_t n);

/* "none", then the kinds of activation in the order of PARE_ACTIVATION_*. */
extern const char *const pare_activation_names[];
double pare_op_activate(int kind, double x);

/* PARE_INPUT with the node's name, the op's name and the message. */
pare_status pare_op_refuse(pare_ctx *ctx, const pare_node *node, const char *fmt, ...) PARE_PRINTF(3, 4);
pare_status pare_op_want_matrix(pare_ctx *ctx, const pare_node *node, size_t input);
pare_status pare_op_want_rows(pare_ctx *ctx, const pare_node *node, size_t input);
pare_status pare_op_want_list(pare_ctx *ctx, const pare_node *node, size_t input);
/* Two inputs have the same first dimension. */
pare_status pare_op_want_same_rows(pare_ctx *ctx, const pare_node *node, size_t a, size_t b);
/* Weight i is a table [N, K]. */
pare_status pare_op_want_table(pare_ctx *ctx, const pare_node *node, size_t weight);
/* Weight i is a vector of n elements. */
pare_status pare_op_want_vector(pare_ctx *ctx, const pare_node *node, size_t weight, int64_t n);
/* Elements of the last dimension. */
static inline int64_t pare_op_width(const pare_type *type) { return type->dim[type->rank - 1]; }
/* f32[rows of the input, n] */
pare_type pare_op_matrix_like(const pare_value *input, int64_t n);

/* Inference of an op that gives its first input's type and asks only that it is rows. */
pare_status pare_op_infer_same(pare_ctx *ctx, const pare_node *node, pare_type *out);
/* The same where any shape of f32 will do. */
pare_status pare_op_infer_elements(pare_ctx *ctx, const pare_node *node, pare_type *out);
/* Cost of an op without products. */
double pare_op_no_macs(const pare_node *node, int64_t past);

/* Replaces x[n] by what codes of `act` with one scale say of it: rotated by Walsh-Hadamard blocks (of 0: not at all),
 * scaled by its absmax to [-127, 127] or, of 16 bits, to [-32512, 32512], rounded to nearest even; and back. F32:
 * leaves it. */
void pare_op_round(float *x, int64_t n, int64_t rotation, int act);
/* Its parts: the rotation, its own inverse but for rounding, and the rounding to codes times their scale. */
void pare_op_rotate(float *x, int64_t n, int64_t block);
void pare_op_round_row(float *x, int64_t n, int act);

static inline const float *pare_op_f32(const pare_tensor *tensor) { return tensor->data; }
static inline const int32_t *pare_op_i32(const pare_tensor *tensor) { return tensor->data; }
int64_t pare_tensor_count(const pare_tensor *tensor); /* elements */

#endif
