/* type: what a value is: element type and shape. Storage is another thing (weight.h). */
#ifndef PARE_IR_TYPE_H
#define PARE_IR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef enum pare_dtype {
#define DTYPE(symbol, name, bytes) PARE_##symbol,
#include "ir/dtype.def"
#undef DTYPE
   PARE_DTYPE_COUNT
} pare_dtype;

enum { PARE_MAX_RANK = 5 };
#define PARE_MAX_ELEMENTS ((int64_t)1 << 40)

/* Symbolic dimensions: known only when a batch runs. */
enum {
   PARE_DIM_TOKENS = -1, /* tokens of all sequences of a batch, one ragged list */
   PARE_DIM_ROWS = -2,   /* tokens whose logits are wanted */
   PARE_DIM_SLOTS = -3,  /* sequences a session holds */
   PARE_DIM_PAST = -4    /* positions a sequence may have */
};

typedef struct pare_type {
   pare_dtype dtype;
   int rank;
   int64_t dim[PARE_MAX_RANK];
} pare_type;

const char *pare_dtype_name(pare_dtype dtype);
size_t pare_dtype_size(pare_dtype dtype);
bool pare_dtype_parse(const char *name, pare_dtype *out);

/* pare_type_make(PARE_F32, 2, PARE_DIM_TOKENS, 128): rank dimensions of any integer type */
#define pare_type_make(dtype, rank, ...) pare_type_of(dtype, rank, (const int64_t[]){ __VA_ARGS__ })
pare_type pare_type_of(pare_dtype dtype, int rank, const int64_t *dim);
/* Rank in [1, 5], each dimension a symbol or at least 1, at most PARE_MAX_ELEMENTS without the symbols. */
bool pare_type_valid(const pare_type *type);
bool pare_type_equal(const pare_type *a, const pare_type *b);
/* "tokens" of a symbol, else NULL; the reverse gives false for an unknown name. */
const char *pare_dim_name(int64_t dim);
bool pare_dim_parse(const char *name, int64_t *out);
/* "f32[tokens, 128]", appended */
pare_status pare_type_print(pare_ctx *ctx, const pare_type *type, pare_str *out);

#endif
