/* tokenizer: loading the parts and sending text through them. The parts are described in tok_parts.h. */
#include "text/tokenizer.h"

#include <string.h>

#include "text/tok_parts.h"
#include "text/utf8.h"

enum { LARGEST_GROWTH = 64, FREE_GROWTH = 1 << 20 };

typedef struct entry {
   pare_tok_text token;   /* data NULL: none */
   pare_tok_text decoded; /* what the decoder gets */
   bool special, skipped; /* skipped: left out by skip_special */
} entry;

struct pare_tokenizer {
   pare_tok_store store;
   pare_tok_normalizer normalizer;
   pare_tok_pretokenizer pretokenizer;
   pare_tok_model model;
   pare_tok_added added;
   pare_tok_template tmpl;
   pare_tok_decoder decoder;
   entry *entries; /* by id */
   size_t size;
};

/* ---- loading ---- */

/* A zero byte would end a token early without notice. */
static bool has_zero_escape(const char *json, size_t size)
{
   for (size_t at = 0; at + 6 <= size; at++) {
      const char *slash = memchr(json + at, '\\', size - at);
      if (!slash) return false;
      at = (size_t)(slash - json) + 1;
      if (size - at >= 5 && memcmp(json + at, "u0000", 5) == 0) return true;
   }
   return false;
}

static pare_status check_text(pare_ctx *ctx, const char *json, size_t size, const char *where)
{
   size_t good = pare_utf8_check(json, size);
   if (good != size) return pare_fail(ctx, PARE_INPUT, where, "byte %zu is not valid UTF-8", good);
   if (has_zero_escape(json, size))
      return pare_fail(ctx, PARE_UNSUPPORTED, where, "a string holds the zero character \\u0000");
   return PARE_OK;
}

static pare_status check_settings(pare_ctx *ctx, const pare_json *root, const char *where)
{
   const pare_json *version = pare_json_get(root, "version");
   const char *text = pare_json_string(version);
   if (!pare_json_is_object(root)) return pare_fail(ctx, PARE_INPUT, where, "expected a JSON object");
   if (version && (!text || strcmp(text, "1.0") != 0))
      return pare_fail(ctx, PARE_UNSUPPORTED, where, "version is '%.40s', expected '1.0'",
                       text ? text : "no string");
   if (!pare_json_is_null(pare_json_get(root, "truncation")) ||
       !pare_json_is_null(pare_json_get(root, "padding")))
      pare_log(ctx, PARE_WARNING, "tokenizer_setting", where, "truncation and padding are ignored");
   return PARE_OK;
}

static bool is_special_text(const pare_tok_added *added, pare_tok_text text)
{
   const uint32_t *index = pare_strmap_get(&added->by_content, text.data, text.size);
   return index && added->items[*index].special;
}

/* Whether a token is left out goes by the text that would be decoded, so a special token that
 * normalization changes is not. */
static pare_status build_entries(pare_ctx *ctx, pare_tokenizer *t)
{
   t->size = t->model.vocab.size;
   for (size_t i = 0; i < t->added.count; i++)
      if (t->added.items[i].id >= t->size) t->size = (size_t)t->added.items[i].id + 1;
   t->entries = pare_alloc_array(ctx, t->size, sizeof *t->entries);
   if (!t->entries) return PARE_RESOURCE;
   for (size_t i = 0; i < t->model.vocab.size; i++)
      t->entries[i].token = t->entries[i].decoded = t->model.vocab.tokens[i];
   for (size_t i = 0; i < t->added.count; i++) {
      const pare_tok_added_token *a = &t->added.items[i];
      t->entries[a->id] = (entry){ .token = a->content, .decoded = a->normal, .special = a->special };
   }
   for (size_t i = 0; i < t->size; i++) {
      entry *e = &t->entries[i];
      e->skipped = e->token.data && is_special_text(&t->added, e->decoded);
   }
   return PARE_OK;
}

static pare_status load_parts(pare_ctx *ctx, const pare_json *root, pare_tokenizer *t)
{
   pare_tok_store *store = &t->store;
   PARE_TRY(check_settings(ctx, root, store->where));
   PARE_TRY(pare_tok_model_load(ctx, store, pare_json_get(root, "model"), &t->model));
   PARE_TRY(pare_tok_normalizer_load(ctx, store, pare_json_get(root, "normalizer"), &t->normalizer));
   PARE_TRY(pare_tok_pretokenizer_load(ctx, store, pare_json_get(root, "pre_tokenizer"), &t->pretokenizer));
   PARE_TRY(pare_tok_template_load(ctx, store, pare_json_get(root, "post_processor"), &t->tmpl));
   PARE_TRY(pare_tok_decoder_load(ctx, store, pare_json_get(root, "decoder"), &t->decoder));
   PARE_TRY(pare_tok_added_load(ctx, store, pare_json_get(root, "added_tokens"), &t->model, &t->normalizer,
                                &t->added));
   return build_entries(ctx, t);
}

pare_status pare_tokenizer_load(pare_ctx *ctx, const char *json, size_t size, const char *where,
                                pare_tokenizer **out)
{
   pare_json *root = NULL;
   PARE_TRY(check_text(ctx, json, size, where));
   pare_tokenizer *t = pare_alloc(ctx, sizeof *t);
   if (!t) return PARE_RESOURCE;
   t->store.where = where;
   t->store.arena = pare_arena_create(ctx);
   pare_status status = t->store.arena ? pare_json_parse(ctx, json, size, where, &root) : PARE_RESOURCE;
   if (status == PARE_OK) status = load_parts(ctx, root, t);
   pare_json_free(root);
   t->store.where = NULL;
   if (status != PARE_OK) {
      pare_tokenizer_destroy(ctx, t);
      return status;
   }
   *out = t;
   return PARE_OK;
}

void pare_tokenizer_destroy(pare_ctx *ctx, pare_tokenizer *t)
{
   if (!t) return;
   pare_free(ctx, t->entries);
   pare_tok_decoder_finish(ctx, &t->decoder);
   pare_tok_template_finish(ctx, &t->tmpl);
   pare_tok_added_finish(ctx, &t->added);
   pare_tok_pretokenizer_finish(ctx, &t->pretokenizer);
   pare_tok_normalizer_finish(ctx, &t->normalizer);
   pare_tok_model_finish(ctx, &t->model);
   for (size_t i = 0; i < t->store.regex_count; i++) pare_regex_destroy(t->store.regexes[i]);
   pare_free(ctx, t->store.regexes);
   pare_arena_destroy(ctx, t->store.arena);
   pare_free(ctx, t);
}

/* ---- encoding ---- */

/* Normalizes what is still text and cuts out the tokens that are matched normalized. */
static pare_status normalize_pieces(pare_tok_work *work, const pare_tokenizer *t, const char *text)
{
   for (size_t i = 0; i < work->now.count; i++) {
      pare_tok_piece piece = work->now.items[i];
      if (piece.id != PARE_TOK_TEXT) {
         PARE_TRY(pare_tok_add_token(work, piece.id));
         continue;
      }
      const char *part = text + piece.start;
      if (t->normalizer.count) {
         PARE_TRY(pare_tok_normalize(work, &t->normalizer, part, piece.size, &piece.first));
         part = work->a.data;
         piece.size = work->a.size;
      }
      size_t base = work->next.text.size;
      PARE_TRY(pare_str_append(work->ctx, &work->next.text, part, piece.size));
      PARE_TRY(pare_tok_added_split(work, &t->added, &t->added.normal, &piece, part, base));
   }
   pare_tok_turn(work, false);
   return PARE_OK;
}

static pare_status encode_text(pare_tok_work *work, const pare_tokenizer *t, const char *text, size_t size,
                               bool add_special, pare_ids *out)
{
   size_t from = out->size;
   pare_tok_piece whole = { 0, size, PARE_TOK_TEXT, size ? (uint32_t)pare_utf8_size(text[0]) : 0 };
   if (size >= UINT32_MAX)
      return pare_fail(work->ctx, PARE_UNSUPPORTED, NULL, "a text of %zu bytes, expected less than 4 GiB",
                       size);
   work->limit = size * LARGEST_GROWTH + FREE_GROWTH; /* only replacements meant to blow text up exceed it */
   PARE_TRY(pare_tok_added_split(work, &t->added, &t->added.raw, &whole, text, 0));
   pare_tok_turn(work, false);
   PARE_TRY(normalize_pieces(work, t, text));
   PARE_TRY(pare_tok_pretokenize(work, &t->pretokenizer));
   PARE_TRY(pare_tok_model_encode(work, &t->model, out));
   return pare_tok_template_apply(work->ctx, &t->tmpl, add_special, from, out);
}

pare_status pare_tokenizer_encode(pare_ctx *ctx, const pare_tokenizer *tokenizer, const char *text,
                                  size_t size, bool add_special, pare_ids *out)
{
   pare_tok_work work = { .ctx = ctx };
   pare_str repaired = { 0 };
   size_t from = out->size;
   pare_status status = PARE_OK;
   if (pare_utf8_check(text, size) != size) {
      status = pare_utf8_repair(ctx, text, size, &repaired);
      text = repaired.data;
      size = repaired.size;
   }
   if (status == PARE_OK) status = encode_text(&work, tokenizer, text, size, add_special, out);
   if (status != PARE_OK) out->size = from;
   pare_tok_work_finish(&work);
   pare_str_finish(ctx, &repaired);
   return status;
}

/* ---- decoding ---- */

struct pare_detokenizer {
   const pare_tokenizer *tokenizer;
   pare_tok_decoding *decoding;
   bool skip_special;
};

pare_status pare_detokenizer_create(pare_ctx *ctx, const pare_tokenizer *tokenizer, bool skip_special,
                                    pare_detokenizer **out)
{
   pare_detokenizer *d = pare_alloc(ctx, sizeof *d);
   if (!d) return PARE_RESOURCE;
   d->tokenizer = tokenizer;
   d->skip_special = skip_special;
   pare_status status = pare_tok_decoding_create(ctx, &tokenizer->decoder, &d->decoding);
   if (status != PARE_OK) {
      pare_free(ctx, d);
      return status;
   }
   *out = d;
   return PARE_OK;
}

pare_status pare_detokenizer_push(pare_ctx *ctx, pare_detokenizer *d, uint32_t id, pare_str *out)
{
   if (id >= d->tokenizer->size) return PARE_OK;
   const entry *e = &d->tokenizer->entries[id];
   if (!e->token.data || (d->skip_special && e->skipped)) return PARE_OK;
   return pare_tok_decoding_push(ctx, d->decoding, e->decoded, out);
}

pare_status pare_detokenizer_finish(pare_ctx *ctx, pare_detokenizer *d, pare_str *out)
{
   return pare_tok_decoding_finish(ctx, d->decoding, out);
}

void pare_detokenizer_destroy(pare_ctx *ctx, pare_detokenizer *d)
{
   if (!d) return;
   pare_tok_decoding_destroy(ctx, d->decoding);
   pare_free(ctx, d);
}

pare_status pare_tokenizer_decode(pare_ctx *ctx, const pare_tokenizer *tokenizer, const uint32_t *ids,
                                  size_t count, bool skip_special, pare_str *out)
{
   pare_detokenizer *d;
   PARE_TRY(pare_detokenizer_create(ctx, tokenizer, skip_special, &d));
   pare_status status = PARE_OK;
   for (size_t i = 0; i < count && status == PARE_OK; i++)
      status = pare_detokenizer_push(ctx, d, ids[i], out);
   if (status == PARE_OK) status = pare_detokenizer_finish(ctx, d, out);
   pare_detokenizer_destroy(ctx, d);
   return status;
}

/* ---- questions ---- */

size_t pare_tokenizer_size(const pare_tokenizer *tokenizer)
{
   return tokenizer->size;
}

int64_t pare_tokenizer_id(const pare_tokenizer *tokenizer, const char *text)
{
   size_t size = strlen(text);
   const uint32_t *index = pare_strmap_get(&tokenizer->added.by_content, text, size);
   const uint32_t *id = index ? &tokenizer->added.items[*index].id
                              : pare_strmap_get(&tokenizer->model.vocab.ids, text, size);
   return id ? (int64_t)*id : -1;
}

const char *pare_tokenizer_token(const pare_tokenizer *tokenizer, uint32_t id)
{
   return id < tokenizer->size ? tokenizer->entries[id].token.data : NULL;
}

bool pare_tokenizer_is_special(const pare_tokenizer *tokenizer, uint32_t id)
{
   return id < tokenizer->size && tokenizer->entries[id].special;
}

static const char *kind_name(const pare_tokenizer *t)
{
   if (t->model.kind == PARE_TOK_WORDLEVEL) return "WordLevel";
   if (t->model.kind == PARE_TOK_WORDPIECE) return "WordPiece";
   if (pare_tok_pretokenizer_is_byte_level(&t->pretokenizer) ||
       pare_tok_normalizer_is_byte_level(&t->normalizer))
      return "BPE byte-level";
   bool bytes = t->model.byte_fallback && t->model.byte_ids[0] != PARE_TOK_TEXT;
   return bytes ? "BPE with byte fallback" : "BPE of characters";
}

pare_status pare_tokenizer_describe(pare_ctx *ctx, const pare_tokenizer *tokenizer, pare_str *out)
{
   size_t tokens = 0;
   for (size_t i = 0; i < tokenizer->size; i++) tokens += tokenizer->entries[i].token.data != NULL;
   return pare_str_printf(ctx, out, "%s, %zu tokens, %zu added", kind_name(tokenizer), tokens,
                          tokenizer->added.count);
}
