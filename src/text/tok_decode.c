/* tok_decode: from token texts back to text.
 *
 * A decoder is a chain of steps, each of which turns a list of strings into another list; the result is
 * the last list, joined. The steps run as a pipe, so that decoding a stream and decoding at once are the
 * same code: text enters a step in fragments of whole characters, `close` ends a string, `drain` the list.
 * A step passes on what can no longer change. */
#include <string.h>

#include "text/tok_decode.h"
#include "text/utf8.h"

enum { FREE_BUDGET = 1 << 20, LARGEST_GROWTH = 64 };

typedef struct pare_tok_decode_step step;

/* ---- the pipe ---- */

/* What a step remembers. */
typedef struct memory {
   pare_str held;  /* of the string that is open, or bytes not yet characters */
   pare_str spare; /* a finished string or bytes that wait for what follows */
   size_t strings; /* strings closed so far */
   int64_t seen;   /* STRIP: characters stripped from the open string; -1: no more */
   bool waiting;   /* BPE_SUFFIX: spare holds a string */
} memory;

struct pare_tok_decoding {
   const pare_tok_decoder *decoder;
   pare_str *out; /* of the call under way */
   size_t budget; /* bytes that may still move: bounds what replacements can blow up */
   pare_tok_work work;
   memory memories[];
};

typedef struct pare_tok_decoding pipe;

static pare_status feed(pipe *p, size_t at, const char *text, size_t size);
static pare_status close_string(pipe *p, size_t at);

static pare_status pass(pipe *p, size_t at, const pare_str *text)
{
   return feed(p, at + 1, text->data, text->size);
}

static pare_status pass_char(pipe *p, size_t at, uint32_t c)
{
   char bytes[4];
   return feed(p, at + 1, bytes, pare_utf8_put(bytes, c));
}

/* ---- ByteLevel: all strings become one, of the bytes their characters stand for ---- */

static bool all_bytes(const pare_str *text)
{
   for (size_t at = 0; at < text->size; at += pare_utf8_size(text->data[at]))
      if (pare_tok_char_byte(pare_utf8_get(text->data + at)) < 0) return false;
   return true;
}

/* Passes on the characters that are whole; at the end what is left is replaced too. */
static pare_status pass_characters(pipe *p, size_t at, bool end)
{
   memory *m = &p->memories[at];
   size_t done = 0, used = 0;
   pare_utf8_kind found = PARE_UTF8_GOOD;
   while (done < m->spare.size) {
      size_t good = pare_utf8_check(m->spare.data + done, m->spare.size - done);
      if (good) PARE_TRY(feed(p, at + 1, m->spare.data + done, good));
      done += good;
      if (done == m->spare.size) break;
      found = pare_utf8_look(m->spare.data + done, m->spare.size - done, &used);
      if (found == PARE_UTF8_CUT && !end) break;
      PARE_TRY(pass_char(p, at, 0xfffd));
      done += used;
   }
   memmove(m->spare.data, m->spare.data + done, m->spare.size - done);
   m->spare.size -= done;
   return PARE_OK;
}

static pare_status close_byte_level(pipe *p, size_t at)
{
   memory *m = &p->memories[at];
   bool bytes = all_bytes(&m->held);
   for (size_t i = 0, used; i < m->held.size; i += used) {
      used = pare_utf8_size(m->held.data[i]);
      char byte = bytes ? (char)pare_tok_char_byte(pare_utf8_get(m->held.data + i)) : 0;
      PARE_TRY(pare_str_append(p->work.ctx, &m->spare, bytes ? &byte : m->held.data + i, bytes ? 1 : used));
   }
   pare_str_clear(&m->held);
   return m->spare.size ? pass_characters(p, at, false) : PARE_OK;
}

/* ---- ByteFallback: a run of <0xNN> is one string if it is valid UTF-8, else each becomes U+FFFD ---- */

static int hex_value(char c)
{
   if (c >= '0' && c <= '9') return c - '0';
   return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* The byte a token stands for, or -1. A plus sign in place of the first digit counts as none. */
static int byte_token(const pare_str *t)
{
   if (t->size != 6 || memcmp(t->data, "<0x", 3) != 0 || t->data[5] != '>') return -1;
   int high = t->data[3] == '+' ? 0 : hex_value(t->data[3]), low = hex_value(t->data[4]);
   return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static pare_status end_byte_run(pipe *p, size_t at)
{
   memory *m = &p->memories[at];
   size_t count = m->spare.size;
   if (!count) return PARE_OK;
   bool valid = pare_utf8_check(m->spare.data, count) == count;
   if (valid) {
      PARE_TRY(pass(p, at, &m->spare));
      PARE_TRY(close_string(p, at + 1));
   }
   for (size_t i = 0; !valid && i < count; i++) {
      PARE_TRY(pass_char(p, at, 0xfffd));
      PARE_TRY(close_string(p, at + 1));
   }
   pare_str_clear(&m->spare);
   return PARE_OK;
}

static pare_status close_byte_fallback(pipe *p, size_t at)
{
   memory *m = &p->memories[at];
   int value = byte_token(&m->held);
   if (value < 0) {
      PARE_TRY(end_byte_run(p, at));
      PARE_TRY(pass(p, at, &m->held));
      PARE_TRY(close_string(p, at + 1));
   } else {
      char byte = (char)value;
      PARE_TRY(pare_str_append(p->work.ctx, &m->spare, &byte, 1));
   }
   pare_str_clear(&m->held);
   return PARE_OK;
}

/* ---- the steps that treat one string at a time ---- */

static pare_status close_replace(pipe *p, size_t at, const step *s)
{
   memory *m = &p->memories[at];
   p->work.matches.count = 0;
   if (m->held.size) PARE_TRY(pare_tok_find(&p->work, &s->pattern, m->held.data, m->held.size));
   for (size_t i = 0; i < p->work.matches.count; i++) {
      pare_tok_match match = p->work.matches.items[i];
      PARE_TRY(match.hit ? feed(p, at + 1, s->content.data, s->content.size)
                         : feed(p, at + 1, m->held.data + match.start, match.end - match.start));
   }
   pare_str_clear(&m->held);
   return close_string(p, at + 1);
}

/* With nothing to strip at the end of a string, what follows the stripped characters passes at once. */
static pare_status feed_strip(pipe *p, size_t at, const step *s, const char *text, size_t size)
{
   memory *m = &p->memories[at];
   size_t from = 0;
   while (from < size && m->seen >= 0) {
      if (m->seen == s->start || pare_utf8_get(text + from) != s->c) {
         m->seen = -1;
         break;
      }
      m->seen++;
      from += pare_utf8_size(text[from]);
   }
   if (from == size) return PARE_OK;
   if (!s->stop) return feed(p, at + 1, text + from, size - from);
   return pare_str_append(p->work.ctx, &m->held, text + from, size - from);
}

static pare_status close_strip(pipe *p, size_t at, const step *s)
{
   memory *m = &p->memories[at];
   for (int64_t i = 0; i < s->stop && m->held.size; i++) {
      size_t size = pare_utf8_back(m->held.data + m->held.size);
      if (pare_utf8_get(m->held.data + m->held.size - size) != s->c) break;
      m->held.size -= size;
   }
   if (m->held.size) PARE_TRY(pass(p, at, &m->held));
   pare_str_clear(&m->held);
   m->seen = 0;
   return close_string(p, at + 1);
}

/* The mark becomes a space, or nothing in the first string. */
static pare_status feed_metaspace(pipe *p, size_t at, const step *s, const char *text, size_t size)
{
   bool drop = p->memories[at].strings == 0 && s->prepend;
   for (size_t i = 0, used; i < size; i += used) {
      used = pare_utf8_size(text[i]);
      if (pare_utf8_get(text + i) != s->c) PARE_TRY(feed(p, at + 1, text + i, used));
      else if (!drop) PARE_TRY(feed(p, at + 1, " ", 1));
   }
   return PARE_OK;
}

static pare_status replace_all(pare_ctx *ctx, pare_str *text, pare_str *scratch, const char *from,
                               const char *to)
{
   size_t size = strlen(from), done = 0;
   if (!text->size || !size) return PARE_OK;
   pare_str_clear(scratch);
   for (const char *hit; (hit = strstr(text->data + done, from)); done = (size_t)(hit - text->data) + size) {
      PARE_TRY(pare_str_append(ctx, scratch, text->data + done, (size_t)(hit - text->data) - done));
      PARE_TRY(pare_str_puts(ctx, scratch, to));
   }
   if (!done) return PARE_OK;
   PARE_TRY(pare_str_append(ctx, scratch, text->data + done, text->size - done));
   pare_str swap = *text;
   *text = *scratch;
   *scratch = swap;
   return PARE_OK;
}

static pare_status clean_up(pare_ctx *ctx, pare_str *text, pare_str *scratch)
{
   static const char *const pairs[][2] = {
      { " .", "." },   { " ?", "?" },     { " !", "!" },     { " ,", "," },
      { " ' ", "'" },  { " n't", "n't" }, { " 'm", "'m" },   { " do not", " don't" },
      { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
   };
   for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
      PARE_TRY(replace_all(ctx, text, scratch, pairs[i][0], pairs[i][1]));
   return PARE_OK;
}

static pare_status close_wordpiece(pipe *p, size_t at, const step *s)
{
   memory *m = &p->memories[at];
   pare_str *text = &p->work.a;
   bool first = m->strings++ == 0;
   bool joined = m->held.size >= s->content.size &&
                 (!s->content.size || memcmp(m->held.data, s->content.data, s->content.size) == 0);
   size_t skip = !first && joined ? s->content.size : 0;
   pare_str_clear(text);
   if (!first && !joined) PARE_TRY(pare_str_append(p->work.ctx, text, " ", 1));
   if (m->held.size) PARE_TRY(pare_str_append(p->work.ctx, text, m->held.data + skip, m->held.size - skip));
   if (s->cleanup) PARE_TRY(clean_up(p->work.ctx, text, &p->work.b));
   PARE_TRY(pass(p, at, text));
   pare_str_clear(&m->held);
   return close_string(p, at + 1);
}

/* The suffix becomes a space, or nothing in the last string; so each string waits for the next. */
static pare_status release_suffixed(pipe *p, size_t at, const step *s, bool last)
{
   memory *m = &p->memories[at];
   if (!m->waiting) return PARE_OK;
   m->waiting = false;
   PARE_TRY(replace_all(p->work.ctx, &m->spare, &p->work.a, s->content.data, last ? "" : " "));
   if (m->spare.size) PARE_TRY(pass(p, at, &m->spare));
   pare_str_clear(&m->spare);
   return close_string(p, at + 1);
}

static pare_status close_suffix(pipe *p, size_t at, const step *s)
{
   memory *m = &p->memories[at];
   PARE_TRY(release_suffixed(p, at, s, false));
   pare_str swap = m->spare;
   m->spare = m->held;
   m->held = swap;
   m->waiting = true;
   return PARE_OK;
}

/* ---- dispatch ---- */

static pare_status feed(pipe *p, size_t at, const char *text, size_t size)
{
   if (!size) return PARE_OK;
   if (size > p->budget)
      return pare_fail(p->work.ctx, PARE_UNSUPPORTED, NULL,
                       "the decoder makes too much text of too few tokens");
   p->budget -= size;
   if (at == p->decoder->count) return pare_str_append(p->work.ctx, p->out, text, size);
   const step *s = &p->decoder->steps[at];
   switch (s->kind) {
   case PARE_TOK_JOIN_SPACES:
   case PARE_TOK_FUSE: return feed(p, at + 1, text, size);
   case PARE_TOK_METASPACE: return feed_metaspace(p, at, s, text, size);
   case PARE_TOK_STRIP: return feed_strip(p, at, s, text, size);
   default: return pare_str_append(p->work.ctx, &p->memories[at].held, text, size);
   }
}

static pare_status close_string(pipe *p, size_t at)
{
   if (at == p->decoder->count) return PARE_OK;
   const step *s = &p->decoder->steps[at];
   memory *m = &p->memories[at];
   switch (s->kind) {
   case PARE_TOK_FUSE:
   case PARE_TOK_JOIN_SPACES: return PARE_OK;
   case PARE_TOK_BYTE_LEVEL: return close_byte_level(p, at);
   case PARE_TOK_BYTE_FALLBACK: return close_byte_fallback(p, at);
   case PARE_TOK_REPLACE: return close_replace(p, at, s);
   case PARE_TOK_STRIP: return close_strip(p, at, s);
   case PARE_TOK_WORDPIECE_JOIN: return close_wordpiece(p, at, s);
   case PARE_TOK_BPE_SUFFIX: return close_suffix(p, at, s);
   case PARE_TOK_METASPACE:
      m->strings++;
      return close_string(p, at + 1);
   }
   return PARE_OK;
}

static pare_status drain(pipe *p, size_t at)
{
   const step *s = &p->decoder->steps[at];
   switch (s->kind) {
   case PARE_TOK_BYTE_FALLBACK: return end_byte_run(p, at);
   case PARE_TOK_BPE_SUFFIX: return release_suffixed(p, at, s, true);
   case PARE_TOK_FUSE: return close_string(p, at + 1);
   case PARE_TOK_BYTE_LEVEL:
      if (p->memories[at].spare.size) PARE_TRY(pass_characters(p, at, true));
      return close_string(p, at + 1);
   default: return PARE_OK;
   }
}

/* ---- one text ---- */

pare_status pare_tok_decoding_create(pare_ctx *ctx, const pare_tok_decoder *decoder, pare_tok_decoding **out)
{
   pipe *p = pare_alloc(ctx, sizeof *p + decoder->count * sizeof p->memories[0]);
   if (!p) return PARE_RESOURCE;
   p->decoder = decoder;
   p->budget = FREE_BUDGET;
   *out = p;
   return PARE_OK;
}

void pare_tok_decoding_destroy(pare_ctx *ctx, pare_tok_decoding *decoding)
{
   if (!decoding) return;
   for (size_t i = 0; i < decoding->decoder->count; i++) {
      pare_str_finish(ctx, &decoding->memories[i].held);
      pare_str_finish(ctx, &decoding->memories[i].spare);
   }
   decoding->work.ctx = ctx;
   pare_tok_work_finish(&decoding->work);
   pare_free(ctx, decoding);
}

pare_status pare_tok_decoding_push(pare_ctx *ctx, pare_tok_decoding *decoding, pare_tok_text token,
                                   pare_str *out)
{
   decoding->work.ctx = ctx;
   decoding->out = out;
   decoding->budget += (token.size + 16) * LARGEST_GROWTH * (decoding->decoder->count + 1);
   bool spaced = decoding->decoder->count && decoding->decoder->steps[0].kind == PARE_TOK_JOIN_SPACES;
   if (spaced && decoding->memories[0].strings++) PARE_TRY(pare_str_append(ctx, out, " ", 1));
   PARE_TRY(feed(decoding, 0, token.data, token.size));
   return close_string(decoding, 0);
}

pare_status pare_tok_decoding_finish(pare_ctx *ctx, pare_tok_decoding *decoding, pare_str *out)
{
   decoding->work.ctx = ctx;
   decoding->out = out;
   for (size_t i = 0; i < decoding->decoder->count; i++) PARE_TRY(drain(decoding, i));
   return PARE_OK;
}
