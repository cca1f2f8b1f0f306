/* rope: rotary position embedding (Su et al. 2021) and its stretching to longer contexts.
 *
 * Inputs: x f32[..., D, heads * head_dim], positions i32[D]. Result: x's type. In each head, pair i of the first
 * rot_dim elements turns by positions[t] * frequency(i): (a, b) -> (a cos - b sin, b cos + a sin), where
 * cosine and sine are multiplied by attention_factor. Pairs are (i, i + rot_dim/2), or (2i, 2i + 1) when
 * interleaved. Frequency, angle, sine and cosine are f32, in the order of Hugging Face transformers
 * (modeling_rope_utils.py).
 *
 * With w(i) = theta^(2i / rot_dim), C = original_context and n = position + 1, the frequency of pair i is, by
 * scaling,
 *
 *    none       1 / w(i)
 *    linear     1 / w(i) / factor
 *    dynamic    1 / w(i); when n > C its theta is
 *               theta * (factor n / C - (factor - 1))^(rot_dim / (rot_dim - 2))
 *    yarn       ramp(i) / (factor w(i)) + (1 - ramp(i)) / w(i); ramp goes from 0 at pair d(beta_fast) to 1 at
 *               d(beta_slow), d(turns) = rot_dim ln(C / (2 pi turns)) / (2 ln theta), but not outside
 *               [0, rot_dim - 1]; truncate takes the floor of the first and the ceiling of the second (Peng et
 *               al. 2023, arXiv 2309.00071)
 *    llama3     1 / w(i) for a wavelength below C / high_freq_factor, that over factor for one above
 *               C / low_freq_factor; between them s of the former and 1 - s of the latter, where
 *               s = (C / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor)
 *    longrope   1 / (short_factor[i] w(i)), and long_factor[i] when n > C (Ding et al. 2024, 2402.13753)
 *
 * A token's result depends on its own position alone. Where transformers looks at the length of the sequence
 * (dynamic, longrope), that length is n here: what transformers computes when tokens come one by one through
 * its cache. A query beyond C then meets keys within C that were turned by the frequencies of their own
 * positions; transformers' single pass over a long prompt turns all of them by those of the whole length. */
#include <math.h>
#include <string.h>

#include "ops/op_rules.h"

#define AT(member) .offset = offsetof(pare_rope_attrs, member)

static const char *const scalings[] = { "none", "linear", "dynamic", "yarn", "llama3", "longrope", NULL };

static const pare_field fields[] = {
   { .name = "head_dim", .kind = PARE_FIELD_INT, AT(head_dim), .min = 2, .max = 65536, .initial = 64,
     .help = "elements of a head" },
   { .name = "rot_dim", .kind = PARE_FIELD_INT, AT(rot_dim), .min = 2, .max = 65536, .initial = 64,
     .help = "elements of a head that turn" },
   { .name = "theta", .kind = PARE_FIELD_FLOAT, AT(theta), .min = 1e-3, .max = 1e15, .initial = 10000,
     .help = "base of the wavelengths" },
   { .name = "interleaved", .kind = PARE_FIELD_BOOL, AT(interleaved),
     .help = "pairs are neighbours instead of halves apart" },
   { .name = "scaling", .kind = PARE_FIELD_ENUM, AT(scaling), .choices = scalings,
     .help = "how the frequencies are stretched to longer contexts" },
   { .name = "factor", .kind = PARE_FIELD_FLOAT, AT(factor), .min = 1, .max = 1e6, .initial = 1,
     .help = "by how much: linear, dynamic, yarn, llama3" },
   { .name = "original_context", .kind = PARE_FIELD_INT, AT(original_context), .min = 1, .max = INT32_MAX,
     .initial = 1, .help = "positions before stretching: dynamic, yarn, llama3, longrope" },
   { .name = "beta_fast", .kind = PARE_FIELD_FLOAT, AT(beta_fast), .min = 1e-6, .max = 1e6, .initial = 32,
     .help = "yarn: turns within original_context from which on frequencies stay" },
   { .name = "beta_slow", .kind = PARE_FIELD_FLOAT, AT(beta_slow), .min = 1e-6, .max = 1e6, .initial = 1,
     .help = "yarn: turns within original_context up to which frequencies are divided by factor" },
   { .name = "truncate", .kind = PARE_FIELD_BOOL, AT(truncate), .initial = 1,
     .help = "yarn: the ramp between them begins and ends at whole pairs" },
   { .name = "low_freq_factor", .kind = PARE_FIELD_FLOAT, AT(low_freq_factor), .min = 1e-6, .max = 1e6,
     .initial = 1, .help = "llama3: turns up to which frequencies are divided by factor" },
   { .name = "high_freq_factor", .kind = PARE_FIELD_FLOAT, AT(high_freq_factor), .min = 1e-6, .max = 1e6,
     .initial = 4, .help = "llama3: turns from which on frequencies stay" },
   { .name = "short_factor", .kind = PARE_FIELD_NUMBERS, AT(short_factor), .min = 1e-6, .max = 1e6,
     .help = "longrope: divisors of the frequencies within original_context" },
   { .name = "long_factor", .kind = PARE_FIELD_NUMBERS, AT(long_factor), .min = 1e-6, .max = 1e6,
     .help = "longrope: divisors of the frequencies beyond it" },
   { .name = "attention_factor", .kind = PARE_FIELD_FLOAT, AT(attention_factor), .min = 1e-6, .max = 1e6,
     .initial = 1, .help = "multiplies cosines and sines" },
   PARE_FIELDS_END
};

/* ---- types ---- */

static pare_status check_factors(pare_ctx *ctx, const pare_node *node, const char *name,
                                 const pare_numbers *factors)
{
   const pare_rope_attrs *attrs = node->attrs;
   size_t pairs = attrs->scaling == PARE_ROPE_LONGROPE ? (size_t)attrs->rot_dim / 2 : 0;
   if (factors->count == pairs) return PARE_OK;
   return pare_op_refuse(ctx, node, "%s has %zu numbers, expected %zu", name, factors->count, pairs);
}

static pare_status check_scaling(pare_ctx *ctx, const pare_node *node)
{
   const pare_rope_attrs *attrs = node->attrs;
   PARE_TRY(check_factors(ctx, node, "short_factor", &attrs->short_factor));
   PARE_TRY(check_factors(ctx, node, "long_factor", &attrs->long_factor));
   if (attrs->scaling == PARE_ROPE_DYNAMIC && attrs->rot_dim == 2)
      return pare_op_refuse(ctx, node, "dynamic scaling of rot_dim 2, expected 4 or more");
   if (attrs->scaling == PARE_ROPE_YARN && attrs->theta <= 1)
      return pare_op_refuse(ctx, node, "yarn scaling with theta %g, expected more than 1", attrs->theta);
   if (attrs->scaling == PARE_ROPE_LLAMA3 && attrs->high_freq_factor <= attrs->low_freq_factor)
      return pare_op_refuse(ctx, node, "high_freq_factor %g is not above low_freq_factor %g",
                            attrs->high_freq_factor, attrs->low_freq_factor);
   return PARE_OK;
}

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
   if (attrs->rot_dim % 2 != 0 || attrs->rot_dim > attrs->head_dim)
      return pare_op_refuse(ctx, node, "rot_dim is %lld, expected an even number up to head_dim, %lld",
                            (long long)attrs->rot_dim, (long long)attrs->head_dim);
   return check_scaling(ctx, node);
}

/* ---- frequencies ---- */

static float wavelength_over_2pi(const pare_rope_attrs *attrs, float theta, int64_t pair)
{
   float exponent = (float)(2 * pair) / (float)attrs->rot_dim;
   return (float)pow((double)theta, (double)exponent);
}

static float dynamic_theta(const pare_rope_attrs *attrs, int64_t length)
{
   float theta = (float)attrs->theta;
   if (length <= attrs->original_context) return theta;
   float stretch =
      (float)attrs->factor * (float)length / (float)attrs->original_context - (float)(attrs->factor - 1);
   double exponent = (double)attrs->rot_dim / (double)(attrs->rot_dim - 2);
   return theta * (float)pow((double)stretch, (double)(float)exponent);
}

/* The pair that turns so often within the original context; not whole. */
static double pair_of_turns(const pare_rope_attrs *attrs, double turns)
{
   const double two_pi = 6.283185307179586;
   return (double)attrs->rot_dim * log((double)attrs->original_context / (turns * two_pi)) /
          (2 * log(attrs->theta));
}

static float yarn_frequency(const pare_rope_attrs *attrs, float w, int64_t pair)
{
   double from = pair_of_turns(attrs, attrs->beta_fast), to = pair_of_turns(attrs, attrs->beta_slow);
   if (attrs->truncate) {
      from = floor(from);
      to = ceil(to);
   }
   from = fmax(from, 0);
   to = fmin(to, (double)(attrs->rot_dim - 1));
   if (from == to) to += 0.001;
   float ramp = fminf(fmaxf(((float)pair - (float)from) / (float)(to - from), 0), 1), kept = 1 - ramp;
   return 1 / ((float)attrs->factor * w) * (1 - kept) + 1 / w * kept;
}

static float llama3_frequency(const pare_rope_attrs *attrs, float plain)
{
   double low = attrs->low_freq_factor, high = attrs->high_freq_factor;
   double context = (double)attrs->original_context;
   float factor = (float)attrs->factor, wavelength = (float)6.283185307179586 / plain;
   if (wavelength > (float)(context / low)) return plain / factor;
   if (wavelength < (float)(context / high)) return plain;
   float smooth = ((float)context / wavelength - (float)low) / (float)(high - low);
   return (1 - smooth) * plain / factor + smooth * plain;
}

float pare_rope_frequency(const pare_rope_attrs *attrs, int64_t position, int64_t pair)
{
   bool beyond = position + 1 > attrs->original_context;
   float theta =
      attrs->scaling == PARE_ROPE_DYNAMIC ? dynamic_theta(attrs, position + 1) : (float)attrs->theta;
   float w = wavelength_over_2pi(attrs, theta, pair);
   switch (attrs->scaling) {
   case PARE_ROPE_LINEAR: return 1 / w / (float)attrs->factor;
   case PARE_ROPE_YARN: return yarn_frequency(attrs, w, pair);
   case PARE_ROPE_LLAMA3: return llama3_frequency(attrs, 1 / w);
   case PARE_ROPE_LONGROPE:
      return 1 / ((float)(beyond ? attrs->long_factor : attrs->short_factor).items[pair] * w);
   }
   return 1 / w;
}

/* ---- evaluation ---- */

static void turn_pair(const pare_rope_attrs *attrs, int64_t position, int64_t pair, float *row, int64_t n)
{
   float angle = (float)position * pare_rope_frequency(attrs, position, pair);
   float c = (float)cos((double)angle) * (float)attrs->attention_factor;
   float s = (float)sin((double)angle) * (float)attrs->attention_factor;
   int64_t first = attrs->interleaved ? 2 * pair : pair;
   int64_t second = attrs->interleaved ? first + 1 : first + attrs->rot_dim / 2;
   for (float *head = row; head < row + n; head += attrs->head_dim) {
      float a = head[first], b = head[second];
      head[first] = a * c - b * s;
      head[second] = b * c + a * s;
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
   for (int64_t t = 0; t < rows; t++)
      for (int64_t i = 0; i < attrs->rot_dim / 2; i++) turn_pair(attrs, positions[t % n_positions], i, out + t * n, n);
   return PARE_OK;
}

const pare_op_info pare_op_rope = {
   .name = "rope", .help = "rotary position embedding", .fields = fields,
   .attrs_size = sizeof(pare_rope_attrs), .n_inputs = 2, .infer = infer, .eval = eval,
   .macs = pare_op_no_macs
};
