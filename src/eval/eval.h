/* eval: what a model is worth, and what a compression cost: perplexity, Kullback-Leibler divergence from
 * the original, top-1 agreement, each with a standard error over windows.
 *
 * A corpus is cut into spans. One running text (text files, raw ids): windows of `window` tokens, `stride`
 * apart, a short last one dropped; positions score_from .. window - 2 are scored, each predicting the next
 * token (llama.cpp's protocol with the defaults, so that figures compare). Documents (one a line): every
 * predicted token of every document is scored; a document longer than the window is cut into windows.
 *
 * Means are over scored tokens. The standard error treats spans as the independent draws (ratio estimator;
 * Cochran, Sampling Techniques, 3rd ed., eq. 6.13). */
#ifndef PARE_EVAL_EVAL_H
#define PARE_EVAL_EVAL_H

#include "base/fields.h"
#include "ir/model.h"
#include "text/corpus.h"

typedef struct pare_protocol {
   int64_t window;      /* tokens; 0: 512 or the model's context when shorter */
   int64_t stride;      /* tokens; 0: the window */
   int64_t score_from;  /* first scored position of a window; -1: half the window, 0 for documents */
   int64_t max_windows; /* 0: all */
   bool bos;            /* put the model's start token before every window */
} pare_protocol;

/* Entries for the field table of an options struct that holds a pare_protocol. */
/* clang-format off */
#define PARE_PROTOCOL_FIELDS(type, member) \
   { .name = "window", .kind = PARE_FIELD_INT, .offset = offsetof(type, member.window), .max = 1 << 24, \
     .value_name = "N", .help = "tokens of a window; 0 is 512, or the model's context when that is shorter" }, \
   { .name = "stride", .kind = PARE_FIELD_INT, .offset = offsetof(type, member.stride), .max = 1 << 24, \
     .value_name = "N", .help = "tokens between the starts of two windows; 0 is the window" }, \
   { .name = "score-from", .kind = PARE_FIELD_INT, .offset = offsetof(type, member.score_from), .min = -1, \
     .max = 1 << 24, .initial = -1, .value_name = "N", \
     .help = "first position of a window that is scored; -1 is half the window, or 0 with one document " \
             "a line" }, \
   { .name = "windows", .kind = PARE_FIELD_INT, .offset = offsetof(type, member.max_windows), .max = 1e9, \
     .value_name = "N", .help = "windows (or documents) looked at, from the start; 0 is all" }, \
   { .name = "bos", .kind = PARE_FIELD_BOOL, .offset = offsetof(type, member.bos), \
     .help = "put the model's start token before every window" }
/* clang-format on */

typedef struct pare_estimate {
   double value, stderr_;
} pare_estimate;

typedef struct pare_eval_result {
   pare_protocol protocol; /* with the defaults filled in */
   bool documents;
   int64_t windows, tokens, scored;
   pare_estimate nll, ppl; /* nats per scored token; exp of it, error by the delta method */
   pare_estimate bits_per_byte; /* nll in bits * tokens / bytes of the whole corpus; NaN when it was not text */
   bool compared;               /* what follows is set */
   pare_estimate reference_nll, reference_ppl;
   pare_estimate ppl_ratio; /* ppl / reference_ppl; the error is that of the paired difference */
   pare_estimate kl;   /* KL(reference || model), nats */
   pare_estimate top1; /* share of positions with the same most likely token */
   double kl_p50, kl_p95, kl_p99, kl_max; /* over scored tokens, interpolated between the two nearest ranks */
} pare_eval_result;

/* `reference` may be NULL. PARE_INPUT when the corpus has no scored token, PARE_USAGE when the two models
 * do not share a vocabulary size. */
pare_status pare_eval(pare_ctx *ctx, const pare_model *model, const pare_model *reference,
                      const pare_corpus *corpus, const pare_protocol *protocol, pare_eval_result *out);

#endif
