/* scan: the tokens of one line of the text form. Every function skips blanks first, and fails with
 * PARE_INPUT, the column and what was expected. Not for other layers. */
#ifndef PARE_IR_SCAN_H
#define PARE_IR_SCAN_H

#include "ir/graph.h"

typedef struct pare_scan {
   pare_ctx *ctx;
   const char *where;             /* for messages */
   const char *start, *at, *end;  /* the line, without its end */
} pare_scan;

typedef char pare_scan_name[PARE_MAX_NAME + 1];

/* The rest of the line is blank. */
bool pare_scan_done(pare_scan *s);
/* Steps over the character when it is next. */
bool pare_scan_accept(pare_scan *s, char c);
pare_status pare_scan_expect(pare_scan *s, char c);
pare_status pare_scan_misfit(pare_scan *s, const char *expected);
/* One or more of [A-Za-z0-9_.]. */
pare_status pare_scan_word(pare_scan *s, const char *expected, pare_scan_name out);
/* A JSON string. */
pare_status pare_scan_quoted(pare_scan *s, pare_scan_name out);
/* "%" and a word; out holds the word. */
pare_status pare_scan_value(pare_scan *s, pare_scan_name out);
/* "[" dimensions "]": sizes, or (when symbols is true) names of symbols; at most `most` of them. */
pare_status pare_scan_dims(pare_scan *s, bool symbols, int most, int *rank, int64_t *dim);
pare_status pare_scan_type(pare_scan *s, pare_type *out);
/* A JSON object into options that were initialized, when the next character is "{"; else nothing. */
pare_status pare_scan_fields(pare_scan *s, const pare_field *fields, pare_arena *arena, void *options);

#endif
