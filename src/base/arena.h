/* arena: many small allocations with one owner and one end. */
#ifndef PARE_BASE_ARENA_H
#define PARE_BASE_ARENA_H

#include "base/ctx.h"

typedef struct pare_arena pare_arena;

/* NULL after recording PARE_RESOURCE. */
pare_arena *pare_arena_create(pare_ctx *ctx);
void pare_arena_destroy(pare_ctx *ctx, pare_arena *arena);

/* Zeroed memory aligned to 16 bytes that lives as long as the arena; NULL after recording PARE_RESOURCE. */
void *pare_arena_alloc(pare_ctx *ctx, pare_arena *arena, size_t size);
void *pare_arena_array(pare_ctx *ctx, pare_arena *arena, size_t count, size_t size); /* checks the product */
char *pare_arena_strdup(pare_ctx *ctx, pare_arena *arena, const char *text);
char *pare_arena_strndup(pare_ctx *ctx, pare_arena *arena, const char *text, size_t size);
/* Bytes it has taken from the allocator. */
size_t pare_arena_bytes(const pare_arena *arena);
char *pare_arena_printf(pare_ctx *ctx, pare_arena *arena, const char *fmt, ...) PARE_PRINTF(3, 4);

#endif
