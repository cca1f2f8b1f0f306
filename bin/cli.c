/* cli: see cli.h. */
#include "bin/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu.h"

static const pare_field common_fields[] = {
   { .name = "threads",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(pare_common, threads),
     .max = 1024,
     .letter = 't',
     .value_name = "N",
     .help = "worker threads; 0 takes every processor this process may use. Results do not depend on it" },
   { .name = "cpu",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(pare_common, cpu),
     .initial_text = "native",
     .value_name = "NAME",
     .help = "best instruction set the kernels may use: " PARE_CPU_NAMES ". "
             "Results do not depend on it" },
   { .name = "json",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(pare_common, json),
     .help = "write exactly one JSON document to stdout, on errors too" },
   { .name = "quiet",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(pare_common, quiet),
     .letter = 'q',
     .help = "no progress and no notes on stderr; errors remain" },
   { .name = "help",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(pare_common, help),
     .letter = 'h',
     .help = "print this text and exit" },
   PARE_FIELDS_END
};

static const pare_field *by_letter(const pare_field *fields, char letter)
{
   for (; fields && fields->name; fields++)
      if (fields->letter == letter) return fields;
   return NULL;
}

static const pare_field *by_name(const pare_field *fields, const char *name, size_t length)
{
   for (; fields && fields->name; fields++)
      if (strlen(fields->name) == length && strncmp(fields->name, name, length) == 0) return fields;
   return NULL;
}

static pare_given find_long(pare_app *app, const pare_command *command, void *options, const char *name,
                              size_t length)
{
   const pare_field *field = by_name(command->fields, name, length);
   if (field) return (pare_given){ field, options };
   return (pare_given){ by_name(common_fields, name, length), &app->common };
}

static pare_given find_short(pare_app *app, const pare_command *command, void *options, char letter)
{
   const pare_field *field = by_letter(command->fields, letter);
   if (field) return (pare_given){ field, options };
   return (pare_given){ by_letter(common_fields, letter), &app->common };
}

static pare_status unknown_option(pare_app *app, const pare_command *command, const char *arg)
{
   const char *names[64];
   size_t n = 0;
   for (const pare_field *f = command->fields; f && f->name && n < 50; f++) names[n++] = f->name;
   for (const pare_field *f = common_fields; f->name; f++) names[n++] = f->name;
   names[n] = NULL;
   const char *near = arg[1] == '-' ? pare_nearest(arg + 2, names) : NULL;
   pare_fail(app->ctx, PARE_USAGE, arg, "unknown option of pare %s", command->name);
   if (near) pare_hint(app->ctx, "did you mean --%s?", near);
   else pare_hint(app->ctx, "see pare %s --help", command->name);
   return PARE_USAGE;
}

static pare_status set_option(pare_app *app, pare_given found, const char *value, const char *where)
{
   app->given[app->n_given++] = found;
   return pare_fields_set(app->ctx, found.field, value, where, app->arena, found.options, PARE_USAGE);
}

/* Takes the value of an option from the next argument. */
static pare_status set_from_next(pare_app *app, pare_given found, const char *arg, int argc, char **argv,
                                 int *i)
{
   if (found.field->kind == PARE_FIELD_BOOL) return set_option(app, found, "true", arg);
   if (*i + 1 >= argc) return pare_fail(app->ctx, PARE_USAGE, arg, "needs a value");
   return set_option(app, found, argv[++*i], arg);
}

static pare_status parse_long(pare_app *app, const pare_command *command, void *options, int argc,
                              char **argv, int *i)
{
   const char *arg = argv[*i], *name = arg + 2, *equals = strchr(name, '=');
   size_t length = equals ? (size_t)(equals - name) : strlen(name);
   pare_given found = find_long(app, command, options, name, length);
   if (found.field && equals) return set_option(app, found, equals + 1, arg);
   if (found.field) return set_from_next(app, found, arg, argc, argv, i);
   if (!equals && strncmp(name, "no-", 3) == 0) {
      found = find_long(app, command, options, name + 3, length - 3);
      if (found.field && found.field->kind == PARE_FIELD_BOOL) return set_option(app, found, "false", arg);
   }
   return unknown_option(app, command, arg);
}

static pare_status parse_short(pare_app *app, const pare_command *command, void *options, int argc,
                               char **argv, int *i)
{
   const char *arg = argv[*i];
   pare_given found = find_short(app, command, options, arg[1]);
   if (!found.field) return unknown_option(app, command, arg);
   if (arg[2]) return set_option(app, found, arg + 2, arg);
   return set_from_next(app, found, arg, argc, argv, i);
}

static pare_status check_arguments(pare_app *app, const pare_command *command)
{
   if (app->common.help || (app->n_args >= command->min_args && app->n_args <= command->max_args))
      return PARE_OK;
   pare_fail(app->ctx, PARE_USAGE, NULL, "%s arguments, usage: pare %s %s",
             app->n_args < command->min_args ? "missing" : "too many", command->name, command->usage);
   pare_hint(app->ctx, "see pare %s --help", command->name);
   return PARE_USAGE;
}

/* Whether a list of words "a b" has this one. */
static bool has_word(const char *words, const char *word)
{
   size_t size, length = strlen(word);
   for (; *words; words += size + strspn(words + size, " ")) {
      size = strcspn(words, " ");
      if (size == length && strncmp(words, word, size) == 0) return true;
   }
   return false;
}

/* Whether one of the options that the field needs was given; --no-a does not count as a. */
static bool has_needed(const pare_app *app, const pare_field *field)
{
   for (size_t i = 0; i < app->n_given; i++) {
      const pare_field *other = app->given[i].field;
      if (!has_word(field->needs, other->name)) continue;
      const char *value = (const char *)app->given[i].options + other->offset;
      if (other->kind != PARE_FIELD_BOOL || *(const bool *)value) return true;
   }
   return false;
}

static pare_status lacks_needed(pare_app *app, const pare_field *field)
{
   char where[64];
   pare_str names = { 0 };
   pare_status status = PARE_OK;
   snprintf(where, sizeof where, "--%s", field->name);
   for (const char *word = field->needs; status == PARE_OK && *word; word += strspn(word, " ")) {
      int size = (int)strcspn(word, " ");
      status = pare_str_printf(app->ctx, &names, "%s--%.*s", names.size ? " or " : "", size, word);
      word += size;
   }
   if (status == PARE_OK) status = pare_fail(app->ctx, PARE_USAGE, where, "expected with %s", names.data);
   pare_str_finish(app->ctx, &names);
   return status;
}

/* An option that would do nothing is a mistake. */
static pare_status check_needs(pare_app *app)
{
   for (size_t i = 0; !app->common.help && i < app->n_given; i++) {
      const pare_field *field = app->given[i].field;
      if (field->needs && !has_needed(app, field)) return lacks_needed(app, field);
   }
   return PARE_OK;
}

pare_status pare_cli_parse(pare_app *app, const pare_command *command, int argc, char **argv, void *options)
{
   const char **args = pare_arena_array(app->ctx, app->arena, (size_t)argc + 1, sizeof *args);
   app->given = pare_arena_array(app->ctx, app->arena, (size_t)argc + 1, sizeof *app->given);
   if (!args || !app->given) return PARE_RESOURCE;
   app->args = args;
   PARE_TRY(pare_fields_init(app->ctx, common_fields, app->arena, &app->common));
   if (command->fields) PARE_TRY(pare_fields_init(app->ctx, command->fields, app->arena, options));
   bool literal = false;
   for (int i = 0; i < argc; i++) {
      const char *arg = argv[i];
      if (literal || arg[0] != '-' || arg[1] == 0) args[app->n_args++] = arg;
      else if (strcmp(arg, "--") == 0) literal = true;
      else if (arg[1] == '-') PARE_TRY(parse_long(app, command, options, argc, argv, &i));
      else PARE_TRY(parse_short(app, command, options, argc, argv, &i));
   }
   PARE_TRY(check_arguments(app, command));
   return check_needs(app);
}

/* Help of the common options, but those that the command has under the same name. */
static pare_status put_common_help(pare_ctx *ctx, const pare_command *command, pare_str *out)
{
   pare_field fields[sizeof common_fields / sizeof *common_fields];
   size_t n = 0;
   for (const pare_field *f = common_fields; f->name; f++)
      if (!by_name(command->fields, f->name, strlen(f->name))) fields[n++] = *f;
   fields[n] = (pare_field)PARE_FIELDS_END;
   return pare_fields_help(ctx, fields, "--", out);
}

pare_status pare_cli_command_help(pare_ctx *ctx, const pare_command *command, pare_str *out)
{
   PARE_TRY(pare_str_printf(ctx, out, "pare %s: %s\n\nusage: pare %s %s\n\n%s", command->name,
                            command->summary, command->name, command->usage, command->description));
   if (command->fields) {
      PARE_TRY(pare_str_puts(ctx, out, "\noptions:\n"));
      PARE_TRY(pare_fields_help(ctx, command->fields, "--", out));
   }
   PARE_TRY(pare_str_puts(ctx, out, "\ncommon options:\n"));
   PARE_TRY(put_common_help(ctx, command, out));
   return pare_str_printf(ctx, out, "\nexamples:\n%s", command->examples);
}

pare_status pare_cli_main_help(pare_ctx *ctx, const pare_command *const *commands, pare_str *out)
{
   PARE_TRY(pare_str_puts(
      ctx, out,
      "pare " PARE_VERSION
      ": pares a trained transformer down, proves what that cost, and runs the result on a CPU\n\n"
      "usage: pare COMMAND [arguments] [options]\n\ncommands:\n"));
   for (; *commands; commands++)
      PARE_TRY(pare_str_printf(ctx, out, "  %-10s %s\n", (*commands)->name, (*commands)->summary));
   return pare_str_puts(ctx, out,
                        "\nA MODEL is a Hugging Face directory (config.json, *.safetensors, tokenizer.json) "
                        "or a .pare artifact.\n"
                        "pare COMMAND --help explains a command, pare --version prints the version.\n"
                        "\nexit codes: 0 ok; 1 a gate failed or a difference was found; 2 usage; 3 bad "
                        "input; 4 out of memory or disk;\n"
                        "5 internal error; 6 valid but not supported; 130, 143 stopped by a signal.\n");
}
