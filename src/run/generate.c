/* generate: see generate.h. The text's last token is always still to be fed; a step feeds it and the guesses
 * behind it. A refused guess costs nothing but its place in the batch: the next step feeds its position
 * again. */
#include "run/generate.h"

#include "base/clock.h"
#include "run/sequence.h"

typedef struct generation {
   pare_sequence text;
   pare_session *session;
   int64_t most;                      /* tokens a batch may have */
   int32_t *positions, *slots, *rows; /* [most] */
} generation;

static pare_status feed(pare_ctx *ctx, generation *g, const float **logits)
{
   int64_t from = g->text.n - 1, count = g->text.guessed + 1;
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
   if (more) PARE_TRY(pare_sequence_judge(ctx, text, logits, &more));
   while (more) {
      PARE_TRY(pare_sequence_guess(ctx, text, g->most - 1));
      PARE_TRY(feed(ctx, g, &logits));
      PARE_TRY(pare_sequence_judge(ctx, text, logits, &more));
   }
   text->result.seconds = pare_now() - decode;
   return PARE_OK;
}

static pare_status take_memory(pare_ctx *ctx, generation *g)
{
   const pare_session_options *limits = pare_session_limits(g->session);
   g->most = limits->tokens < limits->rows ? limits->tokens : limits->rows;
   if (!g->text.speculator) g->most = 1;
   g->positions = pare_alloc_array(ctx, (size_t)g->most, sizeof *g->positions);
   g->slots = pare_alloc_array(ctx, (size_t)g->most, sizeof *g->slots);
   g->rows = pare_alloc_array(ctx, (size_t)g->most, sizeof *g->rows);
   return g->positions && g->slots && g->rows ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_generate(pare_ctx *ctx, const pare_model *model, pare_session *session,
                          pare_sampler *sampler, const uint32_t *prompt, size_t n,
                          const pare_generate_options *options, pare_generate_result *result)
{
   generation g = { .session = session };
   int64_t context = pare_session_limits(session)->context;
   pare_status status = pare_sequence_start(ctx, &g.text, model, context, prompt, n, options);
   g.text.sampler = sampler;
   g.text.speculator = options->speculator;
   if (status == PARE_OK) status = take_memory(ctx, &g);
   if (options->speculator) pare_speculator_start(options->speculator);
   if (status == PARE_OK) status = run(ctx, &g);
   *result = g.text.result;
   pare_free(ctx, g.positions);
   pare_free(ctx, g.slots);
   pare_free(ctx, g.rows);
   pare_sequence_finish(ctx, &g.text);
   return status;
}
