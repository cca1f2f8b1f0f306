/* safetensors: named tensors in mapped files. Format: 8 bytes header size (little endian), a JSON header, the
 * data (https://github.com/huggingface/safetensors, "Format").
 *
 * A set holds the tensors of one file or of all shards of an index, sorted by name. Opening reads headers
 * only and checks everything in them: sizes, order, gaps, overlaps, byte counts, duplicate names. All
 * failures are PARE_INPUT naming the file, except dtypes this reader does not know (PARE_UNSUPPORTED). */
#ifndef PARE_FORMATS_SAFETENSORS_H
#define PARE_FORMATS_SAFETENSORS_H

#include "ir/weight.h"

enum { PARE_SAFETENSORS_MAX_HEADER = 100000000, PARE_SAFETENSORS_MAX_RANK = 16 };

typedef struct pare_safetensors_file {
   const char *name;   /* without folders, as the index has it */
   const char *path;   /* for messages */
   pare_buffer *bytes; /* the whole file */
} pare_safetensors_file;

typedef struct pare_safetensors_entry {
   const char *name;
   const char *dtype;            /* as the file writes it: "BF16" */
   bool usable;                  /* dtype is one a weight can have; then encoding holds it */
   pare_encoding_kind encoding;
   int rank;
   int64_t dim[PARE_SAFETENSORS_MAX_RANK];
   uint64_t offset, size;        /* bytes, in the file */
   size_t file;                  /* index into files */
   bool used;                    /* set by whoever takes the tensor; see pare_safetensors_warn_unused */
} pare_safetensors_entry;

typedef struct pare_safetensors {
   pare_arena *arena;
   pare_safetensors_file *files;
   size_t n_files, files_capacity;
   pare_safetensors_entry *entries; /* sorted by name */
   size_t n_entries, entries_capacity;
} pare_safetensors;

/* One file. */
pare_status pare_safetensors_open(pare_ctx *ctx, const char *path, pare_safetensors **out);
/* The same from bytes in memory; `name` stands for the path in messages. Takes its own reference on bytes. */
pare_status pare_safetensors_open_buffer(pare_ctx *ctx, pare_buffer *bytes, const char *name,
                                         pare_safetensors **out);
/* The shards that an index (model.safetensors.index.json) lists, each opened once, from the index's
 * folder. */
pare_status pare_safetensors_open_index(pare_ctx *ctx, const char *dir, const char *index,
                                        pare_safetensors **out);
void pare_safetensors_close(pare_ctx *ctx, pare_safetensors *set); /* NULL is fine; views live on */

/* The entry, or NULL. */
pare_safetensors_entry *pare_safetensors_find(const pare_safetensors *set, const char *name);
/* A view of the entry's bytes; the caller's to unref. */
pare_status pare_safetensors_view(pare_ctx *ctx, const pare_safetensors *set,
                                  const pare_safetensors_entry *entry, pare_buffer **out);
/* Logs one warning with the number and the first name of entries that are neither used nor end in one of
 * `expected` (suffixes, NULL at the end). */
void pare_safetensors_warn_unused(pare_ctx *ctx, const pare_safetensors *set, const char *const *expected);

/* ---- used by safetensors_index.c ---- */
pare_status pare_safetensors_create(pare_ctx *ctx, pare_safetensors **out);
/* Adds the tensors of one more file; pare_safetensors_sort must follow the last. */
pare_status pare_safetensors_add(pare_ctx *ctx, pare_safetensors *set, pare_buffer *bytes, const char *name,
                                 const char *path);
/* Sorts by name; PARE_INPUT when a name occurs twice. */
pare_status pare_safetensors_sort(pare_ctx *ctx, pare_safetensors *set);

#endif
