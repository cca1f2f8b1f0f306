/* session: a model made ready to run: memory and schedule planned once, then steps over batches of tokens.
 *
 *    pare_session_create(ctx, model, &options, &session);
 *    pare_session_step(ctx, session, &batch, &logits);
 *
 * A batch is one ragged list of tokens of one or many sequences. Each sequence lives in a slot of the KV
 * cache. A slot may go back: feeding an earlier position again drops what came after it. The result for a
 * token depends on its own sequence alone: not on what else is in the batch, how a prompt was cut into
 * batches, the number of threads or the instruction set. */
#ifndef PARE_RUN_SESSION_H
#define PARE_RUN_SESSION_H

#include "ir/model.h"

typedef struct pare_session pare_session;
typedef struct pare_plan pare_plan; /* run/plan.h */

typedef struct pare_session_options {
   int64_t slots;   /* sequences held at once, [1, 4096] */
   int64_t context; /* positions a sequence may have; 0: the model's own */
   int64_t tokens;  /* largest batch; 0: 512 or the context when shorter */
   int64_t rows;    /* most logit rows of a step; 0: as many as tokens, at most 64 */
} pare_session_options;

/* `model` must outlive the session. PARE_UNSUPPORTED when the graph holds what the executor cannot run,
 * PARE_USAGE when options are outside what the model was made for, PARE_RESOURCE when all sessions of the context
 * would together take more than pare_memory_limit, PARE_INTERNAL when its logits and its vocabulary differ in size. */
pare_status pare_session_create(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                                pare_session **out);
void pare_session_destroy(pare_ctx *ctx, pare_session *session); /* NULL is fine */

typedef struct pare_batch {
   int64_t n_tokens;
   const uint32_t *tokens;    /* [n_tokens] ids */
   const int32_t
      *positions; /* [n_tokens] in [0, context); the tokens of a slot follow each other without gaps,
                                 and all positions before the first one are in the cache */
   const int32_t *slots;      /* [n_tokens] */
   int64_t n_rows;
   const int32_t *rows;       /* [n_rows] indices of tokens whose logits are wanted, ascending */
} pare_batch;

/* Runs the batch. *logits: [n_rows][vocab], owned by the session, valid until the next step. PARE_INPUT for
 * an id, position, slot or row out of range or out of order; the cache is then unchanged. PARE_USAGE when the
 * context has more threads now than the session was made for. */
pare_status pare_session_step(pare_ctx *ctx, pare_session *session, const pare_batch *batch,
                              const float **logits);

/* Convenience for one sequence in slot `slot`: tokens at positions from..from+count-1, in batches of any
 * size; logits of the last one. */
pare_status pare_session_prefill(pare_ctx *ctx, pare_session *session, int64_t slot, const uint32_t *tokens,
                                 int64_t from, int64_t count, const float **logits);

/* Prefix reuse. A session knows the tokens that each slot holds keys and values of. What two texts begin with
 * alike has the same keys and values, bit for bit, so only the rest needs to be fed:
 *
 *    int64_t same = pare_session_prefix(session, slot, tokens, n - 1);
 *    pare_session_prefill(ctx, session, slot, tokens + same, same, n - same, &logits);
 *
 * How many positions the slot holds. */
int64_t pare_session_held(const pare_session *session, int64_t slot);
/* How many of tokens[n] the slot begins with, in [0, n]. */
int64_t pare_session_prefix(const pare_session *session, int64_t slot, const uint32_t *tokens, int64_t n);
/* Makes slot `to` hold the first n positions of slot `from`, and nothing else. PARE_INPUT when a slot is out
 * of range, both are the same, or `from` holds fewer; nothing is changed then. */
pare_status pare_session_copy(pare_ctx *ctx, pare_session *session, int64_t from, int64_t to, int64_t n);

/* Bytes. Weights are not copied. */
typedef struct pare_session_memory {
   size_t activation_bytes; /* all regions of the largest batch */
   size_t scratch_bytes;    /* of all workers */
   size_t cache_bytes;      /* keys and values of slots * context positions */
   size_t table_bytes;      /* cosines and sines of rotary embedding */
   size_t vector_bytes;     /* gains and biases, kept as f32 */
   size_t schedule_bytes;   /* the rest: steps, stages, regions, lists of a batch, tokens of slots, alignment */
   size_t total_bytes;      /* what was asked of the allocator, to the byte */
} pare_session_memory;
pare_session_memory pare_session_used(const pare_session *session);

/* What a session with these options would do and hold, without its memory; threads are the context's. The
 * caller destroys the plan (run/plan.h). Fails as pare_session_create does, but takes no memory to be too much. */
pare_status pare_session_plan(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                              pare_plan **plan, pare_session_memory *memory);
/* The ids that a batch may have are below this: rows of the smallest table that tokens are looked up in. */
int64_t pare_session_token_ids(const pare_session *session);
/* The options with the defaults filled in. */
const pare_session_options *pare_session_limits(const pare_session *session);

#endif
