/* decode_float: the values of a weight in f32, f16 or bf16, in plain order. */
#include "ops/evaluate.h"

pare_status pare_decode_float(pare_ctx *ctx, void *user, const pare_weight *weight, float *out)
{
   (void)user;
   pare_encoding_kind kind = weight->encoding.kind;
   if (!pare_encoding_is_float(kind))
      return pare_fail(ctx, PARE_UNSUPPORTED, weight->name, "encoded %s, expected a float encoding",
                       pare_encoding_name(kind));
   for (int64_t i = 0; i < pare_weight_count(weight); i++) out[i] = pare_weight_value(weight, i);
   return PARE_OK;
}
