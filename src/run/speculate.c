/* speculate: see speculate.h. */
#include "run/speculate.h"

#include "run/lookup.h"

enum { FIRST_LENGTH = 4, LEAST_LENGTH = 2 };

struct pare_speculator {
   pare_speculate_options options;
   int64_t length;        /* of the next draft */
   int64_t misses;        /* drafts in a row of which nothing came true */
   pare_lookup *lookup;   /* or NULL, and then: */
   pare_session *session; /* of the draft model; slot 0 holds the text so far */
   pare_sampler *sampler;
   int64_t vocab;
   double *distributions; /* [tokens][vocab]; NULL when the draft is greedy */
};

/* ---- making ---- */

static pare_status create(pare_ctx *ctx, const pare_speculate_options *options, pare_speculator **out)
{
   if (options->tokens < 1 || options->tokens > PARE_MOST_GUESSES)
      return pare_fail(ctx, PARE_USAGE, NULL, "drafts of %lld tokens, expected 1 to %d",
                       (long long)options->tokens, PARE_MOST_GUESSES);
   pare_speculator *s = pare_alloc(ctx, sizeof *s);
   if (!s) return PARE_RESOURCE;
   s->options = *options;
   *out = s;
   return PARE_OK;
}

/* Hands s out, or destroys it when its making failed. */
static pare_status made(pare_ctx *ctx, pare_status status, pare_speculator *s, pare_speculator **out)
{
   if (status != PARE_OK) {
      pare_speculator_destroy(ctx, s);
      return status;
   }
   pare_speculator_start(s);
   *out = s;
   return PARE_OK;
}

pare_status pare_speculator_create_lookup(pare_ctx *ctx, const pare_speculate_options *options,
                                          int64_t context, pare_speculator **out)
{
   pare_speculator *s = NULL;
   PARE_TRY(create(ctx, options, &s));
   return made(ctx, pare_lookup_create(ctx, options->ngram, context, &s->lookup), s, out);
}

static pare_status prepare_draft(pare_ctx *ctx, pare_speculator *s, const pare_model *draft,
                                 const pare_sampler_options *sampling, int64_t context)
{
   if (context > draft->context) context = draft->context;
   pare_session_options limits = { .slots = 1, .context = context, .rows = 1 };
   pare_sampler_options own = *sampling;
   own.seed ^= 1; /* draws of its own, or a guess would know what judges it */
   s->vocab = draft->vocab;
   PARE_TRY(pare_session_create(ctx, draft, &limits, &s->session));
   int64_t ids = pare_session_token_ids(s->session);
   if (ids < s->vocab)
      return pare_fail(ctx, PARE_INPUT, draft->path,
                       "a draft whose table has rows for %lld tokens only, the vocabulary has %lld",
                       (long long)ids, (long long)s->vocab);
   PARE_TRY(pare_sampler_create(ctx, &own, s->vocab, &s->sampler));
   if (sampling->temperature <= 0) return PARE_OK;
   s->distributions =
      pare_alloc_array(ctx, (size_t)s->vocab, (size_t)s->options.tokens * sizeof *s->distributions);
   return s->distributions ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_speculator_create_draft(pare_ctx *ctx, const pare_model *model, const pare_model *draft,
                                         const pare_speculate_options *options,
                                         const pare_sampler_options *sampling, int64_t context,
                                         pare_speculator **out)
{
   pare_speculator *s = NULL;
   if (draft->vocab != model->vocab)
      return pare_fail(ctx, PARE_INPUT, draft->path,
                       "a draft of %lld tokens in its vocabulary, the model has %lld",
                       (long long)draft->vocab, (long long)model->vocab);
   PARE_TRY(create(ctx, options, &s));
   return made(ctx, prepare_draft(ctx, s, draft, sampling, context), s, out);
}

void pare_speculator_destroy(pare_ctx *ctx, pare_speculator *s)
{
   if (!s) return;
   pare_lookup_destroy(ctx, s->lookup);
   pare_session_destroy(ctx, s->session);
   pare_sampler_destroy(ctx, s->sampler);
   pare_free(ctx, s->distributions);
   pare_free(ctx, s);
}

void pare_speculator_start(pare_speculator *s)
{
   s->length = s->options.tokens < FIRST_LENGTH ? s->options.tokens : FIRST_LENGTH;
   s->misses = 0;
   if (s->lookup) pare_lookup_start(s->lookup);
}

/* ---- guessing ---- */

static int64_t look_up(pare_speculator *s, uint32_t *text, int64_t n, int64_t most)
{
   int64_t least = pare_lookup_shortest(s->lookup) + s->misses;
   if (least > s->options.ngram) least = s->options.ngram;
   return pare_lookup_guess(s->lookup, text, n, least, most);
}

/* The session holds what the draft model was fed last: this text and guesses that may have been refused. */
static pare_status draft(pare_ctx *ctx, pare_speculator *s, uint32_t *text, int64_t n, int64_t most,
                         int64_t *count)
{
   const float *logits;
   int64_t context = pare_session_limits(s->session)->context, from;
   if (most > context - n + 1) most = context - n + 1;
   if (most < 1) return PARE_OK;
   from = pare_session_prefix(s->session, 0, text, n - 1);
   for (int64_t i = 0; i < most; i++) {
      PARE_TRY(pare_session_prefill(ctx, s->session, 0, text + from, from, n + i - from, &logits));
      PARE_TRY(pare_sampler_next(ctx, s->sampler, logits, text, (size_t)(n + i), &text[n + i]));
      if (s->distributions) pare_sampler_distribution(s->sampler, s->distributions + i * s->vocab);
      from = n + i;
      ++*count;
   }
   return PARE_OK;
}

pare_status pare_speculator_guess(pare_ctx *ctx, pare_speculator *s, uint32_t *text, int64_t n, int64_t most,
                                  int64_t *count)
{
   *count = 0;
   if (most > s->length) most = s->length;
   if (!s->lookup) return draft(ctx, s, text, n, most, count);
   *count = look_up(s, text, n, most);
   return PARE_OK;
}

const double *pare_speculator_distribution(const pare_speculator *s, int64_t i)
{
   return s->distributions ? s->distributions + i * s->vocab : NULL;
}

void pare_speculator_judged(pare_speculator *s, int64_t guessed, int64_t accepted)
{
   if (guessed == 0) return;
   s->misses = accepted > 0 ? 0 : s->misses + 1;
   if (accepted == guessed) s->length *= 2;
   else s->length = s->length / 2 > accepted ? s->length / 2 : accepted + 1;
   if (s->length < LEAST_LENGTH) s->length = LEAST_LENGTH;
   if (s->length > s->options.tokens) s->length = s->options.tokens;
}
