/* gate: a bound on a metric that fails a CI job: "kl.mean<=0.002", "output.bytes<=300e6".
 *
 * A metric with a standard error is judged by its confidence bound: it passes when the one-sided bound at
 * `confidence` still satisfies the gate. NaN never passes. An unknown metric is PARE_USAGE, never a pass. */
#ifndef PARE_PIPELINE_GATE_H
#define PARE_PIPELINE_GATE_H

#include "base/json.h"

typedef struct pare_metric {
   const char *name;  /* "kl.mean" */
   double value;
   double stderr_;    /* 0 when exact */
} pare_metric;

typedef struct pare_gate {
   const char *text;  /* as written */
   char metric[64];
   enum { PARE_GATE_LE, PARE_GATE_LT, PARE_GATE_GE, PARE_GATE_GT } relation;
   double limit;
   double value, bound; /* after judging: the metric, and its confidence bound on the gate's side */
   bool passed;
} pare_gate;

/* PARE_USAGE with what is wrong. `text` must outlive the gate. */
pare_status pare_gate_parse(pare_ctx *ctx, const char *text, pare_gate *out);
/* Fails with PARE_USAGE when no metric of that name is among the `known` names (NULL-terminated): called
 * before any compute. */
pare_status pare_gate_check(pare_ctx *ctx, const pare_gate *gate, const char *const *known);
void pare_gate_judge(pare_gate *gate, const pare_metric *metrics, size_t n, double confidence);
/* One object a gate: gate, metric, value, bound, limit, passed. */
void pare_gate_print(const pare_gate *gate, pare_json_writer *writer);

#endif
