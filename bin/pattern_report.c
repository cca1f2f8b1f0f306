/* pattern_report: see pattern_report.h. */
#include "bin/pattern_report.h"

#include <string.h>

/* A field of a line: not terminated. */
typedef struct piece {
   const char *at;
   size_t size;
} piece;

typedef struct pattern_line {
   piece pattern, where, reason;
} pattern_line;

static piece take(const char **at, char end)
{
   const char *stop = strchr(*at, end);
   piece p = { *at, (size_t)(stop - *at) };
   *at = stop + 1;
   return p;
}

/* The next line; false at the end. */
static bool next_line(const char **at, pattern_line *out)
{
   if (!**at) return false;
   out->pattern = take(at, '\t');
   out->where = take(at, '\t');
   out->reason = take(at, '\n');
   return true;
}

static bool same(piece a, piece b)
{
   return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

static bool alike(const pattern_line *a, const pattern_line *b)
{
   return same(a->pattern, b->pattern) && same(a->reason, b->reason);
}

static void put_piece(pare_json_writer *json, const char *name, piece p)
{
   char text[1024];
   size_t size = p.size < sizeof text ? p.size : sizeof text - 1;
   memcpy(text, p.at, size);
   text[size] = 0;
   pare_json_put_string(json, name, text);
}

void pare_put_patterns(pare_json_writer *json, const char *lines)
{
   pattern_line line;
   pare_json_open_array(json, "patterns");
   while (next_line(&lines, &line)) {
      pare_json_open_object(json, NULL);
      put_piece(json, "pattern", line.pattern);
      put_piece(json, "where", line.where);
      pare_json_put_bool(json, "applied", line.reason.size == 0);
      if (line.reason.size) put_piece(json, "reason", line.reason);
      else pare_json_put_null(json, "reason");
      pare_json_close_object(json);
   }
   pare_json_close_array(json);
}

/* Whether a line before `line` says the same of another place. */
static bool told_before(const char *lines, const pattern_line *line)
{
   pattern_line other;
   while (next_line(&lines, &other) && other.pattern.at != line->pattern.at)
      if (alike(&other, line)) return true;
   return false;
}

static size_t count_alike(const char *lines, const pattern_line *line)
{
   pattern_line other;
   size_t count = 0;
   while (next_line(&lines, &other)) count += alike(&other, line);
   return count;
}

static pare_status print_line(pare_ctx *ctx, const pattern_line *line, size_t count, pare_str *out)
{
   PARE_TRY(pare_str_printf(ctx, out, "  %.*s: ", (int)line->pattern.size, line->pattern.at));
   if (line->reason.size == 0) return pare_str_printf(ctx, out, "%zu applied\n", count);
   PARE_TRY(pare_str_printf(ctx, out, "not at %.*s", (int)line->where.size, line->where.at));
   if (count > 1) PARE_TRY(pare_str_printf(ctx, out, " and %zu more", count - 1));
   return pare_str_printf(ctx, out, ": %.*s\n", (int)line->reason.size, line->reason.at);
}

pare_status pare_print_patterns(pare_ctx *ctx, const char *lines, pare_str *out)
{
   pattern_line line;
   for (const char *at = lines; next_line(&at, &line);)
      if (!told_before(lines, &line)) PARE_TRY(print_line(ctx, &line, count_alike(lines, &line), out));
   return PARE_OK;
}
