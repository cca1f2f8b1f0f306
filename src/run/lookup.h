/* lookup: prompt look-up. Guesses the tokens after a text from what followed its last tokens where they stood
 * before (Saxena 2023, prompt lookup decoding; Yang et al. 2023, arXiv 2304.04487). Text that is summarized,
 * edited or quoted repeats itself. */
#ifndef PARE_RUN_LOOKUP_H
#define PARE_RUN_LOOKUP_H

#include "base/ctx.h"

typedef struct pare_lookup pare_lookup;

/* longest: most last tokens that are compared, [1, 64]; context: longest text. */
pare_status pare_lookup_create(pare_ctx *ctx, int64_t longest, int64_t context, pare_lookup **out);
void pare_lookup_destroy(pare_ctx *ctx, pare_lookup *lookup); /* NULL is fine */
/* Before another text. */
void pare_lookup_start(pare_lookup *lookup);
/* The fewest tokens that can be looked for: 2, or 1 when `longest` is. */
int64_t pare_lookup_shortest(const pare_lookup *lookup);
/* Writes guesses to text[n...], at most `most`, and returns how many: what followed the longest match of the
 * last tokens, the latest of equals, provided it has at least `least` of them. text[0..n) begins with what
 * it was in the last call. Takes time for the new tokens alone, not for the whole text. */
int64_t pare_lookup_guess(pare_lookup *lookup, uint32_t *text, int64_t n, int64_t least, int64_t most);

#endif
