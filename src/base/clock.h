/* clock: time for measuring how long something takes. */
#ifndef PARE_BASE_CLOCK_H
#define PARE_BASE_CLOCK_H

double pare_now(void); /* seconds since some moment; never goes back */

#endif
