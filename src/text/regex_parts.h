/* regex_parts: what regex_syntax.c (the pattern) and regex_class.c (escapes and character classes) share. */
#ifndef PARE_TEXT_REGEX_PARTS_H
#define PARE_TEXT_REGEX_PARTS_H

#include "text/regex.h"

enum { PARE_REGEX_DEEPEST = 100 };

/* What \w matches inside a class: Alphabetic (nearly), M, Nd, Pc. Outside, and in \b, Oniguruma adds the
 * superscript digits and the fractions of Latin-1. */
#define PARE_REGEX_WORDS \
   "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}" \
   "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define PARE_REGEX_OUTER_WORDS PARE_REGEX_WORDS "\\xb2\\xb3\\xb9\\xbc-\\xbe"

typedef struct pare_translation {
   pare_ctx *ctx;
   const char *in;
   size_t size, at;
   const char *problem;
} pare_translation;

/* A part of a class: one set or one code point. */
typedef struct pare_regex_item {
   bool is_set, negated;
   uint32_t c;
   char body[256]; /* of a set: what stands inside brackets */
} pare_regex_item;

/* Says why the pattern cannot be translated. */
pare_status pare_regex_refuse(pare_translation *t, const char *problem);
/* The byte that stands `ahead` of the next one, or -1 behind the end. */
int pare_regex_peek(const pare_translation *t, size_t ahead);
bool pare_regex_is_letter(int c);
/* Takes one character. */
uint32_t pare_regex_take(pare_translation *t);
/* A code point as itself where that is safe, else as \x{...}. */
pare_status pare_regex_put_point(pare_translation *t, pare_str *out, uint32_t c);
/* An escape that means the same inside and outside a class; t->at stands after the backslash. */
pare_status pare_regex_escape(pare_translation *t, pare_regex_item *it);
/* A class as an expression that matches one character; t->at stands on the opening bracket. */
pare_status pare_regex_class(pare_translation *t, pare_str *out);

#endif
