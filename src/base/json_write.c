/* json_write: the writer half of json.h. Layout is decided from the last byte written, so nothing is
 * remembered but whether each open bracket has items: in pretty output a number that follows '[' or another
 * number stays on its line until the line is full, anything else opens a line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"

enum { LINE_WIDTH = 100 };

static void put(pare_json_writer *w, const char *text)
{
   if (w->status == PARE_OK) w->status = pare_str_puts(w->ctx, w->out, text);
}

static char last_byte(const pare_json_writer *w)
{
   return w->out->size ? w->out->data[w->out->size - 1] : 0;
}

static bool line_is_full(const pare_json_writer *w)
{
   size_t length = 0;
   while (length < w->out->size && w->out->data[w->out->size - 1 - length] != '\n')
      if (++length > LINE_WIDTH - PARE_NUMBER_TEXT) return true;
   return false;
}

static void new_line(pare_json_writer *w)
{
   if (!w->pretty) return;
   put(w, "\n");
   for (int i = 0; i < w->depth; i++) put(w, "  ");
}

/* Escape of one control character, quote or backslash. */
static void escape_byte(char byte, char text[8])
{
   static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
   const char *named = strchr(plain, byte);
   if (named) snprintf(text, 8, "\\%c", letters[named - plain]);
   else snprintf(text, 8, "\\u%04x", (unsigned)(uint8_t)byte);
}

/* Bytes of text that need no escape: [0, returned), all valid UTF-8. */
static size_t plain_prefix(const char *text, size_t size)
{
   size_t at = 0, span;
   for (; at < size && (uint8_t)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\'; at += span) {
      span = pare_utf8_span((const uint8_t *)text + at, size - at < 4 ? size - at : 4);
      if (span == 0) break;
   }
   return at;
}

/* A quoted string; bytes that are not UTF-8 become U+FFFD, so that the document stays valid. */
static void put_quoted(pare_json_writer *w, const char *text, size_t size)
{
   char escape[8];
   put(w, "\"");
   while (w->status == PARE_OK) {
      size_t plain = plain_prefix(text, size);
      w->status = pare_str_append(w->ctx, w->out, text, plain);
      if (plain == size) break;
      text += plain;
      size -= plain;
      if (*text & (char)0x80) snprintf(escape, sizeof escape, "\xef\xbf\xbd");
      else escape_byte(*text, escape);
      put(w, escape);
      text++;
      size--;
   }
   put(w, "\"");
}

/* Comma, line and name: all that comes before a value. */
static void put_lead(pare_json_writer *w, const char *name, bool number)
{
   if (w->status != PARE_OK) return;
   if (w->depth > 0) {
      char last = last_byte(w);
      bool joins = number && !name && (last == '[' || (last >= '0' && last <= '9'));
      bool stay = w->pretty && joins && !line_is_full(w);
      if (w->has_items[w->depth]) put(w, stay ? ", " : ",");
      if (!stay) new_line(w);
      w->has_items[w->depth] = true;
   }
   if (!name) return;
   put_quoted(w, name, strlen(name));
   put(w, w->pretty ? ": " : ":");
}

void pare_json_begin(pare_json_writer *w, pare_ctx *ctx, pare_str *out, bool pretty)
{
   *w = (pare_json_writer){ .ctx = ctx, .out = out, .pretty = pretty };
}

static void open_bracket(pare_json_writer *w, const char *name, const char *bracket)
{
   put_lead(w, name, false);
   if (w->status != PARE_OK) return;
   if ((size_t)w->depth + 1 >= sizeof w->has_items / sizeof *w->has_items) {
      w->status = pare_fail(w->ctx, PARE_INTERNAL, NULL, "JSON output nested deeper than %d", w->depth);
      return;
   }
   put(w, bracket);
   w->has_items[++w->depth] = false;
}

static void close_bracket(pare_json_writer *w, const char *bracket)
{
   if (w->status != PARE_OK) return;
   if (w->depth == 0) {
      w->status = pare_fail(w->ctx, PARE_INTERNAL, NULL, "JSON output closes a bracket that is not open");
      return;
   }
   char last = last_byte(w);
   bool stay = *bracket == ']' && last >= '0' && last <= '9';
   bool items = w->has_items[w->depth--];
   if (items && !stay) new_line(w);
   put(w, bracket);
}

void pare_json_open_object(pare_json_writer *w, const char *name)
{
   open_bracket(w, name, "{");
}

void pare_json_close_object(pare_json_writer *w)
{
   close_bracket(w, "}");
}

void pare_json_open_array(pare_json_writer *w, const char *name)
{
   open_bracket(w, name, "[");
}

void pare_json_close_array(pare_json_writer *w)
{
   close_bracket(w, "]");
}

void pare_json_put_string(pare_json_writer *w, const char *name, const char *text)
{
   put_lead(w, name, false);
   if (text) put_quoted(w, text, strlen(text));
   else put(w, "null");
}

void pare_json_put_text(pare_json_writer *w, const char *name, const char *text, size_t size)
{
   put_lead(w, name, false);
   put_quoted(w, text, size);
}

void pare_json_put_int(pare_json_writer *w, const char *name, int64_t value)
{
   char text[PARE_NUMBER_TEXT];
   snprintf(text, sizeof text, "%lld", (long long)value);
   put_lead(w, name, true);
   put(w, text);
}

/* printf writes the decimal point of the locale, which may be several bytes long. */
static void undo_locale(char *text)
{
   char *to = text;
   for (const char *from = text; *from; from++) {
      if (strchr("0123456789+-e", *from)) *to++ = *from;
      else if (to[-1] != '.') *to++ = '.';
   }
   *to = 0;
}

void pare_number_text(double value, char text[PARE_NUMBER_TEXT])
{
   if (fabs(value) <= PARE_JSON_EXACT && value == trunc(value)) {
      snprintf(text, PARE_NUMBER_TEXT, "%.0f", value);
      return;
   }
   for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, PARE_NUMBER_TEXT, "%.*g", digits, value);
      if (strtod(text, NULL) == value) break;
   }
   undo_locale(text);
}

void pare_json_put_number(pare_json_writer *w, const char *name, double value)
{
   char text[PARE_NUMBER_TEXT] = "null";
   if (isfinite(value)) pare_number_text(value, text);
   put_lead(w, name, isfinite(value));
   put(w, text);
}

void pare_json_put_bool(pare_json_writer *w, const char *name, bool value)
{
   put_lead(w, name, false);
   put(w, value ? "true" : "false");
}

void pare_json_put_null(pare_json_writer *w, const char *name)
{
   put_lead(w, name, false);
   put(w, "null");
}

static void put_children(pare_json_writer *w, const char *name, const pare_json *value)
{
   bool object = pare_json_is_object(value);
   if (object) pare_json_open_object(w, name);
   else pare_json_open_array(w, name);
   const pare_json *item = pare_json_first(value);
   for (; item && w->status == PARE_OK; item = pare_json_next(item))
      pare_json_put_value(w, object ? pare_json_name(item) : NULL, item);
   if (object) pare_json_close_object(w);
   else pare_json_close_array(w);
}

void pare_json_put_value(pare_json_writer *w, const char *name, const pare_json *value)
{
   if (pare_json_is_object(value) || pare_json_is_array(value)) put_children(w, name, value);
   else if (pare_json_is_string(value)) pare_json_put_string(w, name, pare_json_string(value));
   else if (pare_json_is_number(value)) pare_json_put_number(w, name, pare_json_number(value, (double)NAN));
   else if (pare_json_is_bool(value)) pare_json_put_bool(w, name, pare_json_bool(value, false));
   else pare_json_put_null(w, name);
}

pare_status pare_json_print(pare_ctx *ctx, const pare_json *v, pare_str *out)
{
   pare_json_writer w;
   pare_json_begin(&w, ctx, out, false);
   pare_json_put_value(&w, NULL, v);
   return w.status;
}
