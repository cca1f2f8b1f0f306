/* load: see load.h. */
#include "bin/load.h"

#include <stdio.h>

#include "formats/format.h"
#include "pipeline/pipeline.h"

pare_status pare_load_to_run(pare_app *app, const char *path, bool fuse, pare_model **out)
{
   PARE_TRY(pare_model_load(app->ctx, path, out));
   return fuse ? pare_pipeline_fuse(app->ctx, *out) : PARE_OK;
}

pare_status pare_load_tokenizer(pare_app *app, const pare_model *model, pare_tokenizer **out)
{
   if (!model->tokenizer) {
      pare_fail(app->ctx, PARE_INPUT, model->path, "the model has no tokenizer.json, so it cannot take text");
      pare_hint(app->ctx, "give token ids instead of text");
      return PARE_INPUT;
   }
   return pare_tokenizer_load(app->ctx, (const char *)pare_buffer_data(model->tokenizer),
                              pare_buffer_size(model->tokenizer), "tokenizer.json", out);
}

/* Ids need no tokenizer, so a missing or unreadable one is an error for text alone. */
static bool holds_text(const pare_data_options *data)
{
   pare_corpus_format format = pare_corpus_resolve((pare_corpus_format)data->format, data->path);
   return format == PARE_CORPUS_TEXT || format == PARE_CORPUS_LINES;
}

pare_status pare_load_corpus(pare_app *app, const pare_model *model, const pare_data_options *data,
                             pare_corpus *out)
{
   pare_tokenizer *tokenizer = NULL;
   if (holds_text(data)) PARE_TRY(pare_load_tokenizer(app, model, &tokenizer));
   pare_status status =
      pare_corpus_load(app->ctx, data->path, (pare_corpus_format)data->format, tokenizer, model->vocab, out);
   pare_tokenizer_destroy(app->ctx, tokenizer);
   return status;
}

uint64_t pare_model_file_bytes(const pare_model *model)
{
   uint64_t bytes = 0;
   for (size_t i = 0; i < model->n_sources; i++) bytes += model->sources[i].size;
   return bytes;
}

/* One file gives its own hash, several the hash of the list "sha256  name\n" (as sha256sum prints it). */
static pare_status put_hash(pare_app *app, pare_model *model)
{
   /* Reading every byte of a model is not for a member that nobody will see. */
   if (!app->common.json) return PARE_OK;
   PARE_TRY(pare_model_hash(app->ctx, model));
   if (model->n_sources == 1) {
      pare_json_put_string(&app->body, "sha256", model->sources[0].sha256);
      return PARE_OK;
   }
   char hex[PARE_SHA256_HEX];
   pare_str list = { 0 };
   for (size_t i = 0; i < model->n_sources; i++) {
      pare_status status =
         pare_str_printf(app->ctx, &list, "%s  %s\n", model->sources[i].sha256, model->sources[i].name);
      if (status != PARE_OK) {
         pare_str_finish(app->ctx, &list);
         return status;
      }
   }
   pare_sha256_of(list.data, list.size, hex);
   pare_str_finish(app->ctx, &list);
   pare_json_put_string(&app->body, "sha256", hex);
   return PARE_OK;
}

pare_status pare_put_model(pare_app *app, const char *name, pare_model *model)
{
   pare_model_totals totals = pare_model_count(model);
   pare_json_open_object(&app->body, name);
   pare_json_put_string(&app->body, "path", model->path);
   pare_json_put_string(&app->body, "format", model->format);
   pare_json_put_string(&app->body, "arch", model->arch);
   PARE_TRY(put_hash(app, model));
   pare_json_put_int(&app->body, "params", totals.params);
   pare_json_put_int(&app->body, "bytes", (int64_t)pare_model_file_bytes(model));
   pare_json_put_int(&app->body, "tensor_bytes", (int64_t)totals.tensor_bytes);
   pare_json_put_number(&app->body, "bits_per_weight",
                        8.0 * (double)totals.tensor_bytes / (double)totals.params);
   pare_json_close_object(&app->body);
   return PARE_OK;
}

static const char *human(double value, const char *const *units, char out[32])
{
   int i = 0;
   while (value >= 999.5 && units[i + 1]) {
      value /= 1000;
      i++;
   }
   snprintf(out, 32, i == 0 ? "%.0f %s" : "%.2f %s", value, units[i]);
   return out;
}

const char *pare_human_bytes(double bytes, char out[32])
{
   static const char *const units[] = { "B", "kB", "MB", "GB", "TB", NULL };
   return human(bytes, units, out);
}

const char *pare_human_count(double count, char out[32])
{
   static const char *const units[] = { "", "k", "M", "G", "T", NULL };
   return human(count, units, out);
}
