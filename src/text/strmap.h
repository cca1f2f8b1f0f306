/* strmap: strings to 32-bit values. Keys are not copied: their bytes must outlive the map. Keys may hold
 * any bytes. Zero-initialize to start; the user owns it and calls pare_strmap_finish. Reading is safe from
 * several threads. */
#ifndef PARE_TEXT_STRMAP_H
#define PARE_TEXT_STRMAP_H

#include "base/ctx.h"

typedef struct pare_strmap_slot {
   const char *key; /* NULL: free */
   uint32_t size, hash, value;
} pare_strmap_slot;

typedef struct pare_strmap {
   pare_strmap_slot *slots;
   size_t capacity, count; /* capacity is 0 or a power of two */
} pare_strmap;

/* Adds the key or changes its value. Keys are shorter than 4 GiB. */
pare_status pare_strmap_put(pare_ctx *ctx, pare_strmap *map, const char *key, size_t size, uint32_t value);
/* The value's place, or NULL. */
const uint32_t *pare_strmap_get(const pare_strmap *map, const char *key, size_t size);
void pare_strmap_finish(pare_ctx *ctx, pare_strmap *map);

/* A hash of bytes for tables that live no longer than the process. */
uint64_t pare_hash_bytes(const char *bytes, size_t size);

#endif
