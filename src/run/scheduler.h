/* scheduler: continuous batching. Many requests over the slots of one session, each with its own prompt,
 * sampler and length; they come and go while others run.
 *
 *    pare_scheduler_create(ctx, model, session, &options, &scheduler);
 *    pare_scheduler_add(ctx, scheduler, &request);        as often as wanted, at any time
 *    do pare_scheduler_step(ctx, scheduler, &busy); while (busy);
 *
 * A step is one batch: a token of every sequence that generates and what is guessed behind it, and with the
 * room that is left, chunks of the prompts that wait, first come, first served. A request starts when a slot
 * is free. What its prompt begins with and any slot holds is copied or kept, not computed again; prompts that
 * begin alike and come together wait for the first of them. The tokens of a request are those that
 * pare_generate alone would give it. */
#ifndef PARE_RUN_SCHEDULER_H
#define PARE_RUN_SCHEDULER_H

#include "run/generate.h"

typedef struct pare_scheduler pare_scheduler;

typedef struct pare_scheduler_options {
   int64_t chunk; /* most tokens of one prompt in a step, >= 1; 0: as many as the batch has room for */
   const pare_speculate_options *lookup; /* look-up for every sequence (speculate.h); NULL: none */
} pare_scheduler_options;

typedef struct pare_request {
   const uint32_t *prompt; /* [n]; copied by pare_scheduler_add */
   size_t n;
   pare_sampler_options sampling;
   pare_generate_options options; /* on_token is called as tokens come, and its failure ends the step;
                                     `speculator` must be NULL, see pare_scheduler_options */
   /* Called once, with options.user, when the request has ended; may add other requests. May be NULL. */
   pare_status (*on_finish)(pare_ctx *ctx, void *user, const pare_generate_result *result);
} pare_request;

typedef struct pare_scheduler_stats {
   int64_t steps, tokens;     /* batches run, tokens in them */
   int64_t reused;            /* prompt tokens that were not computed; of ended requests */
   int64_t guessed, accepted; /* tokens of drafts, and those of them that came true; of ended requests */
} pare_scheduler_stats;

/* The session is the caller's, outlives the scheduler, and is used by nothing else meanwhile; what its slots
 * hold is reused. Guesses take what its limits of tokens and rows leave. PARE_USAGE when one of these limits
 * is below its slots, or an option is out of range. */
pare_status pare_scheduler_create(pare_ctx *ctx, const pare_model *model, pare_session *session,
                                  const pare_scheduler_options *options, pare_scheduler **out);
void pare_scheduler_destroy(pare_ctx *ctx, pare_scheduler *scheduler); /* NULL is fine; drops what runs */
/* Queues a request. PARE_INPUT for a prompt that is empty, longer than the context or has ids that
 * the session does not take, PARE_USAGE for sampler options out of range or a speculator. */
pare_status pare_scheduler_add(pare_ctx *ctx, pare_scheduler *scheduler, const pare_request *request);
/* One batch. *busy is false when no request runs or waits any more. After a failure only destroy is left. */
pare_status pare_scheduler_step(pare_ctx *ctx, pare_scheduler *scheduler, bool *busy);
pare_scheduler_stats pare_scheduler_done(const pare_scheduler *scheduler);

#endif
