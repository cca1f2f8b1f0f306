/* reference_check: whether two graphs compute the same by the reference evaluator (ops/evaluate.h): all outputs
 * for random inputs, four tokens of one sequence, bit for bit or, for a pass that changes the order of float
 * operations, within its tolerance. Inputs of unknown meaning are drawn as zeros and ones and once more the other way
 * round; a pass with a tolerance need agree on one of the two only. States are not compared: a pass may leave out what
 * is stored for nobody.
 * Not for other layers. */
#ifndef PARE_PIPELINE_REFERENCE_CHECK_H
#define PARE_PIPELINE_REFERENCE_CHECK_H

#include "pipeline/pass.h"

/* True for graphs with at most 8 million elements in their weights, whose inputs are f32 or i32, and which take
 * a moment. */
bool pare_reference_can_check(const pare_graph *graph);
/* PARE_INTERNAL naming the pass when they differ. `before` passed pare_reference_can_check. */
pare_status pare_reference_check(pare_ctx *ctx, const pare_pass *pass, const pare_graph *before,
                                 const pare_graph *after);

#endif
