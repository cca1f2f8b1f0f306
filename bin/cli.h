/* cli: command lines and help texts, both from the commands' field tables. */
#ifndef PARE_BIN_CLI_H
#define PARE_BIN_CLI_H

#include "bin/command.h"

/* Decodes argv[0..argc) (after the command's name) into options, app->common and app->args. Options may
 * stand anywhere; "--" ends them; "--name=value", "--name value", "-n value" and, for booleans, "--name"
 * and "--no-name" are understood. PARE_USAGE with the nearest valid option. */
pare_status pare_cli_parse(pare_app *app, const pare_command *command, int argc, char **argv, void *options);

pare_status pare_cli_command_help(pare_ctx *ctx, const pare_command *command, pare_str *out);
pare_status pare_cli_main_help(pare_ctx *ctx, const pare_command *const *commands, pare_str *out);

#endif
