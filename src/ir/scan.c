/* scan: see scan.h. Each byte of a line is looked at a bounded number of times. */
#include "ir/scan.h"

#include <string.h>

static bool is_blank(char c)
{
   return c == ' ' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

bool pare_scan_done(pare_scan *s)
{
   while (s->at < s->end && is_blank(*s->at)) s->at++;
   return s->at == s->end;
}

bool pare_scan_accept(pare_scan *s, char c)
{
   if (pare_scan_done(s) || *s->at != c) return false;
   s->at++;
   return true;
}

pare_status pare_scan_misfit(pare_scan *s, const char *expected)
{
   char found[24];
   size_t size = 0;
   pare_scan_done(s);
   for (const char *p = s->at; p < s->end && size + 1 < sizeof found; p++)
      found[size++] = *p >= 0x20 && *p < 0x7f ? *p : '?';
   found[size] = 0;
   return pare_fail(s->ctx, PARE_INPUT, s->where, "column %zu: expected %s, found %s",
                    (size_t)(s->at - s->start) + 1, expected, size ? found : "the end of the line");
}

pare_status pare_scan_expect(pare_scan *s, char c)
{
   const char expected[] = { '\'', c, '\'', 0 };
   return pare_scan_accept(s, c) ? PARE_OK : pare_scan_misfit(s, expected);
}

pare_status pare_scan_word(pare_scan *s, const char *expected, pare_scan_name out)
{
   size_t size = 0;
   if (pare_scan_done(s) || !is_word(*s->at)) return pare_scan_misfit(s, expected);
   while (s->at + size < s->end && is_word(s->at[size])) size++;
   if (size > PARE_MAX_NAME) return pare_scan_misfit(s, "a shorter word");
   memcpy(out, s->at, size);
   out[size] = 0;
   s->at += size;
   return PARE_OK;
}

/* The quoted string at s->at with its quotes: its size, or 0 when it does not end. */
static size_t quoted_size(const pare_scan *s)
{
   const char *p = s->at + 1;
   while (p < s->end && *p != '"') p += *p == '\\' ? 2 : 1;
   return p < s->end ? (size_t)(p + 1 - s->at) : 0;
}

pare_status pare_scan_quoted(pare_scan *s, pare_scan_name out)
{
   if (pare_scan_done(s) || *s->at != '"') return pare_scan_misfit(s, "a name in quotes");
   size_t size = quoted_size(s);
   if (size == 0) return pare_scan_misfit(s, "a name in quotes that ends on its line");
   pare_json *root = NULL;
   PARE_TRY(pare_json_parse(s->ctx, s->at, size, "name", &root));
   const char *text = pare_json_string(root);
   bool fits = strlen(text) <= PARE_MAX_NAME;
   if (fits) memcpy(out, text, strlen(text) + 1);
   pare_json_free(root);
   if (!fits) return pare_scan_misfit(s, "a shorter name");
   s->at += size;
   return PARE_OK;
}

pare_status pare_scan_value(pare_scan *s, pare_scan_name out)
{
   if (!pare_scan_accept(s, '%')) return pare_scan_misfit(s, "a value, like %12 or %tokens");
   return pare_scan_word(s, "the name or number of a value", out);
}

static bool parse_size(const char *word, int64_t *out)
{
   int64_t size = 0;
   for (const char *p = word; *p; p++) {
      if (*p < '0' || *p > '9' || size > PARE_MAX_ELEMENTS) return false;
      size = 10 * size + (*p - '0');
   }
   *out = size;
   return size >= 1;
}

pare_status pare_scan_dims(pare_scan *s, bool symbols, int most, int *rank, int64_t *dim)
{
   pare_scan_name word;
   PARE_TRY(pare_scan_expect(s, '['));
   for (*rank = 0; *rank < most; ++*rank) {
      if (*rank && !pare_scan_accept(s, ',')) break;
      pare_scan mark = *s;
      PARE_TRY(pare_scan_word(s, "a dimension", word));
      if (parse_size(word, &dim[*rank]) || (symbols && pare_dim_parse(word, &dim[*rank]))) continue;
      *s = mark;
      return pare_scan_misfit(s,
                              symbols ? "a dimension (a size, tokens, rows, slots or past)" : "a dimension");
   }
   return pare_scan_expect(s, ']');
}

pare_status pare_scan_type(pare_scan *s, pare_type *out)
{
   pare_scan_name word;
   pare_scan mark = *s;
   *out = (pare_type){ 0 };
   PARE_TRY(pare_scan_word(s, "a type", word));
   if (!pare_dtype_parse(word, &out->dtype)) {
      *s = mark;
      return pare_scan_misfit(s, "a type (f32, f16, bf16, i8 or i32)");
   }
   return pare_scan_dims(s, true, PARE_MAX_RANK, &out->rank, out->dim);
}

/* The object at s->at: its size, or 0 when its braces do not match on this line. */
static size_t object_size(const pare_scan *s)
{
   size_t depth = 0;
   pare_scan p = *s;
   for (; p.at < p.end; p.at++) {
      if (*p.at == '"') {
         size_t size = quoted_size(&p);
         if (size == 0) return 0;
         p.at += size - 1;
      } else if (*p.at == '{') {
         depth++;
      } else if (*p.at == '}' && --depth == 0) {
         return (size_t)(p.at + 1 - s->at);
      }
   }
   return 0;
}

pare_status pare_scan_fields(pare_scan *s, const pare_field *fields, pare_arena *arena, void *options)
{
   if (pare_scan_done(s) || *s->at != '{') return PARE_OK;
   size_t size = object_size(s);
   if (size == 0) return pare_scan_misfit(s, "an object that ends on its line");
   pare_json *root = NULL;
   pare_status status = pare_json_parse(s->ctx, s->at, size, "attributes", &root);
   if (status == PARE_OK)
      status = pare_fields_from_json(s->ctx, fields, root, "attributes", NULL, arena, options, PARE_INPUT);
   pare_json_free(root);
   s->at += size;
   return status;
}
