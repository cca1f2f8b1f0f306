/* spans: a corpus cut into the stretches of tokens that are run and scored together. */
#ifndef PARE_EVAL_SPANS_H
#define PARE_EVAL_SPANS_H

#include "eval/eval.h"

typedef struct pare_span {
   size_t start;       /* first token in the corpus */
   int64_t length;     /* tokens, the last of which is only predicted */
   int64_t score_from; /* position in the span whose prediction is the first one scored */
} pare_span;

/* The spans of the corpus under a protocol without zeros; the caller frees *out. */
pare_status pare_spans_make(pare_ctx *ctx, const pare_corpus *corpus, const pare_protocol *protocol,
                            pare_span **out, size_t *count);

#endif
