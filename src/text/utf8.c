/* utf8: see utf8.h. */
#include "text/utf8.h"

#include <string.h>

/* Range of the second byte after a lead byte (Unicode 15, table 3-7). */
static void second_range(uint8_t lead, uint8_t *low, uint8_t *high)
{
   *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
   *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
}

pare_utf8_kind pare_utf8_look(const char *bytes, size_t size, size_t *used)
{
   const uint8_t *b = (const uint8_t *)bytes;
   *used = 1;
   if (b[0] < 0x80) return PARE_UTF8_GOOD;
   if (b[0] < 0xc2 || b[0] > 0xf4) return PARE_UTF8_BAD;
   size_t want = pare_utf8_size(bytes[0]);
   uint8_t low, high;
   second_range(b[0], &low, &high);
   while (*used < want) {
      if (*used == size) return PARE_UTF8_CUT;
      if (b[*used] < low || b[*used] > high) return PARE_UTF8_BAD;
      low = 0x80;
      high = 0xbf;
      ++*used;
   }
   return PARE_UTF8_GOOD;
}

/* How many bytes at the start are ASCII, in whole words of eight. */
static size_t skip_ascii(const char *bytes, size_t size)
{
   size_t at = 0;
   uint64_t word;
   for (; at + sizeof word <= size; at += sizeof word) {
      memcpy(&word, bytes + at, sizeof word);
      if (word & 0x8080808080808080u) break;
   }
   return at;
}

size_t pare_utf8_check(const char *bytes, size_t size)
{
   size_t at = 0, used;
   while (at < size) {
      at += skip_ascii(bytes + at, size - at);
      for (int i = 0; i < 8 && at < size; i++, at += used)
         if (pare_utf8_look(bytes + at, size - at, &used) != PARE_UTF8_GOOD) return at;
   }
   return at;
}

pare_status pare_utf8_repair(pare_ctx *ctx, const char *bytes, size_t size, pare_str *out)
{
   for (size_t at = 0, used; at < size; at += used) {
      size_t good = pare_utf8_check(bytes + at, size - at);
      PARE_TRY(pare_str_append(ctx, out, bytes + at, good));
      at += good;
      if (at == size) break;
      pare_utf8_look(bytes + at, size - at, &used);
      PARE_TRY(pare_utf8_append(ctx, out, 0xfffd));
   }
   return PARE_OK;
}

size_t pare_utf8_count(const char *text, size_t size)
{
   size_t count = 0;
   for (size_t i = 0; i < size; i++) count += ((uint8_t)text[i] & 0xc0) != 0x80;
   return count;
}
