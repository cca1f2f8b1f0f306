/* decode_float: the values of a weight in f32, f16 or bf16, in plain order. */
#include <string.h>

#include "base/half.h"
#include "ops/evaluate.h"

static float value_at(const uint8_t *bytes, pare_encoding_kind kind, int64_t index)
{
   float wide;
   uint16_t half;
   if (kind == PARE_ENC_F32) {
      memcpy(&wide, bytes + 4 * index, sizeof wide);
      return wide;
   }
   memcpy(&half, bytes + 2 * index, sizeof half);
   return kind == PARE_ENC_F16 ? pare_f16_to_f32(half) : pare_bf16_to_f32(half);
}

pare_status pare_decode_float(pare_ctx *ctx, void *user, const pare_weight *weight, float *out)
{
   (void)user;
   pare_encoding_kind kind = weight->encoding.kind;
   if (!pare_encoding_is_float(kind))
      return pare_fail(ctx, PARE_UNSUPPORTED, weight->name, "encoded %s, expected a float encoding",
                       pare_encoding_name(kind));
   const uint8_t *bytes = pare_buffer_data(weight->data);
   int64_t n = weight->dim[0], k = weight->dim[1];
   for (int64_t row = 0; row < n; row++) {
      for (int64_t i = 0; i < k; i++)
         out[row * k + i] = value_at(bytes, kind, weight->encoding.transposed ? i * n + row : row * k + i);
   }
   return PARE_OK;
}
