/* encoding: how the bytes of a weight stand for its values: names, limits and sizes. The layouts are
 * specified in formats/ARTIFACT.md. */
#include <string.h>

#include "base/half.h"
#include "ir/weight.h"

static const char *const names[PARE_ENC_COUNT] = {
   [PARE_ENC_F32] = "f32", [PARE_ENC_F16] = "f16", [PARE_ENC_BF16] = "bf16",
   [PARE_ENC_I8] = "i8",   [PARE_ENC_I4] = "i4",   [PARE_ENC_I3] = "i3",     [PARE_ENC_I2] = "i2"
};

const pare_field pare_encoding_fields[] = {
   { .name = "transposed", .kind = PARE_FIELD_BOOL, .offset = offsetof(pare_encoding_options, transposed),
     .help = "the bytes are stored input channel by input channel" },
   { .name = "rotation", .kind = PARE_FIELD_INT, .offset = offsetof(pare_encoding_options, rotation),
     .max = 128, .help = "size of the Walsh-Hadamard blocks the rows were multiplied by, 0 for none" },
   { .name = "group", .kind = PARE_FIELD_INT, .offset = offsetof(pare_encoding_options, group),
     .max = 128, .help = "inputs that share a multiplier (i4, i3, i2)" },
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

bool pare_encoding_is_grouped(pare_encoding_kind kind)
{
   return kind == PARE_ENC_I4 || kind == PARE_ENC_I3 || kind == PARE_ENC_I2;
}

int pare_encoding_bits(pare_encoding_kind kind)
{
   static const int bits[PARE_ENC_COUNT] = { [PARE_ENC_F32] = 32, [PARE_ENC_F16] = 16, [PARE_ENC_BF16] = 16,
                                             [PARE_ENC_I8] = 8,   [PARE_ENC_I4] = 4,   [PARE_ENC_I3] = 3,
                                             [PARE_ENC_I2] = 2 };
   return bits[kind];
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

static bool is_block_size(int size)
{
   return size == 32 || size == 64 || size == 128;
}

bool pare_encoding_fits(const pare_encoding *encoding, int rank, const int64_t *dim)
{
   if ((unsigned)encoding->kind >= PARE_ENC_COUNT || !shape_fits(rank, dim)) return false;
   if (pare_encoding_is_float(encoding->kind))
      return encoding->rotation == 0 && encoding->group == 0 && (rank == 2 || !encoding->transposed);
   if (encoding->transposed || rank != 2 || dim[1] > PARE_ENC_MAX_K) return false;
   if (pare_encoding_is_grouped(encoding->kind) ? !is_block_size(encoding->group) : encoding->group != 0)
      return false;
   int rotation = encoding->rotation;
   return rotation == 0 || (is_block_size(rotation) && dim[1] % rotation == 0);
}

/* Nothing below can overflow: a shape that fits has at most 2^40 elements, padded to at most 16 * 128 times
 * as many. */
size_t pare_encoding_block_bytes(const pare_encoding *encoding, int64_t k)
{
   if (!pare_encoding_is_grouped(encoding->kind))
      return ((size_t)k + PARE_BLOCK_K - 1) / PARE_BLOCK_K * PARE_LINE;
   size_t group = (size_t)encoding->group, groups = ((size_t)k + group - 1) / group;
   size_t eights = groups * group / (8 * PARE_BLOCK_K), bits = (size_t)pare_encoding_bits(encoding->kind);
   return ((groups + 3) / 4 + eights * bits) * PARE_LINE;
}

size_t pare_encoding_scales_at(const pare_encoding *encoding, int64_t n, int64_t k)
{
   size_t blocks = ((size_t)n + PARE_BLOCK_N - 1) / PARE_BLOCK_N;
   return blocks * pare_encoding_block_bytes(encoding, k);
}

bool pare_encoding_bytes(const pare_encoding *encoding, int rank, const int64_t *dim, size_t *bytes)
{
   if (!pare_encoding_fits(encoding, rank, dim)) return false;
   size_t n = (size_t)dim[0], k = rank == 2 ? (size_t)dim[1] : 1;
   if (pare_encoding_is_float(encoding->kind)) {
      *bytes = n * k * pare_dtype_size(pare_encoding_dtype(encoding->kind));
      return true;
   }
   size_t blocks = (n + PARE_BLOCK_N - 1) / PARE_BLOCK_N;
   *bytes = pare_encoding_scales_at(encoding, dim[0], dim[1]) + blocks * PARE_BLOCK_N * sizeof(float);
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

float pare_weight_value(const pare_weight *weight, int64_t index)
{
   int64_t k = weight->dim[1], n = weight->dim[0];
   const uint8_t *bytes = pare_buffer_data(weight->data);
   int64_t at = weight->encoding.transposed ? index % k * n + index / k : index;
   float wide;
   uint16_t half;
   if (weight->encoding.kind == PARE_ENC_F32) {
      memcpy(&wide, bytes + 4 * at, sizeof wide);
      return wide;
   }
   memcpy(&half, bytes + 2 * at, sizeof half);
   return weight->encoding.kind == PARE_ENC_F16 ? pare_f16_to_f32(half) : pare_bf16_to_f32(half);
}
