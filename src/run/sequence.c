/* sequence: see sequence.h. */
#include "run/sequence.h"

#include <string.h>

bool pare_is_end_token(const pare_model *model, uint32_t token)
{
   for (size_t i = 0; i < model->n_end; i++)
      if (model->end[i] == (int64_t)token) return true;
   return false;
}

pare_status pare_sequence_start(pare_ctx *ctx, pare_sequence *q, const pare_model *model, int64_t context,
                                const uint32_t *prompt, size_t n, const pare_generate_options *options)
{
   *q = (pare_sequence){ .model = model, .options = *options, .n = (int64_t)n, .context = context };
   q->result = (pare_generate_result){ .prompt_tokens = (int64_t)n, .finish = PARE_FINISH_LENGTH };
   if (n < 1 || n > (size_t)context)
      return pare_fail(ctx, PARE_INPUT, NULL, "a prompt of %zu tokens, expected 1 to %lld", n,
                       (long long)context);
   q->tokens = pare_alloc_array(ctx, (size_t)context, sizeof *q->tokens);
   if (!q->tokens) return PARE_RESOURCE;
   memcpy(q->tokens, prompt, n * sizeof *prompt);
   return PARE_OK;
}

void pare_sequence_finish(pare_ctx *ctx, pare_sequence *q)
{
   pare_free(ctx, q->tokens);
   q->tokens = NULL;
}

/* ---- guesses ---- */

static int64_t least_of(int64_t a, int64_t b)
{
   return a < b ? a : b;
}

pare_status pare_sequence_guess(pare_ctx *ctx, pare_sequence *q, int64_t most)
{
   int64_t wanted = q->options.max_tokens - q->result.tokens - 1;
   most = least_of(most, least_of(wanted, q->context - q->n));
   q->guessed = 0;
   if (!q->speculator || most < 1) return PARE_OK;
   return pare_speculator_guess(ctx, q->speculator, q->tokens, q->n, most, &q->guessed);
}

/* ---- choices ---- */

static pare_status take(pare_ctx *ctx, pare_sequence *q, uint32_t token, bool *more)
{
   *more = false;
   if (!q->options.ignore_end_tokens && pare_is_end_token(q->model, token)) {
      q->result.finish = PARE_FINISH_END_TOKEN;
      return PARE_OK;
   }
   q->result.tokens++;
   if (q->options.on_token) PARE_TRY(q->options.on_token(ctx, q->options.user, token));
   if (q->result.tokens >= q->options.max_tokens) return PARE_OK;
   if (q->n == q->context) {
      q->result.finish = PARE_FINISH_CONTEXT;
      return PARE_OK;
   }
   q->tokens[q->n++] = token;
   *more = true;
   return PARE_OK;
}

/* The token after the text, from the row that follows `guess` guesses. A guess without a distribution was
 * certain (q is 1), and then a draw from p that is compared is the algorithm's step: it accepts with
 * probability p, and a refused draw is one from p without the guess. */
static pare_status choose(pare_ctx *ctx, pare_sequence *q, const float *logits, int64_t guess, uint32_t *out)
{
   const double *drawn_from = NULL;
   if (guess < q->guessed) drawn_from = pare_speculator_distribution(q->speculator, guess);
   if (!drawn_from) return pare_sampler_next(ctx, q->sampler, logits, q->tokens, (size_t)q->n, out);
   return pare_sampler_verify(ctx, q->sampler, logits, q->tokens, (size_t)q->n, q->tokens[q->n], drawn_from,
                              out);
}

pare_status pare_sequence_judge(pare_ctx *ctx, pare_sequence *q, const float *logits, bool *more)
{
   int64_t accepted = 0;
   bool hit = true;
   *more = true;
   for (int64_t i = 0; hit && *more; i++) {
      uint32_t token;
      PARE_TRY(choose(ctx, q, logits + i * q->model->vocab, i, &token));
      hit = i < q->guessed && token == q->tokens[q->n];
      accepted += hit;
      PARE_TRY(take(ctx, q, token, more));
   }
   q->result.steps++;
   q->result.guessed += q->guessed;
   q->result.accepted += accepted;
   if (q->speculator) pare_speculator_judged(q->speculator, q->guessed, accepted);
   q->guessed = 0;
   return PARE_OK;
}
