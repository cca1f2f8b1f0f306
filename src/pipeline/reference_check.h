/* reference_check: whether two graphs compute the same, bit for bit, by the reference evaluator
 * (ops/evaluate.h): all outputs for four random tokens of one sequence. States are not compared: a pass may
 * leave out what is stored for nobody. Not for other layers. */
#ifndef PARE_PIPELINE_REFERENCE_CHECK_H
#define PARE_PIPELINE_REFERENCE_CHECK_H

#include "ir/graph.h"

/* True for graphs with at most 8 million elements in their weights, which take a moment, whose inputs are
 * those that a model's graph has: tokens, positions, sequences and rows. */
bool pare_reference_can_check(const pare_graph *graph);
/* PARE_INTERNAL naming the pass when they differ. `before` passed pare_reference_can_check. */
pare_status pare_reference_check(pare_ctx *ctx, const char *pass, const pare_graph *before,
                                 const pare_graph *after);

#endif
