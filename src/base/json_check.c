/* json_check: a strict validator, run before cJSON. It gives every syntax error a line and a column, so that
 * whatever cJSON then refuses can only be a lack of memory; and it stops what cJSON lets through (control
 * characters, zero bytes in strings, trailing bytes). Recursion is bounded by PARE_JSON_DEPTH. */
#include <string.h>

#include "base/json_text.h"

enum { LONGEST_NUMBER = 63 };

typedef struct checker {
   const uint8_t *start, *at, *end;
   const char *problem;
   int depth;
} checker;

static bool check_value(checker *c);

static bool refuse(checker *c, const char *problem)
{
   c->problem = problem;
   return false;
}

static int peek(const checker *c)
{
   return c->at < c->end ? *c->at : -1;
}

static bool accept(checker *c, int byte)
{
   if (peek(c) != byte) return false;
   c->at++;
   return true;
}

static void skip_space(checker *c)
{
   while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) c->at++;
}

static bool in_range(uint8_t byte, int low, int high)
{
   return byte >= low && byte <= high;
}

size_t pare_utf8_span(const uint8_t *p, size_t left)
{
   if (left == 0 || in_range(p[0], 0x80, 0xc1) || p[0] > 0xf4) return 0;
   size_t span = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
   if (span > left) return 0;
   for (size_t i = 1; i < span; i++)
      if (!in_range(p[i], 0x80, 0xbf)) return 0;
   /* Overlong forms, surrogates and code points past U+10FFFF. */
   if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
   if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
   return span;
}

static bool check_hex(checker *c, unsigned *unit)
{
   static const char digits[] = "0123456789abcdef";
   *unit = 0;
   for (int i = 0; i < 4; i++, c->at++) {
      int byte = peek(c);
      int lower = byte >= 'A' && byte <= 'F' ? byte + 'a' - 'A' : byte;
      const char *digit = lower > 0 ? strchr(digits, lower) : NULL;
      if (!digit) return refuse(c, "expected four hexadecimal digits after \\u");
      *unit = *unit << 4 | (unsigned)(digit - digits);
   }
   return true;
}

static bool check_unicode(checker *c)
{
   const uint8_t *first = c->at;
   unsigned high, low = 0;
   if (!check_hex(c, &high)) return false;
   if (high == 0) {
      c->at = first;
      return refuse(c, "\\u0000 is not supported");
   }
   if (high < 0xd800 || high > 0xdfff) return true;
   bool paired = high < 0xdc00 && accept(c, '\\') && accept(c, 'u');
   if (paired && !check_hex(c, &low)) return false;
   if (paired && low >= 0xdc00 && low <= 0xdfff) return true;
   c->at = first;
   return refuse(c, "half of a surrogate pair");
}

static bool check_escape(checker *c)
{
   int byte = peek(c);
   if (byte <= 0 || !strchr("\"\\/bfnrtu", byte)) return refuse(c, "unknown escape");
   c->at++;
   return byte != 'u' || check_unicode(c);
}

static bool check_string(checker *c)
{
   if (!accept(c, '"')) return refuse(c, "expected a string");
   for (;;) {
      int byte = peek(c);
      if (byte < 0) return refuse(c, "the string does not end");
      if (byte < 0x20) return refuse(c, "control character in a string");
      size_t span = pare_utf8_span(c->at, (size_t)(c->end - c->at));
      if (span == 0) return refuse(c, "invalid UTF-8");
      c->at += span;
      if (byte == '"') return true;
      if (byte == '\\' && !check_escape(c)) return false;
   }
}

static bool check_digits(checker *c)
{
   const uint8_t *first = c->at;
   while (c->at < c->end && in_range(*c->at, '0', '9')) c->at++;
   return c->at > first || refuse(c, "expected a digit");
}

static bool check_number(checker *c)
{
   const uint8_t *first = c->at;
   accept(c, '-');
   bool zero = peek(c) == '0';
   const uint8_t *whole = c->at;
   if (!check_digits(c)) return false;
   if (zero && c->at > whole + 1) {
      c->at = whole;
      return refuse(c, "number with a leading zero");
   }
   if (accept(c, '.') && !check_digits(c)) return false;
   if (accept(c, 'e') || accept(c, 'E')) {
      if (!accept(c, '+')) accept(c, '-');
      if (!check_digits(c)) return false;
   }
   if (c->at - first <= LONGEST_NUMBER) return true;
   c->at = first;
   return refuse(c, "number of more than 63 characters");
}

static bool check_word(checker *c, const char *word)
{
   size_t size = strlen(word);
   bool here = (size_t)(c->end - c->at) >= size && memcmp(c->at, word, size) == 0;
   if (!here) return refuse(c, "expected a value");
   c->at += size;
   return true;
}

static bool check_member(checker *c)
{
   if (peek(c) != '"') return refuse(c, "expected a key in quotes");
   if (!check_string(c)) return false;
   skip_space(c);
   return accept(c, ':') || refuse(c, "expected ':' after the key");
}

/* The items of an object or array, whose opening bracket was read. */
static bool check_items(checker *c, bool object)
{
   int closing = object ? '}' : ']';
   skip_space(c);
   if (accept(c, closing)) return true;
   for (;;) {
      skip_space(c);
      if (object && !check_member(c)) return false;
      if (!check_value(c)) return false;
      skip_space(c);
      if (accept(c, closing)) return true;
      if (!accept(c, ',')) return refuse(c, object ? "expected ',' or '}'" : "expected ',' or ']'");
   }
}

static bool check_nested(checker *c)
{
   if (c->depth == PARE_JSON_DEPTH) return refuse(c, "nested too deeply");
   bool object = *c->at++ == '{';
   c->depth++;
   bool good = check_items(c, object);
   c->depth--;
   return good;
}

static bool check_value(checker *c)
{
   skip_space(c);
   switch (peek(c)) {
   case '{':
   case '[': return check_nested(c);
   case '"': return check_string(c);
   case 't': return check_word(c, "true");
   case 'f': return check_word(c, "false");
   case 'n': return check_word(c, "null");
   case -1: return refuse(c, "the text ends where a value was expected");
   default: break;
   }
   if (peek(c) == '-' || in_range(*c->at, '0', '9')) return check_number(c);
   return refuse(c, "expected a value");
}

static bool check_text(checker *c)
{
   if (c->end - c->at >= 3 && memcmp(c->at, "\xef\xbb\xbf", 3) == 0) c->at += 3;
   if (!check_value(c)) return false;
   skip_space(c);
   return c->at == c->end || refuse(c, "expected nothing after the value");
}

pare_status pare_json_check(pare_ctx *ctx, const char *text, size_t size, const char *where)
{
   const uint8_t *bytes = (const uint8_t *)(text ? text : "");
   checker c = { .start = bytes, .at = bytes, .end = bytes + size };
   if (check_text(&c)) return PARE_OK;
   size_t line = 1, column = 1;
   for (const uint8_t *p = c.start; p < c.at; p++) {
      if (*p == '\n') line++, column = 0;
      if ((*p & 0xc0) != 0x80) column++;
   }
   return pare_fail(ctx, PARE_INPUT, where, "line %zu, column %zu: %s", line, column, c.problem);
}
