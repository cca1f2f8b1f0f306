/* hf_card: licence and base model from the front matter of README.md:
 *
 *    ---
 *    license: apache-2.0
 *    base_model:
 *    - org/name
 *    ---
 *
 * A scan by line for two keys at the left margin, not a YAML reader. */
#include <string.h>

#include "formats/hf.h"

typedef struct line {
   const char *at;
   size_t size;
} line;

/* The next line without its end; false at the end of the text. */
static bool next_line(const char **text, const char *end, line *out)
{
   if (*text == end) return false;
   const char *stop = memchr(*text, '\n', (size_t)(end - *text));
   if (!stop) stop = end;
   *out = (line){ *text, (size_t)(stop - *text) };
   *text = stop == end ? end : stop + 1;
   return true;
}

static void trim(line *l)
{
   while (l->size && strchr(" \t", l->at[0])) l->at++, l->size--;
   while (l->size && strchr(" \t\r", l->at[l->size - 1])) l->size--;
}

static bool is_fence(line l)
{
   trim(&l);
   return l.size == 3 && memcmp(l.at, "---", 3) == 0;
}

/* Drops `head` from the front of the line. */
static bool after(line *l, const char *head)
{
   size_t size = strlen(head);
   if (l->size < size || memcmp(l->at, head, size) != 0) return false;
   l->at += size;
   l->size -= size;
   trim(l);
   return true;
}

static void unquote(line *l)
{
   bool quoted = l->size >= 2 && (l->at[0] == '"' || l->at[0] == '\'') && l->at[l->size - 1] == l->at[0];
   if (quoted) *l = (line){ l->at + 1, l->size - 2 };
}

/* The value of a key: what stands behind it, or the first item of the list that follows. */
static bool take_value(line value, const char *rest, const char *end, line *out)
{
   line item;
   if (value.size == 0 && next_line(&rest, end, &item)) {
      trim(&item);
      if (after(&item, "-")) value = item;
   }
   unquote(&value);
   *out = value;
   return value.size > 0 && !memchr(value.at, '\0', value.size);
}

static pare_status keep(pare_ctx *ctx, pare_model *model, line value, const char **out)
{
   if (*out) return PARE_OK;
   *out = pare_arena_strndup(ctx, model->arena, value.at, value.size);
   return *out ? PARE_OK : PARE_RESOURCE;
}

pare_status pare_hf_card(pare_ctx *ctx, const char *text, size_t size, pare_model *model)
{
   const char *end = text + size;
   line l, value;
   if (!next_line(&text, end, &l) || !is_fence(l)) return PARE_OK;
   while (next_line(&text, end, &l) && !is_fence(l)) {
      const char **out = after(&l, "license:")      ? &model->licence
                         : after(&l, "base_model:") ? &model->base_model
                                                    : NULL;
      if (out && take_value(l, text, end, &value)) PARE_TRY(keep(ctx, model, value, out));
   }
   return PARE_OK;
}
