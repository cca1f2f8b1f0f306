/* tok_pretokenize: cutting text into words that the model then treats one by one.
 *
 * A pre-tokenizer is a flat list of steps. Each reads the pieces in work->now and writes work->next:
 * cutting steps leave the text as it is, rewriting steps (ByteLevel, Metaspace) write a new one. Added
 * tokens pass unchanged. */
#include <string.h>

#include "text/tok_parts.h"
#include "text/unicode.h"
#include "text/utf8.h"

static const char PART[] = "pre_tokenizer";

typedef enum kind { BYTE_LEVEL, SPLIT, METASPACE, CLASS, WORDS, FIXED_LENGTH } kind;
typedef enum scheme { ALWAYS, FIRST, NEVER } scheme;

struct pare_tok_pre_step {
   kind kind;
   pare_tok_behavior behavior; /* SPLIT, CLASS */
   pare_tok_pattern pattern;   /* SPLIT; BYTE_LEVEL when use_regex */
   bool invert;                /* SPLIT */
   bool add_space, use_regex;  /* BYTE_LEVEL */
   uint32_t replacement;       /* METASPACE */
   scheme prepend;             /* METASPACE */
   bool split;                 /* METASPACE */
   pare_tok_class belongs;     /* CLASS: cut at these characters */
   size_t length;              /* FIXED_LENGTH: characters */
};

typedef struct pare_tok_pre_step step;

/* The words of GPT-2 (Radford et al. 2019, encoder.py). */
static const char GPT2_WORDS[] =
   "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/* ---- loading ---- */

static pare_status add_step(pare_ctx *ctx, pare_tok_pretokenizer *p, step s)
{
   PARE_TRY(pare_grow(ctx, (void **)&p->steps, &p->capacity, p->count + 1, sizeof *p->steps));
   p->steps[p->count++] = s;
   return PARE_OK;
}

static pare_status load_byte_level(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "add_prefix_space", true, &s->add_space));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "use_regex", true, &s->use_regex));
   return s->use_regex ? pare_tok_regex(ctx, store, GPT2_WORDS, &s->pattern) : PARE_OK;
}

static pare_status load_behavior(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                 pare_tok_behavior fallback, step *s)
{
   static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous" };
   const pare_json *value = pare_json_get(json, "behavior");
   const char *name = pare_json_string(value);
   s->behavior = fallback;
   if (pare_json_is_null(value)) return PARE_OK;
   for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
      if (strcmp(name, names[i]) == 0) {
         s->behavior = (pare_tok_behavior)i;
         return PARE_OK;
      }
   return pare_tok_bad(ctx, store, PART, "behavior",
                       "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

static pare_status load_split(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   PARE_TRY(load_behavior(ctx, store, json, PARE_TOK_ISOLATED, s));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "invert", false, &s->invert));
   return pare_tok_pattern_load(ctx, store, json, PART, &s->pattern);
}

/* Old files have add_prefix_space, new ones prepend_scheme. */
static pare_status load_metaspace(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   static const char *const names[] = { "always", "first", "never" };
   const pare_json *value = pare_json_get(json, "prepend_scheme");
   const char *name = pare_json_is_null(value) ? "always" : pare_json_string(value);
   bool add_space, known = false;
   PARE_TRY(pare_tok_char(ctx, store, json, PART, "replacement", &s->replacement));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "split", true, &s->split));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "add_prefix_space", true, &add_space));
   for (int i = 0; name && i < 3; i++)
      if (strcmp(name, names[i]) == 0) {
         s->prepend = (scheme)i;
         known = true;
      }
   if (!known) return pare_tok_bad(ctx, store, PART, "prepend_scheme", "always, first or never");
   if (!add_space) s->prepend = NEVER;
   return PARE_OK;
}

static pare_status load_digits(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   bool individual;
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "individual_digits", false, &individual));
   *s = (step){ .kind = CLASS, .belongs = pare_is_numeric,
                .behavior = individual ? PARE_TOK_ISOLATED : PARE_TOK_CONTIGUOUS };
   return PARE_OK;
}

static pare_status load_delimiter(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   uint32_t c;
   char bytes[4];
   PARE_TRY(pare_tok_char(ctx, store, json, PART, "delimiter", &c));
   *s = (step){ .kind = SPLIT, .behavior = PARE_TOK_REMOVED };
   return pare_tok_keep(ctx, store, bytes, pare_utf8_put(bytes, c), &s->pattern.text);
}

static pare_status load_length(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   int64_t length;
   PARE_TRY(pare_json_read_int(ctx, json, "length", store->where, 1, INT32_MAX, 5, &length));
   s->length = (size_t)length;
   return PARE_OK;
}

static pare_status load_simple(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, const char *type,
                               pare_tok_pretokenizer *into)
{
   step spaces = { .kind = CLASS, .belongs = pare_is_space, .behavior = PARE_TOK_REMOVED };
   step marks = { .kind = CLASS, .belongs = pare_is_punctuation };
   if (strcmp(type, "WhitespaceSplit") == 0) return add_step(ctx, into, spaces);
   if (strcmp(type, "Whitespace") == 0) return add_step(ctx, into, (step){ .kind = WORDS });
   if (strcmp(type, "BertPreTokenizer") == 0) {
      marks.behavior = PARE_TOK_ISOLATED;
      PARE_TRY(add_step(ctx, into, spaces));
      return add_step(ctx, into, marks);
   }
   if (strcmp(type, "Punctuation") != 0) return pare_tok_unsupported(ctx, store, PART, type);
   PARE_TRY(load_behavior(ctx, store, json, PARE_TOK_ISOLATED, &marks));
   return add_step(ctx, into, marks);
}

static pare_status load_step(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, void *into)
{
   static const struct {
      const char *type;
      kind kind;
      pare_status (*load)(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s);
   } known[] = {
      { "ByteLevel", BYTE_LEVEL, load_byte_level }, { "Split", SPLIT, load_split },
      { "Metaspace", METASPACE, load_metaspace }, { "Digits", CLASS, load_digits },
      { "CharDelimiterSplit", SPLIT, load_delimiter }, { "FixedLength", FIXED_LENGTH, load_length },
   };
   const char *type;
   PARE_TRY(pare_tok_type(ctx, store, json, PART, &type));
   for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      if (strcmp(type, known[i].type) != 0) continue;
      step s = { .kind = known[i].kind };
      PARE_TRY(known[i].load(ctx, store, json, &s));
      return add_step(ctx, into, s);
   }
   return load_simple(ctx, store, json, type, into);
}

pare_status pare_tok_pretokenizer_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                       pare_tok_pretokenizer *out)
{
   return pare_tok_flatten(ctx, store, json, PART, "pretokenizers", load_step, out);
}

void pare_tok_pretokenizer_finish(pare_ctx *ctx, pare_tok_pretokenizer *pretokenizer)
{
   pare_free(ctx, pretokenizer->steps);
   *pretokenizer = (pare_tok_pretokenizer){ 0 };
}

bool pare_tok_pretokenizer_is_byte_level(const pare_tok_pretokenizer *pretokenizer)
{
   for (size_t i = 0; i < pretokenizer->count; i++)
      if (pretokenizer->steps[i].kind == BYTE_LEVEL) return true;
   return false;
}

/* ---- bytes as characters ---- */

/* Printable Latin-1 bytes stand for themselves; the others follow from U+0100 on, in order. */
uint32_t pare_tok_byte_char(uint8_t byte)
{
   if ((byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad)) return byte;
   if (byte <= ' ') return 0x100u + byte;
   return byte == 0xad ? 0x143u : 0x121u + (byte - 0x7fu);
}

int pare_tok_char_byte(uint32_t c)
{
   if (c < 0x100) return pare_tok_byte_char((uint8_t)c) == c ? (int)c : -1;
   if (c <= 0x120) return (int)c - 0x100;
   if (c < 0x143) return (int)c - 0x121 + 0x7f;
   return c == 0x143 ? 0xad : -1;
}

/* ---- cutting ---- */

/* Adds the stretches that stay of a piece that lies at `base` in the next text. */
static pare_status add_stretches(pare_tok_work *work, const pare_tok_piece *piece, size_t base)
{
   for (size_t i = 0; i < work->matches.count; i++) {
      pare_tok_match m = work->matches.items[i];
      if (!m.hit) PARE_TRY(pare_tok_add_piece(work, pare_tok_part(piece, base, m.start, m.end)));
   }
   return PARE_OK;
}

static pare_status split(pare_tok_work *work, const step *s, const pare_tok_piece *piece, const char *text)
{
   pare_tok_matches *m = &work->matches;
   PARE_TRY(s->kind == CLASS ? pare_tok_find_class(work, s->belongs, text, piece->size)
                             : pare_tok_find(work, &s->pattern, text, piece->size));
   for (size_t i = 0; s->invert && i < m->count; i++) m->items[i].hit = !m->items[i].hit;
   pare_tok_behave(m, s->behavior);
   return add_stretches(work, piece, piece->start);
}

/* \w+|[^\w\s]+ : 0 for white space, else which of the two. */
static int word_class(const char *p)
{
   uint32_t c = pare_utf8_get(p);
   return pare_is_word(c) ? 1 : pare_is_space(c) ? 0 : 2;
}

static pare_status words(pare_tok_work *work, const pare_tok_piece *piece, const char *text)
{
   for (size_t at = 0, end; at < piece->size; at = end) {
      int class = word_class(text + at);
      end = at;
      do end += pare_utf8_size(text[end]);
      while (end < piece->size && word_class(text + end) == class);
      if (class) PARE_TRY(pare_tok_add_piece(work, pare_tok_part(piece, piece->start, at, end)));
   }
   return PARE_OK;
}

static pare_status fixed_length(pare_tok_work *work, const step *s, const pare_tok_piece *piece,
                                const char *text)
{
   for (size_t at = 0, end; at < piece->size; at = end) {
      end = at;
      for (size_t i = 0; i < s->length && end < piece->size; i++) end += pare_utf8_size(text[end]);
      PARE_TRY(pare_tok_add_piece(work, pare_tok_part(piece, piece->start, at, end)));
   }
   return PARE_OK;
}

/* ---- rewriting ---- */

static pare_status byte_level(pare_tok_work *work, const step *s, const pare_tok_piece *piece,
                              const char *text)
{
   pare_tok_piece whole = *piece;
   pare_str *spaced = &work->a, *out = &work->next.text;
   if (s->add_space && text[0] != ' ') {
      pare_str_clear(spaced);
      PARE_TRY(pare_str_append(work->ctx, spaced, " ", 1));
      PARE_TRY(pare_str_append(work->ctx, spaced, text, piece->size));
      text = spaced->data;
      whole.size++;
      whole.first += whole.first && whole.first < PARE_TOK_TEXT;
   }
   work->matches.count = 0;
   if (s->use_regex) PARE_TRY(pare_tok_find(work, &s->pattern, text, whole.size));
   pare_tok_match all = { 0, whole.size, false };
   const pare_tok_match *m = s->use_regex ? work->matches.items : &all;
   size_t count = s->use_regex ? work->matches.count : 1;
   for (size_t i = 0; i < count; i++) {
      size_t base = out->size;
      for (size_t at = m[i].start; at < m[i].end; at++)
         PARE_TRY(pare_utf8_append(work->ctx, out, pare_tok_byte_char((uint8_t)text[at])));
      pare_tok_piece part = pare_tok_part(&whole, 0, m[i].start, m[i].end);
      PARE_TRY(
         pare_tok_add_piece(work, (pare_tok_piece){ base, out->size - base, PARE_TOK_TEXT, part.first }));
   }
   return PARE_OK;
}

static bool begins_with(const char *text, size_t size, const char *mark, size_t mark_size)
{
   return size >= mark_size && memcmp(text, mark, mark_size) == 0;
}

static pare_status metaspace(pare_tok_work *work, const step *s, const pare_tok_piece *piece,
                             const char *text)
{
   pare_str *out = &work->next.text;
   char mark[4];
   size_t mark_size = pare_utf8_put(mark, s->replacement), base = out->size;
   bool marked = text[0] == ' ' || begins_with(text, piece->size, mark, mark_size);
   bool wanted = s->prepend == ALWAYS || (s->prepend == FIRST && piece->first);
   pare_tok_piece whole = *piece;
   if (wanted && !marked) PARE_TRY(pare_str_append(work->ctx, out, mark, mark_size));
   for (size_t at = 0, end; at < piece->size; at = end) {
      const char *space = memchr(text + at, ' ', piece->size - at);
      end = space ? (size_t)(space - text) + 1 : piece->size;
      PARE_TRY(pare_str_append(work->ctx, out, text + at, end - at - (space ? 1 : 0)));
      if (space) PARE_TRY(pare_str_append(work->ctx, out, mark, mark_size));
      if (piece->first && at == 0 && piece->first <= end) whole.first = (uint32_t)(out->size - base);
   }
   whole.size = out->size - base;
   if (!s->split) return pare_tok_add_piece(work, pare_tok_part(&whole, base, 0, whole.size));
   PARE_TRY(pare_tok_find_char(work, s->replacement, out->data + base, whole.size));
   pare_tok_behave(&work->matches, PARE_TOK_MERGED_WITH_NEXT);
   return add_stretches(work, &whole, base);
}

static pare_status run_piece(pare_tok_work *work, const step *s, const pare_tok_piece *piece,
                             const char *text)
{
   switch (s->kind) {
   case BYTE_LEVEL: return byte_level(work, s, piece, text);
   case METASPACE: return metaspace(work, s, piece, text);
   case WORDS: return words(work, piece, text);
   case FIXED_LENGTH: return fixed_length(work, s, piece, text);
   default: return split(work, s, piece, text);
   }
}

pare_status pare_tok_pretokenize(pare_tok_work *work, const pare_tok_pretokenizer *pretokenizer)
{
   for (size_t i = 0; i < pretokenizer->count; i++) {
      const step *s = &pretokenizer->steps[i];
      bool keep_text = s->kind != BYTE_LEVEL && s->kind != METASPACE;
      for (size_t j = 0; j < work->now.count; j++) {
         const pare_tok_piece *piece = &work->now.items[j];
         if (j % 65536 == 65535) PARE_TRY(pare_check_stop(work->ctx));
         PARE_TRY(piece->id != PARE_TOK_TEXT ? pare_tok_add_token(work, piece->id)
                                             : run_piece(work, s, piece, work->now.text.data + piece->start));
         PARE_TRY(pare_tok_check_size(work, work->next.text.size));
      }
      pare_tok_turn(work, keep_text);
   }
   return PARE_OK;
}
