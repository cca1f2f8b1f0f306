/* json: reading. cJSON builds the tree with malloc: its hooks are global, so they stay alone. */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json_text.h"

pare_status pare_json_parse(pare_ctx *ctx, const char *text, size_t size, const char *where, pare_json **root)
{
   static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark, which cJSON skips in longer texts only */
   const char *end;
   PARE_TRY(pare_json_check(ctx, text, size, where));
   if (size > 3 && memcmp(text, mark, 3) == 0) {
      text += 3;
      size -= 3;
   }
   *root = cJSON_ParseWithLengthOpts(text, size, &end, 0);
   if (*root) return PARE_OK;
   return pare_fail(ctx, PARE_RESOURCE, where, "out of memory while reading %zu bytes of JSON", size);
}

pare_status pare_json_load(pare_ctx *ctx, const char *path, size_t limit, pare_json **root)
{
   pare_buffer *bytes;
   PARE_TRY(pare_read_file(ctx, path, limit, &bytes));
   const char *text = (const char *)pare_buffer_data(bytes);
   pare_status status = pare_json_parse(ctx, text, pare_buffer_size(bytes), path, root);
   pare_buffer_unref(ctx, bytes);
   return status;
}

void pare_json_free(pare_json *root)
{
   cJSON_Delete(root);
}

bool pare_json_is_object(const pare_json *v)
{
   return cJSON_IsObject(v);
}

bool pare_json_is_array(const pare_json *v)
{
   return cJSON_IsArray(v);
}

bool pare_json_is_string(const pare_json *v)
{
   return cJSON_IsString(v);
}

bool pare_json_is_number(const pare_json *v)
{
   return cJSON_IsNumber(v);
}

bool pare_json_is_bool(const pare_json *v)
{
   return cJSON_IsBool(v);
}

bool pare_json_is_null(const pare_json *v)
{
   return !v || cJSON_IsNull(v);
}

const pare_json *pare_json_get(const pare_json *v, const char *name)
{
   return cJSON_IsObject(v) ? cJSON_GetObjectItemCaseSensitive(v, name) : NULL;
}

const pare_json *pare_json_first(const pare_json *v)
{
   return cJSON_IsObject(v) || cJSON_IsArray(v) ? v->child : NULL;
}

const pare_json *pare_json_next(const pare_json *v)
{
   return v ? v->next : NULL;
}

size_t pare_json_count(const pare_json *v)
{
   size_t count = 0;
   for (const pare_json *item = pare_json_first(v); item; item = item->next) count++;
   return count;
}

const char *pare_json_name(const pare_json *v)
{
   return v ? v->string : NULL;
}

const char *pare_json_string(const pare_json *v)
{
   return cJSON_IsString(v) ? v->valuestring : NULL;
}

double pare_json_number(const pare_json *v, double fallback)
{
   return cJSON_IsNumber(v) && isfinite(v->valuedouble) ? v->valuedouble : fallback;
}

bool pare_json_bool(const pare_json *v, bool fallback)
{
   return cJSON_IsBool(v) ? (bool)cJSON_IsTrue(v) : fallback;
}

/* Past 2^53 a double may stand for a neighbour of the number in the text, so nothing is accepted there. */
bool pare_json_int(const pare_json *v, int64_t min, int64_t max, int64_t *out)
{
   if (!cJSON_IsNumber(v)) return false;
   double number = v->valuedouble;
   if (!(fabs(number) <= PARE_JSON_EXACT) || number != trunc(number)) return false;
   int64_t whole = (int64_t)number;
   if (whole < min || whole > max) return false;
   *out = whole;
   return true;
}

static void describe_string(const char *string, char text[PARE_JSON_DESCRIBE])
{
   size_t size = 0, room = PARE_JSON_DESCRIBE - 8;
   const uint8_t *p = (const uint8_t *)string;
   while (p[size]) {
      size_t span = pare_utf8_span(p + size, strlen(string + size));
      if (span == 0 || size + span > room) break;
      size += span;
   }
   snprintf(text, PARE_JSON_DESCRIBE, "\"%.*s%s\"", (int)size, string, p[size] ? "..." : "");
   for (char *c = text; *c; c++)
      if ((uint8_t)*c < 0x20 || *c == 0x7f) *c = '?';
}

void pare_json_describe(const pare_json *v, char text[PARE_JSON_DESCRIBE])
{
   char number[PARE_NUMBER_TEXT] = "a number too large";
   if (cJSON_IsString(v)) {
      describe_string(v->valuestring, text);
      return;
   }
   if (cJSON_IsNumber(v) && isfinite(v->valuedouble)) pare_number_text(v->valuedouble, number);
   const char *words = cJSON_IsObject(v) ? "an object"
                     : cJSON_IsArray(v)  ? "an array"
                     : cJSON_IsNumber(v) ? number
                     : cJSON_IsTrue(v)   ? "true"
                     : cJSON_IsBool(v)   ? "false"
                                         : "null";
   snprintf(text, PARE_JSON_DESCRIBE, "%s", words);
}

static pare_status misfit(pare_ctx *ctx, const pare_json *v, const char *key, const char *where,
                          const char *expected)
{
   char found[PARE_JSON_DESCRIBE];
   pare_json_describe(v, found);
   return pare_fail(ctx, PARE_INPUT, where, "\"%s\" is %s, expected %s", key, found, expected);
}

pare_status pare_json_read_int(pare_ctx *ctx, const pare_json *object, const char *key, const char *where,
                               int64_t min, int64_t max, int64_t fallback, int64_t *out)
{
   const pare_json *v = pare_json_get(object, key);
   *out = fallback;
   if (pare_json_is_null(v) || pare_json_int(v, min, max, out)) return PARE_OK;
   char expected[96];
   snprintf(expected, sizeof expected, "a whole number in [%lld, %lld]", (long long)min, (long long)max);
   return misfit(ctx, v, key, where, expected);
}

pare_status pare_json_read_number(pare_ctx *ctx, const pare_json *object, const char *key, const char *where,
                                  double min, double max, double fallback, double *out)
{
   const pare_json *v = pare_json_get(object, key);
   *out = pare_json_number(v, fallback);
   if (pare_json_is_null(v)) return PARE_OK;
   bool finite = cJSON_IsNumber(v) && isfinite(v->valuedouble);
   if (finite && v->valuedouble >= min && v->valuedouble <= max) return PARE_OK;
   char expected[96];
   snprintf(expected, sizeof expected, "a number in [%g, %g]", min, max);
   return misfit(ctx, v, key, where, expected);
}

pare_status pare_json_read_bool(pare_ctx *ctx, const pare_json *object, const char *key, const char *where,
                                bool fallback, bool *out)
{
   const pare_json *v = pare_json_get(object, key);
   *out = pare_json_bool(v, fallback);
   return pare_json_is_null(v) || cJSON_IsBool(v) ? PARE_OK : misfit(ctx, v, key, where, "true or false");
}

pare_status pare_json_read_string(pare_ctx *ctx, const pare_json *object, const char *key, const char *where,
                                  const char *fallback, const char **out)
{
   const pare_json *v = pare_json_get(object, key);
   *out = cJSON_IsString(v) ? v->valuestring : fallback;
   return pare_json_is_null(v) || cJSON_IsString(v) ? PARE_OK : misfit(ctx, v, key, where, "a string");
}
