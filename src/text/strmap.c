/* strmap: open addressing with linear probing, at most half full. */
#include "text/strmap.h"

#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t word)
{
   hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
   return hash ^ (hash >> 29);
}

uint64_t pare_hash_bytes(const char *bytes, size_t size)
{
   uint64_t hash = size, word = 0;
   while (size >= sizeof word) {
      memcpy(&word, bytes, sizeof word);
      hash = mix(hash, word);
      bytes += sizeof word;
      size -= sizeof word;
   }
   word = 0;
   for (size_t i = 0; i < size; i++) word |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
   hash = mix(hash, word);
   return mix(hash, hash >> 32);
}

/* The slot that holds the key, or the free one where it belongs. */
static pare_strmap_slot *find(const pare_strmap *map, const char *key, size_t size, uint32_t hash)
{
   size_t mask = map->capacity - 1;
   for (size_t i = hash & mask;; i = (i + 1) & mask) {
      pare_strmap_slot *slot = &map->slots[i];
      if (!slot->key) return slot;
      if (slot->hash == hash && slot->size == size && memcmp(slot->key, key, size) == 0) return slot;
   }
}

static pare_status grow(pare_ctx *ctx, pare_strmap *map)
{
   pare_strmap bigger = { .capacity = map->capacity ? map->capacity * 2 : 64, .count = map->count };
   bigger.slots = pare_alloc_array(ctx, bigger.capacity, sizeof *bigger.slots);
   if (!bigger.slots) return PARE_RESOURCE;
   for (size_t i = 0; i < map->capacity; i++) {
      pare_strmap_slot *slot = &map->slots[i];
      if (slot->key) *find(&bigger, slot->key, slot->size, slot->hash) = *slot;
   }
   pare_free(ctx, map->slots);
   *map = bigger;
   return PARE_OK;
}

pare_status pare_strmap_put(pare_ctx *ctx, pare_strmap *map, const char *key, size_t size, uint32_t value)
{
   if (map->count * 2 >= map->capacity) PARE_TRY(grow(ctx, map));
   uint32_t hash = (uint32_t)pare_hash_bytes(key, size);
   pare_strmap_slot *slot = find(map, key, size, hash);
   if (!slot->key) {
      *slot = (pare_strmap_slot){ key, (uint32_t)size, hash, value };
      map->count++;
   }
   slot->value = value;
   return PARE_OK;
}

const uint32_t *pare_strmap_get(const pare_strmap *map, const char *key, size_t size)
{
   if (!map->count) return NULL;
   const pare_strmap_slot *slot = find(map, key, size, (uint32_t)pare_hash_bytes(key, size));
   return slot->key ? &slot->value : NULL;
}

void pare_strmap_finish(pare_ctx *ctx, pare_strmap *map)
{
   pare_free(ctx, map->slots);
   *map = (pare_strmap){ 0 };
}
