/* tok_normalize: what is done to text before it is cut.
 *
 * A normalizer is a flat list of steps, each reading work->a and writing work->b. The one Metaspace
 * setting "first" needs to know whether a piece begins where the input begins, so each step tells how many
 * of its first output bytes come from the input's first character. */
#include <string.h>

#include "text/tok_parts.h"
#include "text/unicode.h"
#include "text/utf8.h"

static const char PART[] = "normalizer";

typedef enum kind {
   PREPEND,
   REPLACE,
   FORM,
   LOWERCASE,
   STRIP_ACCENTS,
   STRIP,
   BERT_CLEAN,
   BERT_CHINESE,
   BERT_ACCENTS,
   BYTE_LEVEL,
   NMT
} kind;

struct pare_tok_norm_step {
   kind kind;
   pare_normal_form form;
   pare_tok_pattern pattern;
   pare_tok_text content; /* PREPEND, REPLACE */
   bool left, right;      /* STRIP */
};

typedef struct pare_tok_norm_step step;

/* ---- loading ---- */

static pare_status add_step(pare_ctx *ctx, pare_tok_normalizer *n, step s)
{
   PARE_TRY(pare_grow(ctx, (void **)&n->steps, &n->capacity, n->count + 1, sizeof *n->steps));
   n->steps[n->count++] = s;
   return PARE_OK;
}

static pare_status add_kind(pare_ctx *ctx, pare_tok_normalizer *n, kind k)
{
   return add_step(ctx, n, (step){ .kind = k });
}

/* BertNormalizer is a sequence of simpler steps. Accents go when that is asked for, or by default with
 * capitals. */
static pare_status load_bert(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                             pare_tok_normalizer *n)
{
   bool clean, chinese, lowercase, accents;
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "clean_text", true, &clean));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "handle_chinese_chars", true, &chinese));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "lowercase", true, &lowercase));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "strip_accents", lowercase, &accents));
   if (clean) PARE_TRY(add_kind(ctx, n, BERT_CLEAN));
   if (chinese) PARE_TRY(add_kind(ctx, n, BERT_CHINESE));
   if (accents) PARE_TRY(add_step(ctx, n, (step){ .kind = FORM, .form = PARE_NFD }));
   if (accents) PARE_TRY(add_kind(ctx, n, BERT_ACCENTS));
   return lowercase ? add_kind(ctx, n, LOWERCASE) : PARE_OK;
}

static pare_status load_settings(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   switch (s->kind) {
   case PREPEND: return pare_tok_string(ctx, store, json, PART, "prepend", &s->content);
   case REPLACE:
      PARE_TRY(pare_tok_string(ctx, store, json, PART, "content", &s->content));
      return pare_tok_pattern_load(ctx, store, json, PART, &s->pattern);
   case STRIP:
      PARE_TRY(pare_tok_bool(ctx, store, json, PART, "strip_left", true, &s->left));
      return pare_tok_bool(ctx, store, json, PART, "strip_right", true, &s->right);
   default: return PARE_OK;
   }
}

static pare_status load_step(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, void *into)
{
   static const struct { const char *type; step step; } known[] = {
      { "Prepend", { .kind = PREPEND } }, { "Replace", { .kind = REPLACE } }, { "Strip", { .kind = STRIP } },
      { "NFC", { .kind = FORM, .form = PARE_NFC } }, { "NFD", { .kind = FORM, .form = PARE_NFD } },
      { "NFKC", { .kind = FORM, .form = PARE_NFKC } }, { "NFKD", { .kind = FORM, .form = PARE_NFKD } },
      { "Lowercase", { .kind = LOWERCASE } }, { "StripAccents", { .kind = STRIP_ACCENTS } },
      { "ByteLevel", { .kind = BYTE_LEVEL } }, { "Nmt", { .kind = NMT } },
   };
   const char *type;
   PARE_TRY(pare_tok_type(ctx, store, json, PART, &type));
   if (strcmp(type, "BertNormalizer") == 0) return load_bert(ctx, store, json, into);
   for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      if (strcmp(type, known[i].type) != 0) continue;
      step s = known[i].step;
      PARE_TRY(load_settings(ctx, store, json, &s));
      return add_step(ctx, into, s);
   }
   return pare_tok_unsupported(ctx, store, PART, type);
}

pare_status pare_tok_normalizer_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                     pare_tok_normalizer *out)
{
   return pare_tok_flatten(ctx, store, json, PART, "normalizers", load_step, out);
}

void pare_tok_normalizer_finish(pare_ctx *ctx, pare_tok_normalizer *normalizer)
{
   pare_free(ctx, normalizer->steps);
   *normalizer = (pare_tok_normalizer){ 0 };
}

bool pare_tok_normalizer_is_byte_level(const pare_tok_normalizer *normalizer)
{
   for (size_t i = 0; i < normalizer->count; i++)
      if (normalizer->steps[i].kind == BYTE_LEVEL) return true;
   return false;
}

/* ---- steps that look at one character at a time ---- */

static bool is_chinese(uint32_t c)
{
   return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
          (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) ||
          (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static size_t bert_clean(uint32_t c, uint32_t *out)
{
   bool white = pare_is_space(c);
   if (c == 0 || c == 0xfffd || (pare_is_control(c) && c != '\t' && c != '\n' && c != '\r')) return 0;
   out[0] = white ? ' ' : c;
   return 1;
}

static size_t bert_chinese(uint32_t c, uint32_t *out)
{
   if (!is_chinese(c)) {
      out[0] = c;
      return 1;
   }
   out[0] = out[2] = ' ';
   out[1] = c;
   return 3;
}

static size_t nmt(uint32_t c, uint32_t *out)
{
   bool dropped =
      (c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
   bool white = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
                (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
                c == 0xfffd;
   out[0] = white ? ' ' : c;
   return dropped ? 0 : 1;
}

/* What one character becomes: up to four code points. */
static size_t map_character(kind k, uint32_t c, uint32_t out[4])
{
   out[0] = c;
   switch (k) {
   case LOWERCASE: return pare_lowercase(c, out);
   case STRIP_ACCENTS: return pare_is_mark(c) ? 0 : 1;
   case BERT_ACCENTS: return pare_is_nonspacing_mark(c) ? 0 : 1;
   case BERT_CLEAN: return bert_clean(c, out);
   case BERT_CHINESE: return bert_chinese(c, out);
   case NMT: return nmt(c, out);
   default: return 1;
   }
}

static pare_status byte_characters(pare_ctx *ctx, const char *bytes, size_t size, pare_str *out)
{
   for (size_t i = 0; i < size; i++)
      PARE_TRY(pare_utf8_append(ctx, out, pare_tok_byte_char((uint8_t)bytes[i])));
   return PARE_OK;
}

static pare_status map_text(pare_tok_work *work, kind k, size_t *first)
{
   const pare_str *in = &work->a;
   size_t mapped_first = 0;
   for (size_t at = 0, used; at < in->size; at += used) {
      uint32_t points[4];
      used = pare_utf8_size(in->data[at]);
      if (k == BYTE_LEVEL) {
         PARE_TRY(byte_characters(work->ctx, in->data + at, used, &work->b));
      } else {
         size_t count = map_character(k, pare_utf8_get(in->data + at), points);
         for (size_t i = 0; i < count; i++) PARE_TRY(pare_utf8_append(work->ctx, &work->b, points[i]));
      }
      if (at < *first) mapped_first = work->b.size;
   }
   *first = mapped_first;
   return PARE_OK;
}

/* ---- the other steps ---- */

static pare_status prepend(pare_tok_work *work, const step *s, size_t *first)
{
   if (work->a.size) PARE_TRY(pare_str_append(work->ctx, &work->b, s->content.data, s->content.size));
   if (*first) *first += s->content.size;
   return pare_str_append(work->ctx, &work->b, work->a.data, work->a.size);
}

static pare_status replace(pare_tok_work *work, const step *s, size_t *first)
{
   const char *text = work->a.data;
   size_t mapped_first = 0;
   PARE_TRY(pare_tok_find(work, &s->pattern, text, work->a.size));
   for (size_t i = 0; i < work->matches.count; i++) {
      pare_tok_match m = work->matches.items[i];
      if (m.hit) PARE_TRY(pare_str_append(work->ctx, &work->b, s->content.data, s->content.size));
      else PARE_TRY(pare_str_append(work->ctx, &work->b, text + m.start, m.end - m.start));
      PARE_TRY(pare_tok_check_size(work, work->b.size));
      if (m.end <= *first) mapped_first = work->b.size;
      else if (m.start < *first && !m.hit) mapped_first = work->b.size - (m.end - *first);
   }
   *first = mapped_first;
   return PARE_OK;
}

static pare_status normal_form(pare_tok_work *work, const step *s, size_t *first)
{
   pare_ctx *ctx = work->ctx;
   if (*first) PARE_TRY(pare_normalize(ctx, s->form, work->a.data, *first, &work->b));
   size_t mapped_first = work->b.size;
   pare_str_clear(&work->b);
   PARE_TRY(pare_normalize(ctx, s->form, work->a.data, work->a.size, &work->b));
   *first = mapped_first < work->b.size ? mapped_first : work->b.size;
   return PARE_OK;
}

static pare_status strip(pare_tok_work *work, const step *s, size_t *first)
{
   const char *text = work->a.data;
   size_t start = 0, end = work->a.size;
   while (s->left && start < end && pare_is_space(pare_utf8_get(text + start)))
      start += pare_utf8_size(text[start]);
   while (s->right && end > start) {
      size_t size = pare_utf8_back(text + end);
      if (!pare_is_space(pare_utf8_get(text + end - size))) break;
      end -= size;
   }
   size_t kept_first = *first < end ? *first : end;
   *first = kept_first > start ? kept_first - start : 0;
   return pare_str_append(work->ctx, &work->b, text + start, end - start);
}

static pare_status run_step(pare_tok_work *work, const step *s, size_t *first)
{
   switch (s->kind) {
   case PREPEND: return prepend(work, s, first);
   case REPLACE: return replace(work, s, first);
   case FORM: return normal_form(work, s, first);
   case STRIP: return strip(work, s, first);
   default: return map_text(work, s->kind, first);
   }
}

pare_status pare_tok_normalize(pare_tok_work *work, const pare_tok_normalizer *normalizer, const char *text,
                               size_t size, uint32_t *first)
{
   size_t wide_first = *first;
   pare_str_clear(&work->a);
   PARE_TRY(pare_str_append(work->ctx, &work->a, text, size));
   for (size_t i = 0; i < normalizer->count && work->a.size; i++) {
      pare_str_clear(&work->b);
      PARE_TRY(run_step(work, &normalizer->steps[i], &wide_first));
      PARE_TRY(pare_tok_check_size(work, work->b.size));
      pare_str swap = work->a;
      work->a = work->b;
      work->b = swap;
   }
   *first = wide_first < PARE_TOK_TEXT ? (uint32_t)wide_first : PARE_TOK_TEXT;
   return PARE_OK;
}
