/* name_index: an open-addressed hash table with linear probing, at most half full. Removal moves later
 * entries of the run back (Knuth, TAOCP 3, 6.4 algorithm R), so there are no tombstones. */
#include "base/name_index.h"

#include <string.h>

/* FNV-1a, then the finalizer of MurmurHash3, because the table uses the low bits. */
static uint64_t hash_of(const char *name)
{
   uint64_t h = 0xcbf29ce484222325u;
   for (const uint8_t *p = (const uint8_t *)name; *p; p++) h = (h ^ *p) * 0x100000001b3u;
   h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
   h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
   return h ^ (h >> 33);
}

/* The entry of the name, or the free one where it would go. */
static size_t slot_of(const pare_name_index *index, const char *name, uint64_t hash)
{
   size_t mask = index->capacity - 1, at = (size_t)hash & mask;
   for (; index->entries[at].name; at = (at + 1) & mask) {
      if (index->entries[at].hash == hash && strcmp(index->entries[at].name, name) == 0) break;
   }
   return at;
}

void *pare_name_index_find(const pare_name_index *index, const char *name)
{
   if (index->count == 0) return NULL;
   return index->entries[slot_of(index, name, hash_of(name))].item;
}

static pare_status grow(pare_ctx *ctx, pare_name_index *index)
{
   pare_name_index larger = { .count = index->count, .capacity = index->capacity ? 2 * index->capacity : 32 };
   larger.entries = pare_alloc_array(ctx, larger.capacity, sizeof *larger.entries);
   if (!larger.entries) return PARE_RESOURCE;
   for (size_t i = 0; i < index->capacity; i++) {
      const pare_name_entry *entry = &index->entries[i];
      if (entry->name) larger.entries[slot_of(&larger, entry->name, entry->hash)] = *entry;
   }
   pare_free(ctx, index->entries);
   *index = larger;
   return PARE_OK;
}

pare_status pare_name_index_add(pare_ctx *ctx, pare_name_index *index, const char *name, void *item)
{
   if (2 * (index->count + 1) > index->capacity) PARE_TRY(grow(ctx, index));
   uint64_t hash = hash_of(name);
   index->entries[slot_of(index, name, hash)] = (pare_name_entry){ name, item, hash };
   index->count++;
   return PARE_OK;
}

void pare_name_index_remove(pare_name_index *index, const char *name)
{
   if (index->count == 0) return;
   size_t mask = index->capacity - 1, hole = slot_of(index, name, hash_of(name));
   if (!index->entries[hole].name) return;
   for (size_t at = (hole + 1) & mask; index->entries[at].name; at = (at + 1) & mask) {
      size_t home = (size_t)index->entries[at].hash & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue; /* its home lies behind the hole */
      index->entries[hole] = index->entries[at];
      hole = at;
   }
   index->entries[hole] = (pare_name_entry){ 0 };
   index->count--;
}

void pare_name_index_finish(pare_ctx *ctx, pare_name_index *index)
{
   pare_free(ctx, index->entries);
   *index = (pare_name_index){ 0 };
}
