/* ops: the attributes of the operations. What each means, its inputs, weights and types, is written at the
 * top of op_<name>.c; the list is ir/ops.def, the table ops.c. Ops not named here have no attributes. */
#ifndef PARE_OPS_OPS_H
#define PARE_OPS_OPS_H

#include "ir/op.h"

/* Activations of a product: as they are, or rotated as its weights are and rounded to codes with one scale a row. */
enum { PARE_ACT_F32 = 0, PARE_ACT_I8 = 1, PARE_ACT_I16 = 2 };

typedef struct pare_linear_attrs {
   int act;        /* PARE_ACT_*: how the activations enter the product; I8 and I16 only with matrices of integers */
   int activation; /* of the results: 0 for none, else 1 + PARE_ACTIVATION_* */
   bool gated;     /* two matrices, gate and up, give one result: activation(gate) * up */
} pare_linear_attrs;

/* One product of a linear node: a matrix, and the vector after it, its bias, or NULL. */
typedef struct pare_linear_matrix {
   const pare_weight *weight, *bias;
   size_t at; /* the weight's place in the node; its bias stands at + 1 */
} pare_linear_matrix;
/* The products of a linear node, in order; at most `room`. Gives their number. */
size_t pare_linear_matrices(const pare_node *node, pare_linear_matrix *out, size_t room);

/* rms_norm and layer_norm */
typedef struct pare_norm_attrs {
   double eps;       /* [0, 1], added to the mean square */
   int result;       /* PARE_ACT_F32 or _I8: the activations of the products that follow, see op_quantize.c */
   int64_t rotation; /* of them: 0, 32, 64 or 128 */
} pare_norm_attrs;

enum { PARE_NORM_RMS = 0, PARE_NORM_LAYER = 1 };

typedef struct pare_residual_norm_attrs {
   pare_norm_attrs norm; /* of the second result */
   int kind;             /* PARE_NORM_* */
} pare_residual_norm_attrs;

typedef struct pare_quantize_attrs {
   int64_t rotation; /* 0, 32, 64 or 128 */
} pare_quantize_attrs;

/* The rotation of a value of quantized activations, by the node that gives it; -1 for other values. */
int64_t pare_activations_rotation(const pare_value *value);

enum {
   PARE_ROPE_NONE,
   PARE_ROPE_LINEAR,
   PARE_ROPE_DYNAMIC,
   PARE_ROPE_YARN,
   PARE_ROPE_LLAMA3,
   PARE_ROPE_LONGROPE
};

/* Those behind `scaling` count only for the kinds they name; op_rope.c has the formulas. */
typedef struct pare_rope_attrs {
   int64_t head_dim;   /* [2, 65536], even */
   int64_t rot_dim;    /* [2, head_dim], even: the first rot_dim elements of each head turn */
   double theta;       /* base of the wavelengths */
   bool interleaved;   /* pairs are (2i, 2i + 1) instead of (i, i + rot_dim / 2) */
   int scaling;        /* PARE_ROPE_*: how the frequencies are stretched to longer contexts */
   double factor;      /* linear, dynamic, yarn, llama3: by how much */
   int64_t original_context; /* dynamic, yarn, llama3, longrope: positions before stretching */
   double beta_fast, beta_slow; /* yarn: turns within original_context where stretching begins and is whole */
   bool truncate;      /* yarn: the ramp between them begins and ends at whole pairs */
   double low_freq_factor, high_freq_factor; /* llama3: low < high; turns where stretching is whole and begins */
   pare_numbers short_factor, long_factor;   /* longrope: divisors of the frequencies, one a pair */
   double attention_factor; /* multiplies cosines and sines */
} pare_rope_attrs;

typedef struct pare_attention_attrs {
   int64_t heads, kv_heads, head_dim; /* kv_heads divides heads */
   double scale;                      /* of the dot products, usually 1 / sqrt(head_dim) */
   int64_t window; /* 0: none; else only the last `window` positions, the own one included */
   bool causal;    /* nothing after the own position is attended */
} pare_attention_attrs;

enum {
   PARE_ACTIVATION_SILU,
   PARE_ACTIVATION_GELU_TANH,
   PARE_ACTIVATION_GELU_ERF,
   PARE_ACTIVATION_QUICK_GELU,
   PARE_ACTIVATION_RELU
};

typedef struct pare_activation_attrs {
   int kind; /* PARE_ACTIVATION_* */
} pare_activation_attrs;

typedef struct pare_slice_attrs {
   int64_t from, to, step; /* places from, from + step, ... below to */
   int64_t axis;           /* negative: from the end */
} pare_slice_attrs;

/* softmax and concat */
typedef struct pare_axis_attrs {
   int64_t axis; /* negative: from the end */
} pare_axis_attrs;

typedef struct pare_reduce_attrs {
   int64_t axis;
   bool keep; /* the axis stays, with size 1 */
} pare_reduce_attrs;

enum {
   PARE_COMPARE_LT,
   PARE_COMPARE_LE,
   PARE_COMPARE_GT,
   PARE_COMPARE_GE,
   PARE_COMPARE_EQ,
   PARE_COMPARE_NE
};

typedef struct pare_compare_attrs {
   int kind; /* PARE_COMPARE_* */
} pare_compare_attrs;

enum { PARE_CAST_F32, PARE_CAST_I32 };

typedef struct pare_cast_attrs {
   int to; /* PARE_CAST_* */
} pare_cast_attrs;

typedef struct pare_transpose_attrs {
   pare_ints perm; /* empty: all dimensions reversed */
} pare_transpose_attrs;

/* constant, reshape and expand */
typedef struct pare_reshape_attrs {
   pare_ints shape;
} pare_reshape_attrs;

/* The dimension of the input that comes at a place of the result. */
int pare_transpose_source(const pare_transpose_attrs *attrs, int rank, int place);

/* Angle per position, at that position, of pair i in [0, rot_dim / 2), as Hugging Face computes it in f32:
 * op_rope.c. The evaluator's own; tests judge the executor's tables by it. */
float pare_rope_frequency(const pare_rope_attrs *attrs, int64_t position, int64_t pair);

#define OP(name) extern const pare_op_info pare_op_##name;
#include "ir/ops.def"
#undef OP

#endif
