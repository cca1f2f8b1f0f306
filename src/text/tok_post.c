/* tok_post: the tokens put around a text: TemplateProcessing, BertProcessing, RobertaProcessing. ByteLevel
 * here only moves offsets, which pare does not keep. */
#include <string.h>

#include "text/tok_parts.h"

static const char PART[] = "post_processor";

static pare_status add(pare_ctx *ctx, pare_tok_template *t, uint32_t id)
{
   PARE_TRY(pare_grow(ctx, (void **)&t->ids, &t->capacity, t->count + 1, sizeof *t->ids));
   t->ids[t->count++] = id;
   return PARE_OK;
}

/* ["[SEP]", 102] */
static pare_status read_pair(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, const char *key,
                             uint32_t *id)
{
   int64_t value;
   const pare_json *token = pare_json_first(pare_json_get(json, key));
   if (!pare_json_string(token) || !pare_json_int(pare_json_next(token), 0, UINT32_MAX - 1, &value))
      return pare_tok_bad(ctx, store, PART, key, "a token and its id");
   *id = (uint32_t)value;
   return PARE_OK;
}

static pare_status load_bert(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                             pare_tok_template *t)
{
   uint32_t cls = 0, sep = 0;
   PARE_TRY(read_pair(ctx, store, json, "cls", &cls));
   PARE_TRY(read_pair(ctx, store, json, "sep", &sep));
   PARE_TRY(add(ctx, t, cls));
   PARE_TRY(add(ctx, t, PARE_TOK_TEXT));
   return add(ctx, t, sep);
}

static pare_status add_special(pare_ctx *ctx, pare_tok_store *store, const pare_json *specials,
                               const char *name, pare_tok_template *t)
{
   const pare_json *ids = pare_json_get(pare_json_get(specials, name), "ids");
   if (!pare_json_is_array(ids))
      return pare_fail(ctx, PARE_INPUT, store->where, "%s: special_tokens lacks '%.80s'", PART, name);
   for (const pare_json *item = pare_json_first(ids); item; item = pare_json_next(item)) {
      int64_t id;
      if (!pare_json_int(item, 0, UINT32_MAX - 1, &id))
         return pare_tok_bad(ctx, store, PART, "ids", "whole numbers");
      PARE_TRY(add(ctx, t, (uint32_t)id));
   }
   return PARE_OK;
}

static pare_status load_template(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                 pare_tok_template *t)
{
   const pare_json *single = pare_json_get(json, "single"), *specials = pare_json_get(json, "special_tokens");
   if (!pare_json_is_array(single)) return pare_tok_bad(ctx, store, PART, "single", "an array");
   for (const pare_json *item = pare_json_first(single); item; item = pare_json_next(item)) {
      const char *name = pare_json_string(pare_json_get(pare_json_get(item, "SpecialToken"), "id"));
      const char *text = pare_json_string(pare_json_get(pare_json_get(item, "Sequence"), "id"));
      if (name) PARE_TRY(add_special(ctx, store, specials, name, t));
      else if (text && strcmp(text, "A") == 0) PARE_TRY(add(ctx, t, PARE_TOK_TEXT));
      else return pare_tok_bad(ctx, store, PART, "single", "made of special tokens and the sequence A");
   }
   return PARE_OK;
}

static pare_status load_part(pare_ctx *ctx, pare_tok_store *store, const pare_json *json, void *into)
{
   pare_tok_template *t = into;
   const char *type;
   PARE_TRY(pare_tok_type(ctx, store, json, PART, &type));
   if (strcmp(type, "ByteLevel") == 0) return PARE_OK;
   bool bert = strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0;
   if (!bert && strcmp(type, "TemplateProcessing") != 0) return pare_tok_unsupported(ctx, store, PART, type);
   if (t->given)
      return pare_fail(ctx, PARE_UNSUPPORTED, store->where, "%s adds tokens in more than one place", PART);
   t->given = true;
   return bert ? load_bert(ctx, store, json, t) : load_template(ctx, store, json, t);
}

pare_status pare_tok_template_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                   pare_tok_template *out)
{
   return pare_tok_flatten(ctx, store, json, PART, "processors", load_part, out);
}

void pare_tok_template_finish(pare_ctx *ctx, pare_tok_template *tmpl)
{
   pare_free(ctx, tmpl->ids);
   *tmpl = (pare_tok_template){ 0 };
}

static pare_status put_ids(pare_ctx *ctx, pare_ids *out, const uint32_t *ids, size_t count)
{
   PARE_TRY(pare_grow(ctx, (void **)&out->data, &out->capacity, out->size + count, sizeof *out->data));
   if (count) memcpy(out->data + out->size, ids, count * sizeof *ids);
   out->size += count;
   return PARE_OK;
}

/* The text's own ids come once, with or without tokens around them, in every template but odd ones. */
pare_status pare_tok_template_apply(pare_ctx *ctx, const pare_tok_template *tmpl, bool add_special_tokens,
                                    size_t from, pare_ids *ids)
{
   if (!tmpl->given) return PARE_OK;
   pare_ids text = { 0 };
   pare_status status = ids->size > from ? put_ids(ctx, &text, ids->data + from, ids->size - from) : PARE_OK;
   ids->size = from;
   for (size_t i = 0; i < tmpl->count && status == PARE_OK; i++) {
      if (tmpl->ids[i] == PARE_TOK_TEXT) status = put_ids(ctx, ids, text.data, text.size);
      else if (add_special_tokens) status = pare_ids_push(ctx, ids, tmpl->ids[i]);
   }
   pare_ids_finish(ctx, &text);
   return status;
}
