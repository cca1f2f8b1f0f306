/* generate: see generate.h. */
#include "run/generate.h"

#include <string.h>

#include "base/clock.h"

typedef struct generation {
   const pare_model *model;
   pare_session *session;
   pare_sampler *sampler;
   const pare_generate_options *options;
   uint32_t *tokens; /* [context] prompt and what came after */
   int64_t n, context;
   pare_generate_result *result;
} generation;

bool pare_is_end_token(const pare_model *model, uint32_t token)
{
   for (size_t i = 0; i < model->n_end; i++)
      if (model->end[i] == (int64_t)token) return true;
   return false;
}

/* Adds one token to the text; *more is false when it was the last. */
static pare_status add_token(pare_ctx *ctx, generation *g, const float *logits, bool *more)
{
   uint32_t token;
   *more = false;
   PARE_TRY(pare_sampler_next(ctx, g->sampler, logits, g->tokens, (size_t)g->n, &token));
   if (!g->options->ignore_end_tokens && pare_is_end_token(g->model, token)) {
      g->result->finish = PARE_FINISH_END_TOKEN;
      return PARE_OK;
   }
   g->result->tokens++;
   if (g->n < g->context) g->tokens[g->n] = token;
   if (g->options->on_token) PARE_TRY(g->options->on_token(ctx, g->options->user, token));
   *more = g->result->tokens < g->options->max_tokens;
   if (*more && g->n == g->context) {
      g->result->finish = PARE_FINISH_CONTEXT;
      *more = false;
   }
   return PARE_OK;
}

static pare_status run(pare_ctx *ctx, generation *g)
{
   const float *logits;
   double start = pare_now();
   PARE_TRY(pare_session_prefill(ctx, g->session, 0, g->tokens, 0, g->n, &logits));
   double decode = pare_now();
   g->result->prompt_seconds = decode - start;
   bool more = g->options->max_tokens > 0;
   while (more) {
      PARE_TRY(add_token(ctx, g, logits, &more));
      if (!more) break;
      PARE_TRY(pare_session_prefill(ctx, g->session, 0, g->tokens + g->n, g->n, 1, &logits));
      g->n++;
   }
   g->result->seconds = pare_now() - decode;
   return PARE_OK;
}

pare_status pare_generate(pare_ctx *ctx, const pare_model *model, pare_session *session,
                          pare_sampler *sampler, const uint32_t *prompt, size_t n,
                          const pare_generate_options *options, pare_generate_result *result)
{
   generation g = { .model = model,
                    .session = session,
                    .sampler = sampler,
                    .options = options,
                    .result = result,
                    .context = pare_session_limits(session)->context };
   *result = (pare_generate_result){ .prompt_tokens = (int64_t)n, .finish = PARE_FINISH_LENGTH };
   if (n < 1 || n > (size_t)g.context)
      return pare_fail(ctx, PARE_INPUT, NULL, "a prompt of %zu tokens, expected 1 to %lld", n,
                       (long long)g.context);
   g.tokens = pare_alloc_array(ctx, (size_t)g.context, sizeof *g.tokens);
   if (!g.tokens) return PARE_RESOURCE;
   memcpy(g.tokens, prompt, n * sizeof *prompt);
   g.n = (int64_t)n;
   pare_status status = run(ctx, &g);
   pare_free(ctx, g.tokens);
   return status;
}
