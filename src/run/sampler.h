/* sampler: logits to the next token. Order: repeat penalty, then greedy when temperature is 0, else
 * temperature, top-k, top-p, min-p, and one draw of a seeded generator. */
#ifndef PARE_RUN_SAMPLER_H
#define PARE_RUN_SAMPLER_H

#include "base/fields.h"
#include "base/rng.h"

typedef struct pare_sampler_options {
   double temperature;    /* [0, 100]; 0 is greedy */
   int64_t top_k;         /* 0: all */
   double top_p;          /* (0, 1] */
   double min_p;          /* [0, 1] share of the most likely token's probability */
   double repeat_penalty; /* [1, 10] (Keskar et al. 2019): divides positive, multiplies negative logits of
                             tokens seen before */
   int64_t repeat_window; /* last tokens looked at; 0: off */
   int64_t seed;
} pare_sampler_options;

extern const pare_field pare_sampler_fields[];

typedef struct pare_sampler pare_sampler;
pare_status pare_sampler_create(pare_ctx *ctx, const pare_sampler_options *options, int64_t vocab,
                                pare_sampler **out);
void pare_sampler_destroy(pare_ctx *ctx, pare_sampler *sampler);
/* Chooses from logits[vocab]; history[n] are the tokens so far, prompt included. PARE_INPUT when all logits
 * are NaN. */
pare_status pare_sampler_next(pare_ctx *ctx, pare_sampler *sampler, const float *logits,
                              const uint32_t *history, size_t n, uint32_t *out);
#endif
