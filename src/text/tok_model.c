/* tok_model: the vocabulary, and handing every piece of text to the model. */
#include "text/tok_parts.h"

#include <string.h>

static const char PART[] = "model";

/* How far ids may run ahead of the number of tokens. */
enum { MOST_HOLES = 1 << 20, MOST_TOKENS = 1 << 24, NAMED_BYTES = 48 };

/* ---- loading ---- */

static pare_status check_id(pare_ctx *ctx, const pare_tok_store *store, const pare_json *item, size_t count,
                            int64_t *id)
{
   if (!pare_json_int(item, 0, UINT32_MAX - 1, id))
      return pare_fail(ctx, PARE_INPUT, store->where, "vocab: the id of '%.80s' must be a whole number",
                       pare_json_name(item));
   if ((uint64_t)*id >= count * 2 + MOST_HOLES)
      return pare_fail(ctx, PARE_INPUT, store->where,
                       "vocab: '%.80s' has id %lld, but there are only %zu tokens", pare_json_name(item),
                       (long long)*id, count);
   return PARE_OK;
}

static pare_status add_token(pare_ctx *ctx, pare_tok_store *store, const char *name, uint32_t id,
                             pare_tok_vocab *vocab)
{
   pare_tok_text text;
   PARE_TRY(pare_tok_keep(ctx, store, name, strlen(name), &text));
   if (vocab->tokens[id].data)
      return pare_fail(ctx, PARE_INPUT, store->where, "vocab: '%.80s' and '%.80s' have the same id %u",
                       vocab->tokens[id].data, name, id);
   if (pare_strmap_get(&vocab->ids, text.data, text.size))
      return pare_fail(ctx, PARE_INPUT, store->where, "vocab: '%.80s' appears twice", name);
   vocab->tokens[id] = text;
   return pare_strmap_put(ctx, &vocab->ids, text.data, text.size, id);
}

static pare_status load_vocab(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                              pare_tok_vocab *vocab)
{
   int64_t id, highest = -1;
   if (!pare_json_is_object(json))
      return pare_tok_bad(ctx, store, PART, "vocab", "an object of tokens and ids");
   size_t count = pare_json_count(json);
   if (!count || count > MOST_TOKENS)
      return pare_fail(ctx, PARE_INPUT, store->where, "vocab has %zu tokens, expected 1 to %d", count,
                       MOST_TOKENS);
   for (const pare_json *item = pare_json_first(json); item; item = pare_json_next(item)) {
      PARE_TRY(check_id(ctx, store, item, count, &id));
      if (id > highest) highest = id;
   }
   vocab->size = (size_t)highest + 1;
   vocab->tokens = pare_alloc_array(ctx, vocab->size, sizeof *vocab->tokens);
   if (!vocab->tokens) return PARE_RESOURCE;
   for (const pare_json *item = pare_json_first(json); item; item = pare_json_next(item)) {
      pare_json_int(item, 0, UINT32_MAX - 1, &id);
      PARE_TRY(add_token(ctx, store, pare_json_name(item), (uint32_t)id, vocab));
   }
   return PARE_OK;
}

/* A string member that may be absent or null. */
static pare_status optional(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, const char *key,
                            const char *fallback, bool *given, pare_tok_text *out)
{
   const pare_json *value = pare_json_get(json, key);
   if (!pare_json_is_null(value)) {
      *given = true;
      return pare_tok_string(ctx, store, json, PART, key, out);
   }
   *given = fallback != NULL;
   return fallback ? pare_tok_keep(ctx, store, fallback, strlen(fallback), out) : PARE_OK;
}

static pare_status load_wordpiece(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                  pare_tok_model *model)
{
   bool given;
   PARE_TRY(optional(ctx, store, json, "unk_token", "[UNK]", &model->has_unk, &model->unk));
   PARE_TRY(optional(ctx, store, json, "continuing_subword_prefix", "##", &given, &model->prefix));
   return pare_json_read_int(ctx, json, "max_input_chars_per_word", store->where, 0, INT32_MAX, 100,
                             &model->longest_word);
}

static pare_status load_bpe(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                            pare_tok_model *model)
{
   double dropout;
   bool given;
   PARE_TRY(pare_json_read_number(ctx, json, "dropout", store->where, 0, 1, 0, &dropout));
   if (dropout > 0)
      return pare_fail(ctx, PARE_UNSUPPORTED, store->where, "%s: 'dropout' is %g, expected null or 0", PART,
                       dropout);
   PARE_TRY(optional(ctx, store, json, "unk_token", NULL, &model->has_unk, &model->unk));
   PARE_TRY(optional(ctx, store, json, "continuing_subword_prefix", NULL, &given, &model->prefix));
   PARE_TRY(optional(ctx, store, json, "end_of_word_suffix", NULL, &given, &model->suffix));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "fuse_unk", false, &model->fuse_unk));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "byte_fallback", false, &model->byte_fallback));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "ignore_merges", false, &model->ignore_merges));
   return pare_tok_bpe_load(ctx, store, json, model);
}

/* Files of old versions name no type: a BPE has merges, a WordPiece its prefix. */
static const char *type_of(const pare_json *json)
{
   const char *type = pare_json_string(pare_json_get(json, "type"));
   if (type) return type;
   if (pare_json_get(json, "merges")) return "BPE";
   if (pare_json_get(json, "continuing_subword_prefix")) return "WordPiece";
   return pare_json_is_array(pare_json_get(json, "vocab")) ? "Unigram" : "WordLevel";
}

pare_status pare_tok_model_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                pare_tok_model *out)
{
   static const char *const kinds[] = { "BPE", "WordLevel", "WordPiece" };
   if (!pare_json_is_object(json))
      return pare_fail(ctx, PARE_INPUT, store->where, "'%s' must be an object", PART);
   const char *type = type_of(json);
   size_t kind = 0, known = sizeof kinds / sizeof *kinds;
   while (kind < known && strcmp(type, kinds[kind]) != 0) kind++;
   if (kind == known) return pare_tok_unsupported(ctx, store, PART, type);
   out->kind = (pare_tok_kind)kind;
   PARE_TRY(load_vocab(ctx, store, pare_json_get(json, "vocab"), &out->vocab));
   switch (out->kind) {
   case PARE_TOK_BPE: return load_bpe(ctx, store, json, out);
   case PARE_TOK_WORDPIECE: return load_wordpiece(ctx, store, json, out);
   case PARE_TOK_WORDLEVEL: return optional(ctx, store, json, "unk_token", "<unk>", &out->has_unk, &out->unk);
   }
   return PARE_OK;
}

void pare_tok_model_finish(pare_ctx *ctx, pare_tok_model *model)
{
   pare_strmap_finish(ctx, &model->vocab.ids);
   pare_free(ctx, model->vocab.tokens);
   pare_tok_bpe_finish(ctx, model->merges);
}

pare_status pare_tok_unknown(pare_ctx *ctx, const pare_tok_model *model, const char *word, size_t size,
                             uint32_t *id)
{
   const uint32_t *found =
      model->has_unk ? pare_strmap_get(&model->vocab.ids, model->unk.data, model->unk.size) : NULL;
   if (found) {
      *id = *found;
      return PARE_OK;
   }
   int shown = size < NAMED_BYTES ? (int)size : NAMED_BYTES;
   while (shown > 0 && size > NAMED_BYTES && ((uint8_t)word[shown] & 0xc0) == 0x80) shown--;
   return pare_fail(ctx, PARE_INPUT, NULL, "the vocabulary lacks '%.*s'%s and has no unknown token '%.80s'",
                    shown, word, size > NAMED_BYTES ? "..." : "", model->has_unk ? model->unk.data : "");
}

/* ---- encoding ---- */

/* Words repeat, so what became of recent ones is remembered: a table of places in the text and in the
 * output. */
enum { CACHE = 8192, LONGEST_CACHED = 256 };

typedef struct cached {
   uint64_t hash;
   size_t start, size; /* in the text; size 0: free */
   size_t ids, count;  /* in the output */
} cached;

typedef struct encoding {
   pare_tok_work *work;
   const pare_tok_model *model;
   pare_ids *out;
   cached *cache;
   pare_tok_bpe_work bpe;
   pare_str scratch;
} encoding;

static pare_status encode_word(encoding *e, const char *word, size_t size)
{
   pare_ctx *ctx = e->work->ctx;
   switch (e->model->kind) {
   case PARE_TOK_BPE: return pare_tok_bpe_word(ctx, e->model, &e->bpe, word, size, e->out);
   case PARE_TOK_WORDLEVEL: return pare_tok_wordlevel_word(ctx, e->model, word, size, e->out);
   case PARE_TOK_WORDPIECE: return pare_tok_wordpiece_word(ctx, e->model, &e->scratch, word, size, e->out);
   }
   return PARE_OK;
}

static pare_status encode_piece(encoding *e, const pare_tok_piece *piece)
{
   const char *text = e->work->now.text.data, *word = text + piece->start;
   if (piece->id != PARE_TOK_TEXT) return pare_ids_push(e->work->ctx, e->out, piece->id);
   if (piece->size > LONGEST_CACHED) return encode_word(e, word, piece->size);
   uint64_t hash = pare_hash_bytes(word, piece->size);
   cached *slot = &e->cache[hash % CACHE];
   if (slot->size == piece->size && slot->hash == hash && memcmp(text + slot->start, word, slot->size) == 0) {
      for (size_t i = 0; i < slot->count; i++)
         PARE_TRY(pare_ids_push(e->work->ctx, e->out, e->out->data[slot->ids + i]));
      return PARE_OK;
   }
   size_t from = e->out->size;
   PARE_TRY(encode_word(e, word, piece->size));
   *slot = (cached){ hash, piece->start, piece->size, from, e->out->size - from };
   return PARE_OK;
}

pare_status pare_tok_model_encode(pare_tok_work *work, const pare_tok_model *model, pare_ids *out)
{
   encoding e = { .work = work, .model = model, .out = out };
   e.cache = pare_alloc_array(work->ctx, CACHE, sizeof *e.cache);
   pare_status status = e.cache ? PARE_OK : PARE_RESOURCE;
   for (size_t i = 0; i < work->now.count && status == PARE_OK; i++) {
      if (i % 65536 == 65535) status = pare_check_stop(work->ctx);
      if (status == PARE_OK) status = encode_piece(&e, &work->now.items[i]);
   }
   pare_free(work->ctx, e.cache);
   pare_tok_bpe_work_finish(work->ctx, &e.bpe);
   pare_str_finish(work->ctx, &e.scratch);
   return status;
}
