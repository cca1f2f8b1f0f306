/* deflate: zlib streams (RFC 1950) of whole buffers, level and strategy fixed so that equal bytes give
 * equal bytes. */
#ifndef PARE_BASE_DEFLATE_H
#define PARE_BASE_DEFLATE_H

#include "base/str.h"

/* Takes the next bytes of a stream; a failure ends the work and is passed on. */
typedef pare_status (*pare_sink)(pare_ctx *ctx, void *user, const void *bytes, size_t size);
/* Hands the stream to `sink` piece by piece, 64 kB at most; looks at the stop flag between pieces. */
pare_status pare_deflate_to(pare_ctx *ctx, const void *bytes, size_t size, pare_sink sink, void *user);
/* Appends the stream to `out`. */
pare_status pare_deflate(pare_ctx *ctx, const void *bytes, size_t size, pare_str *out);
/* Inflates exactly `out_size` bytes; PARE_INPUT naming `where` when the stream is damaged or of another
 * length. */
pare_status pare_inflate(pare_ctx *ctx, const void *bytes, size_t size, const char *where, void *out, size_t out_size);

#endif
