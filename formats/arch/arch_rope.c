/* arch_rope: rotary positions as config.json has them, to the attributes of the rope op.
 *
 * transformers 4 wrote "rope_theta" and "partial_rotary_factor" at the top level and the rest into
 * "rope_scaling"; transformers 5 writes all into "rope_parameters". One object counts: "rope_scaling" when it
 * is there; for those two, a key that is not in the object is looked for at the top level. The type is
 * "rope_type" or, older, "type". Keys that a type does not use are ignored. Source: transformers'
 * modeling_rope_utils.py and configuration_phi3.py. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/arch/arch.h"

static const double largest = 1e6; /* of factors */

typedef struct reader {
   pare_builder *b;
   const pare_rope_rules *rules;
   const char *key;       /* of the object */
   const pare_json *rope; /* NULL: none */
   int64_t positions;     /* "max_position_embeddings" */
   pare_rope_attrs *attrs;
} reader;

/* "su" is what Phi-3 first called longrope. */
static const struct scaling {
   const char *name;
   int kind;
} scalings[] = {
   { "default", PARE_ROPE_NONE }, { "linear", PARE_ROPE_LINEAR }, { "dynamic", PARE_ROPE_DYNAMIC },
   { "yarn", PARE_ROPE_YARN },    { "llama3", PARE_ROPE_LLAMA3 }, { "longrope", PARE_ROPE_LONGROPE },
   { "su", PARE_ROPE_LONGROPE },
};

/* ---- values of the object ---- */

static bool failed(const reader *r)
{
   return r->b->status != PARE_OK;
}

/* As pare_config_number, but inside the object. */
static double number(reader *r, const char *key, double min, double max, double fallback)
{
   double value = fallback;
   if (failed(r) || !r->rope) return value;
   r->b->status =
      pare_json_read_number(r->b->ctx, r->rope, key, r->b->source->where, min, max, fallback, &value);
   return value;
}

static double required(reader *r, const char *key, double min)
{
   if (pare_json_is_null(pare_json_get(r->rope, key)))
      pare_config_fail(r->b, PARE_INPUT, "\"%s\" is missing in \"%s\"", key, r->key);
   return number(r, key, min, largest, min);
}

/* In the object, else at the top level, else the fallback. */
static double anywhere(reader *r, const char *key, double min, double max, double fallback)
{
   return number(r, key, min, max, pare_config_number(r->b, key, min, max, fallback));
}

/* A value of 0 counts as none, as in transformers. */
static double unless_zero(reader *r, const char *key, double fallback)
{
   double value = number(r, key, 0, largest, 0);
   return value > 0 ? value : fallback;
}

static pare_numbers numbers(reader *r, const char *key)
{
   pare_numbers out = { 0 };
   const pare_json *list = pare_json_get(r->rope, key);
   size_t count = (size_t)r->attrs->rot_dim / 2;
   if (failed(r)) return out;
   if (!pare_json_is_array(list) || pare_json_count(list) != count) {
      pare_config_fail(r->b, PARE_INPUT, "\"%s\" in \"%s\" is not a list of %zu numbers", key, r->key, count);
      return out;
   }
   double *items = pare_arena_array(r->b->ctx, r->b->graph->arena, count, sizeof *items);
   if (!items) r->b->status = PARE_RESOURCE;
   for (const pare_json *item = pare_json_first(list); item && !failed(r); item = pare_json_next(item)) {
      double value = pare_json_number(item, 0);
      if (!(value >= 1e-6 && value <= largest))
         pare_config_fail(r->b, PARE_INPUT, "\"%s\"[%zu] in \"%s\" is not a number in [1e-06, %g]", key,
                          out.count, r->key, largest);
      items[out.count++] = value;
   }
   out.items = items;
   return out;
}

/* ---- the parts ---- */

/* The object that counts: "rope_scaling" unless it is absent or empty. */
static void find_object(reader *r)
{
   static const char *const keys[] = { "rope_scaling", "rope_parameters" };
   for (size_t i = 0; i < 2 && !r->rope; i++) {
      const pare_json *object = pare_json_get(r->b->source->config, keys[i]);
      if (!pare_json_is_null(object) && !pare_json_is_object(object))
         pare_config_fail(r->b, PARE_INPUT, "\"%s\" is not an object", keys[i]);
      r->key = keys[i];
      if (pare_json_is_object(object) && pare_json_count(object) > 0) r->rope = object;
   }
   for (const pare_json *item = pare_json_first(r->rope); item; item = pare_json_next(item))
      if (pare_json_is_object(item))
         pare_config_fail(r->b, PARE_UNSUPPORTED,
                          "%s for single layer types (\"%.100s\") is not supported yet", r->key,
                          pare_json_name(item));
}

static int find_scaling(const char *name, bool only_longrope)
{
   for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++) {
      int kind = scalings[i].kind;
      if (strcmp(scalings[i].name, name) != 0) continue;
      if (only_longrope && kind == PARE_ROPE_YARN) return PARE_ROPE_LONGROPE;
      return only_longrope && kind != PARE_ROPE_NONE && kind != PARE_ROPE_LONGROPE ? -1 : kind;
   }
   return -1;
}

/* An object without a type is the default one in "rope_parameters" only. */
static void read_type(reader *r)
{
   const pare_json *type = pare_json_get(r->rope, "rope_type");
   if (pare_json_is_null(type)) type = pare_json_get(r->rope, "type");
   if (failed(r) || !r->rope || (pare_json_is_null(type) && strcmp(r->key, "rope_parameters") == 0)) return;
   const char *name = pare_json_string(type);
   if (!name) name = "unknown";
   int kind = find_scaling(name, r->rules->only_longrope);
   if (kind >= 0) r->attrs->scaling = kind;
   else pare_config_fail(r->b, PARE_UNSUPPORTED, "%s of type \"%.100s\" is not supported", r->key, name);
}

static void read_dims(reader *r)
{
   double factor = anywhere(r, "partial_rotary_factor", 0, 1, 1);
   if (failed(r)) return;
   if (factor < 1 && !r->rules->partial)
      pare_config_fail(r->b, PARE_UNSUPPORTED, "partial_rotary_factor %g is not supported", factor);
   r->attrs->rot_dim = (int64_t)((double)r->rules->head_dim * factor);
   if (r->attrs->rot_dim < 2 || r->attrs->rot_dim % 2 != 0)
      pare_config_fail(r->b, r->attrs->rot_dim < 2 ? PARE_INPUT : PARE_UNSUPPORTED,
                       "partial_rotary_factor %g of head_dim %" PRId64 " is %" PRId64
                       " elements, expected an even number",
                       factor, r->rules->head_dim, r->attrs->rot_dim);
}

/* The length before stretching. A key at the top level goes before the object's; dynamic looks at neither. */
static void read_original(reader *r)
{
   static const char key[] = "original_max_position_embeddings";
   int64_t value = r->positions;
   r->attrs->original_context = value;
   if (failed(r) || r->attrs->scaling == PARE_ROPE_DYNAMIC) return;
   r->b->status =
      pare_json_read_int(r->b->ctx, r->rope, key, r->b->source->where, 1, INT32_MAX, value, &value);
   if (r->rules->original) value = r->rules->original;
   r->attrs->original_context = pare_config_int(r->b, key, 1, INT32_MAX, value);
}

/* The root of YaRN's temperature (Peng et al. 2023, section 3.4), with the weights of DeepSeek-V2. */
static double mscale(double factor, double weight)
{
   return factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1;
}

static void read_yarn(reader *r)
{
   double over = unless_zero(r, "mscale", 0), under = unless_zero(r, "mscale_all_dim", 0);
   double factor =
      number(r, "factor", 1, largest, fmax(1, (double)r->positions / (double)r->attrs->original_context));
   double usual = over > 0 && under > 0 ? mscale(factor, over) / mscale(factor, under) : mscale(factor, 1);
   r->attrs->factor = factor;
   r->attrs->attention_factor = number(r, "attention_factor", 1e-6, largest, usual);
   r->attrs->beta_fast = unless_zero(r, "beta_fast", 32);
   r->attrs->beta_slow = unless_zero(r, "beta_slow", 1);
   if (!failed(r))
      r->b->status =
         pare_json_read_bool(r->b->ctx, r->rope, "truncate", r->b->source->where, true, &r->attrs->truncate);
   if (r->attrs->theta <= 1) pare_config_fail(r->b, PARE_INPUT, "yarn needs a rope_theta above 1");
}

static void read_llama3(reader *r)
{
   double low = required(r, "low_freq_factor", 1e-6), high = required(r, "high_freq_factor", 1e-6);
   r->attrs->low_freq_factor = low;
   r->attrs->high_freq_factor = high;
   if (high <= low)
      pare_config_fail(r->b, PARE_INPUT, "high_freq_factor %g in \"%s\" is not above low_freq_factor %g",
                       high, r->key, low);
}

static void read_longrope(reader *r)
{
   double original = (double)r->attrs->original_context, usual = 1;
   double factor = number(r, "factor", 1, largest, (double)r->positions / original);
   if (factor > 1 && original > 1) usual = sqrt(1 + log(factor) / log(original));
   r->attrs->attention_factor = number(r, "attention_factor", 1e-6, largest, usual);
   r->attrs->short_factor = numbers(r, "short_factor");
   r->attrs->long_factor = numbers(r, "long_factor");
}

static void read_scaling(reader *r)
{
   int kind = r->attrs->scaling;
   if (failed(r) || kind == PARE_ROPE_NONE) return;
   if (kind != PARE_ROPE_LINEAR) read_original(r);
   if (kind == PARE_ROPE_YARN) read_yarn(r);
   else if (kind != PARE_ROPE_LONGROPE) r->attrs->factor = required(r, "factor", 1);
   if (kind == PARE_ROPE_LLAMA3) read_llama3(r);
   if (kind == PARE_ROPE_LONGROPE) read_longrope(r);
   if (kind == PARE_ROPE_DYNAMIC && r->attrs->rot_dim == 2)
      pare_config_fail(r->b, PARE_INPUT, "dynamic rope scaling cannot turn heads of 2 elements");
}

/* Positions with stretching; configs of linear, dynamic and yarn may leave max_position_embeddings alone. */
static int64_t stretched(const reader *r)
{
   double positions = (double)r->positions, whole = 0;
   if (r->attrs->scaling == PARE_ROPE_LINEAR || r->attrs->scaling == PARE_ROPE_DYNAMIC)
      whole = positions * r->attrs->factor;
   if (r->attrs->scaling == PARE_ROPE_YARN) whole = (double)r->attrs->original_context * r->attrs->factor;
   return (int64_t)fmin(fmax(positions, floor(whole)), INT32_MAX);
}

void pare_config_rope(pare_builder *b, const pare_rope_rules *rules, pare_rope_attrs *rope, int64_t *context)
{
   reader r = { .b = b, .rules = rules, .attrs = rope };
   if (b->status != PARE_OK) return;
   b->status = pare_fields_init(b->ctx, pare_op_rope.fields, b->graph->arena, rope);
   rope->head_dim = rules->head_dim;
   r.positions = pare_config_int(b, "max_position_embeddings", 1, INT32_MAX, PARE_REQUIRED);
   find_object(&r);
   read_type(&r);
   rope->theta = anywhere(&r, "rope_theta", 1, 1e15, 10000);
   read_dims(&r);
   read_scaling(&r);
   *context = stretched(&r);
}
