/* cmd_verify: recompute every hash of an artifact. */
#include "bin/load.h"
#include "formats/pare.h"

static pare_status run(pare_app *app, const void *options)
{
   (void)options;
   uint64_t bytes;
   char size[32];
   pare_model *model = NULL;
   PARE_TRY(pare_artifact_verify(app->ctx, app->args[0], &bytes));
   PARE_TRY(pare_artifact_load(app->ctx, app->args[0], &model));
   pare_status status = pare_put_model(app, "model", model);
   pare_model_destroy(app->ctx, model);
   pare_json_put_int(&app->body, "hashed_bytes", (int64_t)bytes);
   PARE_TRY(status);
   return pare_str_printf(app->ctx, &app->text, "%s: ok, %s match their hashes\n", app->args[0],
                          pare_human_bytes((double)bytes, size));
}

const pare_command pare_command_verify = {
   .name = "verify",
   .summary = "check every byte of an artifact against its hashes",
   .usage = "FILE.pare",
   .description = "Reads the whole file, recomputes the SHA-256 of every section, and loads the graph. Exits "
                  "1 naming the first section\n"
                  "whose bytes changed, 3 when the file is damaged beyond that.\n",
   .examples = "  pare verify story.pare\n",
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
