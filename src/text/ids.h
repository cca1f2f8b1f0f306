/* ids: a growing array of token ids. Zero-initialize to start; the user owns it and calls pare_ids_finish. */
#ifndef PARE_TEXT_IDS_H
#define PARE_TEXT_IDS_H

#include "base/str.h"

typedef struct pare_ids {
   uint32_t *data;
   size_t size, capacity;
} pare_ids;

static inline pare_status pare_ids_push(pare_ctx *ctx, pare_ids *ids, uint32_t id)
{
   if (ids->size == ids->capacity)
      PARE_TRY(pare_grow(ctx, (void **)&ids->data, &ids->capacity, ids->size + 1, sizeof *ids->data));
   ids->data[ids->size++] = id;
   return PARE_OK;
}

static inline void pare_ids_finish(pare_ctx *ctx, pare_ids *ids)
{
   pare_free(ctx, ids->data);
   *ids = (pare_ids){ 0 };
}

/* Appends the decimal ids of a text, separated by white space or commas. An id of `limit` (0: 2^32) and
 * above, or anything else, is PARE_INPUT naming `where`, the line (counting from `line`) and the place in
 * it. */
pare_status pare_ids_parse(pare_ctx *ctx, const char *text, size_t size, const char *where, size_t line,
                           int64_t limit, pare_ids *out);

#endif
