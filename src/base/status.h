/* status: what a function returns when it can fail.
 *
 * The value of each status is the exit code of the program, so that nothing has to be translated.
 * The message lies in the context (ctx.h), never in thread-local state. */
#ifndef PARE_BASE_STATUS_H
#define PARE_BASE_STATUS_H

typedef enum pare_status {
   PARE_OK = 0,
   PARE_DIFFERS = 1,     /* a gate failed, a verification or a diff found a difference */
   PARE_USAGE = 2,       /* the caller's options, recipe or arguments are wrong */
   PARE_INPUT = 3,       /* a file is damaged, missing or not what it claims to be */
   PARE_RESOURCE = 4,    /* out of memory or disk, or the operating system said no */
   PARE_INTERNAL = 5,    /* our own bug */
   PARE_UNSUPPORTED = 6, /* valid, but pare cannot do it */
   PARE_STOPPED = 130    /* the cancel flag was raised */
} pare_status;

/* Stable machine-readable name: "ok", "differs", "usage", "bad_input", "no_resource", "internal",
 * "unsupported", "interrupted". */
const char *pare_status_name(pare_status status);

/* Return from the enclosing function with the status of `call` unless it is PARE_OK. */
#define PARE_TRY(call)                       \
   do {                                      \
      pare_status status_ = (call);          \
      if (status_ != PARE_OK) return status_; \
   } while (0)

#endif
