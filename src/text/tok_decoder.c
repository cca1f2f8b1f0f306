/* tok_decoder: reading the "decoder" of a tokenizer.json. */
#include <string.h>

#include "text/tok_decode.h"

static const char PART[] = "decoder";

enum { DEEPEST = 64 };

typedef struct pare_tok_decode_step step;

static pare_status load_metaspace(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   const char *scheme = pare_json_string(pare_json_get(json, "prepend_scheme"));
   PARE_TRY(pare_tok_char(ctx, store, json, PART, "replacement", &s->c));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "add_prefix_space", true, &s->prepend));
   if (scheme && strcmp(scheme, "never") == 0) s->prepend = false;
   return PARE_OK;
}

static pare_status load_settings(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, step *s)
{
   switch (s->kind) {
   case PARE_TOK_REPLACE:
      PARE_TRY(pare_tok_string(ctx, store, json, PART, "content", &s->content));
      return pare_tok_pattern_load(ctx, store, json, PART, &s->pattern);
   case PARE_TOK_STRIP:
      PARE_TRY(pare_tok_char(ctx, store, json, PART, "content", &s->c));
      PARE_TRY(pare_json_read_int(ctx, json, "start", store->where, 0, INT32_MAX, 0, &s->start));
      return pare_json_read_int(ctx, json, "stop", store->where, 0, INT32_MAX, 0, &s->stop);
   case PARE_TOK_METASPACE: return load_metaspace(ctx, store, json, s);
   case PARE_TOK_WORDPIECE_JOIN:
      PARE_TRY(pare_tok_string(ctx, store, json, PART, "prefix", &s->content));
      return pare_tok_bool(ctx, store, json, PART, "cleanup", true, &s->cleanup);
   case PARE_TOK_BPE_SUFFIX: return pare_tok_string(ctx, store, json, PART, "suffix", &s->content);
   default: return PARE_OK;
   }
}

static pare_status add_step(pare_ctx *ctx, pare_tok_decoder *d, step s)
{
   PARE_TRY(pare_grow(ctx, (void **)&d->steps, &d->capacity, d->count + 1, sizeof *d->steps));
   d->steps[d->count++] = s;
   return PARE_OK;
}

static pare_status load_step(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, void *into)
{
   static const struct { const char *type; pare_tok_decode_kind kind;
   } known[] = {
      { "ByteLevel", PARE_TOK_BYTE_LEVEL },
      { "ByteFallback", PARE_TOK_BYTE_FALLBACK },
      { "Fuse", PARE_TOK_FUSE },
      { "Replace", PARE_TOK_REPLACE },
      { "Strip", PARE_TOK_STRIP },
      { "Metaspace", PARE_TOK_METASPACE },
      { "WordPiece", PARE_TOK_WORDPIECE_JOIN },
      { "BPEDecoder", PARE_TOK_BPE_SUFFIX },
   };
   pare_tok_decoder *d = into;
   const char *type;
   PARE_TRY(pare_tok_type(ctx, store, json, PART, &type));
   if (d->count == DEEPEST)
      return pare_fail(ctx, PARE_UNSUPPORTED, store->where, "%s has too many parts", PART);
   for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      if (strcmp(type, known[i].type) != 0) continue;
      step s = { .kind = known[i].kind };
      PARE_TRY(load_settings(ctx, store, json, &s));
      return add_step(ctx, d, s);
   }
   return pare_tok_unsupported(ctx, store, PART, type);
}

pare_status pare_tok_decoder_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                  pare_tok_decoder *out)
{
   if (pare_json_is_null(json)) return add_step(ctx, out, (step){ .kind = PARE_TOK_JOIN_SPACES });
   return pare_tok_flatten(ctx, store, json, PART, "decoders", load_step, out);
}

void pare_tok_decoder_finish(pare_ctx *ctx, pare_tok_decoder *decoder)
{
   pare_free(ctx, decoder->steps);
   *decoder = (pare_tok_decoder){ 0 };
}
