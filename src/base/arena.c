/* arena: a list of blocks, each twice as large as the one before up to a limit; a request that is too large
 * for the current block opens a new one. */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

enum { ALIGN = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

typedef struct block {
   struct block *next;
   size_t used, size; /* of the bytes after the header */
} block;

struct pare_arena {
   block *head;
   size_t next_size;
};

static size_t align_up(size_t size)
{
   return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

pare_arena *pare_arena_create(pare_ctx *ctx)
{
   pare_arena *arena = pare_alloc(ctx, sizeof *arena);
   if (arena) arena->next_size = FIRST_BLOCK;
   return arena;
}

void pare_arena_destroy(pare_ctx *ctx, pare_arena *arena)
{
   if (!arena) return;
   for (block *b = arena->head, *next; b; b = next) {
      next = b->next;
      pare_free(ctx, b);
   }
   pare_free(ctx, arena);
}

size_t pare_arena_bytes(const pare_arena *arena)
{
   size_t bytes = sizeof *arena;
   for (const block *b = arena->head; b; b = b->next) bytes += align_up(sizeof *b) + b->size;
   return bytes;
}

static block *open_block(pare_ctx *ctx, pare_arena *arena, size_t size)
{
   size_t room = size > arena->next_size ? size : arena->next_size;
   block *b = pare_alloc(ctx, align_up(sizeof *b) + room);
   if (!b) return NULL;
   b->size = room;
   b->next = arena->head;
   arena->head = b;
   if (arena->next_size < LARGEST_BLOCK) arena->next_size *= 2;
   return b;
}

void *pare_arena_alloc(pare_ctx *ctx, pare_arena *arena, size_t size)
{
   if (size > PTRDIFF_MAX / 2) {
      pare_fail(ctx, PARE_RESOURCE, NULL, "out of memory: %zu bytes", size);
      return NULL;
   }
   size = align_up(size ? size : 1);
   block *b = arena->head;
   if (!b || b->size - b->used < size) b = open_block(ctx, arena, size);
   if (!b) return NULL;
   void *ptr = (char *)b + align_up(sizeof *b) + b->used;
   b->used += size;
   return ptr;
}

void *pare_arena_array(pare_ctx *ctx, pare_arena *arena, size_t count, size_t size)
{
   size_t bytes;
   return pare_arena_alloc(ctx, arena, __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
}

char *pare_arena_strndup(pare_ctx *ctx, pare_arena *arena, const char *text, size_t size)
{
   char *copy = pare_arena_alloc(ctx, arena, size + 1);
   if (copy) memcpy(copy, text, size);
   return copy;
}

char *pare_arena_strdup(pare_ctx *ctx, pare_arena *arena, const char *text)
{
   return pare_arena_strndup(ctx, arena, text, strlen(text));
}

char *pare_arena_printf(pare_ctx *ctx, pare_arena *arena, const char *fmt, ...)
{
   va_list args;
   va_start(args, fmt);
   int length = vsnprintf(NULL, 0, fmt, args);
   va_end(args);
   char *text = pare_arena_alloc(ctx, arena, length < 0 ? SIZE_MAX : (size_t)length + 1);
   if (!text) return NULL;
   va_start(args, fmt);
   vsnprintf(text, (size_t)length + 1, fmt, args);
   va_end(args);
   return text;
}
