/* sequence: one text while it grows: its tokens, its sampler, guesses, and the rules by which it ends. What
 * generate and scheduler share. */
#ifndef PARE_RUN_SEQUENCE_H
#define PARE_RUN_SEQUENCE_H

#include "run/generate.h"

typedef struct pare_sequence {
   const pare_model *model;
   pare_sampler *sampler;       /* the caller's */
   pare_speculator *speculator; /* the caller's; NULL: no guesses */
   pare_generate_options options;
   pare_generate_result result;
   uint32_t *tokens; /* [context] prompt and what came after, then guesses; owned */
   int64_t n, context;
   int64_t guessed; /* tokens[n...] are so many guesses, in the batch that is being made or judged */
} pare_sequence;

/* Copies prompt[n]. PARE_INPUT unless 1 <= n <= context. Finish in any case. */
pare_status pare_sequence_start(pare_ctx *ctx, pare_sequence *sequence, const pare_model *model,
                                int64_t context, const uint32_t *prompt, size_t n,
                                const pare_generate_options *options);
void pare_sequence_finish(pare_ctx *ctx, pare_sequence *sequence);
/* Guesses what follows the text: at most `most` tokens, no more than have positions, and none behind the last
 * token that is wanted. */
pare_status pare_sequence_guess(pare_ctx *ctx, pare_sequence *sequence, int64_t most);
/* Chooses from logits[1 + guessed][vocab], the rows of the text's last token and of the guesses, as far as the
 * guesses come true; adds what was chosen to the text and hands it out. *more is false when the text ends: at
 * an end token (which is not handed out), at max_tokens, or with a token that the context has no position
 * for. Else the text's last token is still to be fed. */
pare_status pare_sequence_judge(pare_ctx *ctx, pare_sequence *sequence, const float *logits, bool *more);

#endif
