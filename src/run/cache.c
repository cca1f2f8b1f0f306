/* cache: see cache.h. */
#include "run/cache.h"

#include <string.h>

static pare_status check_state(pare_ctx *ctx, const pare_value *state)
{
   const pare_type *type = &state->type;
   bool fits = state->kind == PARE_VALUE_STATE && type->rank == 4 && type->dim[0] == PARE_DIM_SLOTS &&
               type->dim[1] > 0 && type->dim[2] == PARE_DIM_PAST && type->dim[3] > 0 && type->dim[3] % 2 == 0;
   if (fits && (type->dtype == PARE_F32 || type->dtype == PARE_F16)) return PARE_OK;
   if (fits && type->dtype == PARE_I8 && type->dim[3] % 8 == 0 && type->dim[3] / 2 <= PARE_KV_MAX_DIM)
      return PARE_OK;
   return pare_fail(
      ctx, PARE_UNSUPPORTED, state->name,
      "a key/value cache must be f32, f16 or i8 [slots, heads, past, 2 * head size], for i8 with "
      "head sizes that are multiples of 4 up to %d",
      PARE_KV_MAX_DIM);
}

static int64_t block_positions(const pare_cache *cache)
{
   return cache->dtype == PARE_I8 ? PARE_ATTN_BLOCK : PARE_KV_BLOCK;
}

/* Keys and values of one head at a block of positions. */
static size_t bytes_of_block(const pare_cache *cache)
{
   if (cache->dtype == PARE_I8) return (size_t)pare_kv_i8_block_bytes(cache->head_dim);
   return (size_t)(2 * cache->head_dim * PARE_KV_BLOCK) * pare_dtype_size(cache->dtype);
}

static pare_status size_cache(pare_ctx *ctx, pare_caches *caches, pare_cache *cache, int64_t slots)
{
   size_t heads, bytes, all, blocks = (size_t)(cache->capacity / block_positions(cache));
   bool over = __builtin_mul_overflow(bytes_of_block(cache), blocks, &cache->head_bytes) ||
               __builtin_mul_overflow((size_t)slots, (size_t)cache->kv_heads, &heads) ||
               __builtin_mul_overflow(cache->head_bytes, heads, &bytes) ||
               __builtin_add_overflow(caches->bytes, bytes, &all) || all > PTRDIFF_MAX / 2;
   if (over)
      return pare_fail(ctx, PARE_RESOURCE, cache->state->name,
                       "the key/value cache does not fit into memory");
   cache->offset = caches->bytes;
   caches->bytes = (all + 63) & ~(size_t)63;
   return PARE_OK;
}

pare_status pare_cache_of(pare_ctx *ctx, pare_arena *arena, pare_caches *caches, const pare_value *state,
                          int64_t slots, int64_t context, pare_cache **out)
{
   for (*out = caches->first; *out; *out = (*out)->next) {
      if ((*out)->state == state) return PARE_OK;
   }
   PARE_TRY(check_state(ctx, state));
   pare_cache *cache = pare_arena_alloc(ctx, arena, sizeof *cache);
   if (!cache) return PARE_RESOURCE;
   cache->state = state;
   cache->dtype = state->type.dtype;
   cache->kv_heads = state->type.dim[1];
   cache->head_dim = state->type.dim[3] / 2;
   cache->capacity = (context + block_positions(cache) - 1) / block_positions(cache) * block_positions(cache);
   PARE_TRY(size_cache(ctx, caches, cache, slots));
   cache->next = caches->first;
   caches->first = *out = cache;
   return PARE_OK;
}

void pare_caches_attach(pare_caches *caches, unsigned char *memory)
{
   for (pare_cache *cache = caches->first; cache; cache = cache->next) cache->at = memory + cache->offset;
}

/* Blocks go whole; what lies in them past the last position is never used. */
static void copy_head(const pare_cache *cache, int64_t from, int64_t to, int64_t head, int64_t positions)
{
   size_t blocks = (size_t)((positions + block_positions(cache) - 1) / block_positions(cache));
   size_t bytes = blocks * bytes_of_block(cache), half = bytes / 2;
   bool together = cache->dtype == PARE_I8; /* keys and values lie in one block */
   memcpy(pare_cache_keys(cache, to, head), pare_cache_keys(cache, from, head), together ? bytes : half);
   if (!together) memcpy(pare_cache_values(cache, to, head), pare_cache_values(cache, from, head), half);
}

void pare_caches_copy(const pare_caches *caches, int64_t from, int64_t to, int64_t positions)
{
   for (const pare_cache *cache = caches->first; cache; cache = cache->next) {
      for (int64_t head = 0; head < cache->kv_heads; head++) copy_head(cache, from, to, head, positions);
   }
}
