/* cache: keys and values of attention, one cache a state of the graph.
 *
 * Elements are f32, f16 or i8 as the state's type says. For each slot and key/value head: keys
 * [capacity/16][head_dim][16], then values [capacity][head_dim] (kernels.h, kv_store); i8: blocks of 64
 * positions (pare_kv_i8). Positions are those a sequence may have, rounded up to 16, i8 to 64. Nothing is
 * initialized: what was not stored is never used. */
#ifndef PARE_RUN_CACHE_H
#define PARE_RUN_CACHE_H

#include "ir/graph.h"
#include "kernels/kernels.h"

typedef struct pare_cache {
   const pare_value *state;
   pare_dtype dtype;
   int64_t kv_heads, head_dim, capacity;
   size_t head_bytes;      /* keys and values of one slot and head */
   size_t offset;          /* in the memory of all caches */
   unsigned char *at;
   struct pare_cache *next;
} pare_cache;

typedef struct pare_caches {
   pare_cache *first;
   size_t bytes; /* of all */
} pare_caches;

/* The cache of a state (made on first sight in the arena): f32, f16 or i8 [slots, kv_heads, past, 2 *
 * head_dim]. Anything else is PARE_UNSUPPORTED, a size beyond the address space PARE_RESOURCE. */
pare_status pare_cache_of(pare_ctx *ctx, pare_arena *arena, pare_caches *caches, const pare_value *state,
                          int64_t slots, int64_t context, pare_cache **out);
/* memory: caches->bytes, 64-byte aligned */
void pare_caches_attach(pare_caches *caches, unsigned char *memory);
/* The first `positions` positions of slot `from` to slot `to`, in all caches; from != to. */
void pare_caches_copy(const pare_caches *caches, int64_t from, int64_t to, int64_t positions);

static inline unsigned char *pare_cache_keys(const pare_cache *cache, int64_t slot, int64_t head)
{
   return cache->at + (size_t)(slot * cache->kv_heads + head) * cache->head_bytes;
}

/* Of an i8 cache: what its rows are rotated by. */
static inline int64_t pare_cache_rotation(const pare_cache *cache)
{
   return pare_rotation_for(cache->head_dim);
}

static inline pare_kv_i8 pare_cache_i8(const pare_cache *cache, int64_t slot, int64_t head)
{
   return (pare_kv_i8){ .blocks = pare_cache_keys(cache, slot, head),
                        .head_dim = cache->head_dim,
                        .rotation = pare_cache_rotation(cache) };
}

static inline unsigned char *pare_cache_values(const pare_cache *cache, int64_t slot, int64_t head)
{
   return pare_cache_keys(cache, slot, head) + cache->head_bytes / 2;
}

#endif
