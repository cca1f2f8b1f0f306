/* load: what several commands do with models and data named on the command line. */
#ifndef PARE_BIN_LOAD_H
#define PARE_BIN_LOAD_H

#include "bin/command.h"
#include "ir/model.h"
#include "text/corpus.h"

/* Text or ids to evaluate on; part of the options of eval and compress. */
typedef struct pare_data_options {
   const char *path;
   int format; /* pare_corpus_format */
} pare_data_options;

/* A model to be run: with the fusions, unless `fuse` is false. The caller destroys it. */
pare_status pare_load_to_run(pare_app *app, const char *path, bool fuse, pare_model **out);

#define PARE_FUSE_FIELD(type, member)                                                                       \
   { .name = "fuse", .kind = PARE_FIELD_BOOL, .offset = offsetof(type, member), .initial = 1,               \
     .help = "fuse operations before running; --no-fuse runs the graph as it is, with the same results" }

/* PARE_INPUT saying that the model holds no tokenizer when it does not; the caller destroys *out. */
pare_status pare_load_tokenizer(pare_app *app, const pare_model *model, pare_tokenizer **out);
/* The corpus, tokenized with the model's tokenizer where it is text. */
pare_status pare_load_corpus(pare_app *app, const pare_model *model, const pare_data_options *data,
                             pare_corpus *out);

/* { path, format, arch, sha256 (with --json: hashes the files), params, bytes, tensor_bytes, bits_per_weight } */
pare_status pare_put_model(pare_app *app, const char *name, pare_model *model);
/* Bytes of the files the model came from. */
uint64_t pare_model_file_bytes(const pare_model *model);

/* "1.10 GB", "656.0 k" */
const char *pare_human_bytes(double bytes, char out[32]);
const char *pare_human_count(double count, char out[32]);

#endif
