/* regex_class: escapes and character classes of Oniguruma's Ruby syntax in PCRE2's.
 *
 * A class becomes brackets where it can. What does not fit inside PCRE2's brackets (negated sets, nested
 * classes) becomes alternatives beside them, an intersection a lookahead before them: [\p{L}&&[^\p{Han}]]
 * is (?:(?=[\p{L}])(?:[^\p{sc:Han}])). */
#include <stdio.h>
#include <string.h>

#include "text/regex_parts.h"
#include "text/utf8.h"

#define SPACES                                                                                               \
   "\\t-\\r\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define HEXES "0-9A-Fa-f"

typedef struct set {
   const char *name; /* lower case without separators */
   const char *body; /* what stands inside brackets */
} set;

/* Names that are not PCRE2's, or mean something else there. */
static const set sets[] = {
   { "alnum", "\\p{Alphabetic}\\p{Nd}" },
   { "alpha", "\\p{Alphabetic}" },
   { "blank", "\\t\\p{Zs}" },
   { "cntrl", "\\p{Cc}" },
   { "digit", "\\p{Nd}" },
   { "lower", "\\p{Lowercase}" },
   { "upper", "\\p{Uppercase}" },
   { "punct", "\\p{P}\\p{S}" },
   { "space", SPACES },
   { "whitespace", SPACES },
   { "word", PARE_REGEX_WORDS },
   { "xdigit", HEXES },
   { "ascii", "\\x00-\\x7f" },
   { "any", "\\x00-\\x{10ffff}" },
   { "alphabetic", "\\p{Alphabetic}" },
   { "lowercase", "\\p{Lowercase}" },
   { "uppercase", "\\p{Uppercase}" },
   { "ideographic", "\\p{Ideographic}" },
   { "emoji", "\\p{Emoji}" },
   { "math", "\\p{Math}" },
   { "extendedpictographic", "\\p{Extended_Pictographic}" },
   { "lc", "\\p{L&}" },
   { "letter", "\\p{L}" },
   { "uppercaseletter", "\\p{Lu}" },
   { "lowercaseletter", "\\p{Ll}" },
   { "titlecaseletter", "\\p{Lt}" },
   { "modifierletter", "\\p{Lm}" },
   { "otherletter", "\\p{Lo}" },
   { "mark", "\\p{M}" },
   { "nonspacingmark", "\\p{Mn}" },
   { "spacingmark", "\\p{Mc}" },
   { "enclosingmark", "\\p{Me}" },
   { "number", "\\p{N}" },
   { "decimalnumber", "\\p{Nd}" },
   { "letternumber", "\\p{Nl}" },
   { "othernumber", "\\p{No}" },
   { "punctuation", "\\p{P}" },
   { "connectorpunctuation", "\\p{Pc}" },
   { "dashpunctuation", "\\p{Pd}" },
   { "openpunctuation", "\\p{Ps}" },
   { "closepunctuation", "\\p{Pe}" },
   { "initialpunctuation", "\\p{Pi}" },
   { "finalpunctuation", "\\p{Pf}" },
   { "otherpunctuation", "\\p{Po}" },
   { "symbol", "\\p{S}" },
   { "mathsymbol", "\\p{Sm}" },
   { "currencysymbol", "\\p{Sc}" },
   { "modifiersymbol", "\\p{Sk}" },
   { "othersymbol", "\\p{So}" },
   { "separator", "\\p{Z}" },
   { "spaceseparator", "\\p{Zs}" },
   { "lineseparator", "\\p{Zl}" },
   { "paragraphseparator", "\\p{Zp}" },
   { "other", "\\p{C}" },
   { "control", "\\p{Cc}" },
   { "format", "\\p{Cf}" },
   { "unassigned", "\\p{Cn}" },
   { "privateuse", "\\p{Co}" },
   { "surrogate", "\\p{Cs}" },
};

pare_status pare_regex_refuse(pare_translation *t, const char *problem)
{
   t->problem = problem;
   return PARE_UNSUPPORTED;
}

int pare_regex_peek(const pare_translation *t, size_t ahead)
{
   return t->at + ahead < t->size ? (uint8_t)t->in[t->at + ahead] : -1;
}

bool pare_regex_is_letter(int c)
{
   return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static int hex_value(int c)
{
   if (c >= '0' && c <= '9') return c - '0';
   return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static pare_status put(pare_translation *t, pare_str *out, const char *text)
{
   return pare_str_puts(t->ctx, out, text);
}

/* A code point as itself where that is safe, else as \x{...}. */
pare_status pare_regex_put_point(pare_translation *t, pare_str *out, uint32_t c)
{
   if (pare_regex_is_letter((int)c) || (c >= '0' && c <= '9') || c >= 0xa0)
      return pare_utf8_append(t->ctx, out, c);
   return pare_str_printf(t->ctx, out, "\\x{%x}", c);
}

uint32_t pare_regex_take(pare_translation *t)
{
   uint32_t c = pare_utf8_get(t->in + t->at);
   t->at += pare_utf8_size(t->in[t->at]);
   return c;
}

/* ---- escapes that are one code point or one set ---- */

/* \xHH, \x{H...}, \uHHHH; t->at stands after the letter. */
static pare_status hex_escape(pare_translation *t, size_t most, uint32_t *c)
{
   bool braces = most == 2 && pare_regex_peek(t, 0) == '{';
   if (braces) t->at++;
   size_t digits = 0;
   *c = 0;
   for (; digits < (braces ? 8 : most) && hex_value(pare_regex_peek(t, 0)) >= 0; digits++)
      *c = *c * 16 + (uint32_t)hex_value((uint8_t)t->in[t->at++]);
   if (!digits || (braces && pare_regex_peek(t, 0) != '}'))
      return pare_regex_refuse(t, "a hexadecimal escape without end");
   if (braces) t->at++;
   if (!braces && most == 2 && *c > 0x7f) return pare_regex_refuse(t, "a raw byte above 0x7f");
   if (*c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000))
      return pare_regex_refuse(t, "an escape that is no character");
   return PARE_OK;
}

static void set_item(pare_regex_item *it, const char *body, bool negated)
{
   it->is_set = true;
   it->negated = negated;
   snprintf(it->body, sizeof it->body, "%s", body);
}

static void named_item(pare_regex_item *it, const char *raw, const char *name, bool negated)
{
   for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
      if (strcmp(sets[i].name, name) == 0) {
         set_item(it, sets[i].body, negated);
         return;
      }
   char body[256];
   snprintf(body, sizeof body, strlen(name) <= 2 ? "\\p{%s}" : "\\p{sc:%s}", raw);
   set_item(it, body, negated);
}

/* \p{Name}, \p{^Name}, \P{Name}; t->at stands on the brace. */
static pare_status property_item(pare_translation *t, bool negated, pare_regex_item *it)
{
   char raw[64], name[64];
   size_t raw_size = 0, name_size = 0;
   t->at++;
   if (pare_regex_peek(t, 0) == '^') {
      negated = !negated;
      t->at++;
   }
   for (int c; (c = pare_regex_peek(t, 0)) != '}'; t->at++) {
      bool joint = c == '_' || c == '-' || c == ' ';
      if (c < 0 || raw_size + 1 == sizeof raw || !(pare_regex_is_letter(c) || joint))
         return pare_regex_refuse(t, "an unknown property");
      raw[raw_size++] = (char)c;
      if (!joint) name[name_size++] = (char)(c | 32);
   }
   t->at++;
   raw[raw_size] = name[name_size] = 0;
   if (name_size == 1 || name_size == 2) { /* general categories: Lu, not lu, in PCRE2 */
      raw[0] = (char)(name[0] & ~32);
      raw[1] = name[1];
      raw[name_size] = 0;
   }
   named_item(it, raw, name, negated);
   return PARE_OK;
}

static bool set_escape(int c, pare_regex_item *it)
{
   switch (c) {
   case 'd': set_item(it, "\\p{Nd}", false); return true;
   case 'D': set_item(it, "\\p{Nd}", true); return true;
   case 's': set_item(it, SPACES, false); return true;
   case 'S': set_item(it, SPACES, true); return true;
   case 'w': set_item(it, PARE_REGEX_WORDS, false); return true;
   case 'W': set_item(it, PARE_REGEX_WORDS, true); return true;
   case 'h': set_item(it, HEXES, false); return true;
   case 'H': set_item(it, HEXES, true); return true;
   default: return false;
   }
}

static pare_status octal_escape(pare_translation *t, uint32_t *c)
{
   *c = 0;
   for (int i = 0; i < 3 && pare_regex_peek(t, 0) >= '0' && pare_regex_peek(t, 0) <= '7'; i++)
      *c = *c * 8 + (uint32_t)(t->in[t->at++] - '0');
   return *c > 0x7f ? pare_regex_refuse(t, "a raw byte above 0x7f") : PARE_OK;
}

/* An escape that means the same inside and outside a class; t->at stands after the backslash. */
pare_status pare_regex_escape(pare_translation *t, pare_regex_item *it)
{
   static const char letters[] = "tnrfaev", values[] = "\t\n\r\f\a\x1b\v";
   int c = pare_regex_peek(t, 0);
   if (c < 0) return pare_regex_refuse(t, "a backslash at the end");
   *it = (pare_regex_item){ 0 };
   if ((c == 'p' || c == 'P') && pare_regex_peek(t, 1) == '{') {
      t->at++;
      return property_item(t, c == 'P', it);
   }
   if (c == '0') return octal_escape(t, &it->c);
   it->c = pare_regex_take(t);
   if (set_escape(c, it)) return PARE_OK;
   if (c == 'x') return hex_escape(t, 2, &it->c);
   if (c == 'u') return hex_escape(t, 4, &it->c);
   if (c == 'c' || ((c == 'C' || c == 'M') && pare_regex_peek(t, 0) == '-'))
      return pare_regex_refuse(t, "a control escape");
   const char *letter = strchr(letters, c);
   if (letter) it->c = (uint8_t)values[letter - letters];
   return PARE_OK;
}

/* ---- classes ---- */

/* What stands on one side of &&: a plain set and alternatives that do not fit inside brackets. */
typedef struct operand {
   pare_str set, others;
} operand;

static pare_status read_class(pare_translation *t, pare_str *out, int depth);

static pare_status other(pare_translation *t, operand *o)
{
   return o->others.size ? put(t, &o->others, "|") : PARE_OK;
}

static pare_status add_item(pare_translation *t, operand *o, const pare_regex_item *it)
{
   if (!it->is_set) return pare_regex_put_point(t, &o->set, it->c);
   if (!it->negated) return put(t, &o->set, it->body);
   PARE_TRY(other(t, o));
   return pare_str_printf(t->ctx, &o->others, "[^%s]", it->body);
}

/* [:name:] and [:^name:]; false when it is no POSIX bracket. */
static bool posix_item(pare_translation *t, pare_regex_item *it)
{
   const char *start = t->in + t->at + 2, *stop = memchr(start, ':', t->size - t->at - 2);
   if (!stop || stop + 1 >= t->in + t->size || stop[1] != ']') return false;
   bool negated = *start == '^';
   start += negated;
   for (size_t i = 0; i < 12; i++) /* the POSIX names stand first */
      if (strlen(sets[i].name) == (size_t)(stop - start) &&
          memcmp(sets[i].name, start, (size_t)(stop - start)) == 0) {
         set_item(it, sets[i].body, negated);
         t->at = (size_t)(stop + 2 - t->in);
         return true;
      }
   return false;
}

static pare_status class_item(pare_translation *t, pare_regex_item *it)
{
   *it = (pare_regex_item){ 0 };
   if (pare_regex_peek(t, 0) != '\\') {
      it->c = pare_regex_take(t);
      return PARE_OK;
   }
   t->at++;
   if (pare_regex_peek(t, 0) == 'b') {
      t->at++;
      it->c = '\b';
      return PARE_OK;
   }
   return pare_regex_escape(t, it);
}

/* One item or range. */
static pare_status read_item(pare_translation *t, operand *o)
{
   pare_regex_item first, last;
   PARE_TRY(class_item(t, &first));
   bool range = !first.is_set && pare_regex_peek(t, 0) == '-' && pare_regex_peek(t, 1) >= 0 &&
                pare_regex_peek(t, 1) != ']' && pare_regex_peek(t, 1) != '[';
   if (!range) return add_item(t, o, &first);
   t->at++;
   PARE_TRY(class_item(t, &last));
   if (last.is_set) {
      PARE_TRY(add_item(t, o, &first));
      PARE_TRY(put(t, &o->set, "\\-"));
      return add_item(t, o, &last);
   }
   if (last.c < first.c) return pare_regex_refuse(t, "an empty range in a class");
   PARE_TRY(pare_regex_put_point(t, &o->set, first.c));
   PARE_TRY(put(t, &o->set, "-"));
   return pare_regex_put_point(t, &o->set, last.c);
}

/* The operand as an expression that matches one character. */
static pare_status put_operand(pare_translation *t, operand *o, pare_str *out)
{
   if (!o->set.size && !o->others.size) return pare_regex_refuse(t, "an empty class");
   if (!o->others.size) return pare_str_printf(t->ctx, out, "[%s]", o->set.data);
   PARE_TRY(put(t, out, "(?:"));
   if (o->set.size) PARE_TRY(pare_str_printf(t->ctx, out, "[%s]|", o->set.data));
   PARE_TRY(put(t, out, o->others.data));
   return put(t, out, ")");
}

/* Operands up to the closing bracket, joined into `whole`; *plain tells that `last` is all there is. */
static pare_status read_operands(pare_translation *t, operand *last, pare_str *whole, bool *plain, int depth)
{
   for (bool first = true;; first = false) {
      int c = pare_regex_peek(t, 0);
      pare_regex_item it;
      if (c < 0) return pare_regex_refuse(t, "a class without end");
      if (c == ']' && !first) break;
      if (c == '&' && pare_regex_peek(t, 1) == '&') {
         t->at += 2;
         PARE_TRY(put(t, whole, "(?="));
         PARE_TRY(put_operand(t, last, whole));
         PARE_TRY(put(t, whole, ")"));
         pare_str_clear(&last->set);
         pare_str_clear(&last->others);
         *plain = false;
      } else if (c == '[' && pare_regex_peek(t, 1) == ':' && posix_item(t, &it)) {
         PARE_TRY(add_item(t, last, &it));
      } else if (c == '[') {
         PARE_TRY(other(t, last));
         PARE_TRY(read_class(t, &last->others, depth + 1));
      } else {
         PARE_TRY(read_item(t, last));
      }
   }
   t->at++;
   if (last->others.size) *plain = false;
   return *plain ? PARE_OK : put_operand(t, last, whole);
}

/* t->at stands on the opening bracket. */
static pare_status read_class(pare_translation *t, pare_str *out, int depth)
{
   if (depth > PARE_REGEX_DEEPEST) return pare_regex_refuse(t, "classes nested too deeply");
   operand last = { 0 };
   pare_str whole = { 0 };
   bool plain = true, negated = pare_regex_peek(t, 1) == '^';
   t->at += negated ? 2 : 1;
   pare_status status = read_operands(t, &last, &whole, &plain, depth);
   if (status == PARE_OK && plain)
      status = pare_str_printf(t->ctx, out, negated ? "[^%s]" : "[%s]", last.set.data);
   else if (status == PARE_OK)
      status = pare_str_printf(t->ctx, out, negated ? "(?:(?!%s)(?s:.))" : "(?:%s)", whole.data);
   pare_str_finish(t->ctx, &last.set);
   pare_str_finish(t->ctx, &last.others);
   pare_str_finish(t->ctx, &whole);
   return status;
}

pare_status pare_regex_class(pare_translation *t, pare_str *out)
{
   return read_class(t, out, 0);
}
