/* command: what a subcommand is. One file a command, its descriptor listed in main.c. */
#ifndef PARE_BIN_COMMAND_H
#define PARE_BIN_COMMAND_H

#include "base/fields.h"

/* Options every command takes. */
typedef struct pare_common {
   int64_t threads;
   const char *cpu;
   bool json, quiet, help;
} pare_common;

/* An option and the struct that its table describes: the command's, or the common one. */
typedef struct pare_given {
   const pare_field *field; /* NULL: there is no such option */
   void *options;
} pare_given;

/* One run of one command. */
typedef struct pare_app {
   pare_ctx *ctx;
   pare_arena *arena;
   pare_common common;
   const char *const *args; /* positional */
   size_t n_args;
   pare_given *given; /* the options on the command line, in their order */
   size_t n_given;
   pare_json_writer
      body; /* members of the JSON document, inside an object the caller opened; nothing but --json shows it */
   pare_str text; /* what goes to stdout without --json */
} pare_app;

typedef struct pare_command {
   const char *name;
   const char *summary;      /* one line */
   const char *usage;        /* what follows the name: "MODEL [options]" */
   const char *description;  /* paragraphs of the help text */
   const char *examples;     /* lines */
   const pare_field *fields; /* may be NULL */
   size_t options_size;
   size_t min_args, max_args;
   pare_status (*run)(pare_app *app, const void *options);
} pare_command;

#define COMMAND(name) extern const pare_command pare_command_##name;
#include "bin/commands.def"
#undef COMMAND

#endif
