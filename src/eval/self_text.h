/* self_text: text that a model writes itself, for a comparison when the user gave no data: tokens sampled
 * at temperature 1 from the original, so that the check looks where the model puts its probability. */
#ifndef PARE_EVAL_SELF_TEXT_H
#define PARE_EVAL_SELF_TEXT_H

#include "ir/model.h"
#include "text/corpus.h"

/* Sixteen sequences, each from the model's start token (or a random one), as long as about 10^11
 * multiply-accumulates allow but 8 to 256 tokens, as documents of *out, which the caller finishes. Same
 * model and ctx->seed, same tokens. */
pare_status pare_self_text(pare_ctx *ctx, const pare_model *model, pare_corpus *out);

#endif
