/* buffer: refcounted bytes: heap memory, a mapped file, or a window of either. Immutable once shared: only
 * the maker writes, and only before anybody else holds a reference. */
#ifndef PARE_BASE_BUFFER_H
#define PARE_BASE_BUFFER_H

#include "base/ctx.h"

typedef struct pare_buffer pare_buffer;

/* Zeroed heap bytes, aligned to 64. */
pare_status pare_buffer_create(pare_ctx *ctx, size_t size, pare_buffer **out);
pare_status pare_buffer_copy(pare_ctx *ctx, const void *bytes, size_t size, pare_buffer **out);
/* A whole file, read only, mapped; nothing is read until touched, then perhaps a large page (2 MB) at a time. An
 * empty file is an empty buffer. */
pare_status pare_buffer_map(pare_ctx *ctx, const char *path, pare_buffer **out);
/* Bytes [offset, offset + size) of parent, which stays alive as long as the view. PARE_INTERNAL when
 * outside. */
pare_status pare_buffer_view(pare_ctx *ctx, pare_buffer *parent, size_t offset, size_t size, pare_buffer **out);
/* Takes over a mapping made elsewhere (outfile.h), and asks for large pages: munmap(base, map_size) at the end. */
pare_status pare_buffer_adopt_map(pare_ctx *ctx, void *base, size_t map_size, size_t offset, size_t size,
                                  pare_buffer **out);

pare_buffer *pare_buffer_ref(pare_buffer *buffer);
void pare_buffer_unref(pare_ctx *ctx, pare_buffer *buffer); /* NULL is fine */

const uint8_t *pare_buffer_data(const pare_buffer *buffer);
size_t pare_buffer_size(const pare_buffer *buffer);
/* Writable bytes while the caller holds the only reference; NULL for a read-only map or a view. */
uint8_t *pare_buffer_edit(pare_buffer *buffer);

typedef enum pare_advice { PARE_WILL_NEED, PARE_DONT_NEED } pare_advice;
/* A hint about mapped bytes [offset, offset + size); does nothing for heap memory. */
void pare_buffer_advise(const pare_buffer *buffer, size_t offset, size_t size, pare_advice advice);

/* Reads a small file whole into the heap; refuses more than `limit` bytes. */
pare_status pare_read_file(pare_ctx *ctx, const char *path, size_t limit, pare_buffer **out);
/* True when the file can be read and starts with these bytes (at most 64). */
bool pare_file_starts_with(const char *path, const void *bytes, size_t size);

#endif
