/* fields_text: what fields.c and fields_help.c share; not for other layers. */
#ifndef PARE_BASE_FIELDS_TEXT_H
#define PARE_BASE_FIELDS_TEXT_H

#include "base/fields.h"

/* Appends what a value must be: "a whole number in [1, 64]", "one of i8, i4". */
pare_status pare_field_expects(pare_ctx *ctx, const pare_field *field, pare_str *out);

#endif
