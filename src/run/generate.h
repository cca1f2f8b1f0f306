/* generate: the loop of prefill and decode with a sampler, one sequence, tokens handed out as they come. */
#ifndef PARE_RUN_GENERATE_H
#define PARE_RUN_GENERATE_H

#include "run/sampler.h"
#include "run/session.h"

typedef enum pare_finish { PARE_FINISH_LENGTH, PARE_FINISH_END_TOKEN, PARE_FINISH_CONTEXT } pare_finish;

typedef struct pare_generate_options {
   int64_t max_tokens;     /* >= 0 */
   bool ignore_end_tokens;
   /* Called for every new token (not for the end token); a failure ends the generation. May be NULL. */
   pare_status (*on_token)(pare_ctx *ctx, void *user, uint32_t token);
   void *user;
} pare_generate_options;

typedef struct pare_generate_result {
   int64_t prompt_tokens, tokens;
   double prompt_seconds, seconds;
   pare_finish finish;
} pare_generate_result;

/* Feeds prompt[n] (n >= 1) to slot 0 and generates. Stops at any of the model's end tokens, at max_tokens,
 * or when the context is full. */
pare_status pare_generate(pare_ctx *ctx, const pare_model *model, pare_session *session,
                          pare_sampler *sampler, const uint32_t *prompt, size_t n,
                          const pare_generate_options *options, pare_generate_result *result);
/* Whether the token is one that ends a text of this model. */
bool pare_is_end_token(const pare_model *model, uint32_t token);

#endif
