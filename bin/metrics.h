/* metrics: the figures that gates and tables name, from evaluations and sizes. */
#ifndef PARE_BIN_METRICS_H
#define PARE_BIN_METRICS_H

#include "bin/command.h"
#include "eval/eval.h"
#include "pipeline/gate.h"

enum { PARE_MAX_METRICS = 32 };

typedef struct pare_metrics {
   pare_metric items[PARE_MAX_METRICS];
   size_t count;
} pare_metrics;

void pare_metrics_add(pare_metrics *metrics, const char *name, double value, double stderr_);
/* nll, ppl, bits_per_byte (of text); and with a reference: reference.nll, reference.ppl, ppl.ratio,
 * kl.mean, kl.p50, kl.p95, kl.p99, kl.max, top1. */
void pare_metrics_add_eval(pare_metrics *metrics, const pare_eval_result *result);

/* "data", "protocol" and "metrics" members. */
void pare_put_eval(pare_json_writer *json, const pare_eval_result *result, const pare_corpus *corpus);
/* The same as a table. */
pare_status pare_print_eval(pare_ctx *ctx, const pare_eval_result *result, const pare_corpus *corpus,
                            pare_str *out);

/* Gates of a command line. */
typedef struct pare_gates {
   pare_gate *items;
   size_t count;
} pare_gates;

/* Decodes and checks every gate against the metrics that there will be, before any work. */
pare_status pare_gates_parse(pare_app *app, const pare_list *texts, const char *const *known,
                             pare_gates *out);
/* Judges, writes the "gates" member and a line each, and fails with PARE_DIFFERS (where "gates") when one
 * did not pass. */
pare_status pare_gates_judge(pare_app *app, pare_gates *gates, const pare_metrics *metrics,
                             double confidence);

#endif
