/* exec: runs the stages of a plan over a batch. */
#ifndef PARE_RUN_EXEC_H
#define PARE_RUN_EXEC_H

#include "run/step.h"

/* The batch was checked. The caller has pinned the floating-point modes. Fails only when the cancel flag is
 * up. */
pare_status pare_exec(pare_ctx *ctx, const pare_run *run);

#endif
