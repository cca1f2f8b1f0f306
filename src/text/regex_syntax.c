/* regex_syntax: from Oniguruma's Ruby syntax to PCRE2's.
 *
 * Most of a pattern is the same in both. What differs is rewritten:
 * - \w \s \h \b and their kin, and POSIX brackets, become explicit Unicode sets: the two disagree on them;
 * - scripts: \p{Han} means the Script property, which PCRE2 spells \p{sc:Han};
 * - classes may nest and intersect: [a[bc]], [\p{L}&&[^\p{Han}]] become alternatives and lookaheads;
 * - {n,m}+ repeats the repeat (it is not possessive), {n}? makes it optional, {,m} counts from zero;
 * - (?m) lets the dot match newlines: (?s) in PCRE2.
 * What has no counterpart (callouts, absent groups, conditionals, control escapes) is refused.
 * Source: Oniguruma 6.9, doc/RE. */
#include <string.h>

#include "text/regex_parts.h"

#define WORD "[" PARE_REGEX_OUTER_WORDS "]"
#define BEHIND "(?<=" WORD ")"
#define NOT_BEHIND "(?<!" WORD ")"

static pare_status put(pare_translation *t, pare_str *out, const char *text)
{
   return pare_str_puts(t->ctx, out, text);
}

static pare_status outer_escape(pare_translation *t, pare_str *out)
{
   pare_regex_item it;
   int c = pare_regex_peek(t, 1);
   t->at++;
   if ((c >= '1' && c <= '9') || (c > 0 && strchr("AzZGKRX", c))) {
      t->at++;
      return pare_str_printf(t->ctx, out, "\\%c", c);
   }
   if (c == 'k' || c == 'g') {
      const char *stop = pare_regex_peek(t, 1) == '<' ? memchr(t->in + t->at, '>', t->size - t->at) : NULL;
      if (!stop) return pare_regex_refuse(t, "a reference without a name");
      size_t size = (size_t)(stop + 1 - (t->in + t->at));
      PARE_TRY(put(t, out, "\\"));
      PARE_TRY(pare_str_append(t->ctx, out, t->in + t->at, size));
      t->at += size;
      return PARE_OK;
   }
   if (c == 'y' || c == 'Y') return pare_regex_refuse(t, "text segment boundaries");
   if (c > 0 && strchr("bBNO", c)) {
      t->at++;
      return put(t, out, c == 'b' ? "(?:" BEHIND "(?!" WORD ")|" NOT_BEHIND "(?=" WORD "))"
                         : c == 'B' ? "(?:" BEHIND "(?=" WORD ")|" NOT_BEHIND "(?!" WORD "))"
                         : c == 'N' ? "[^\\n]" : "(?s:.)");
   }
   PARE_TRY(pare_regex_escape(t, &it));
   if (!it.is_set) return pare_regex_put_point(t, out, it.c);
   if (strcmp(it.body, PARE_REGEX_WORDS) == 0)
      return put(t, out, it.negated ? "[^" PARE_REGEX_OUTER_WORDS "]" : WORD);
   return pare_str_printf(t->ctx, out, it.negated ? "[^%s]" : "[%s]", it.body);
}

/* (?imx-imx: and (?imx-imx); t->at stands after the question mark. */
static pare_status read_flags(pare_translation *t, pare_str *out)
{
   PARE_TRY(put(t, out, "(?"));
   for (;; t->at++) {
      int c = pare_regex_peek(t, 0);
      if (c != 'i' && c != 'm' && c != '-' && c != ':' && c != ')')
         return pare_regex_refuse(t, "an unknown kind of group");
      char kept = c == 'm' ? 's' : (char)c;
      PARE_TRY(pare_str_append(t->ctx, out, &kept, 1));
      if (c != ':' && c != ')') continue;
      t->at++;
      return PARE_OK;
   }
}

/* Copies what opens a group; *isolated tells that it was only "(?i)", which opens nothing. */
static pare_status open_group(pare_translation *t, pare_str *out, bool *isolated)
{
   static const char *const plain[] = { "(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!" };
   *isolated = false;
   if (pare_regex_peek(t, 1) == '*') return pare_regex_refuse(t, "a callout");
   if (pare_regex_peek(t, 1) != '?') {
      t->at++;
      return put(t, out, "(");
   }
   for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
      size_t size = strlen(plain[i]);
      if (size > t->size - t->at || memcmp(t->in + t->at, plain[i], size) != 0) continue;
      t->at += size;
      return put(t, out, plain[i]);
   }
   if (pare_regex_peek(t, 2) == '<' && pare_regex_is_letter(pare_regex_peek(t, 3))) {
      const char *stop = memchr(t->in + t->at, '>', t->size - t->at);
      if (!stop) return pare_regex_refuse(t, "a group name without end");
      size_t size = (size_t)(stop + 1 - (t->in + t->at));
      t->at += size;
      return pare_str_append(t->ctx, out, stop + 1 - size, size);
   }
   t->at += 2;
   PARE_TRY(read_flags(t, out));
   *isolated = out->data[out->size - 1] == ')';
   return PARE_OK;
}

/* {n}, {n,}, {,m}, {n,m} at t->at: its length, or 0 when the brace is a literal. */
static size_t interval_size(const pare_translation *t, bool *fixed)
{
   size_t i = 1, digits = 0;
   *fixed = true;
   for (int c; (c = pare_regex_peek(t, i)) != '}'; i++) {
      if (c == ',' && *fixed) *fixed = false;
      else if (c >= '0' && c <= '9') digits++;
      else return 0;
   }
   return digits && digits < 12 ? i + 1 : 0;
}

/* Makes one atom of everything from `atom` on. */
static pare_status wrap(pare_translation *t, pare_str *out, size_t atom)
{
   PARE_TRY(put(t, out, "(?:)"));
   memmove(out->data + atom + 3, out->data + atom, out->size - 4 - atom);
   memcpy(out->data + atom, "(?:", 3);
   return PARE_OK;
}

/* A quantifier with its suffix. A second one in a row applies to the whole before it. */
static pare_status quantifier(pare_translation *t, pare_str *out, size_t atom, bool *quantified,
                              size_t interval, bool fixed)
{
   if (*quantified) PARE_TRY(wrap(t, out, atom));
   *quantified = true;
   if (!interval) {
      int suffix = pare_regex_peek(t, 1);
      size_t size = suffix == '?' || suffix == '+' ? 2 : 1;
      PARE_TRY(pare_str_append(t->ctx, out, t->in + t->at, size));
      t->at += size;
      return PARE_OK;
   }
   bool from_zero = t->in[t->at + 1] == ',';
   PARE_TRY(put(t, out, from_zero ? "{0" : "{"));
   PARE_TRY(pare_str_append(t->ctx, out, t->in + t->at + 1, interval - 1));
   t->at += interval;
   if (fixed || pare_regex_peek(t, 0) != '?') return PARE_OK;
   t->at++;
   return put(t, out, "?");
}

typedef struct groups {
   size_t start[PARE_REGEX_DEEPEST];
   int depth;
} groups;

static pare_status literal(pare_translation *t, pare_str *out)
{
   int byte = pare_regex_peek(t, 0);
   if (byte == '^' || byte == '$' || byte == '.' || byte == '|') {
      t->at++;
      return pare_str_append(t->ctx, out, &t->in[t->at - 1], 1);
   }
   return pare_regex_put_point(t, out, pare_regex_take(t));
}

static pare_status group_bracket(pare_translation *t, pare_str *out, groups *g, size_t *atom)
{
   bool isolated;
   if (pare_regex_peek(t, 0) == ')') {
      if (!g->depth) return pare_regex_refuse(t, "an unmatched closing parenthesis");
      *atom = g->start[--g->depth];
      t->at++;
      return put(t, out, ")");
   }
   if (g->depth == PARE_REGEX_DEEPEST) return pare_regex_refuse(t, "groups nested too deeply");
   g->start[g->depth] = *atom = out->size;
   PARE_TRY(open_group(t, out, &isolated));
   g->depth += !isolated;
   return PARE_OK;
}

static pare_status translate(pare_translation *t, pare_str *out)
{
   groups g = { .depth = 0 };
   size_t atom = out->size;
   bool quantified = false, fixed = false;
   while (t->at < t->size) {
      int c = pare_regex_peek(t, 0);
      if (c == '(' && pare_regex_peek(t, 1) == '?' && pare_regex_peek(t, 2) == '#') {
         const char *stop = memchr(t->in + t->at, ')', t->size - t->at);
         if (!stop) return pare_regex_refuse(t, "a comment without end");
         t->at = (size_t)(stop + 1 - t->in);
         continue;
      }
      size_t interval = c == '{' ? interval_size(t, &fixed) : 0;
      if (c == '*' || c == '+' || c == '?' || interval) {
         PARE_TRY(quantifier(t, out, atom, &quantified, interval, fixed));
         continue;
      }
      quantified = false;
      size_t start = out->size;
      if (c == '(' || c == ')') {
         PARE_TRY(group_bracket(t, out, &g, &atom));
         continue;
      }
      if (c == '\\') PARE_TRY(outer_escape(t, out));
      else if (c == '[') PARE_TRY(pare_regex_class(t, out));
      else PARE_TRY(literal(t, out));
      atom = start;
   }
   return g.depth ? pare_regex_refuse(t, "a group without end") : PARE_OK;
}

pare_status pare_regex_translate(pare_ctx *ctx, const char *pattern, size_t size, pare_str *out,
                                 const char **problem)
{
   pare_translation t = { .ctx = ctx, .in = pattern, .size = size };
   pare_status status = translate(&t, out);
   *problem = t.problem;
   return status;
}
