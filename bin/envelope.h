/* envelope: the JSON document around what a command reports: schema, status, error, host, time, memory. */
#ifndef PARE_BIN_ENVELOPE_H
#define PARE_BIN_ENVELOPE_H

#include "bin/command.h"
#include "bin/terminal.h"

/* The whole document: the envelope's members, then those of `body` (the text of one JSON object, or empty).
 */
pare_status pare_envelope_write(pare_ctx *ctx, const pare_terminal *terminal, const char *command,
                                pare_status status, int exit_code, double seconds, const pare_str *body,
                                pare_str *out);

#endif
