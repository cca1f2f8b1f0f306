/* json_text: what json.c, json_write.c and fields.c share; not for other layers. */
#ifndef PARE_BASE_JSON_TEXT_H
#define PARE_BASE_JSON_TEXT_H

#include "base/json.h"

/* Deepest nesting of objects and arrays that is read; a writer has room around such a value. */
enum { PARE_JSON_DEPTH = 60 };

/* The largest magnitude of a whole number that a double, and so a JSON number, holds exactly. */
#define PARE_JSON_EXACT 9007199254740992.0 /* 2^53 */

enum { PARE_NUMBER_TEXT = 32, PARE_JSON_DESCRIBE = 64 }; /* sizes of the buffers below */

/* Strict check of a whole text against RFC 8259. Refuses besides: nesting past PARE_JSON_DEPTH, \u0000 and
 * lone surrogates (no C string holds them), invalid UTF-8, numbers over 63 characters (cJSON cuts them).
 * PARE_INPUT naming `where`, line and column. */
pare_status pare_json_check(pare_ctx *ctx, const char *text, size_t size, const char *where);

/* Length of the valid UTF-8 character at the start of p[0..left), 0 when there is none. */
size_t pare_utf8_span(const uint8_t *p, size_t left);

/* Shortest decimal text that reads back as the finite `value`, the same in every locale. */
void pare_number_text(double value, char text[PARE_NUMBER_TEXT]);
/* A value in few words, for messages: 1.5, "abc", an object. */
void pare_json_describe(const pare_json *v, char text[PARE_JSON_DESCRIBE]);

#endif
