/* read_json: a JSON reader (RFC 8259) for small programs. It makes a tree of values; a text that is not
 * JSON, or lacks what is asked for, ends the program with one line and exit code 3. Knows nothing of
 * artifacts; read_artifact.c is its user.
 *
 *    cursor c = { text, 0 };
 *    const json *size = member(take_value(&c), "size", J_INTEGER); */
#ifndef READ_JSON_H
#define READ_JSON_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Errors and memory */

/* Control characters become '?', so that names in a file cannot drive the terminal. */
static const char *printable(char *text)
{
   for (char *c = text; *c; c++)
      if ((unsigned char)*c < 32 || *c == 127) *c = '?';
   return text;
}

__attribute__((format(printf, 1, 2))) static _Noreturn void die(const char *format, ...)
{
   char line[512];
   va_list args;
   va_start(args, format);
   vsnprintf(line, sizeof line, format, args);
   va_end(args);
   fprintf(stderr, "read_artifact: %s\n", printable(line));
   exit(3);
}

/* A stack of zeroed blocks: release(mark) frees all that was grabbed since top was mark. */
typedef struct block {
   struct block *below;
   max_align_t bytes[];
} block;
static block *top;

static void *grab(uint64_t size)
{
   block *b = size < SIZE_MAX / 2 ? calloc(1, sizeof *b + (size_t)size + 1) : NULL;
   if (!b) die("no memory for %" PRIu64 " bytes", size);
   b->below = top;
   top = b;
   return b->bytes;
}

static void release(block *mark)
{
   while (top != mark) {
      block *below = top->below;
      free(top);
      top = below;
   }
}

/* ---- JSON */

typedef enum json_kind { J_OTHER, J_FALSE, J_TRUE, J_INTEGER, J_TEXT, J_ARRAY, J_OBJECT } json_kind;
typedef struct json {
   json_kind kind;
   int64_t integer;            /* of a J_INTEGER: at most 18 digits */
   const char *key, *text;     /* its name in an object; the text of a J_TEXT */
   struct json *child, *next;  /* the first value inside; the one behind this */
} json;
typedef struct cursor {
   const char *at;     /* the text ends with a zero byte */
   int depth;
} cursor;

static void skip_spaces(cursor *c)
{
   c->at += strspn(c->at, " \t\r\n");
}

static bool take(cursor *c, char wanted)
{
   skip_spaces(c);
   return *c->at == wanted && c->at++;
}

static unsigned take_hex4(cursor *c)
{
   char digits[5] = { 0 };
   for (int i = 0; i < 4 && c->at[i]; i++) digits[i] = c->at[i];
   if (strspn(digits, "0123456789abcdefABCDEF") != 4) die("bad \\u in the JSON text");
   c->at += 4;
   return (unsigned)strtoul(digits, NULL, 16);
}

/* What stands behind a backslash, as UTF-8. */
static char *take_escape(cursor *c, char *out)
{
   static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
   const char *known = *c->at ? strchr(names, *c->at) : NULL;
   if (!known && *c->at != 'u') die("bad escape in the JSON text");
   c->at++;
   if (known) return *out = values[known - names], out + 1;
   unsigned code = take_hex4(c);
   if (code >> 10 == 0x36 && c->at[0] == '\\' && c->at[1] == 'u') {   /* a surrogate pair, d8xx then dcxx */
      c->at += 2;
      unsigned low = take_hex4(c);
      code = low >> 10 == 0x37 ? 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff)) : 0;
   }
   if (code == 0 || code >> 11 == 0x1b) die("a zero or half a surrogate pair in the JSON text");
   int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
   *out++ = (char)("\x00\xc0\xe0\xf0"[more] | code >> 6 * more);
   while (more--) *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
   return out;
}

/* The text behind an opening quote. */
static const char *take_text(cursor *c)
{
   const char *end = c->at;
   while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
   char *text = grab((uint64_t)(end - c->at)), *out = text;   /* an escape is longer than its character */
   while (*c->at != '"') {
      if ((unsigned char)*c->at < 32) die("a control character or the end inside a JSON string");
      if (*c->at != '\\') *out++ = *c->at++;
      else c->at++, out = take_escape(c, out);
   }
   c->at++;
   return text;
}

/* Numbers and words. A number that is not an integer is a J_OTHER: this reader needs none. */
static void take_word(cursor *c, json *value)
{
   size_t length = strspn(c->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE"), minus = *c->at == '-';
   size_t digits = strspn(c->at + minus, "0123456789");
   bool is_true = length == 4 && !memcmp(c->at, "true", 4);
   bool is_false = length == 5 && !memcmp(c->at, "false", 5);
   bool is_null = length == 4 && !memcmp(c->at, "null", 4);
   if (!digits && !is_true && !is_false && !is_null) die("not JSON: '%.20s'", c->at);
   bool integer = digits && digits + minus == length && digits <= 18;
   value->kind = integer ? J_INTEGER : is_true ? J_TRUE : is_false ? J_FALSE : J_OTHER;
   if (integer) value->integer = strtoll(c->at, NULL, 10);
   c->at += length;
}

static json *take_value(cursor *c)
{
   json *value = grab(sizeof *value), **last = &value->child;
   bool object = take(c, '{'), array = !object && take(c, '['), text = !object && !array && take(c, '"');
   value->kind = object ? J_OBJECT : array ? J_ARRAY : J_TEXT;
   if (++c->depth > 64) die("the JSON text is nested deeper than 64");
   if (text) value->text = take_text(c);
   else if (!object && !array) take_word(c, value);
   else if (!take(c, object ? '}' : ']')) {
      do {
         if (object && !take(c, '"')) die("a member of a JSON object has no name");
         const char *key = object ? take_text(c) : NULL;
         if (object && !take(c, ':')) die("no ':' behind \"%s\" in the JSON text", key);
         *last = take_value(c);
         (*last)->key = key;
         last = &(*last)->next;
      } while (take(c, ','));
      if (!take(c, object ? '}' : ']')) die("a JSON list or object has no end");
   }
   c->depth--;
   return value;
}

/* The member of an object, which must be there and of that kind. */
static const json *member(const json *object, const char *key, json_kind kind)
{
   const json *m = object->child;
   while (m && strcmp(m->key, key)) m = m->next;
   if (!m || m->kind != kind) die("\"%s\" is missing or of the wrong type", key);
   return m;
}

#endif
