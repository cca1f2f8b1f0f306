/* str: a growing byte string, always followed by a zero byte once anything was appended. Zero-initialize to
 * start; the user owns it and calls pare_str_finish. */
#ifndef PARE_BASE_STR_H
#define PARE_BASE_STR_H

#include "base/ctx.h"

typedef struct pare_str {
   char *data; /* NULL while nothing was appended */
   size_t size, capacity;
} pare_str;

pare_status pare_str_append(pare_ctx *ctx, pare_str *str, const void *bytes, size_t size);
pare_status pare_str_puts(pare_ctx *ctx, pare_str *str, const char *text);
pare_status pare_str_printf(pare_ctx *ctx, pare_str *str, const char *fmt, ...) PARE_PRINTF(3, 4);
void pare_str_clear(pare_str *str); /* keeps the memory */
void pare_str_finish(pare_ctx *ctx, pare_str *str);

/* Whether the text ends in these letters. */
bool pare_ends_with(const char *text, const char *ending);
/* The value of the decimal number ("-1", "2.5", "1e-3"; '.' in any locale) that the whole of
 * text[0, size) is; NaN when it is none or is longer than 120 bytes. */
double pare_number_parse(const char *text, size_t size);

/* Grows *items to hold at least `need` items of `size` bytes each, doubling; *capacity counts items. */
pare_status pare_grow(pare_ctx *ctx, void **items, size_t *capacity, size_t need, size_t size);

#endif
