/* provenance: see provenance.h. */
#define _GNU_SOURCE
#include "bin/provenance.h"

#include <string.h>
#include <time.h>

static void *hash_sources(void *arg)
{
   pare_source_hash *hash = arg;
   hash->status = pare_model_hash(&hash->ctx, hash->model);
   atomic_store(&hash->done, true);
   return NULL;
}

void pare_source_hash_start(pare_ctx *ctx, pare_model *model, pare_source_hash *hash)
{
   *hash = (pare_source_hash){ .ctx = *ctx, .model = model };
   hash->ctx.progress = NULL;
   hash->ctx.pool = NULL;
   hash->ctx.stop = &hash->stop;
   hash->started = pthread_create(&hash->thread, NULL, hash_sources, hash) == 0;
}

pare_status pare_source_hash_wait(pare_ctx *ctx, pare_source_hash *hash)
{
   if (!hash->started) return pare_model_hash(ctx, hash->model);
   const struct timespec pause = { .tv_nsec = 2000000 };
   pare_status stopped = pare_check_stop(ctx);
   while (stopped == PARE_OK && !atomic_load(&hash->done)) {
      nanosleep(&pause, NULL);
      stopped = pare_check_stop(ctx);
   }
   pare_source_hash_abandon(hash);
   PARE_TRY(stopped);
   if (hash->status != PARE_OK) ctx->error = hash->ctx.error;
   return hash->status;
}

void pare_source_hash_abandon(pare_source_hash *hash)
{
   if (!hash->started) return;
   hash->stop = SIGTERM;
   pthread_join(hash->thread, NULL);
   hash->started = false;
}

static void put_sources(pare_json_writer *json, const pare_model *model)
{
   pare_json_open_array(json, "sources");
   for (size_t i = 0; i < model->n_sources; i++) {
      const pare_source_file *source = &model->sources[i];
      pare_json_open_object(json, NULL);
      pare_json_put_string(json, "name", source->name);
      pare_json_put_int(json, "bytes", (int64_t)source->size);
      pare_json_put_string(json, "sha256", source->sha256);
      pare_json_close_object(json);
   }
   pare_json_close_array(json);
}

static pare_status put_origin(pare_ctx *ctx, pare_json_writer *json, const char *provenance)
{
   pare_json *value;
   if (!provenance) return PARE_OK;
   PARE_TRY(pare_json_parse(ctx, provenance, strlen(provenance), "provenance", &value));
   pare_json_put_value(json, "from", value);
   pare_json_free(value);
   return PARE_OK;
}

pare_status pare_provenance_print(pare_ctx *ctx, const pare_model *source, const pare_recipe *recipe,
                                  size_t n_steps, pare_str *out)
{
   pare_json_writer json;
   pare_recipe run = *recipe;
   run.n_steps = n_steps;
   pare_json_begin(&json, ctx, out, false);
   pare_json_open_object(&json, NULL);
   pare_json_put_string(&json, "tool", "pare " PARE_VERSION);
   PARE_TRY(pare_recipe_print(ctx, &run, &json, "recipe"));
   pare_json_put_null(&json, "calibration");
   put_sources(&json, source);
   PARE_TRY(put_origin(ctx, &json, source->provenance));
   pare_json_close_object(&json);
   return json.status;
}
