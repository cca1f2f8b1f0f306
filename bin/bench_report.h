/* bench_report: what pare bench measured, as JSON, CSV, Markdown or a table for the eye. */
#ifndef PARE_BIN_BENCH_REPORT_H
#define PARE_BIN_BENCH_REPORT_H

#include "bin/command.h"
#include "ir/model.h"

typedef enum pare_bench_format {
   PARE_BENCH_TABLE,
   PARE_BENCH_JSON,
   PARE_BENCH_CSV,
   PARE_BENCH_MD
} pare_bench_format;

/* One test and its samples: after n_depth tokens in the context of each sequence, n_prompt tokens of each in
 * batches of at most n_batch, then n_gen steps that add a token to each. */
typedef struct pare_bench_test {
   int64_t n_prompt, n_gen, n_depth, n_seqs, n_batch;
   int threads;
   char time[32];   /* of its start, ISO 8601, UTC */
   double *seconds; /* [repeats] */
   int64_t repeats;
} pare_bench_test;

/* Tokens that one sample takes through the model. */
static inline int64_t pare_bench_tokens(const pare_bench_test *test)
{
   return (test->n_prompt + test->n_gen) * test->n_seqs;
}

/* Into app->text in that format, and into app->body as the array "tests". Field names are llama-bench's;
 * ours alone are isa, n_seqs and median_ts. */
pare_status pare_bench_report(pare_app *app, const pare_model *model, const pare_bench_test *tests, size_t n,
                              pare_bench_format format);

#endif
