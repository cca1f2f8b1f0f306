/* ids: see ids.h. */
#include "text/ids.h"

/* Where the parser stands, for messages. */
typedef struct place {
   const char *where;
   size_t line, id; /* both from 1 */
} place;

static bool is_gap(char c)
{
   return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

static pare_status not_a_digit(pare_ctx *ctx, const place *at, uint8_t found)
{
   if (found > ' ' && found < 0x7f)
      return pare_fail(ctx, PARE_INPUT, at->where, "line %zu, id %zu: '%c' in place of a digit", at->line,
                       at->id, found);
   return pare_fail(ctx, PARE_INPUT, at->where, "line %zu, id %zu: byte 0x%02x in place of a digit", at->line,
                    at->id, found);
}

/* Digits from *at on; what follows them must be a gap. */
static pare_status read_number(pare_ctx *ctx, const place *where, const char **at, const char *end,
                               uint64_t *id)
{
   const char *from = *at;
   *id = 0;
   for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
      if (*id <= UINT32_MAX) *id = *id * 10 + (uint64_t)(**at - '0');
   if (*at > from && (*at == end || is_gap(**at))) return PARE_OK;
   return not_a_digit(ctx, where, (uint8_t) * *at);
}

pare_status pare_ids_parse(pare_ctx *ctx, const char *text, size_t size, const char *where, size_t line,
                           int64_t limit, pare_ids *out)
{
   const uint64_t bound = limit > 0 ? (uint64_t)limit : (uint64_t)1 << 32;
   place here = { where, line, 1 };
   for (const char *at = text, *end = text + size; at < end;) {
      uint64_t id;
      if (is_gap(*at)) {
         if (*at++ == '\n') here = (place){ where, here.line + 1, 1 };
         continue;
      }
      PARE_TRY(read_number(ctx, &here, &at, end, &id));
      if (id >= bound)
         return pare_fail(ctx, PARE_INPUT, where, "line %zu, id %zu: id %llu, expected less than %llu",
                          here.line, here.id, (unsigned long long)id, (unsigned long long)bound);
      PARE_TRY(pare_ids_push(ctx, out, (uint32_t)id));
      here.id++;
   }
   return PARE_OK;
}
