/* regex: the patterns of tokenizer.json, which are written in Oniguruma's Ruby syntax. The only user of
 * PCRE2.
 *
 * A compiled pattern is immutable and may be used by several threads, each with its own matcher. */
#ifndef PARE_TEXT_REGEX_H
#define PARE_TEXT_REGEX_H

#include "base/str.h"

typedef struct pare_regex pare_regex;
typedef struct pare_matcher pare_matcher;

/* `pattern` is valid UTF-8. PARE_UNSUPPORTED naming the pattern when it cannot be expressed or compiled.
 * The allocator of `ctx` must outlive the pattern. */
pare_status pare_regex_create(pare_ctx *ctx, const char *pattern, size_t size, const char *where,
                              pare_regex **out);
void pare_regex_destroy(pare_regex *regex); /* NULL is fine */

/* What matching writes to; one at a time. */
pare_status pare_matcher_create(pare_ctx *ctx, pare_matcher **out);
void pare_matcher_destroy(pare_matcher *matcher); /* NULL is fine */

/* The first match at or after `from` in valid UTF-8 text. *found tells whether there is one; then it is
 * [*start, *end), possibly empty. PARE_UNSUPPORTED when the pattern backtracks without end on this text. */
pare_status pare_regex_find(pare_ctx *ctx, const pare_regex *regex, pare_matcher *matcher, const char *text,
                            size_t size, size_t from, bool *found, size_t *start, size_t *end);

/* Rewrites a pattern from Oniguruma's Ruby syntax into PCRE2's, appending to `out`. On a construct that
 * has no counterpart *problem says which and PARE_UNSUPPORTED is returned without setting an error. */
pare_status pare_regex_translate(pare_ctx *ctx, const char *pattern, size_t size, pare_str *out,
                                 const char **problem);

#endif
