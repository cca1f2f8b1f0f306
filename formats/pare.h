/* pare: our artifact, specified in formats/ARTIFACT.md: one file with graph, weights, tokenizer and
 * provenance.
 *
 * Writing takes two steps, so that a pass can leave its results where they will stay:
 *    pare_artifact_start(ctx, path, &file);        the temporary file, with the artifact's first bytes
 *    ... pare_pipeline_run(.. scratch = file ..)   passes reserve space in it
 *    pare_artifact_finish(ctx, model, &options, &file);
 *    pare_outfile_destroy(ctx, file); */
#ifndef PARE_FORMATS_PARE_H
#define PARE_FORMATS_PARE_H

#include "base/outfile.h"
#include "ir/model.h"

typedef struct pare_artifact_options {
   bool deflate;           /* store sections deflated where that is smaller */
   const char *provenance; /* JSON text of an object: recipe as run, sources with hashes; NULL: none */
} pare_artifact_options;

pare_status pare_artifact_start(pare_ctx *ctx, const char *path, pare_outfile **file);

/* Writes what is not yet in the file and the header; the caller commits. Weights whose bytes lie in the
 * file already stay there, unless the file also holds results that a later pass replaced: then everything
 * is copied to a fresh file, which takes the place of *file. Same model and options, same bytes. */
pare_status pare_artifact_finish(pare_ctx *ctx, const pare_model *model, const pare_artifact_options *options,
                                 pare_outfile **file);

/* Loads without hashing the sections; every offset, size, count and shape is checked, and that the header's
 * vocabulary is the graph's. Raw sections are mapped, deflated ones inflated in parallel. */
pare_status pare_artifact_load(pare_ctx *ctx, const char *path, pare_model **out);

/* Recomputes the hash of every section, holding one at a time: PARE_DIFFERS naming the first whose content
 * changed. *bytes: what was hashed. */
pare_status pare_artifact_verify(pare_ctx *ctx, const char *path, uint64_t *bytes);

#endif
