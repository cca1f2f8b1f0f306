/* utf8: stepping through UTF-8 text.
 *
 * Bytes from outside are checked once (pare_utf8_check) or repaired (pare_utf8_repair); all else works on
 * text known to be valid and reads it with the inline functions, which check nothing. A bad sequence
 * counts as one U+FFFD per maximal subpart (Unicode 15, section 3.9, table 3-8). */
#ifndef PARE_TEXT_UTF8_H
#define PARE_TEXT_UTF8_H

#include "base/str.h"

/* Bytes in the sequence that begins with this lead byte; valid text only. */
static inline size_t pare_utf8_size(char lead)
{
   uint8_t byte = (uint8_t)lead;
   return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/* The code point at p; valid text only. */
static inline uint32_t pare_utf8_get(const char *p)
{
   const uint8_t *b = (const uint8_t *)p;
   if (b[0] < 0x80) return b[0];
   if (b[0] < 0xe0) return (uint32_t)(b[0] & 0x1f) << 6 | (b[1] & 0x3f);
   if (b[0] < 0xf0) return (uint32_t)(b[0] & 0x0f) << 12 | (uint32_t)(b[1] & 0x3f) << 6 | (b[2] & 0x3f);
   return (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3f) << 12 | (uint32_t)(b[2] & 0x3f) << 6 |
          (b[3] & 0x3f);
}

/* Bytes in the character that ends just before `end`; valid, not empty text only. */
static inline size_t pare_utf8_back(const char *end)
{
   size_t size = 1;
   while (((uint8_t)end[-(ptrdiff_t)size] & 0xc0) == 0x80) size++;
   return size;
}

/* Writes code point c (not a surrogate, at most 0x10ffff); returns its size. */
static inline size_t pare_utf8_put(char out[4], uint32_t c)
{
   if (c < 0x80) {
      out[0] = (char)c;
      return 1;
   }
   size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
   static const uint8_t lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
   for (size_t i = size - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
   out[0] = (char)(lead[size] | c);
   return size;
}

static inline pare_status pare_utf8_append(pare_ctx *ctx, pare_str *out, uint32_t c)
{
   char bytes[4];
   size_t size = pare_utf8_put(bytes, c);
   return pare_str_append(ctx, out, bytes, size);
}

typedef enum pare_utf8_kind {
   PARE_UTF8_GOOD, /* a whole character */
   PARE_UTF8_BAD,  /* a maximal subpart that no further byte can save */
   PARE_UTF8_CUT   /* the text ends inside what may yet become a character */
} pare_utf8_kind;

/* Looks at the sequence at the start of any bytes; size > 0. *used >= 1 is what it covers. */
pare_utf8_kind pare_utf8_look(const char *bytes, size_t size, size_t *used);
/* Length of the longest valid beginning; `size` when all is valid. */
size_t pare_utf8_check(const char *bytes, size_t size);
/* Appends the bytes with bad sequences replaced. */
pare_status pare_utf8_repair(pare_ctx *ctx, const char *bytes, size_t size, pare_str *out);
/* Code points in valid text. */
size_t pare_utf8_count(const char *text, size_t size);

#endif
