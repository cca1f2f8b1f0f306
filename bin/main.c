/* main: finds the subcommand, sets up the context, prints what the command made, and turns its status into
 * an exit code. The only place that prints to stdout and exits. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/pool.h"
#include "bin/cli.h"
#include "bin/envelope.h"
#include "bin/signals.h"

static const pare_command *const commands[] = {
#define COMMAND(name) &pare_command_##name,
#include "bin/commands.def"
#undef COMMAND
   NULL
};

static const pare_command *find_command(const char *name)
{
   for (const pare_command *const *c = commands; *c; c++)
      if (strcmp((*c)->name, name) == 0) return *c;
   return NULL;
}

static pare_status unknown_command(pare_ctx *ctx, const char *name)
{
   const char *names[32];
   size_t n = 0;
   for (const pare_command *const *c = commands; *c; c++) names[n++] = (*c)->name;
   names[n] = NULL;
   const char *near = pare_nearest(name, names);
   pare_fail(ctx, PARE_USAGE, name, "unknown command");
   if (near) pare_hint(ctx, "did you mean %s?", near);
   else pare_hint(ctx, "see pare --help");
   return PARE_USAGE;
}

static pare_status apply_common(pare_app *app)
{
   pare_ctx *ctx = app->ctx;
   ctx->threads = app->common.threads ? (int)app->common.threads : pare_pool_processors();
   if (pare_cpu_parse(app->common.cpu, pare_cpu_detect(), &ctx->cpu)) return PARE_OK;
   pare_fail(ctx, PARE_USAGE, "--cpu", "\"%s\" is unknown or not what this machine has", app->common.cpu);
   pare_hint(ctx, "one of " PARE_CPU_NAMES);
   return PARE_USAGE;
}

static pare_status run_command(pare_app *app, const pare_command *command, int argc, char **argv,
                               pare_terminal *terminal)
{
   void *options = pare_arena_alloc(app->ctx, app->arena, command->options_size);
   if (!options) return PARE_RESOURCE;
   pare_status status = pare_cli_parse(app, command, argc, argv, options);
   terminal->quiet = app->common.quiet;
   PARE_TRY(status);
   if (app->common.help) return pare_cli_command_help(app->ctx, command, &app->text);
   PARE_TRY(apply_common(app));
   return command->run(app, options);
}

static int exit_code_of(const pare_ctx *ctx, pare_status status)
{
   if (status == PARE_STOPPED && ctx->stop && *ctx->stop) return 128 + (int)*ctx->stop;
   return (int)status;
}

/* A document that cannot be made for lack of memory still is one document. */
static void print_document(pare_app *app, const char *name, pare_status status, int code, double seconds,
                           const pare_str *body, const pare_terminal *terminal)
{
   pare_str document = { 0 };
   if (pare_envelope_write(app->ctx, terminal, name, status, code, seconds, body, &document) == PARE_OK)
      puts(document.data);
   else
      printf("{\"schema\": \"pare.%s/1\", \"command\": \"%s\", \"status\": \"error\", \"exit_code\": %d}\n",
             name, name, code);
   pare_str_finish(app->ctx, &document);
}

/* The flag is looked for before parsing, so that a bad command line is reported as JSON too. */
static bool wants_json(int argc, char **argv)
{
   for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
      if (strcmp(argv[i], "--json") == 0) return true;
   return false;
}

static int run_main(pare_ctx *ctx, pare_terminal *terminal, const char *name, int argc, char **argv)
{
   double start = pare_now();
   pare_str body = { 0 };
   pare_app app = { .ctx = ctx, .arena = pare_arena_create(ctx) };
   const pare_command *command = find_command(name);
   pare_json_begin(&app.body, ctx, &body, true);
   pare_json_open_object(&app.body, NULL);
   pare_status status = !app.arena ? PARE_RESOURCE : command ? PARE_OK : unknown_command(ctx, name);
   if (status == PARE_OK) status = run_command(&app, command, argc, argv, terminal);
   bool whole = app.body.depth == 1;
   pare_json_close_object(&app.body);
   if (status == PARE_OK) status = app.body.status;
   if (!whole) pare_str_clear(&body);
   int code = exit_code_of(ctx, status);
   pare_terminal_clear(terminal);
   bool json = wants_json(argc, argv) && !app.common.help;
   if (json)
      print_document(&app, command ? name : "error", status, code, pare_now() - start, &body, terminal);
   else if (app.text.size) fwrite(app.text.data, 1, app.text.size, stdout);
   if (status != PARE_OK && !json) pare_terminal_error(terminal, &ctx->error);
   if (code == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
      code = pare_fail(ctx, PARE_RESOURCE, "stdout", "cannot write the report; the work itself was done");
      pare_terminal_error(terminal, &ctx->error);
   }
   pare_str_finish(ctx, &body);
   pare_str_finish(ctx, &app.text);
   pare_arena_destroy(ctx, app.arena);
   return code;
}

static int print_main_help(pare_ctx *ctx, FILE *to, int code)
{
   pare_str text = { 0 };
   if (pare_cli_main_help(ctx, commands, &text) != PARE_OK) return PARE_RESOURCE;
   fputs(text.data, to);
   pare_str_finish(ctx, &text);
   return code;
}

int main(int argc, char **argv)
{
   pare_ctx ctx;
   pare_terminal terminal;
   pare_ctx_init(&ctx);
   pare_terminal_init(&terminal, false);
   pare_fp_pin();
   ctx.log = pare_terminal_log;
   ctx.progress = pare_terminal_progress;
   ctx.user = &terminal;
   ctx.stop = pare_signals_install();
   int code;
   if (argc < 2) code = print_main_help(&ctx, stderr, PARE_USAGE);
   else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
      code = print_main_help(&ctx, stdout, 0);
   else if (!strcmp(argv[1], "--version")) code = puts("pare " PARE_VERSION) < 0;
   else code = run_main(&ctx, &terminal, argv[1], argc - 2, argv + 2);
   pare_ctx_finish(&ctx);
   return code;
}
