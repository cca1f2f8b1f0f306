/* hf_tokens: the token a prompt begins with and those that end a text. Where each is looked for, first match
 * wins:
 *
 *    1. generation_config.json  "bos_token_id", "eos_token_id" (a number or a list)
 *    2. config.json             the same keys
 *    3. tokenizer_config.json   "bos_token", "eos_token": the text of a token, whose id tokenizer.json has */
#include <inttypes.h>
#include <string.h>

#include "formats/hf.h"

/* An id that the model cannot give is left out: some configs keep the default of another vocabulary. */
static bool known(pare_ctx *ctx, const pare_model *model, const char *key, int64_t id)
{
   if (id >= 0 && id < model->vocab) return true;
   if (id >= 0)
      pare_log(ctx, PARE_WARNING, "token_id", model->path,
               "%s %" PRId64 " is outside the vocabulary of %" PRId64, key, id, model->vocab);
   return false;
}

static void add_end(pare_ctx *ctx, pare_model *model, int64_t id)
{
   if (!known(ctx, model, "eos_token_id", id)) return;
   for (size_t i = 0; i < model->n_end; i++)
      if (model->end[i] == id) return;
   if (model->n_end < PARE_MAX_END_TOKENS) model->end[model->n_end++] = id;
   else
      pare_log(ctx, PARE_WARNING, "end_tokens", model->path,
               "end token %" PRId64 " is left out, at most %d are kept", id, PARE_MAX_END_TOKENS);
}

static pare_status bad_id(pare_ctx *ctx, const pare_model *model, const char *key)
{
   return pare_fail(ctx, PARE_INPUT, model->path, "\"%s\" is not a token id", key);
}

/* Ids from one JSON file; found says whether it had any. */
static pare_status end_from(pare_ctx *ctx, const pare_json *json, pare_model *model, bool *found)
{
   const pare_json *value = pare_json_get(json, "eos_token_id");
   int64_t id;
   if (*found || pare_json_is_null(value)) return PARE_OK;
   *found = true;
   if (!pare_json_is_array(value)) {
      if (!pare_json_int(value, -1, INT32_MAX, &id)) return bad_id(ctx, model, "eos_token_id");
      add_end(ctx, model, id);
      return PARE_OK;
   }
   for (const pare_json *item = pare_json_first(value); item; item = pare_json_next(item)) {
      if (!pare_json_int(item, -1, INT32_MAX, &id)) return bad_id(ctx, model, "eos_token_id");
      add_end(ctx, model, id);
   }
   return PARE_OK;
}

static pare_status bos_from(pare_ctx *ctx, const pare_json *json, pare_model *model, bool *found)
{
   const pare_json *value = pare_json_get(json, "bos_token_id");
   int64_t id;
   if (*found || pare_json_is_null(value)) return PARE_OK;
   *found = true;
   if (!pare_json_int(value, -1, INT32_MAX, &id)) return bad_id(ctx, model, "bos_token_id");
   if (known(ctx, model, "bos_token_id", id)) model->bos = id;
   return PARE_OK;
}

/* A token's text: a string, or an object with "content". */
static const char *token_text(const pare_json *tokenizer_config, const char *key)
{
   const pare_json *value = pare_json_get(tokenizer_config, key);
   return pare_json_string(pare_json_is_object(value) ? pare_json_get(value, "content") : value);
}

/* The id of an added token in tokenizer.json, or -1. */
static int64_t added_id(const pare_json *tokenizer, const char *text)
{
   const pare_json *item = pare_json_first(pare_json_get(tokenizer, "added_tokens"));
   for (; text && item; item = pare_json_next(item)) {
      const char *content = pare_json_string(pare_json_get(item, "content"));
      int64_t id;
      if (content && strcmp(content, text) == 0 &&
          pare_json_int(pare_json_get(item, "id"), 0, INT32_MAX, &id))
         return id;
   }
   return -1;
}

static pare_status by_text(pare_ctx *ctx, const pare_json *tokenizer_config, pare_model *model, bool want_bos,
                           bool want_end)
{
   const char *bos = want_bos ? token_text(tokenizer_config, "bos_token") : NULL;
   const char *end = want_end ? token_text(tokenizer_config, "eos_token") : NULL;
   if (!model->tokenizer || (!bos && !end)) return PARE_OK;
   const char *text = (const char *)pare_buffer_data(model->tokenizer);
   pare_json *tokenizer;
   PARE_TRY(pare_json_parse(ctx, text, pare_buffer_size(model->tokenizer), "tokenizer.json", &tokenizer));
   int64_t bos_id = added_id(tokenizer, bos), end_id = added_id(tokenizer, end);
   pare_json_free(tokenizer);
   if (known(ctx, model, "bos_token", bos_id)) model->bos = bos_id;
   add_end(ctx, model, end_id);
   return PARE_OK;
}

/* Llama's own tokenizer class adds the first token unless told otherwise. */
static bool adds_bos(const pare_json *tokenizer_config)
{
   const char *class_name = pare_json_string(pare_json_get(tokenizer_config, "tokenizer_class"));
   bool llama = class_name && strncmp(class_name, "LlamaTokenizer", strlen("LlamaTokenizer")) == 0;
   return pare_json_bool(pare_json_get(tokenizer_config, "add_bos_token"), llama);
}

pare_status pare_hf_tokens(pare_ctx *ctx, const pare_json *config, const pare_json *generation,
                           const pare_json *tokenizer_config, pare_model *model)
{
   bool has_bos = false, has_end = false;
   model->bos = -1;
   model->n_end = 0;
   PARE_TRY(bos_from(ctx, generation, model, &has_bos));
   PARE_TRY(bos_from(ctx, config, model, &has_bos));
   PARE_TRY(end_from(ctx, generation, model, &has_end));
   PARE_TRY(end_from(ctx, config, model, &has_end));
   PARE_TRY(by_text(ctx, tokenizer_config, model, !has_bos, !has_end));
   model->add_bos = model->bos >= 0 && adds_bos(tokenizer_config);
   return PARE_OK;
}
