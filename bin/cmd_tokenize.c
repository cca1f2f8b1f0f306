/* cmd_tokenize: text to token ids and back. */
#include <string.h>

#include "bin/load.h"
#include "formats/format.h"

typedef struct tokenize_options {
   const char *file;
   bool decode, special, pieces, skip_special;
} tokenize_options;

static const pare_field fields[] = {
   { .name = "file",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(tokenize_options, file),
     .letter = 'f',
     .value_name = "FILE",
     .help = "take the text (or with --decode the ids) from a file" },
   { .name = "decode",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(tokenize_options, decode),
     .letter = 'd',
     .help = "turn decimal ids, separated by blanks or commas, back into text" },
   { .name = "special",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(tokenize_options, special),
     .initial = 1,
     .help = "add the special tokens of the tokenizer's template; --no-special leaves them out" },
   { .name = "skip-special",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(tokenize_options, skip_special),
     .help = "leave special tokens out of decoded text" },
   { .name = "pieces",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(tokenize_options, pieces),
     .letter = 'p',
     .help = "print one token a line with its text" },
   PARE_FIELDS_END
};

static pare_status print_ids(pare_app *app, const tokenize_options *options, const pare_tokenizer *tokenizer,
                             const pare_ids *ids)
{
   pare_json_open_array(&app->body, "ids");
   for (size_t i = 0; i < ids->size; i++) pare_json_put_int(&app->body, NULL, ids->data[i]);
   pare_json_close_array(&app->body);
   for (size_t i = 0; i < ids->size; i++) {
      const char *piece = pare_tokenizer_token(tokenizer, ids->data[i]);
      if (options->pieces)
         PARE_TRY(pare_str_printf(app->ctx, &app->text, "%u\t%s\n", ids->data[i], piece ? piece : ""));
      else PARE_TRY(pare_str_printf(app->ctx, &app->text, "%s%u", i ? " " : "", ids->data[i]));
   }
   return options->pieces ? PARE_OK : pare_str_puts(app->ctx, &app->text, "\n");
}

static pare_status convert(pare_app *app, const tokenize_options *options, const pare_tokenizer *tokenizer,
                           const char *text, size_t size)
{
   pare_ids ids = { 0 };
   pare_status status;
   if (options->decode) {
      status = pare_ids_parse(app->ctx, text, size, "ids", 1, (int64_t)pare_tokenizer_size(tokenizer), &ids);
      if (status == PARE_OK)
         status =
            pare_tokenizer_decode(app->ctx, tokenizer, ids.data, ids.size, options->skip_special, &app->text);
      if (status == PARE_OK)
         pare_json_put_text(&app->body, "text", app->text.size ? app->text.data : "", app->text.size);
      if (status == PARE_OK) status = pare_str_puts(app->ctx, &app->text, "\n");
   } else {
      status = pare_tokenizer_encode(app->ctx, tokenizer, text, size, options->special, &ids);
      if (status == PARE_OK) status = print_ids(app, options, tokenizer, &ids);
   }
   pare_ids_finish(app->ctx, &ids);
   return status;
}

static pare_status load_file(pare_ctx *ctx, const char *path, pare_tokenizer **out)
{
   pare_buffer *json;
   PARE_TRY(pare_read_file(ctx, path, (size_t)1 << 30, &json));
   pare_status status =
      pare_tokenizer_load(ctx, (const char *)pare_buffer_data(json), pare_buffer_size(json), path, out);
   pare_buffer_unref(ctx, json);
   return status;
}

/* A tokenizer.json may stand for the model that it belongs to. */
static pare_status load_tokenizer(pare_app *app, pare_tokenizer **out)
{
   const char *path = app->args[0];
   size_t size = strlen(path);
   if (size > 5 && strcmp(path + size - 5, ".json") == 0) return load_file(app->ctx, path, out);
   pare_model *model;
   PARE_TRY(pare_model_load(app->ctx, path, &model));
   pare_status status = pare_load_tokenizer(app, model, out);
   pare_model_destroy(app->ctx, model);
   return status;
}

static pare_status run(pare_app *app, const void *options)
{
   const tokenize_options *o = options;
   pare_tokenizer *tokenizer;
   pare_buffer *file = NULL;
   if ((app->n_args == 2) == (o->file != NULL))
      return pare_fail(app->ctx, PARE_USAGE, "tokenize", "expected either a text argument or --file FILE");
   PARE_TRY(load_tokenizer(app, &tokenizer));
   pare_status status = o->file ? pare_read_file(app->ctx, o->file, (size_t)1 << 32, &file) : PARE_OK;
   if (status == PARE_OK) {
      const char *text = file ? (const char *)pare_buffer_data(file) : app->args[1];
      status = convert(app, o, tokenizer, text, file ? pare_buffer_size(file) : strlen(text));
   }
   pare_buffer_unref(app->ctx, file);
   pare_tokenizer_destroy(app->ctx, tokenizer);
   return status;
}

const pare_command pare_command_tokenize = {
   .name = "tokenize",
   .summary = "turn text into token ids, or ids into text",
   .usage = "MODEL|tokenizer.json [TEXT] [options]",
   .description = "Gives the ids that the tokenizers package gives for the model's tokenizer.json. Invalid "
                  "UTF-8 becomes U+FFFD.\n",
   .examples = "  pare tokenize story.pare \"Once upon a time\"\n"
               "  pare tokenize story.pare --file valid.txt --no-special > ids.txt\n"
               "  pare tokenize story.pare --decode \"1 532 77\"\n",
   .fields = fields,
   .options_size = sizeof(tokenize_options),
   .min_args = 1,
   .max_args = 2,
   .run = run,
};
