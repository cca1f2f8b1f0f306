/* pattern_report: where the patterns of a pass applied, where they did not, and why. */
#ifndef PARE_BIN_PATTERN_REPORT_H
#define PARE_BIN_PATTERN_REPORT_H

#include "base/json.h"

/* "patterns": [{ pattern, where, applied, reason }] of the lines of a pass report; reason is null where it
 * applied. */
void pare_put_patterns(pare_json_writer *json, const char *lines);
/* A line for each pattern with the number of places where it applied, then one for each reason why it did not:
 * how often, and the first place. */
pare_status pare_print_patterns(pare_ctx *ctx, const char *lines, pare_str *out);

#endif
