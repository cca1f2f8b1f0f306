/* speculate: guesses of the next tokens, for a model to verify in one batch.
 *
 *    pare_speculator_create_lookup(ctx, &options, context, &speculator);
 *    pare_generate(ctx, model, session, sampler, speculator, prompt, n, &generate_options, &result);
 *
 * Guesses come from the text itself (look-up) or from a smaller model of the same vocabulary (a draft). The
 * length of a draft follows its luck: it doubles when all of it came true, and otherwise halves, but to no
 * less than one more than what did, nor than 2. Look-up also asks for longer matches after drafts of which
 * nothing came true. */
#ifndef PARE_RUN_SPECULATE_H
#define PARE_RUN_SPECULATE_H

#include "run/sampler.h"
#include "run/session.h"

enum { PARE_MOST_GUESSES = 256 };

typedef struct pare_speculate_options {
   int64_t tokens; /* longest draft, [1, PARE_MOST_GUESSES] */
   int64_t ngram;  /* look-up: most last tokens that are compared, [1, 64] */
} pare_speculate_options;

typedef struct pare_speculator pare_speculator;

/* context: longest text there will be. PARE_USAGE when an option is out of range. */
pare_status pare_speculator_create_lookup(pare_ctx *ctx, const pare_speculate_options *options,
                                          int64_t context, pare_speculator **out);
/* Guesses with `draft`, sampled as `sampling` says, but for the seed. Both models must outlive the
 * speculator; it holds a session of the draft. Beyond the draft's own context nothing is guessed.
 * PARE_INPUT when the models' vocabularies differ in size, or the draft cannot be fed all of its own;
 * PARE_RESOURCE as pare_session_create. */
pare_status pare_speculator_create_draft(pare_ctx *ctx, const pare_model *model, const pare_model *draft,
                                         const pare_speculate_options *options,
                                         const pare_sampler_options *sampling, int64_t context,
                                         pare_speculator **out);
void pare_speculator_destroy(pare_ctx *ctx, pare_speculator *speculator); /* NULL is fine */

/* Before another text. */
void pare_speculator_start(pare_speculator *speculator);
/* Writes *count guesses, at most `most`, to text[n...]; n >= 1, and text[0..n) begins with what it was in the
 * last call since start. */
pare_status pare_speculator_guess(pare_ctx *ctx, pare_speculator *speculator, uint32_t *text, int64_t n,
                                  int64_t most, int64_t *count);
/* The distribution [vocab] that guess i of the last call was drawn from; NULL when it was certain. */
const double *pare_speculator_distribution(const pare_speculator *speculator, int64_t i);
/* Of the last guesses, so many came true. */
void pare_speculator_judged(pare_speculator *speculator, int64_t guessed, int64_t accepted);

#endif
