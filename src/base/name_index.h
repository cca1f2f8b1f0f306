/* name_index: finds items by name in constant time. Names are borrowed: they must live, unchanged, as long as
 * they are in the index. Zero-initialize to start; the user owns it and calls pare_name_index_finish. */
#ifndef PARE_BASE_NAME_INDEX_H
#define PARE_BASE_NAME_INDEX_H

#include "base/ctx.h"

typedef struct pare_name_entry {
   const char *name; /* NULL: free */
   void *item;
   uint64_t hash;
} pare_name_entry;

typedef struct pare_name_index {
   pare_name_entry *entries;
   size_t count, capacity; /* capacity: 0 or a power of two */
} pare_name_index;

/* The item, or NULL when the name is not there. */
void *pare_name_index_find(const pare_name_index *index, const char *name);
/* The name must not be in the index yet; item is not NULL. Fails only for lack of memory. */
pare_status pare_name_index_add(pare_ctx *ctx, pare_name_index *index, const char *name, void *item);
/* Does nothing when the name is not there. */
void pare_name_index_remove(pare_name_index *index, const char *name);
void pare_name_index_finish(pare_ctx *ctx, pare_name_index *index);

#endif
