/* signals: Ctrl-C, SIGTERM, SIGHUP and faults on shrunken maps become a flag that the library looks at. */
#ifndef PARE_BIN_SIGNALS_H
#define PARE_BIN_SIGNALS_H

#include <signal.h>

/* Installs the handlers and gives the flag for pare_ctx.stop. A second Ctrl-C ends the process at once. */
const volatile sig_atomic_t *pare_signals_install(void);

#endif
