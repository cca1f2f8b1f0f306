/* outfile: a file that appears whole or not at all. Bytes go to a temporary file beside the target, which
 * is fsynced and renamed over the target at commit; until then the old target stays as it was, and two
 * writers of one target do not mix. The temporary file also serves as scratch space: a mapped region of it
 * can be filled by a pass and left where it lies, so that large results are written once. */
#ifndef PARE_BASE_OUTFILE_H
#define PARE_BASE_OUTFILE_H

#include "base/buffer.h"

typedef struct pare_outfile pare_outfile;

/* Opens `<path>.<random>.tmp` in the target's folder. */
pare_status pare_outfile_create(pare_ctx *ctx, const char *path, pare_outfile **out);
/* A file without a name in the folder `dir` (NULL: $TMPDIR or /tmp): scratch only, cannot be committed. */
pare_status pare_outfile_scratch(pare_ctx *ctx, const char *dir, pare_outfile **out);
/* Removes the temporary file unless committed. NULL is fine. */
void pare_outfile_destroy(pare_ctx *ctx, pare_outfile *file);

/* Appends bytes at the end. */
pare_status pare_outfile_write(pare_ctx *ctx, pare_outfile *file, const void *bytes, size_t size);
/* Appends zeros up to the next multiple of `align`. */
pare_status pare_outfile_align(pare_ctx *ctx, pare_outfile *file, size_t align);
uint64_t pare_outfile_size(const pare_outfile *file);
/* Drops what was written from `size` on. PARE_INTERNAL when the file is shorter, or space reserved there. */
pare_status pare_outfile_cut(pare_ctx *ctx, pare_outfile *file, uint64_t size);

/* Appends `size` bytes of reserved, zeroed, writable, mapped space at a multiple of 64; the caller gets a
 * buffer whose bytes are the file's. Space is allocated now, so a full disk is an error here and not a
 * fault later. */
pare_status pare_outfile_reserve(pare_ctx *ctx, pare_outfile *file, size_t size, pare_buffer **out);
/* Where a buffer's bytes lie in this file when they were made by pare_outfile_reserve, else -1. */
int64_t pare_outfile_find(const pare_outfile *file, const pare_buffer *buffer);
/* Bytes handed out by pare_outfile_reserve so far. */
uint64_t pare_outfile_reserved(const pare_outfile *file);
const char *pare_outfile_target(const pare_outfile *file); /* the path given to pare_outfile_create */
const char *pare_outfile_path(const pare_outfile *file);   /* where the bytes lie until commit */

/* Starts bringing what is there to the disk while the caller goes on; commit then waits for the rest alone. */
void pare_outfile_sync_ahead(pare_outfile *file);
/* fsync, rename over the target, fsync of the folder. Nothing may be appended afterwards. */
pare_status pare_outfile_commit(pare_ctx *ctx, pare_outfile *file);

#endif
