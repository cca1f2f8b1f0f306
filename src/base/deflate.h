/* deflate: zlib streams (RFC 1950) of whole buffers, level and strategy fixed so that equal bytes give
 * equal bytes. */
#ifndef PARE_BASE_DEFLATE_H
#define PARE_BASE_DEFLATE_H

#include "base/str.h"

/* Appends the stream to `out`. */
pare_status pare_deflate(pare_ctx *ctx, const void *bytes, size_t size, pare_str *out);
/* Inflates exactly `out_size` bytes; PARE_INPUT naming `where` when the stream is damaged or of another
 * length. */
pare_status pare_inflate(pare_ctx *ctx, const void *bytes, size_t size, const char *where, void *out, size_t out_size);

#endif
