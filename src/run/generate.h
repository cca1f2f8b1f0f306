/* generate: the loop of prefill and decode with a sampler, one sequence, tokens handed out as they come. */
#ifndef PARE_RUN_GENERATE_H
#define PARE_RUN_GENERATE_H

#include "run/sampler.h"
#include "run/session.h"
#include "run/speculate.h"

typedef enum pare_finish { PARE_FINISH_LENGTH, PARE_FINISH_END_TOKEN, PARE_FINISH_CONTEXT } pare_finish;

typedef struct pare_generate_options {
   int64_t max_tokens; /* >= 0 */
   bool ignore_end_tokens;
   /* Called for every new token (not for the end token); a failure ends the generation. May be NULL. */
   pare_status (*on_token)(pare_ctx *ctx, void *user, uint32_t token);
   void *user;
   pare_speculator *speculator; /* of pare_generate: guesses tokens for the model to verify; NULL: none */
} pare_generate_options;

typedef struct pare_generate_result {
   int64_t prompt_tokens, tokens;
   int64_t reused; /* prompt tokens that the session held from before */
   int64_t steps;  /* times the model ran for new tokens; as many as tokens when nothing is guessed */
   int64_t guessed, accepted; /* tokens of drafts, and those of them that came true */
   double prompt_seconds, seconds;
   pare_finish finish;
} pare_generate_result;

/* Feeds prompt[n] (n >= 1) to slot 0, but for what it begins with and the slot holds already, and generates.
 * Stops at any of the model's end tokens, at max_tokens, or when the context is full.
 *
 * With a speculator, guesses go through the model in one batch with the token before them, as many as the
 * session's limits of tokens and rows leave room for. With a sampler at temperature 0, and with look-up at
 * any, the text is the one that would come without; with a draft model the sampled text is another one of
 * the same distribution. */
pare_status pare_generate(pare_ctx *ctx, const pare_model *model, pare_session *session,
                          pare_sampler *sampler, const uint32_t *prompt, size_t n,
                          const pare_generate_options *options, pare_generate_result *result);
/* Whether the token is one that ends a text of this model. */
bool pare_is_end_token(const pare_model *model, uint32_t token);

#endif
