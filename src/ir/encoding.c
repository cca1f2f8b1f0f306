/* encoding: how the bytes of a weight stand for its values: names, limits and sizes. The layout of i8 is
 * specified in formats/ARTIFACT.md. */
#include <string.h>

#include "ir/weight.h"

static const char *const names[PARE_ENC_COUNT] = {
   [PARE_ENC_F32] = "f32", [PARE_ENC_F16] = "f16", [PARE_ENC_BF16] = "bf16", [PARE_ENC_I8] = "i8"
};

const pare_field pare_encoding_fields[] = {
   { .name = "transposed", .kind = PARE_FIELD_BOOL, .offset = offsetof(pare_encoding_options, transposed),
     .help = "the bytes are stored input channel by input channel" },
   { .name = "rotation", .kind = PARE_FIELD_INT, .offset = offsetof(pare_encoding_options, rotation),
     .max = 128, .help = "size of the Walsh-Hadamard blocks the rows were multiplied by, 0 for none" },
   PARE_FIELDS_END
};

const char *pare_encoding_name(pare_encoding_kind kind)
{
   return names[kind];
}

bool pare_encoding_parse(const char *name, pare_encoding_kind *out)
{
   for (int i = 0; i < PARE_ENC_COUNT; i++) {
      if (strcmp(names[i], name) != 0) continue;
      *out = (pare_encoding_kind)i;
      return true;
   }
   return false;
}

bool pare_encoding_is_float(pare_encoding_kind kind)
{
   return kind == PARE_ENC_F32 || kind == PARE_ENC_F16 || kind == PARE_ENC_BF16;
}

pare_dtype pare_encoding_dtype(pare_encoding_kind float_kind)
{
   if (float_kind == PARE_ENC_F16) return PARE_F16;
   return float_kind == PARE_ENC_BF16 ? PARE_BF16 : PARE_F32;
}

static bool shape_fits(int rank, const int64_t *dim)
{
   if (rank < 1 || rank > 2 || dim[0] < 1 || (rank == 2 && dim[1] < 1)) return false;
   int64_t count;
   return !__builtin_mul_overflow(dim[0], rank == 2 ? dim[1] : 1, &count) && count <= PARE_MAX_ELEMENTS;
}

bool pare_encoding_fits(const pare_encoding *encoding, int rank, const int64_t *dim)
{
   if ((unsigned)encoding->kind >= PARE_ENC_COUNT || !shape_fits(rank, dim)) return false;
   if (pare_encoding_is_float(encoding->kind))
      return encoding->rotation == 0 && (rank == 2 || !encoding->transposed);
   if (encoding->transposed || rank != 2 || dim[1] > PARE_ENC_MAX_K) return false;
   int rotation = encoding->rotation;
   return rotation == 0 || ((rotation == 32 || rotation == 64 || rotation == 128) && dim[1] % rotation == 0);
}

size_t pare_encoding_scales_at(int64_t n, int64_t k)
{
   size_t blocks = ((size_t)n + PARE_BLOCK_N - 1) / PARE_BLOCK_N;
   size_t quads = ((size_t)k + PARE_BLOCK_K - 1) / PARE_BLOCK_K;
   return blocks * quads * PARE_LINE;
}

/* Nothing below can overflow: a shape that fits has at most 2^40 elements, padded to at most 64 times as
 * many. */
bool pare_encoding_bytes(const pare_encoding *encoding, int rank, const int64_t *dim, size_t *bytes)
{
   if (!pare_encoding_fits(encoding, rank, dim)) return false;
   size_t n = (size_t)dim[0], k = rank == 2 ? (size_t)dim[1] : 1;
   if (pare_encoding_is_float(encoding->kind)) {
      *bytes = n * k * pare_dtype_size(pare_encoding_dtype(encoding->kind));
      return true;
   }
   size_t blocks = (n + PARE_BLOCK_N - 1) / PARE_BLOCK_N;
   *bytes = pare_encoding_scales_at(dim[0], dim[1]) + blocks * PARE_BLOCK_N * sizeof(float);
   return true;
}

int pare_rotation_for(int64_t k)
{
   for (int rotation = 128; rotation >= 32; rotation /= 2) {
      if (k > 0 && k % rotation == 0) return rotation;
   }
   return 0;
}

int64_t pare_weight_count(const pare_weight *weight)
{
   return weight->dim[0] * weight->dim[1];
}
