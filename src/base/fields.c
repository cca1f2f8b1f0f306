/* fields: decoding and encoding; help is in fields_help.c. Every kind is one case in each switch. */
#include "base/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fields_text.h"
#include "base/json_text.h"

enum { PATH_SIZE = 256 };

const pare_field pare_no_fields[] = { PARE_FIELDS_END };

static void *slot(const pare_field *field, void *options)
{
   return (char *)options + field->offset;
}

static const void *const_slot(const pare_field *field, const void *options)
{
   return (const char *)options + field->offset;
}

const pare_field *pare_fields_find(const pare_field *fields, const char *name)
{
   for (const pare_field *f = fields; f->name; f++)
      if (strcmp(f->name, name) == 0) return f;
   return NULL;
}

/* ---- defaults ---- */

/* The default item is the table's own text, so that it can be told from one that was set. */
static pare_status init_list(pare_ctx *ctx, const pare_field *field, pare_arena *arena, pare_list *list)
{
   *list = (pare_list){ 0 };
   if (!field->initial_text) return PARE_OK;
   list->items = pare_arena_array(ctx, arena, 1, sizeof *list->items);
   if (!list->items) return PARE_RESOURCE;
   list->items[0] = field->initial_text;
   list->count = 1;
   return PARE_OK;
}

static bool list_is_initial(const pare_field *field, const pare_list *list)
{
   return field->initial_text ? list->count == 1 && list->items[0] == field->initial_text : list->count == 0;
}

static pare_status init_field(pare_ctx *ctx, const pare_field *field, pare_arena *arena, void *to)
{
   switch (field->kind) {
   case PARE_FIELD_BOOL: *(bool *)to = field->initial != 0; break;
   case PARE_FIELD_INT: *(int64_t *)to = (int64_t)field->initial; break;
   case PARE_FIELD_FLOAT: *(double *)to = field->initial; break;
   case PARE_FIELD_ENUM: *(int *)to = (int)field->initial; break;
   case PARE_FIELD_TEXT: *(const char **)to = field->initial_text; break;
   case PARE_FIELD_LIST: return init_list(ctx, field, arena, to);
   case PARE_FIELD_NUMBERS: *(pare_numbers *)to = (pare_numbers){ 0 }; break;
   case PARE_FIELD_INTS: *(pare_ints *)to = (pare_ints){ 0 }; break;
   }
   return PARE_OK;
}

pare_status pare_fields_init(pare_ctx *ctx, const pare_field *fields, pare_arena *arena, void *options)
{
   for (const pare_field *f = fields; f->name; f++) PARE_TRY(init_field(ctx, f, arena, slot(f, options)));
   return PARE_OK;
}

/* ---- values, from JSON or text ---- */

pare_status pare_field_misfit(pare_ctx *ctx, const pare_field *field, const char *found, const char *where,
                              pare_status bad)
{
   pare_str expected = { 0 };
   pare_status status = pare_field_expects(ctx, field, &expected);
   if (status == PARE_OK) status = pare_fail(ctx, bad, where, "%s, expected %s", found, expected.data);
   pare_str_finish(ctx, &expected);
   return status;
}

static bool set_int(const pare_field *field, double value, int64_t *to)
{
   if (!(fabs(value) <= PARE_JSON_EXACT) || value != trunc(value)) return false;
   if (value < field->min || value > field->max) return false;
   *to = (int64_t)value;
   return true;
}

static bool set_float(const pare_field *field, double value, double *to)
{
   if (!isfinite(value) || value < field->min || value > field->max) return false;
   *to = value;
   return true;
}

static bool set_choice(const pare_field *field, const char *text, int *to)
{
   for (int i = 0; field->choices[i]; i++) {
      if (strcmp(field->choices[i], text) != 0) continue;
      *to = i;
      return true;
   }
   return false;
}

static bool add_int(const pare_field *field, double value, pare_ints *to)
{
   if (to->count == PARE_MAX_INTS || !set_int(field, value, &to->items[to->count])) return false;
   to->count++;
   return true;
}

static pare_status append_item(pare_ctx *ctx, pare_arena *arena, const char *text, size_t size,
                               pare_list *list)
{
   const char **items = pare_arena_array(ctx, arena, list->count + 1, sizeof *items);
   char *copy = items ? pare_arena_strndup(ctx, arena, text, size) : NULL;
   if (!copy) return PARE_RESOURCE;
   if (list->count) memcpy(items, list->items, list->count * sizeof *items);
   items[list->count] = copy;
   *list = (pare_list){ items, list->count + 1 };
   return PARE_OK;
}

static pare_status set_text(pare_ctx *ctx, const char *text, pare_arena *arena, const char **to)
{
   char *copy = pare_arena_strdup(ctx, arena, text);
   if (!copy) return PARE_RESOURCE;
   *to = copy;
   return PARE_OK;
}

/* ---- from JSON ---- */

/* An array of texts, or one text alone. */
static pare_status list_from_json(pare_ctx *ctx, const pare_field *field, const pare_json *v,
                                  const char *where, pare_arena *arena, pare_list *to, pare_status bad)
{
   char found[PARE_JSON_DESCRIBE], place[PATH_SIZE + 24];
   size_t index = 0;
   pare_list list = { 0 };
   const pare_json *item = pare_json_is_array(v) ? pare_json_first(v) : v;
   for (; item; item = pare_json_is_array(v) ? pare_json_next(item) : NULL, index++) {
      const char *text = pare_json_string(item);
      pare_json_describe(item, found);
      snprintf(place, sizeof place, "%s[%zu]", where, index);
      if (!text && !pare_json_is_array(v)) return pare_field_misfit(ctx, field, found, where, bad);
      if (!text) return pare_fail(ctx, bad, place, "%s, expected a text", found);
      PARE_TRY(append_item(ctx, arena, text, strlen(text), &list));
   }
   *to = list;
   return PARE_OK;
}

static bool ints_from_json(const pare_field *field, const pare_json *v, pare_ints *to)
{
   if (!pare_json_is_array(v)) return false;
   *to = (pare_ints){ 0 };
   for (const pare_json *item = pare_json_first(v); item; item = pare_json_next(item))
      if (!add_int(field, pare_json_number(item, (double)NAN), to)) return false;
   return true;
}

static pare_status value_from_json(pare_ctx *ctx, const pare_field *field, const pare_json *v,
                                   const char *where, pare_arena *arena, void *to, pare_status bad)
{
   const char *text = pare_json_string(v);
   bool good = false;
   switch (field->kind) {
   case PARE_FIELD_BOOL:
      good = pare_json_is_bool(v);
      if (good) *(bool *)to = pare_json_bool(v, false);
      break;
   case PARE_FIELD_INT: good = set_int(field, pare_json_number(v, (double)NAN), to); break;
   case PARE_FIELD_FLOAT: good = set_float(field, pare_json_number(v, (double)NAN), to); break;
   case PARE_FIELD_ENUM: good = text && set_choice(field, text, to); break;
   case PARE_FIELD_TEXT:
      if (text) return set_text(ctx, text, arena, to);
      good = pare_json_is_null(v);
      if (good) *(const char **)to = NULL;
      break;
   case PARE_FIELD_LIST: return list_from_json(ctx, field, v, where, arena, to, bad);
   case PARE_FIELD_NUMBERS: return pare_numbers_from_json(ctx, field, v, where, arena, to, bad);
   case PARE_FIELD_INTS: good = ints_from_json(field, v, to); break;
   }
   if (good) return PARE_OK;
   char found[PARE_JSON_DESCRIBE];
   pare_json_describe(v, found);
   return pare_field_misfit(ctx, field, found, where, bad);
}

static size_t count_names(const char *const *names)
{
   size_t count = 0;
   while (names && names[count]) count++;
   return count;
}

static bool is_listed(const char *const *names, const char *name)
{
   for (; names && *names; names++)
      if (strcmp(*names, name) == 0) return true;
   return false;
}

/* All keys that would have been right: fields, then extra. NULL-terminated; NULL when memory is out. */
static const char **valid_keys(pare_ctx *ctx, const pare_field *fields, const char *const *extra)
{
   size_t count = 0, n_extra = count_names(extra);
   while (fields[count].name) count++;
   const char **keys = pare_alloc_array(ctx, count + n_extra + 1, sizeof *keys);
   if (!keys) return NULL;
   for (size_t i = 0; i < count; i++) keys[i] = fields[i].name;
   for (size_t i = 0; i < n_extra; i++) keys[count + i] = extra[i];
   return keys;
}

static pare_status unknown_key(pare_ctx *ctx, const pare_field *fields, const char *const *extra,
                               const char *key, const char *where, pare_status bad)
{
   const char **keys = valid_keys(ctx, fields, extra);
   if (!keys) return PARE_RESOURCE;
   pare_str list = { 0 };
   pare_status status = PARE_OK;
   const char *near = pare_nearest(key, keys);
   for (size_t i = 0; keys[i] && status == PARE_OK; i++)
      status = pare_str_printf(ctx, &list, "%s%s", i ? ", " : "", keys[i]);
   if (status == PARE_OK && near)
      status = pare_fail(ctx, bad, where, "unknown key, did you mean \"%s\"?", near);
   if (status == PARE_OK && keys[0])
      status = pare_fail(ctx, bad, where, "unknown key, expected one of %s", list.data);
   if (status == PARE_OK) status = pare_fail(ctx, bad, where, "unknown key, no key is expected here");
   pare_str_finish(ctx, &list);
   pare_free(ctx, keys);
   return status;
}

pare_status pare_fields_from_json(pare_ctx *ctx, const pare_field *fields, const pare_json *object,
                                  const char *path, const char *const *extra, pare_arena *arena,
                                  void *options, pare_status bad)
{
   char found[PARE_JSON_DESCRIBE], where[PATH_SIZE];
   bool rooted = path && path[0];
   if (!object) return PARE_OK;
   if (!pare_json_is_object(object)) {
      pare_json_describe(object, found);
      return pare_fail(ctx, bad, path, "%s, expected an object", found);
   }
   for (const pare_json *v = pare_json_first(object); v; v = pare_json_next(v)) {
      const char *key = pare_json_name(v);
      const pare_field *field = pare_fields_find(fields, key);
      if (is_listed(extra, key)) continue;
      snprintf(where, sizeof where, "%s%s%.120s", rooted ? path : "", rooted ? "." : "", key);
      if (!field) return unknown_key(ctx, fields, extra, key, where, bad);
      if (pare_json_get(object, key) != v) return pare_fail(ctx, bad, where, "the key occurs twice");
      PARE_TRY(value_from_json(ctx, field, v, where, arena, slot(field, options), bad));
   }
   return PARE_OK;
}

/* ---- from text ---- */

static bool bool_from_text(const char *text, bool *to)
{
   *to = strcmp(text, "true") == 0;
   return *to || strcmp(text, "false") == 0;
}

static bool has_empty_item(const char *text)
{
   size_t size = strlen(text);
   return size == 0 || text[0] == ',' || text[size - 1] == ',' || strstr(text, ",,");
}

/* Items between commas; the first call drops the default. */
static pare_status list_from_text(pare_ctx *ctx, const pare_field *field, const char *text, pare_arena *arena,
                                  pare_list *to)
{
   pare_list list = list_is_initial(field, to) ? (pare_list){ 0 } : *to;
   for (const char *item = text, *comma = text; comma; item = comma + 1) {
      comma = strchr(item, ',');
      size_t size = comma ? (size_t)(comma - item) : strlen(item);
      PARE_TRY(append_item(ctx, arena, item, size, &list));
   }
   *to = list;
   return PARE_OK;
}

static bool ints_from_text(const pare_field *field, const char *text, pare_ints *to)
{
   *to = (pare_ints){ 0 };
   for (const char *item = text, *comma = text; comma; item = comma + 1) {
      comma = strchr(item, ',');
      size_t size = comma ? (size_t)(comma - item) : strlen(item);
      if (!add_int(field, pare_number_parse(item, size), to)) return false;
   }
   return true;
}

pare_status pare_fields_set(pare_ctx *ctx, const pare_field *field, const char *text, const char *where,
                            pare_arena *arena, void *options, pare_status bad)
{
   void *to = slot(field, options);
   bool good = false, flag = false;
   switch (field->kind) {
   case PARE_FIELD_BOOL:
      good = bool_from_text(text, &flag);
      if (good) *(bool *)to = flag;
      break;
   case PARE_FIELD_INT: good = set_int(field, pare_number_parse(text, strlen(text)), to); break;
   case PARE_FIELD_FLOAT: good = set_float(field, pare_number_parse(text, strlen(text)), to); break;
   case PARE_FIELD_ENUM: good = set_choice(field, text, to); break;
   case PARE_FIELD_TEXT: return set_text(ctx, text, arena, to);
   case PARE_FIELD_LIST:
      if (!has_empty_item(text)) return list_from_text(ctx, field, text, arena, to);
      return pare_fail(ctx, bad, where, "\"%.48s\", expected a list of texts, none of them empty", text);
   case PARE_FIELD_NUMBERS: return pare_numbers_from_text(ctx, field, text, where, arena, to, bad);
   case PARE_FIELD_INTS: good = ints_from_text(field, text, to); break;
   }
   if (good) return PARE_OK;
   char found[PARE_JSON_DESCRIBE];
   snprintf(found, sizeof found, strlen(text) < 48 ? "\"%s\"" : "\"%.45s...\"", text);
   return pare_field_misfit(ctx, field, found, where, bad);
}

/* ---- to JSON ---- */

static bool same_text(const char *a, const char *b)
{
   return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(const pare_list *a, const pare_list *b)
{
   for (size_t i = 0; i < a->count && i < b->count; i++)
      if (!same_text(a->items[i], b->items[i])) return false;
   return a->count == b->count;
}

static bool is_initial(const pare_field *field, const void *value)
{
   switch (field->kind) {
   case PARE_FIELD_BOOL: return *(const bool *)value == (field->initial != 0);
   case PARE_FIELD_INT: return *(const int64_t *)value == (int64_t)field->initial;
   case PARE_FIELD_FLOAT: return memcmp(value, &field->initial, sizeof field->initial) == 0;
   case PARE_FIELD_ENUM: return *(const int *)value == (int)field->initial;
   case PARE_FIELD_TEXT: return same_text(*(const char *const *)value, field->initial_text);
   case PARE_FIELD_NUMBERS: return ((const pare_numbers *)value)->count == 0;
   case PARE_FIELD_INTS: return ((const pare_ints *)value)->count == 0;
   case PARE_FIELD_LIST: break;
   }
   const pare_list initial = { (const char **)(uintptr_t)&field->initial_text, field->initial_text != NULL };
   return same_list(value, &initial);
}

static void put_list(const pare_list *list, const char *name, pare_json_writer *writer)
{
   pare_json_open_array(writer, name);
   for (size_t i = 0; i < list->count; i++) pare_json_put_string(writer, NULL, list->items[i]);
   pare_json_close_array(writer);
}

static void put_numbers(const pare_numbers *numbers, const char *name, pare_json_writer *writer)
{
   pare_json_open_array(writer, name);
   for (size_t i = 0; i < numbers->count; i++) pare_json_put_number(writer, NULL, numbers->items[i]);
   pare_json_close_array(writer);
}

static void put_ints(const pare_ints *ints, const char *name, pare_json_writer *writer)
{
   pare_json_open_array(writer, name);
   for (int64_t i = 0; i < ints->count; i++) pare_json_put_int(writer, NULL, ints->items[i]);
   pare_json_close_array(writer);
}

static void put_field(const pare_field *field, const void *value, pare_json_writer *writer)
{
   const char *name = field->name;
   switch (field->kind) {
   case PARE_FIELD_BOOL: pare_json_put_bool(writer, name, *(const bool *)value); break;
   case PARE_FIELD_INT: pare_json_put_int(writer, name, *(const int64_t *)value); break;
   case PARE_FIELD_FLOAT: pare_json_put_number(writer, name, *(const double *)value); break;
   case PARE_FIELD_ENUM: pare_json_put_string(writer, name, field->choices[*(const int *)value]); break;
   case PARE_FIELD_TEXT: pare_json_put_string(writer, name, *(const char *const *)value); break;
   case PARE_FIELD_LIST: put_list(value, name, writer); break;
   case PARE_FIELD_NUMBERS: put_numbers(value, name, writer); break;
   case PARE_FIELD_INTS: put_ints(value, name, writer); break;
   }
}

pare_status pare_fields_to_json(pare_ctx *ctx, const pare_field *fields, const void *options,
                                bool skip_defaults, pare_json_writer *writer)
{
   (void)ctx;
   for (const pare_field *f = fields; f->name; f++) {
      const void *value = const_slot(f, options);
      if (!skip_defaults || !is_initial(f, value)) put_field(f, value, writer);
   }
   return writer->status;
}

/* ---- two structs ---- */

static bool same_value(pare_field_kind kind, const void *a, const void *b)
{
   switch (kind) {
   case PARE_FIELD_BOOL: return *(const bool *)a == *(const bool *)b;
   case PARE_FIELD_INT: return *(const int64_t *)a == *(const int64_t *)b;
   case PARE_FIELD_FLOAT: return memcmp(a, b, sizeof(double)) == 0;
   case PARE_FIELD_ENUM: return *(const int *)a == *(const int *)b;
   case PARE_FIELD_TEXT: return same_text(*(const char *const *)a, *(const char *const *)b);
   case PARE_FIELD_LIST: return same_list(a, b);
   case PARE_FIELD_NUMBERS: return pare_numbers_same(a, b);
   case PARE_FIELD_INTS: return memcmp(a, b, sizeof(pare_ints)) == 0; /* items past the count are 0 */
   }
   return false;
}

bool pare_fields_same(const pare_field *fields, const void *a, const void *b)
{
   for (const pare_field *f = fields; f->name; f++)
      if (!same_value(f->kind, const_slot(f, a), const_slot(f, b))) return false;
   return true;
}
