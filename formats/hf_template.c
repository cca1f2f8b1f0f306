/* hf_template: the chat template: chat_template.jinja, else "chat_template" of tokenizer_config.json, which
 * is a text or a list of { "name", "template" } of which "default" counts. */
#include <string.h>

#include "formats/hf.h"

static const char *default_of(const pare_json *list)
{
   for (const pare_json *item = pare_json_first(list); item; item = pare_json_next(item)) {
      const char *name = pare_json_string(pare_json_get(item, "name"));
      if (name && strcmp(name, "default") == 0) return pare_json_string(pare_json_get(item, "template"));
   }
   return NULL;
}

static pare_status from_file(pare_ctx *ctx, pare_buffer *bytes, pare_model *model)
{
   const char *text = (const char *)pare_buffer_data(bytes);
   size_t size = pare_buffer_size(bytes);
   if (size && memchr(text, '\0', size))
      return pare_fail(ctx, PARE_INPUT, model->path, "chat_template.jinja holds a zero byte");
   model->chat_template = pare_arena_strndup(ctx, model->arena, text, size);
   return model->chat_template ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_hf_template(pare_ctx *ctx, const char *dir, const pare_json *tokenizer_config,
                             pare_model *model)
{
   pare_buffer *bytes;
   PARE_TRY(pare_hf_read(ctx, dir, "chat_template.jinja", &bytes));
   if (bytes) {
      pare_status status = from_file(ctx, bytes, model);
      pare_buffer_unref(ctx, bytes);
      return status;
   }
   const pare_json *value = pare_json_get(tokenizer_config, "chat_template");
   const char *text = pare_json_is_array(value) ? default_of(value) : pare_json_string(value);
   if (!text) return PARE_OK;
   model->chat_template = pare_arena_strdup(ctx, model->arena, text);
   return model->chat_template ? PARE_OK : PARE_RESOURCE;
}
