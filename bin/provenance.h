/* provenance: where an artifact came from: hashes of the source files, the recipe as it was run, the tool,
 * and, when the source was itself an artifact, its own provenance. */
#ifndef PARE_BIN_PROVENANCE_H
#define PARE_BIN_PROVENANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "pipeline/recipe.h"

/* The source is hashed beside the passes, by a thread with a context of its own; reading the files in order it
 * also brings the pages that the passes will touch. */
typedef struct pare_source_hash {
   pare_ctx ctx;
   pare_model *model;
   pare_status status;
   volatile sig_atomic_t stop;
   atomic_bool done;
   pthread_t thread;
   bool started;
} pare_source_hash;

/* `model` and `hash` must stay where they are until one of the two below was called. */
void pare_source_hash_start(pare_ctx *ctx, pare_model *model, pare_source_hash *hash);
/* Waits for the hashes, now in model->sources; gives up when the context is told to stop. */
pare_status pare_source_hash_wait(pare_ctx *ctx, pare_source_hash *hash);
/* Gives up without waiting for the rest; does nothing after a wait. */
void pare_source_hash_abandon(pare_source_hash *hash);

/* JSON text of one object: tool, recipe (its first n_steps), calibration, sources, from. */
pare_status pare_provenance_print(pare_ctx *ctx, const pare_model *source, const pare_recipe *recipe,
                                  size_t n_steps, pare_str *out);

#endif
