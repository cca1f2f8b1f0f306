/* tok_word: models that look whole words up: WordLevel, and WordPiece (greedy longest match first). */
#include "text/tok_parts.h"
#include "text/utf8.h"

pare_status pare_tok_wordlevel_word(pare_ctx *ctx, const pare_tok_model *model, const char *word, size_t size,
                                    pare_ids *out)
{
   const uint32_t *found = pare_strmap_get(&model->vocab.ids, word, size);
   uint32_t id;
   if (found) return pare_ids_push(ctx, out, *found);
   PARE_TRY(pare_tok_unknown(ctx, model, word, size, &id));
   return pare_ids_push(ctx, out, id);
}

/* The longest token at the start of `rest`, after the prefix already in scratch: its size in `rest`, or 0. */
static pare_status longest_token(pare_ctx *ctx, const pare_tok_model *model, pare_str *scratch,
                                 const char *rest, size_t size, size_t *used, uint32_t *id)
{
   size_t prefix = scratch->size;
   PARE_TRY(pare_str_append(ctx, scratch, rest, size));
   for (*used = size; *used > 0; *used -= pare_utf8_back(rest + *used)) {
      const uint32_t *found = pare_strmap_get(&model->vocab.ids, scratch->data, prefix + *used);
      if (!found) continue;
      *id = *found;
      return PARE_OK;
   }
   return PARE_OK;
}

static pare_status unknown_word(pare_ctx *ctx, const pare_tok_model *model, const char *word, size_t size,
                                size_t from, pare_ids *out)
{
   uint32_t id;
   out->size = from;
   PARE_TRY(pare_tok_unknown(ctx, model, word, size, &id));
   return pare_ids_push(ctx, out, id);
}

pare_status pare_tok_wordpiece_word(pare_ctx *ctx, const pare_tok_model *model, pare_str *scratch,
                                    const char *word, size_t size, pare_ids *out)
{
   size_t from = out->size, used;
   uint32_t id = 0;
   if ((int64_t)pare_utf8_count(word, size) > model->longest_word)
      return unknown_word(ctx, model, word, size, from, out);
   for (size_t at = 0; at < size; at += used) {
      pare_str_clear(scratch);
      if (at) PARE_TRY(pare_str_append(ctx, scratch, model->prefix.data, model->prefix.size));
      PARE_TRY(longest_token(ctx, model, scratch, word + at, size - at, &used, &id));
      if (!used) return unknown_word(ctx, model, word, size, from, out);
      PARE_TRY(pare_ids_push(ctx, out, id));
   }
   return PARE_OK;
}
