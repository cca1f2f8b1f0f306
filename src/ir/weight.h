/* weight: a named constant of the graph: its logical shape, how it is encoded, and the bytes.
 *
 * Whatever the encoding, a weight stands for f32 values of its shape; quant/weight_io.h reads and replaces
 * them. A weight may have many users (ties). Bytes are shared and immutable once attached. */
#ifndef PARE_IR_WEIGHT_H
#define PARE_IR_WEIGHT_H

#include "base/buffer.h"
#include "base/fields.h"
#include "ir/type.h"

typedef enum pare_encoding_kind {
   PARE_ENC_F32,
   PARE_ENC_F16,
   PARE_ENC_BF16,
   PARE_ENC_I8, /* one scale per output channel; packed lines, see formats/ARTIFACT.md "i8" */
   PARE_ENC_I4, /* 4, 3 or 2 bits times a multiplier per group of inputs; see there "i4, i3, i2" */
   PARE_ENC_I3,
   PARE_ENC_I2,
   PARE_ENC_COUNT
} pare_encoding_kind;

typedef struct pare_encoding {
   pare_encoding_kind kind;
   bool transposed; /* float kinds of rank 2: the bytes are [K][N] (GPT-2's Conv1D) */
   int rotation;    /* integers: size of the Walsh-Hadamard blocks of the rows: 0, 32, 64 or 128 */
   int group;       /* i4, i3, i2: inputs that share a multiplier: 32, 64 or 128; else 0 */
} pare_encoding;

/* Packed integer encodings: channels in blocks of 16, K in fours. */
enum { PARE_BLOCK_N = 16, PARE_BLOCK_K = 4, PARE_LINE = 64, PARE_ENC_MAX_K = 65536 };

typedef struct pare_weight {
   const char *name;       /* as the source names it */
   int rank;               /* 1 or 2 */
   int64_t dim[2];         /* [N] or [N, K]: N output channels (or table rows), K inputs; K is 1 at rank 1 */
   pare_encoding encoding;
   pare_buffer *data;
   size_t index;           /* in the graph's list */
} pare_weight;

const char *pare_encoding_name(pare_encoding_kind kind); /* "f32", "i8" */
bool pare_encoding_parse(const char *name, pare_encoding_kind *out);
bool pare_encoding_is_float(pare_encoding_kind kind);
bool pare_encoding_is_grouped(pare_encoding_kind kind); /* i4, i3, i2 */
int pare_encoding_bits(pare_encoding_kind kind);        /* of an element, scales and multipliers apart */
pare_dtype pare_encoding_dtype(pare_encoding_kind float_kind);
/* False when the encoding cannot hold the shape: dimensions below 1 or too many elements, integers of rank 1
 * or with K beyond PARE_ENC_MAX_K, a rotation that does not divide K, a group of another size, a transposed
 * vector. A group need not divide K. */
bool pare_encoding_fits(const pare_encoding *encoding, int rank, const int64_t *dim);
/* Bytes of storage; integers: ceil(N/16) blocks of channels, then ceil(N/16) * 16 f32 scales. False when the
 * encoding cannot hold the shape. */
bool pare_encoding_bytes(const pare_encoding *encoding, int rank, const int64_t *dim, size_t *bytes);
/* Integers: bytes of one block of 16 channels, and where the scales start. */
size_t pare_encoding_block_bytes(const pare_encoding *encoding, int64_t k);
size_t pare_encoding_scales_at(const pare_encoding *encoding, int64_t n, int64_t k);
/* Rotation block for K inputs: the largest power of two in [32, 128] that divides K, else 0. */
int pare_rotation_for(int64_t k);

/* The properties of an encoding beside its kind, as the text form writes them (defaults left out). */
typedef struct pare_encoding_options {
   bool transposed;
   int64_t rotation, group;
} pare_encoding_options;
extern const pare_field pare_encoding_fields[];

int64_t pare_weight_count(const pare_weight *weight); /* elements */
/* Element number `index` of [N][K], transposition undone, of a weight with a float encoding. */
float pare_weight_value(const pare_weight *weight, int64_t index);

#endif
