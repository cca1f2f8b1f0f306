/* rope: rotary position embedding (Su et al. 2021).
 *
 * Inputs: x f32[..., D, heads * head_dim], positions i32[D]. Result: x's type. In each head, pair i of the first
 * rot_dim elements turns by positions[t] * frequency(i): (a, b) -> (a cos - b sin, b cos + a sin). Pairs are
 * (i, i + rot_dim/2), or (2i, 2i + 1) when interleaved. Frequency, angle, sine and cosine are f32, in the
 * order of Hugging Face. */
#include <math.h>
#include <string.h>

#include "ops/op_rules.h"

static const pare_field fields[] = {
   { .name = "head_dim", .kind = PARE_FIELD_INT, .offset = offsetof(pare_rope_attrs, head_dim), .min = 2,
     .max = 65536, .initial = 64, .help = "elements of a head" },
   { .name = "rot_dim", .kind = PARE_FIELD_INT, .offset = offsetof(pare_rope_attrs, rot_dim), .min = 2,
     .max = 65536, .initial = 64, .help = "elements of a head that turn" },
   { .name = "theta", .kind = PARE_FIELD_FLOAT, .offset = offsetof(pare_rope_attrs, theta), .min = 1e-3,
     .max = 1e15, .initial = 10000, .help = "base of the wavelengths" },
   { .name = "interleaved", .kind = PARE_FIELD_BOOL, .offset = offsetof(pare_rope_attrs, interleaved),
     .help = "pairs are neighbours instead of halves apart" },
   PARE_FIELDS_END
};

static pare_status infer(pare_ctx *ctx, const pare_node *node, pare_type *out)
{
   const pare_rope_attrs *attrs = node->attrs;
   PARE_TRY(pare_op_infer_same(ctx, node, out));
   PARE_TRY(pare_op_want_list(ctx, node, 1));
   if (out->dim[out->rank - 2] != node->input[1]->type.dim[0])
      return pare_op_refuse(ctx, node, "inputs 0 and 1 have different numbers of rows");
   if (pare_op_width(out) % attrs->head_dim != 0)
      return pare_op_refuse(ctx, node, "heads of %lld do not divide rows of %lld", (long long)attrs->head_dim,
                            (long long)pare_op_width(out));
   if (attrs->rot_dim % 2 == 0 && attrs->rot_dim <= attrs->head_dim) return PARE_OK;
   return pare_op_refuse(ctx, node, "rot_dim is %lld, expected an even number up to head_dim, %lld",
                         (long long)attrs->rot_dim, (long long)attrs->head_dim);
}

float pare_rope_frequency(const pare_rope_attrs *attrs, int64_t pair)
{
   float exponent = (float)(2 * pair) / (float)attrs->rot_dim;
   return 1 / (float)pow(attrs->theta, (double)exponent);
}

static void turn_head(const pare_rope_attrs *attrs, float position, float *head)
{
   int64_t half = attrs->rot_dim / 2;
   for (int64_t i = 0; i < half; i++) {
      float angle = position * pare_rope_frequency(attrs, i);
      float c = (float)cos((double)angle), s = (float)sin((double)angle);
      float *first = head + (attrs->interleaved ? 2 * i : i);
      float *second = first + (attrs->interleaved ? 1 : half);
      float a = *first, b = *second;
      *first = a * c - b * s;
      *second = b * c + a * s;
   }
}

static pare_status eval(pare_ctx *ctx, const pare_eval_call *call)
{
   (void)ctx;
   const pare_rope_attrs *attrs = call->node->attrs;
   const int32_t *positions = pare_op_i32(call->input[1]);
   int64_t n = pare_op_width(&call->output->type), rows = pare_tensor_count(call->output) / n;
   int64_t n_positions = call->input[1]->type.dim[0];
   float *out = call->output->data;
   memcpy(out, call->input[0]->data, (size_t)(rows * n) * sizeof *out);
   for (int64_t t = 0; t < rows; t++) {
      for (int64_t at = 0; at < n; at += attrs->head_dim)
         turn_head(attrs, (float)positions[t % n_positions], out + t * n + at);
   }
   return PARE_OK;
}

const pare_op_info pare_op_rope = {
   .name = "rope", .help = "rotary position embedding", .fields = fields,
   .attrs_size = sizeof(pare_rope_attrs), .n_inputs = 2, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
