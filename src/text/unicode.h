/* unicode: what is known of code points, and normalization forms. The only user of utf8proc.
 *
 * The classes are those the `tokenizers` package uses, which are not all of one Unicode version. */
#ifndef PARE_TEXT_UNICODE_H
#define PARE_TEXT_UNICODE_H

#include "base/str.h"

bool pare_is_space(uint32_t c);           /* White_Space */
bool pare_is_word(uint32_t c);            /* \w: Alphabetic, M, Nd, Pc, Join_Control */
bool pare_is_numeric(uint32_t c);         /* N */
bool pare_is_punctuation(uint32_t c);     /* ASCII punctuation and P */
bool pare_is_mark(uint32_t c);            /* M */
bool pare_is_nonspacing_mark(uint32_t c); /* Mn */
bool pare_is_control(uint32_t c);         /* Cc, Cf, Co */

/* Lower case of one code point, regardless of context: writes 1 or 2 code points, returns how many. */
size_t pare_lowercase(uint32_t c, uint32_t out[2]);

typedef enum pare_normal_form { PARE_NFC, PARE_NFD, PARE_NFKC, PARE_NFKD } pare_normal_form;
/* Appends the normalized text (UAX 15); `text` is valid UTF-8. */
pare_status pare_normalize(pare_ctx *ctx, pare_normal_form form, const char *text, size_t size,
                           pare_str *out);

#endif
