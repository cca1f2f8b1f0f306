/* tok_store: what the loaders of all parts share: keeping strings, reading members, walking Sequences. */
#include <string.h>

#include "text/tok_parts.h"
#include "text/utf8.h"

enum { DEEPEST = 16, MOST_PARTS = 256 };

pare_status pare_tok_keep(pare_ctx *ctx, pare_tok_store *store, const char *text, size_t size,
                          pare_tok_text *out)
{
   out->data = pare_arena_strndup(ctx, store->arena, text, size);
   out->size = size;
   return out->data ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_tok_bad(pare_ctx *ctx, const pare_tok_store *store, const char *part, const char *key,
                         const char *expected)
{
   return pare_fail(ctx, PARE_INPUT, store->where, "%s: '%s' must be %s", part, key, expected);
}

pare_status pare_tok_unsupported(pare_ctx *ctx, const pare_tok_store *store, const char *part,
                                 const char *type)
{
   return pare_fail(ctx, PARE_UNSUPPORTED, store->where, "%s of type '%.80s' is not supported", part, type);
}

pare_status pare_tok_string(pare_ctx *ctx, pare_tok_store *store, const pare_json *object, const char *part,
                            const char *key, pare_tok_text *out)
{
   const char *text = pare_json_string(pare_json_get(object, key));
   if (!text) return pare_tok_bad(ctx, store, part, key, "a string");
   return pare_tok_keep(ctx, store, text, strlen(text), out);
}

pare_status pare_tok_bool(pare_ctx *ctx, const pare_tok_store *store, const pare_json *object,
                          const char *part, const char *key, bool fallback, bool *out)
{
   const pare_json *value = pare_json_get(object, key);
   *out = fallback;
   if (pare_json_is_null(value)) return PARE_OK;
   if (!pare_json_is_bool(value)) return pare_tok_bad(ctx, store, part, key, "true or false");
   *out = pare_json_bool(value, fallback);
   return PARE_OK;
}

pare_status pare_tok_char(pare_ctx *ctx, const pare_tok_store *store, const pare_json *object,
                          const char *part, const char *key, uint32_t *out)
{
   const char *text = pare_json_string(pare_json_get(object, key));
   if (!text || !*text || strlen(text) != pare_utf8_size(*text))
      return pare_tok_bad(ctx, store, part, key, "one character");
   *out = pare_utf8_get(text);
   return PARE_OK;
}

pare_status pare_tok_type(pare_ctx *ctx, const pare_tok_store *store, const pare_json *object,
                          const char *part, const char **out)
{
   if (!pare_json_is_object(object))
      return pare_fail(ctx, PARE_INPUT, store->where, "%s must be an object", part);
   *out = pare_json_string(pare_json_get(object, "type"));
   return *out ? PARE_OK : pare_tok_bad(ctx, store, part, "type", "a string");
}

typedef struct walk {
   const char *name, *list;
   pare_tok_loader load;
   void *into;
   size_t parts;
} walk;

static pare_status visit(pare_ctx *ctx, pare_tok_store *store, const pare_json *part, walk *w, int depth)
{
   const char *type;
   PARE_TRY(pare_tok_type(ctx, store, part, w->name, &type));
   if (strcmp(type, "Sequence") != 0) {
      if (++w->parts > MOST_PARTS)
         return pare_fail(ctx, PARE_UNSUPPORTED, store->where, "%s has more than %d parts", w->name,
                          MOST_PARTS);
      return w->load(ctx, store, part, w->into);
   }
   const pare_json *list = pare_json_get(part, w->list);
   if (!pare_json_is_array(list)) return pare_tok_bad(ctx, store, w->name, w->list, "an array");
   if (depth == DEEPEST)
      return pare_fail(ctx, PARE_UNSUPPORTED, store->where, "%s is nested too deeply", w->name);
   for (const pare_json *item = pare_json_first(list); item; item = pare_json_next(item))
      PARE_TRY(visit(ctx, store, item, w, depth + 1));
   return PARE_OK;
}

pare_status pare_tok_flatten(pare_ctx *ctx, pare_tok_store *store, const pare_json *part, const char *name,
                             const char *list, pare_tok_loader load, void *into)
{
   walk w = { name, list, load, into, 0 };
   return pare_json_is_null(part) ? PARE_OK : visit(ctx, store, part, &w, 0);
}
