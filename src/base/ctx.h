/* ctx: the explicit context every fallible function takes: error, allocator, log and progress callbacks,
 * cancel flag, threads, seed, allowed instruction sets.
 *
 * One context serves one thread of work. The library never prints: messages go to the callbacks. A caller
 * fills the public fields after pare_ctx_init and calls pare_ctx_finish at the end. */
#ifndef PARE_BASE_CTX_H
#define PARE_BASE_CTX_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#if defined(__GNUC__)
#define PARE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PARE_PRINTF(text, first)
#endif

/* Allocation hook with the meaning of realloc: size 0 frees and returns NULL; ptr NULL allocates. With more
 * than one thread, workers call it side by side, so it must then be as safe for that as malloc is. */
typedef struct pare_allocator {
   void *(*fn)(void *user, void *ptr, size_t size);
   void *user;
} pare_allocator;

/* The last failure. `where` is a file, a tensor or a JSON path; `hint` says what to do; both may be empty. */
typedef struct pare_error {
   pare_status status;
   char where[256];
   char message[768];
   char hint[256];
} pare_error;

typedef enum pare_level { PARE_DEBUG, PARE_INFO, PARE_WARNING } pare_level;

/* A step of long work. `done` and `total` count `unit`s (bytes, tokens, tensors); total 0 means unknown. */
typedef struct pare_progress {
   const char *task;
   const char *unit;
   double done, total;
} pare_progress;

typedef struct pare_pool pare_pool;

typedef struct pare_ctx {
   pare_allocator alloc;
   pare_error error;
   void (*log)(void *user, pare_level level, const char *code, const char *where, const char *message);
   void (*progress)(void *user, const pare_progress *progress);
   void *user;                         /* handed to log and progress */
   const volatile sig_atomic_t *stop;  /* a signal number once work must end (SIGBUS: a mapped file shrank), else 0 */
   int threads;                        /* worker threads, [1, 1024] */
   unsigned cpu;                       /* mask of PARE_CPU_* that kernels may use; 0 is the scalar oracle */
   uint64_t seed;
   size_t reserved;                    /* bytes that sessions have asked for, touched or not yet: together at most
                                          pare_memory_limit (memory.h) */
   pare_pool *pool;                    /* made on first use by pool.h */
} pare_ctx;

/* Defaults: malloc, no callbacks, one thread, the instruction sets of this machine. */
void pare_ctx_init(pare_ctx *ctx);
/* Stops the pool. The context may be initialized again. */
void pare_ctx_finish(pare_ctx *ctx);

/* Records a failure and returns `status`. The first failure wins until pare_ctx_clear, so that clean-up
 * cannot bury the cause. `where` may be NULL. */
pare_status pare_fail(pare_ctx *ctx, pare_status status, const char *where, const char *fmt, ...) PARE_PRINTF(4, 5);
/* Words the failure just recorded anew, for a caller that knows more: status, place and message become
 * these, the hint stays. The arguments must not point into ctx->error. */
pare_status pare_fail_again(pare_ctx *ctx, pare_status status, const char *where, const char *fmt, ...)
   PARE_PRINTF(4, 5);
/* Adds what the user can do about the failure just recorded. */
void pare_hint(pare_ctx *ctx, const char *fmt, ...) PARE_PRINTF(2, 3);
void pare_ctx_clear(pare_ctx *ctx);

void pare_log(pare_ctx *ctx, pare_level level, const char *code, const char *where, const char *fmt, ...)
   PARE_PRINTF(5, 6);
void pare_report_progress(pare_ctx *ctx, const char *task, const char *unit, double done, double total);

/* PARE_OK, or PARE_STOPPED when the cancel flag is up, or PARE_INPUT when a mapped file shrank. Long loops
 * call it often; nothing that was read from a map may be published without a call after the read. */
pare_status pare_check_stop(pare_ctx *ctx);
/* True when pare_check_stop would fail; records nothing, so workers may ask. */
bool pare_stop_wanted(const pare_ctx *ctx);

/* Memory. All return NULL after recording PARE_RESOURCE; new memory is zeroed. */
void *pare_alloc(pare_ctx *ctx, size_t size);
void *pare_alloc_array(pare_ctx *ctx, size_t count, size_t size); /* checks the product */
void *pare_realloc(pare_ctx *ctx, void *ptr, size_t size);        /* the grown part is not zeroed */
char *pare_strdup(pare_ctx *ctx, const char *text);
void pare_free(pare_ctx *ctx, void *ptr);

#endif
