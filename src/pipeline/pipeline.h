/* pipeline: runs a recipe over a model; the only caller of a pass.
 *
 * Before any compute the whole recipe is planned on paper: what each pass requires against what those before
 * it leave, targets that match nothing, disk and memory. Around each pass the graph is validated and bytes,
 * parameters, zeros, MACs and weight error are recorded; what was pruned must stay zero; a pass that says
 * "unchanged" is held to it, and so is one that says "changed"; a pass that is not lossy must leave a small
 * graph computing the same (reference_check.h).
 *
 * Nothing is read for the sake of the report: zeros and errors are counted by a pass while it rewrites a
 * weight. */
#ifndef PARE_PIPELINE_PIPELINE_H
#define PARE_PIPELINE_PIPELINE_H

#include "pipeline/recipe.h"

typedef struct pare_pass_measure {
   int64_t params;
   int64_t zeros; /* in the matrices that some pass of the recipe rewrote; others are not read for it */
   uint64_t bytes; /* of all tensors */
   double macs;    /* per token */
} pare_pass_measure;

typedef struct pare_pass_report {
   const pare_pass *pass;
   double seconds;
   pare_pass_measure before, after;
   double relative_error; /* sqrt(squared error / squared value) of the weights it changed; 0 if none */
   int64_t matched;
   bool skipped;          /* it found nothing to do */
   const char *fallbacks; /* lines "tensor\twanted\tgot\treason", or "" */
   const char *patterns;  /* lines "pattern\twhere\treason", the reason empty where it applied, or "" */
} pare_pass_report;

typedef struct pare_pipeline_options {
   pare_outfile *result;       /* the artifact's own temporary file, where results go; NULL: the heap */
   const char *scratch_dir;    /* where a file for results that a later pass replaces is made, when `result`
                                  is given; NULL: $TMPDIR or /tmp */
   const char *print_after;    /* pass name or "all": the graph's text goes to print; NULL: none */
   const char *stop_after;     /* pass name: later passes are not run; NULL: run all */
   pare_status (*print)(pare_ctx *ctx, void *user, const char *pass, const char *text, size_t size);
   void *user;
} pare_pipeline_options;

typedef struct pare_pipeline_report {
   pare_arena *arena;
   pare_pass_report *passes;
   size_t n_passes; /* that were run */
} pare_pipeline_report;

/* What the recipe will do to this model, without doing it. Weights that fall back while they are run (a cast
 * that overflows) keep their size and make the real figures differ. */
typedef struct pare_pipeline_estimate {
   uint64_t input_bytes, output_bytes; /* of all tensors */
   uint64_t scratch_bytes;             /* disk: all results, those included that a later pass replaces */
   uint64_t memory_bytes;              /* anonymous memory at the peak, when results go to files */
} pare_pipeline_estimate;

/* Only the checks, and the estimate (may be NULL). PARE_USAGE naming the JSON path ("passes[1].targets") of
 * what does not fit. */
pare_status pare_pipeline_check(pare_ctx *ctx, const pare_recipe *recipe, const pare_model *model,
                                pare_pipeline_estimate *estimate);
/* Checks, then runs on `model`, which is changed in place (and, on failure, left valid but half done: run on
 * a clone). The report is the caller's. */
pare_status pare_pipeline_run(pare_ctx *ctx, const pare_recipe *recipe, pare_model *model,
                              const pare_pipeline_options *options, pare_pipeline_report **out);
void pare_pipeline_report_destroy(pare_ctx *ctx, pare_pipeline_report *report); /* NULL is fine */

#endif
