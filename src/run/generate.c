/* generate: see generate.h. The text's last token is always still to be fed; a step feeds it and the guesses
 * behind it, and then goes through the rows of logits as far as the guesses come true. A refused guess costs
 * nothing but its place in the batch: the next step feeds its position again. */
#include "run/generate.h"

#include "base/clock.h"
#include "run/sequence.h"

typedef struct generation {
   pare_sequence text;
   pare_session *session;
   pare_speculator *speculator;
   int64_t most;                      /* tokens a batch may have */
   int64_t guessed;                   /* text.tokens[n...] behind the text */
   int32_t *positions, *slots, *rows; /* [most] */
} generation;

static int64_t least_of(int64_t a, int64_t b)
{
   return a < b ? a : b;
}

/* The token after the text, from the row that follows `guess` guesses. A guess without a distribution was
 * certain (q is 1), and then a draw from p that is compared is the algorithm's step: it accepts with
 * probability p, and a refused draw is one from p without the guess. */
static pare_status choose(pare_ctx *ctx, generation *g, const float *logits, int64_t guess, uint32_t *token)
{
   pare_sequence *text = &g->text;
   const double *q = guess < g->guessed ? pare_speculator_distribution(g->speculator, guess) : NULL;
   if (!q) return pare_sampler_next(ctx, text->sampler, logits, text->tokens, (size_t)text->n, token);
   return pare_sampler_verify(ctx, text->sampler, logits, text->tokens, (size_t)text->n,
                              text->tokens[text->n], q, token);
}

/* Rows of logits: after the text, after each guess. */
static pare_status judge(pare_ctx *ctx, generation *g, const float *logits, bool *more)
{
   pare_sequence *text = &g->text;
   bool hit = true;
   int64_t accepted = 0;
   for (int64_t i = 0; i <= g->guessed && hit; i++) {
      uint32_t token;
      PARE_TRY(choose(ctx, g, logits + i * text->model->vocab, i, &token));
      hit = i < g->guessed && token == text->tokens[text->n];
      PARE_TRY(pare_sequence_take(ctx, text, token, more));
      accepted += hit;
      hit = hit && *more;
   }
   text->result.steps++;
   text->result.guessed += g->guessed;
   text->result.accepted += accepted;
   if (g->speculator) pare_speculator_judged(g->speculator, g->guessed, accepted);
   return PARE_OK;
}

/* No more than can be fed, and none behind the last token that is wanted. */
static pare_status guess(pare_ctx *ctx, generation *g)
{
   pare_sequence *text = &g->text;
   int64_t room = least_of(g->most - 1, text->context - text->n);
   room = least_of(room, text->options.max_tokens - text->result.tokens - 1);
   g->guessed = 0;
   if (!g->speculator || room < 1) return PARE_OK;
   return pare_speculator_guess(ctx, g->speculator, text->tokens, text->n, room, &g->guessed);
}

static pare_status feed(pare_ctx *ctx, generation *g, const float **logits)
{
   int64_t from = g->text.n - 1, count = g->guessed + 1;
   for (int64_t i = 0; i < count; i++) {
      g->positions[i] = (int32_t)(from + i);
      g->slots[i] = 0;
      g->rows[i] = (int32_t)i;
   }
   pare_batch batch = { count, g->text.tokens + from, g->positions, g->slots, count, g->rows };
   return pare_session_step(ctx, g->session, &batch, logits);
}

static pare_status run(pare_ctx *ctx, generation *g)
{
   pare_sequence *text = &g->text;
   const float *logits;
   double start = pare_now();
   int64_t same = pare_session_prefix(g->session, 0, text->tokens, text->n - 1);
   PARE_TRY(pare_session_prefill(ctx, g->session, 0, text->tokens + same, same, text->n - same, &logits));
   double decode = pare_now();
   text->result.reused = same;
   text->result.prompt_seconds = decode - start;
   bool more = text->options.max_tokens > 0;
   if (more) PARE_TRY(judge(ctx, g, logits, &more));
   while (more) {
      PARE_TRY(guess(ctx, g));
      PARE_TRY(feed(ctx, g, &logits));
      PARE_TRY(judge(ctx, g, logits, &more));
   }
   text->result.seconds = pare_now() - decode;
   return PARE_OK;
}

static pare_status take_memory(pare_ctx *ctx, generation *g)
{
   const pare_session_options *limits = pare_session_limits(g->session);
   g->most = g->speculator ? least_of(limits->tokens, limits->rows) : 1;
   g->positions = pare_alloc_array(ctx, (size_t)g->most, sizeof *g->positions);
   g->slots = pare_alloc_array(ctx, (size_t)g->most, sizeof *g->slots);
   g->rows = pare_alloc_array(ctx, (size_t)g->most, sizeof *g->rows);
   return g->positions && g->slots && g->rows ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_generate(pare_ctx *ctx, const pare_model *model, pare_session *session,
                          pare_sampler *sampler, const uint32_t *prompt, size_t n,
                          const pare_generate_options *options, pare_generate_result *result)
{
   generation g = { .session = session, .speculator = options->speculator };
   int64_t context = pare_session_limits(session)->context;
   pare_status status = pare_sequence_start(ctx, &g.text, model, context, prompt, n, options);
   g.text.sampler = sampler;
   if (status == PARE_OK) status = take_memory(ctx, &g);
   if (g.speculator) pare_speculator_start(g.speculator);
   if (status == PARE_OK) status = run(ctx, &g);
   *result = g.text.result;
   pare_free(ctx, g.positions);
   pare_free(ctx, g.slots);
   pare_free(ctx, g.rows);
   pare_sequence_finish(ctx, &g.text);
   return status;
}
