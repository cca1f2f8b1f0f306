/* pass_check: what the pipeline holds a pass to. A check is begun before the pass runs and ended after
 * it. Not for other layers. */
#ifndef PARE_PIPELINE_PASS_CHECK_H
#define PARE_PIPELINE_PASS_CHECK_H

#include "pipeline/pass.h"

typedef struct pare_pass_check {
   pare_str text;               /* of the graph as it was */
   const pare_buffer **buffers; /* of the weights as they were, in the order of the notes; only compared,
                                   never used; NULL: the weight had left the graph */
   size_t count;                /* of these */
   pare_graph *original;        /* what a pass that loses nothing must agree with, or NULL */
} pare_pass_check;

pare_status pare_pass_check_begin(pare_ctx *ctx, const pare_pass_run *run, pare_pass_check *check);
/* Fails with PARE_INTERNAL, naming step, pass or weight, when the graph is not valid; when the pass changed
 * something and says it did not, or the other way round; when it gave a weight other bytes without recording
 * that; when it is not lossy and yet the graph computes something else (reference_check.h). */
pare_status pare_pass_check_end(pare_ctx *ctx, const pare_pass_run *run, const pare_pass_check *check);
void pare_pass_check_finish(pare_ctx *ctx, pare_pass_check *check);

#endif
