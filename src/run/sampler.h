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

/* Entries for the field table of an options struct that holds a pare_sampler_options; AT(field) gives its
 * offset there. */
/* clang-format off */
#define PARE_SAMPLER_FIELDS(AT) \
   { .name = "temperature", .kind = PARE_FIELD_FLOAT, .offset = AT(temperature), .max = 100, .value_name = "T", \
     .help = "0 always takes the most likely token; 1 samples from the model's distribution" }, \
   { .name = "top-k", .kind = PARE_FIELD_INT, .offset = AT(top_k), .max = 1 << 30, .value_name = "N", \
     .help = "sample among the N most likely tokens; 0 is all" }, \
   { .name = "top-p", .kind = PARE_FIELD_FLOAT, .offset = AT(top_p), .min = 1e-9, .max = 1, .initial = 1, \
     .value_name = "P", .help = "sample among the fewest tokens that have this probability together" }, \
   { .name = "min-p", .kind = PARE_FIELD_FLOAT, .offset = AT(min_p), .max = 1, .value_name = "P", \
     .help = "leave out tokens less likely than P times the most likely one" }, \
   { .name = "repeat-penalty", .kind = PARE_FIELD_FLOAT, .offset = AT(repeat_penalty), .min = 1, .max = 10, \
     .initial = 1, .value_name = "X", \
     .help = "divide positive and multiply negative logits of recent tokens by X; 1 is off" }, \
   { .name = "repeat-window", .kind = PARE_FIELD_INT, .offset = AT(repeat_window), .max = 1 << 30, .initial = 64, \
     .value_name = "N", .help = "how many recent tokens the penalty looks at; 0 is none" }, \
   { .name = "seed", .kind = PARE_FIELD_INT, .offset = AT(seed), .max = 0x1p53 - 1, .letter = 's', \
     .value_name = "N", .help = "of the sampler; the same seed gives the same text" }
/* clang-format on */

typedef struct pare_sampler pare_sampler;
/* PARE_USAGE naming the option that is out of its range. */
pare_status pare_sampler_check(pare_ctx *ctx, const pare_sampler_options *options);
pare_status pare_sampler_create(pare_ctx *ctx, const pare_sampler_options *options, int64_t vocab,
                                pare_sampler **out);
void pare_sampler_destroy(pare_ctx *ctx, pare_sampler *sampler);
/* Chooses from logits[vocab]; history[n] are the tokens so far, prompt included. PARE_INPUT when all logits
 * are NaN. */
pare_status pare_sampler_next(pare_ctx *ctx, pare_sampler *sampler, const float *logits,
                              const uint32_t *history, size_t n, uint32_t *out);

/* What the last pare_sampler_next drew from, after penalty, temperature and cuts: probabilities[vocab] that
 * sum to 1; 1 for a single token and 0 for all others when it was greedy. */
void pare_sampler_distribution(const pare_sampler *sampler, double *probabilities);
/* Speculative sampling (Leviathan et al. 2023, algorithm 1). `guess` was drawn from q[vocab]; p is what
 * pare_sampler_next would draw from. *out is the guess with probability min(1, p / q) of it, else a draw from
 * (p - q)+, so that it is distributed as p whatever q is. q[guess] > 0. PARE_INPUT as pare_sampler_next. */
pare_status pare_sampler_verify(pare_ctx *ctx, pare_sampler *sampler, const float *logits,
                                const uint32_t *history, size_t n, uint32_t guess, const double *q,
                                uint32_t *out);
#endif
