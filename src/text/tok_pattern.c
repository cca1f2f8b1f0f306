/* tok_pattern: finding what a text is cut at, and what becomes of it. */
#include <string.h>

#include "text/tok_parts.h"
#include "text/utf8.h"

pare_status pare_tok_regex(pare_ctx *ctx, pare_tok_store *store, const char *pattern, pare_tok_pattern *out)
{
   PARE_TRY(pare_grow(ctx, (void **)&store->regexes, &store->regex_capacity, store->regex_count + 1,
                      sizeof *store->regexes));
   pare_regex **regex = &store->regexes[store->regex_count];
   PARE_TRY(pare_regex_create(ctx, pattern, strlen(pattern), store->where, regex));
   store->regex_count++;
   *out = (pare_tok_pattern){ .regex = *regex };
   return PARE_OK;
}

pare_status pare_tok_pattern_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *object,
                                  const char *part, pare_tok_pattern *out)
{
   const pare_json *pattern = pare_json_get(object, "pattern");
   const char *string = pare_json_string(pare_json_get(pattern, "String"));
   const char *regex = pare_json_string(pare_json_get(pattern, "Regex"));
   if (!string == !regex)
      return pare_tok_bad(ctx, store, part, "pattern", "{\"String\": ...} or {\"Regex\": ...}");
   /* An empty string matches between all characters, as an empty regular expression does. */
   if (regex || !*string) return pare_tok_regex(ctx, store, regex ? regex : "", out);
   out->regex = NULL;
   return pare_tok_keep(ctx, store, string, strlen(string), &out->text);
}

static pare_status add_match(pare_tok_work *work, size_t start, size_t end, bool hit)
{
   pare_tok_matches *m = &work->matches;
   if (m->count == m->capacity)
      PARE_TRY(pare_grow(work->ctx, (void **)&m->items, &m->capacity, m->count + 1, sizeof *m->items));
   m->items[m->count++] = (pare_tok_match){ start, end, hit };
   return PARE_OK;
}

/* Adds a hit and what lies between it and the one before. */
static pare_status add_hit(pare_tok_work *work, size_t *done, size_t start, size_t end)
{
   if (*done != start) PARE_TRY(add_match(work, *done, start, false));
   *done = end;
   return add_match(work, start, end, true);
}

static pare_status add_rest(pare_tok_work *work, size_t done, size_t size)
{
   return done != size ? add_match(work, done, size, false) : PARE_OK;
}

static const char *find_bytes(const char *text, size_t size, pare_tok_text needle)
{
   const char *end = text + size;
   while ((size_t)(end - text) >= needle.size) {
      text = memchr(text, needle.data[0], (size_t)(end - text) - needle.size + 1);
      if (!text || memcmp(text, needle.data, needle.size) == 0) return text;
      text++;
   }
   return NULL;
}

static pare_status find_string(pare_tok_work *work, pare_tok_text needle, const char *text, size_t size)
{
   size_t done = 0;
   for (const char *hit; (hit = find_bytes(text + done, size - done, needle));)
      PARE_TRY(add_hit(work, &done, (size_t)(hit - text), (size_t)(hit - text) + needle.size));
   return add_rest(work, done, size);
}

/* An empty match right behind the match before does not count; the search then goes on one character
 * further. */
static pare_status find_regex(pare_tok_work *work, const pare_regex *regex, const char *text, size_t size)
{
   if (!work->matcher) PARE_TRY(pare_matcher_create(work->ctx, &work->matcher));
   size_t from = 0, done = 0, start = 0, end = 0, last_end = SIZE_MAX;
   for (size_t turn = 1; from <= size; turn++) {
      bool found;
      if (turn % 65536 == 0) PARE_TRY(pare_check_stop(work->ctx));
      PARE_TRY(pare_regex_find(work->ctx, regex, work->matcher, text, size, from, &found, &start, &end));
      if (!found) break;
      if (start == end && end == last_end) {
         from += from < size ? pare_utf8_size(text[from]) : 1;
         continue;
      }
      from = last_end = end;
      PARE_TRY(add_hit(work, &done, start < done ? done : start, end));
   }
   return add_rest(work, done, size);
}

pare_status pare_tok_find(pare_tok_work *work, const pare_tok_pattern *pattern, const char *text, size_t size)
{
   work->matches.count = 0;
   if (!pattern->regex) return find_string(work, pattern->text, text, size);
   return find_regex(work, pattern->regex, text, size);
}

pare_status pare_tok_find_class(pare_tok_work *work, pare_tok_class belongs, const char *text, size_t size)
{
   size_t done = 0;
   work->matches.count = 0;
   for (size_t at = 0, next; at < size; at = next) {
      next = at + pare_utf8_size(text[at]);
      if (belongs(pare_utf8_get(text + at))) PARE_TRY(add_hit(work, &done, at, next));
   }
   return add_rest(work, done, size);
}

pare_status pare_tok_find_char(pare_tok_work *work, uint32_t c, const char *text, size_t size)
{
   char bytes[4];
   work->matches.count = 0;
   return find_string(work, (pare_tok_text){ bytes, pare_utf8_put(bytes, c) }, text, size);
}

/* Joins each stretch to the one before it where `join` says so. */
static void merge(pare_tok_matches *m, bool (*join)(bool hit, bool previous))
{
   bool previous = false;
   size_t kept = 0;
   for (size_t i = 0; i < m->count; i++) {
      pare_tok_match item = m->items[i];
      if (kept && join(item.hit, previous)) m->items[kept - 1].end = item.end;
      else m->items[kept++] = (pare_tok_match){ item.start, item.end, false };
      previous = item.hit;
   }
   m->count = kept;
}

static bool join_same(bool hit, bool previous)
{
   return hit == previous;
}

static bool join_hit(bool hit, bool previous)
{
   return hit && !previous;
}

/* The same from the right; what is kept is moved back to the front at the end. */
static void merge_with_next(pare_tok_matches *m)
{
   bool previous = false;
   size_t kept = m->count;
   for (size_t i = m->count; i-- > 0;) {
      pare_tok_match item = m->items[i];
      if (kept < m->count && join_hit(item.hit, previous)) m->items[kept].start = item.start;
      else m->items[--kept] = (pare_tok_match){ item.start, item.end, false };
      previous = item.hit;
   }
   m->count -= kept;
   if (m->count) memmove(m->items, m->items + kept, m->count * sizeof *m->items);
}

void pare_tok_behave(pare_tok_matches *matches, pare_tok_behavior behavior)
{
   switch (behavior) {
   case PARE_TOK_REMOVED: return;
   case PARE_TOK_ISOLATED:
      for (size_t i = 0; i < matches->count; i++) matches->items[i].hit = false;
      return;
   case PARE_TOK_CONTIGUOUS: merge(matches, join_same); return;
   case PARE_TOK_MERGED_WITH_PREVIOUS: merge(matches, join_hit); return;
   case PARE_TOK_MERGED_WITH_NEXT: merge_with_next(matches); return;
   }
}
