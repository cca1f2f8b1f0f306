/* compress_report: what pare compress says: the plan of a dry run, and what each pass did. */
#ifndef PARE_BIN_COMPRESS_REPORT_H
#define PARE_BIN_COMPRESS_REPORT_H

#include "bin/command.h"
#include "pipeline/pipeline.h"

/* "estimate" and "recipe" members, and the same as text. */
pare_status pare_print_plan(pare_app *app, const pare_recipe *recipe, const pare_pipeline_estimate *e);
/* "passes" and "fallbacks" members, and a line a pass. */
pare_status pare_report_passes(pare_app *app, const pare_pipeline_report *report);

#endif
