/* pass: what a pass is. One file a pass under passes/, its descriptor listed in passes/passes.def, called by
 * the pipeline alone.
 *
 * A pass has two callbacks that decide alike. `plan` says from shapes, encodings and notes what `run` will
 * do, touches no bytes and changes nothing but the notes; the pipeline plans a whole recipe before it runs
 * any of it. `run` does it and records each weight it rewrote.
 *
 * A pass that changes nodes alone looks for patterns, and says of each place where it found one, or the beginning
 * of one, that it applied or why not: pare_pass_applied, pare_pass_declined. */
#ifndef PARE_PIPELINE_PASS_H
#define PARE_PIPELINE_PASS_H

#include "base/fields.h"
#include "base/outfile.h"
#include "ir/model.h"
#include "quant/encode_groups.h"
#include "quant/encode_i8.h"

/* Facts about a graph that passes ask for and promise. */
enum {
   PARE_HAS_FLOAT_MATRICES = 1, /* linear layers or tables with float weights are there */
   PARE_IS_QUANTIZED = 2,       /* there are integer-encoded weights */
   PARE_IS_PRUNED = 4           /* a pass of this recipe set weights to zero, which must stay zero */
};

/* What is known of a weight on its way through a recipe: while planning, what will be; while running, what
 * is. */
typedef struct pare_weight_note {
   const pare_weight *weight;
   pare_node *const *users; /* in schedule order */
   size_t n_users;
   pare_encoding encoding;
   bool pruned;             /* holds for PARE_IS_PRUNED of this weight */
   bool dropped;            /* no longer in the graph */
   int64_t zeros;           /* elements that are zero; -1 until a pass read them */
   size_t last_step;        /* the last step planned to rewrite it */
   bool recorded;           /* the pass under way said that it rewrote it */
} pare_weight_note;

typedef struct pare_notes {
   pare_weight_note *items;
   size_t count, capacity;
   pare_name_index by_name;
   pare_node **users;       /* of all items, one after another */
   size_t users_capacity;
} pare_notes;

typedef struct pare_pass pare_pass;

/* What the pipeline hands to a pass, and where the pass says what it did. Passes read the upper part and call
 * the functions below; `changed` and `matched` they set themselves where no weight is rewritten. */
typedef struct pare_pass_run {
   pare_model *model;       /* not to be changed by plan */
   const pare_pass *pass;
   size_t step;
   const char *path;        /* of the step in the recipe: "passes[1]" */
   const void *options;     /* the pass's struct, filled from its field table */
   const pare_list *targets, *skip; /* globs over node and weight names */
   pare_notes *notes;
   bool changed;            /* the pipeline checks that it does not lie */
   int64_t matched;         /* weights, nodes or states the pass worked on, or will */

   pare_outfile *result;    /* the artifact's file, or NULL */
   pare_outfile *scratch;   /* for results that a later step replaces, or NULL */
   pare_encode_error error; /* summed over the weights it changed */
   pare_str *fallbacks;     /* lines "tensor\twanted\tgot\treason"; NULL while planning */
   bool trusted;            /* not compared with the reference evaluation */
   pare_str *patterns;      /* lines "pattern\twhere\treason", the reason empty where it applied */
   int64_t zeros_found;     /* in weights that were not counted before this pass */
   int64_t zeros_delta;     /* by which this pass changed the count */
   double bytes_done, bytes_total; /* of the weights it reads */
   uint64_t bytes_written;  /* planned: results in files */
} pare_pass_run;

struct pare_pass {
   const char *name;
   const char *help;          /* first line: what it does; more lines may follow */
   const pare_field *fields;  /* pare_no_fields when it has no options; options_size is 0 then */
   size_t options_size;
   const char *const *targets; /* default globs, NULL-terminated; NULL: the pass has no targets */
   const char *const *skip;    /* default globs left out; may be NULL */
   unsigned requires, ensures; /* PARE_HAS_*, PARE_IS_*; what it ensures holds when it matched anything; a
                                 pass that requires something must find something to work on */
   bool lossy;
   double tolerance; /* not lossy, but the order of float operations changes: the largest difference allowed, as a
                        share of the largest output; 0: the same bits */
   bool needs_calibration;
   /* Options against each other; may be NULL. PARE_USAGE naming `path`. */
   pare_status (*check)(pare_ctx *ctx, const void *options, const char *path);
   /* NULL: it drops no weight, and rewrites none or those that only the passes before it will tell. */
   pare_status (*plan)(pare_ctx *ctx, pare_pass_run *run);
   pare_status (*run)(pare_ctx *ctx, pare_pass_run *run); /* NULL when there is a rewrite */
   const struct pare_rewrite *rewrite; /* patterns to replace, which is all that the pass does (rewrite.h) */
};

const pare_pass *const *pare_passes(void); /* NULL-terminated, in the order of passes.def */
const pare_pass *pare_pass_find(const char *name);

/* ---- for passes ---- */

/* True when the run's targets name the weight or a node that uses it, and its skips name neither. */
bool pare_pass_wants(const pare_pass_run *run, const pare_weight *weight);
/* Never NULL for a weight of the run's graph. */
pare_weight_note *pare_pass_note(const pare_pass_run *run, const pare_weight *weight);
/* True when every user of the weight is a linear or an embed node that takes it as its matrix, and there is
 * one. */
bool pare_note_is_matrix(const pare_weight_note *note);

/* recipe_plan: the pass will rewrite the weight in this encoding. */
void pare_pass_plan(pare_pass_run *run, const pare_weight *weight, pare_encoding encoding);
/* recipe_plan: the weight will leave the graph. */
void pare_pass_plan_drop(pare_pass_run *run, const pare_weight *weight);

/* run: where the result of rewriting this weight goes; NULL: the heap. */
pare_outfile *pare_pass_outfile(const pare_pass_run *run, const pare_weight *weight);
/* run: the weight was rewritten. Sets `changed`, counts it, reports progress. PARE_INTERNAL when pruned
 * values did not stay zero. A weight that is rewritten and not recorded fails the pass. */
pare_status pare_pass_record(pare_ctx *ctx, pare_pass_run *run, const pare_weight *weight,
                             const pare_encode_error *error);
/* run: takes an unused weight out of the graph. */
void pare_pass_drop(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight);
/* run: puts a new weight into the graph, as pare_graph_add_weight does, and into the notes. Pointers to notes do not
 * outlive this. */
pare_status pare_pass_add_weight(pare_ctx *ctx, pare_pass_run *run, const char *name, int rank, const int64_t *dim,
                                 pare_encoding encoding, pare_buffer *data, pare_weight **out);
/* Both: something was wanted that could not be had. Does nothing while planning. */
pare_status pare_pass_fallback(pare_ctx *ctx, pare_pass_run *run, const char *tensor, const char *wanted,
                               const char *got, const char *reason);

/* run: the pattern (a short name, "gate and up") was found and replaced at `where`, the name of a node or of what
 * its nodes have in common. Counts it and sets `changed`. */
pare_status pare_pass_applied(pare_ctx *ctx, pare_pass_run *run, const char *pattern, const char *where);
/* run: it was not replaced there, and why: "gate_proj and up_proj have different inputs". Reasons that are the
 * same at several places are told once, so they do not name the place again. */
pare_status pare_pass_declined(pare_ctx *ctx, pare_pass_run *run, const char *pattern, const char *where,
                               const char *fmt, ...) PARE_PRINTF(5, 6);

/* ---- for the pipeline ---- */

pare_status pare_notes_create(pare_ctx *ctx, const pare_graph *graph, pare_notes *notes);
void pare_notes_finish(pare_ctx *ctx, pare_notes *notes);
/* A note of a weight that a pass put into the graph; others move. */
pare_status pare_notes_add(pare_ctx *ctx, pare_notes *notes, const pare_weight *weight);
/* Finds the users anew: before each step. */
pare_status pare_notes_find_users(pare_ctx *ctx, const pare_graph *graph, pare_notes *notes);
/* The PARE_HAS_* and PARE_IS_* that hold. */
unsigned pare_notes_facts(const pare_notes *notes);

#endif
