/* plan_report: the static plan of a session, for pare inspect --plan. */
#ifndef PARE_BIN_PLAN_REPORT_H
#define PARE_BIN_PLAN_REPORT_H

#include "bin/command.h"
#include "run/session.h"

/* Plans a session of the model with these limits (0: the session's own defaults) and the context's threads,
 * proves its memory again (pare_plan_check), and writes stages, steps, regions and bytes into app->text and,
 * as the object "plan", into app->body. */
pare_status pare_plan_report(pare_app *app, const pare_model *model, const pare_session_options *options);

#endif
