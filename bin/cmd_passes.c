/* cmd_passes: every pass with its options, from the tables. */
#include <string.h>

#include "bin/command.h"
#include "pipeline/pass.h"

static const char *const kinds[] = { "bool", "int", "float", "enum", "text", "list", "numbers", "ints" };

static void put_field(pare_json_writer *json, const pare_field *field)
{
   pare_json_open_object(json, NULL);
   pare_json_put_string(json, "name", field->name);
   pare_json_put_string(json, "kind", kinds[field->kind]);
   if (field->kind == PARE_FIELD_INT || field->kind == PARE_FIELD_FLOAT) {
      pare_json_put_number(json, "min", field->min);
      pare_json_put_number(json, "max", field->max);
      pare_json_put_number(json, "default", field->initial);
   }
   if (field->kind == PARE_FIELD_BOOL) pare_json_put_bool(json, "default", field->initial != 0);
   if (field->kind == PARE_FIELD_TEXT || field->kind == PARE_FIELD_LIST)
      pare_json_put_string(json, "default", field->initial_text);
   if (field->kind == PARE_FIELD_ENUM) {
      pare_json_put_string(json, "default", field->choices[(int)field->initial]);
      pare_json_open_array(json, "choices");
      for (const char *const *c = field->choices; *c; c++) pare_json_put_string(json, NULL, *c);
      pare_json_close_array(json);
   }
   pare_json_put_string(json, "help", field->help);
   pare_json_close_object(json);
}

static void put_globs(pare_json_writer *json, const char *name, const char *const *globs)
{
   pare_json_open_array(json, name);
   for (; globs && *globs; globs++) pare_json_put_string(json, NULL, *globs);
   pare_json_close_array(json);
}

static void put_pass(pare_json_writer *json, const pare_pass *pass)
{
   pare_json_open_object(json, NULL);
   pare_json_put_string(json, "name", pass->name);
   pare_json_put_string(json, "help", pass->help);
   pare_json_put_bool(json, "lossy", pass->lossy);
   pare_json_put_bool(json, "needs_calibration", pass->needs_calibration);
   put_globs(json, "targets", pass->targets);
   put_globs(json, "skip", pass->skip);
   pare_json_open_array(json, "options");
   for (const pare_field *f = pass->fields; f && f->name; f++) put_field(json, f);
   pare_json_close_array(json);
   pare_json_close_object(json);
}

static pare_status print_globs(pare_ctx *ctx, pare_str *out, const char *name, const char *const *globs)
{
   if (!globs || !*globs) return PARE_OK;
   PARE_TRY(pare_str_printf(ctx, out, "  %s: ", name));
   for (; *globs; globs++) PARE_TRY(pare_str_printf(ctx, out, "%s%s", *globs, globs[1] ? ", " : "\n"));
   return PARE_OK;
}

static pare_status print_pass(pare_ctx *ctx, const pare_pass *pass, pare_str *out)
{
   PARE_TRY(pare_str_printf(ctx, out, "%s%s: %s\n", pass->name, pass->lossy ? " (lossy)" : "", pass->help));
   PARE_TRY(print_globs(ctx, out, "default targets", pass->targets));
   PARE_TRY(print_globs(ctx, out, "default skip", pass->skip));
   if (pass->fields) PARE_TRY(pare_fields_help(ctx, pass->fields, "", out));
   return pare_str_puts(ctx, out, "\n");
}

static pare_status unknown_pass(pare_app *app, const char *name)
{
   const char *names[256];
   size_t n = 0;
   for (const pare_pass *const *p = pare_passes(); *p && n < 255; p++) names[n++] = (*p)->name;
   names[n] = NULL;
   const char *near = pare_nearest(name, names);
   pare_fail(app->ctx, PARE_USAGE, name, "unknown pass");
   if (near) pare_hint(app->ctx, "did you mean %s?", near);
   return PARE_USAGE;
}

static pare_status run(pare_app *app, const void *options)
{
   (void)options;
   const char *only = app->n_args ? app->args[0] : NULL;
   if (only && !pare_pass_find(only)) return unknown_pass(app, only);
   pare_json_open_array(&app->body, "passes");
   for (const pare_pass *const *p = pare_passes(); *p; p++) {
      if (only && strcmp(only, (*p)->name) != 0) continue;
      put_pass(&app->body, *p);
      PARE_TRY(print_pass(app->ctx, *p, &app->text));
   }
   pare_json_close_array(&app->body);
   return PARE_OK;
}

const pare_command pare_command_passes = {
   .name = "passes",
   .summary = "list every pass with its options, defaults and ranges",
   .usage = "[NAME]",
   .description = "The options are the keys of a recipe's \"passes\" entries; every pass with targets also "
                  "takes \"targets\" and \"skip\",\n"
                  "lists of glob patterns over node and weight names such as \"layers.3.mlp.*\".\n",
   .examples = "  pare passes\n  pare passes quant_rtn --json\n",
   .max_args = 1,
   .run = run,
};
