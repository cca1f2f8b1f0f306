/* score: what one row of logits says about the token that came, and how far two rows are apart. */
#ifndef PARE_EVAL_SCORE_H
#define PARE_EVAL_SCORE_H

#include "base/ctx.h"

typedef struct pare_score {
   double nll;           /* -log p(target), nats */
   double reference_nll; /* 0 without a reference */
   double kl;            /* KL(reference || model), nats */
   bool agree;           /* same most likely token */
} pare_score;

/* logits, reference (may be NULL): [vocab]. In double throughout; NaN logits give NaN. */
pare_score pare_score_row(const float *logits, const float *reference, int64_t vocab, uint32_t target);

#endif
