/* pool: worker threads for data-parallel loops. Work is cut into numbered items whose results do not depend
 * on who runs them, so no thread count shows in any result. Workers spin briefly for the next loop, then
 * sleep. */
#ifndef PARE_BASE_POOL_H
#define PARE_BASE_POOL_H

#include "base/ctx.h"

/* One item of work. `worker` in [0, pare_pool_width) names scratch space that no other running item uses.
 * Must not allocate through the caller's context nor set its error; a copy of the context, with an
 * error of its own, may do both. */
typedef void (*pare_work)(void *arg, int64_t item, int worker);

/* Runs items [0, count); returns when all are done. With one thread (or when no thread can be started) the
 * caller runs them all. Loops do not nest. */
void pare_pool_run(pare_ctx *ctx, int64_t count, pare_work work, void *arg);
/* The same for work that is cheaper in ranges: each worker has one contiguous share of the items and takes
 * parts of it, long ones first, of whole `grain`s (>= 1) but for the last; then what the others have left. */
typedef void (*pare_work_range)(void *arg, int64_t from, int64_t to, int worker);
void pare_pool_run_ranges(pare_ctx *ctx, int64_t count, int64_t grain, pare_work_range work, void *arg);
/* Largest number of workers pare_pool_run will use for this context (>= 1). */
int pare_pool_width(pare_ctx *ctx);
void pare_pool_destroy(pare_ctx *ctx, pare_pool *pool); /* called by pare_ctx_finish; NULL is fine */

/* Processors this process may use: affinity mask and cgroup quota, at least 1. */
int pare_pool_processors(void);

#endif
