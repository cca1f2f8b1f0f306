/* check: see check.h. */
#include "ir/check.h"

#include <math.h>
#include <string.h>

/* The JSON writer replaces what is not UTF-8, so a name is good when it comes back from quoting unchanged. */
static pare_status survives_quoting(pare_ctx *ctx, const char *name, bool *good)
{
   pare_str text = { 0 };
   pare_json *root = NULL;
   pare_json_writer writer;
   pare_json_begin(&writer, ctx, &text, false);
   pare_json_put_string(&writer, NULL, name);
   pare_status status = writer.status;
   if (status == PARE_OK) status = pare_json_parse(ctx, text.data, text.size, NULL, &root);
   *good = status == PARE_OK && strcmp(pare_json_string(root), name) == 0;
   pare_json_free(root);
   pare_str_finish(ctx, &text);
   return status;
}

pare_status pare_check_name(pare_ctx *ctx, const char *what, const char *name)
{
   size_t size = name ? strnlen(name, PARE_MAX_NAME + 1) : 0;
   if (size == 0 || size > PARE_MAX_NAME)
      return pare_fail(ctx, PARE_INPUT, NULL, "name of a %s has %s bytes, expected 1 to %d", what,
                       size ? "too many" : "no", PARE_MAX_NAME);
   bool plain = true, good = true;
   for (size_t i = 0; i < size; i++) {
      unsigned char byte = (unsigned char)name[i];
      if (byte < 0x20 || byte == 0x7f)
         return pare_fail(ctx, PARE_INPUT, NULL, "name of a %s has a control character at byte %zu", what, i);
      if (byte >= 0x80) plain = false;
   }
   if (!plain) PARE_TRY(survives_quoting(ctx, name, &good));
   return good ? PARE_OK : pare_fail(ctx, PARE_INPUT, NULL, "name of a %s is not UTF-8", what);
}

pare_status pare_check_value_name(pare_ctx *ctx, const char *name)
{
   static const char letters[] = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.";
   PARE_TRY(pare_check_name(ctx, "input or state", name));
   bool starts = name[0] != '.' && (name[0] < '0' || name[0] > '9');
   if (starts && strspn(name, letters) == strlen(name)) return PARE_OK;
   return pare_fail(ctx, PARE_INPUT, name,
                    "expected letters, digits, '_' and '.', and a letter or '_' first");
}

static bool ints_fit(const pare_field *field, const pare_ints *ints)
{
   if (ints->count < 0 || ints->count > PARE_MAX_INTS) return false;
   for (int64_t i = 0; i < ints->count; i++)
      if ((double)ints->items[i] < field->min || (double)ints->items[i] > field->max) return false;
   return true;
}

static bool numbers_fit(const pare_field *field, const pare_numbers *numbers)
{
   for (size_t i = 0; i < numbers->count; i++) {
      double value = numbers->items[i];
      if (!(value >= field->min && value <= field->max)) return false;
   }
   return true;
}

static bool attr_fits(const pare_field *field, const void *attrs)
{
   const char *at = (const char *)attrs + field->offset;
   switch (field->kind) {
   case PARE_FIELD_BOOL: return *(const unsigned char *)at <= 1;
   case PARE_FIELD_INT: {
      int64_t value = *(const int64_t *)at;
      return (double)value >= field->min && (double)value <= field->max;
   }
   case PARE_FIELD_FLOAT: {
      double value = *(const double *)at;
      return isfinite(value) && value >= field->min && value <= field->max;
   }
   case PARE_FIELD_ENUM: {
      int value = *(const int *)at, count = 0;
      while (field->choices[count]) count++;
      return value >= 0 && value < count;
   }
   case PARE_FIELD_NUMBERS: return numbers_fit(field, (const pare_numbers *)at);
   case PARE_FIELD_INTS: return ints_fit(field, (const pare_ints *)(const void *)at);
   case PARE_FIELD_TEXT:
   case PARE_FIELD_LIST: break;
   }
   return false; /* attributes are copied byte by byte, and numbers after that */
}

pare_status pare_check_attrs(pare_ctx *ctx, const pare_op_info *info, const char *node, const void *attrs)
{
   for (const pare_field *field = info->fields; field->name; field++) {
      if (!attr_fits(field, attrs))
         return pare_fail(ctx, PARE_INPUT, node, "%s: attribute \"%s\" is out of range", info->name,
                          field->name);
   }
   return PARE_OK;
}

pare_status pare_check_arity(pare_ctx *ctx, const pare_op_info *info, const char *node, size_t n_inputs,
                             size_t n_weights)
{
   size_t most = info->n_inputs + info->optional_inputs;
   if (n_inputs != info->n_inputs && info->optional_inputs == 0)
      return pare_fail(ctx, PARE_INPUT, node, "%s takes %zu inputs, found %zu", info->name, most, n_inputs);
   if (n_inputs < info->n_inputs || n_inputs > most)
      return pare_fail(ctx, PARE_INPUT, node, "%s takes %zu to %zu inputs, found %zu", info->name, info->n_inputs,
                       most, n_inputs);
   if (n_weights >= info->min_weights && n_weights <= info->max_weights) return PARE_OK;
   return pare_fail(ctx, PARE_INPUT, node, "%s takes %zu to %zu weights, found %zu", info->name,
                    info->min_weights, info->max_weights, n_weights);
}

pare_status pare_node_infer(pare_ctx *ctx, const pare_node *node, size_t *n_outputs, pare_type *types)
{
   const pare_op_info *info = pare_ops[node->op];
   *n_outputs = 1;
   if (info->count) PARE_TRY(info->count(ctx, node, n_outputs));
   return info->infer(ctx, node, types);
}

pare_status pare_check_storage(pare_ctx *ctx, const char *name, int rank, const int64_t *dim,
                               const pare_encoding *encoding, const pare_buffer *data)
{
   size_t expected;
   if (!pare_encoding_bytes(encoding, rank, dim, &expected))
      return pare_fail(ctx, PARE_INPUT, name, "the encoding cannot hold this shape");
   size_t found = data ? pare_buffer_size(data) : 0;
   if (data && found == expected) return PARE_OK;
   return pare_fail(ctx, PARE_INPUT, name, "%zu bytes, expected %zu", found, expected);
}

pare_status pare_check_room(pare_ctx *ctx, const char *what, size_t count)
{
   if (count < PARE_MAX_ITEMS) return PARE_OK;
   return pare_fail(ctx, PARE_INPUT, NULL, "a graph has at most %d %s", PARE_MAX_ITEMS, what);
}

bool pare_graph_owns_value(const pare_graph *graph, const pare_value *value)
{
   return value && value->index < graph->n_values && graph->values[value->index] == value;
}

bool pare_graph_owns_weight(const pare_graph *graph, const pare_weight *weight)
{
   return weight && weight->index < graph->n_weights && graph->weights[weight->index] == weight;
}
