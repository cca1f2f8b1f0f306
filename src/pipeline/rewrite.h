/* rewrite: the way of all passes that put one operation in the place of a pattern (ir/match.h). A pass says which
 * nodes are telling, what the patterns are and what comes in their place, and names that in its descriptor; this
 * finds, replaces, removes and reports. For passes. */
#ifndef PARE_PIPELINE_REWRITE_H
#define PARE_PIPELINE_REWRITE_H

#include "ir/match.h"
#include "pipeline/pass.h"

/* The tolerance of passes that change the order of float operations (pass.h). */
#define PARE_FUSE_TOLERANCE 5e-4

typedef struct pare_rewriter {
   pare_pass_run *run;
   pare_graph *graph;
   const pare_uses *uses;
   pare_match *match;  /* a rewrite that goes further than its pattern enters the nodes here */
   pare_node *root;    /* the last node of the pattern; new nodes come before it */
   char why[PARE_MATCH_WHY];
} pare_rewriter;

typedef struct pare_rewrite {
   const char *result;                   /* what is made, for the report: "layer_norm" */
   const pare_op *anchors;               /* ops that are in every match and tell it; PARE_OP_COUNT ends */
   bool (*tells)(const pare_node *node); /* which of those nodes; NULL: all */
   const pare_pattern *const *patterns;  /* NULL-terminated, looked for around each anchor */
   /* What comes in the place of r->root's result, or NULL and r->why, and then nothing was changed. May set r->root to
    * a later node. */
   pare_status (*build)(pare_ctx *ctx, pare_rewriter *r, pare_value **out);
} pare_rewrite;

/* For the pipeline. Tries every anchor of the graph, in schedule order, and says of each whether it was in a pattern,
 * and why not. */
pare_status pare_rewrite_run(pare_ctx *ctx, pare_pass_run *run, const pare_rewrite *rewrite);

/* Adds a node before r->root under the root's name with `suffix` (and a number, when that is taken). spec->name
 * is not looked at. */
pare_status pare_rewrite_add(pare_ctx *ctx, pare_rewriter *r, const char *suffix, pare_node_spec *spec,
                             pare_value **out);
/* Sets r->why; build then returns PARE_OK without a value. */
pare_status pare_rewrite_refuse(pare_rewriter *r, const char *fmt, ...) PARE_PRINTF(2, 3);

/* For norms. What tells of one: a square root, or a power of 0.5 or -0.5. */
extern const pare_op pare_rewrite_roots[];
bool pare_rewrite_is_root(const pare_node *node);
/* Every reduction of the match goes along the last axis and keeps it; else false and r->why. */
bool pare_rewrite_by_rows(pare_rewriter *r);
/* The weight of a constant that is a vector of the value's columns: [n], or [1, ..., n]. NULL and r->why when it is
 * something else. */
pare_weight *pare_rewrite_vector(pare_rewriter *r, const pare_value *constant, const pare_value *value);

#endif
