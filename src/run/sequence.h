/* sequence: one text while it grows: its tokens, its sampler, and the rules by which it ends. What generate and
 * scheduler share. */
#ifndef PARE_RUN_SEQUENCE_H
#define PARE_RUN_SEQUENCE_H

#include "run/generate.h"

typedef struct pare_sequence {
   const pare_model *model;
   pare_sampler *sampler; /* the caller's */
   pare_generate_options options;
   pare_generate_result result;
   uint32_t *tokens; /* [context] prompt and what came after; owned */
   int64_t n, context;
} pare_sequence;

/* Copies prompt[n]. PARE_INPUT unless 1 <= n <= context. Finish in any case. */
pare_status pare_sequence_start(pare_ctx *ctx, pare_sequence *sequence, const pare_model *model,
                                int64_t context, const uint32_t *prompt, size_t n,
                                const pare_generate_options *options);
void pare_sequence_finish(pare_ctx *ctx, pare_sequence *sequence);
/* Adds a token to the text and hands it out. *more is false when the text ends here: an end token (which is
 * not handed out), max_tokens, or a token that the context has no position for. */
pare_status pare_sequence_take(pare_ctx *ctx, pare_sequence *sequence, uint32_t token, bool *more);

#endif
