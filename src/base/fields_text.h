/* fields_text: what fields.c and fields_help.c share; not for other layers. */
#ifndef PARE_BASE_FIELDS_TEXT_H
#define PARE_BASE_FIELDS_TEXT_H

#include "base/fields.h"

/* Appends what a value must be: "a whole number in [1, 64]", "one of i8, i4". */
pare_status pare_field_expects(pare_ctx *ctx, const pare_field *field, pare_str *out);
/* Refuses a value: what was found and what the field expects. */
pare_status pare_field_misfit(pare_ctx *ctx, const pare_field *field, const char *found, const char *where,
                              pare_status bad);

/* NUMBERS, from an array of numbers or from numbers between commas. */
pare_status pare_numbers_from_json(pare_ctx *ctx, const pare_field *field, const pare_json *v, const char *where,
                                   pare_arena *arena, pare_numbers *to, pare_status bad);
pare_status pare_numbers_from_text(pare_ctx *ctx, const pare_field *field, const char *text, const char *where,
                                   pare_arena *arena, pare_numbers *to, pare_status bad);
bool pare_numbers_same(const pare_numbers *a, const pare_numbers *b);

#endif
