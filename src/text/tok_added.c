/* tok_added: tokens that are cut out of the text before the model sees it.
 *
 * Two sets: those with normalized = false are matched in the text as it came, the others, in their own
 * normalized form, in the normalized text. At each place the longest token wins and the leftmost place
 * goes first. */
#include <string.h>

#include "text/tok_parts.h"
#include "text/unicode.h"
#include "text/utf8.h"

static const char PART[] = "added_tokens";

enum { NONE = 0xffffffffu, MOST_NODES = 1 << 26 };

struct pare_tok_trie_node {
   uint32_t child, sibling; /* index of a node; 0: none */
   uint32_t token;          /* index of an added token, or NONE */
   uint8_t byte;
};

typedef struct pare_tok_trie_node node;

/* ---- the trie ---- */

static pare_status add_node(pare_ctx *ctx, pare_tok_trie *trie, uint8_t byte, uint32_t *index)
{
   if (trie->count >= MOST_NODES) return pare_fail(ctx, PARE_UNSUPPORTED, NULL, "too many added tokens");
   PARE_TRY(pare_grow(ctx, (void **)&trie->nodes, &trie->capacity, trie->count + 1, sizeof *trie->nodes));
   *index = (uint32_t)trie->count++;
   trie->nodes[*index] = (node){ .token = NONE, .byte = byte };
   return PARE_OK;
}

/* The link that leads, or would lead, from a node to its child for this byte. */
static uint32_t *find_link(pare_tok_trie *trie, uint32_t from, uint8_t byte)
{
   if (from == 0) return &trie->root[byte];
   uint32_t *link = &trie->nodes[from].child;
   while (*link && trie->nodes[*link].byte != byte) link = &trie->nodes[*link].sibling;
   return link;
}

/* Of two tokens that read the same the one with the lower id counts. */
static pare_status insert(pare_ctx *ctx, pare_tok_trie *trie, const pare_tok_added *added, uint32_t token,
                          pare_tok_text text)
{
   uint32_t at = 0;
   if (!text.size) return PARE_OK;
   if (!trie->count) PARE_TRY(add_node(ctx, trie, 0, &at));
   at = 0;
   for (size_t i = 0; i < text.size; i++) {
      uint8_t byte = (uint8_t)text.data[i];
      uint32_t next = *find_link(trie, at, byte);
      if (!next) {
         PARE_TRY(add_node(ctx, trie, byte, &next));
         *find_link(trie, at, byte) = next; /* the nodes may have moved */
      }
      at = next;
   }
   uint32_t *slot = &trie->nodes[at].token;
   if (*slot == NONE || added->items[token].id < added->items[*slot].id) *slot = token;
   return PARE_OK;
}

/* The longest token at the start of the text: its size, 0 when there is none. */
static size_t longest(const pare_tok_trie *trie, const char *text, size_t size, uint32_t *token)
{
   size_t best = 0;
   uint32_t at = trie->root[(uint8_t)text[0]];
   for (size_t i = 1; at; i++) {
      if (trie->nodes[at].token != NONE) {
         best = i;
         *token = trie->nodes[at].token;
      }
      if (i == size) break;
      uint32_t next = trie->nodes[at].child;
      while (next && trie->nodes[next].byte != (uint8_t)text[i]) next = trie->nodes[next].sibling;
      at = next;
   }
   return best;
}

/* ---- loading ---- */

static pare_status read_token(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                              pare_tok_added_token *token, int64_t *id)
{
   if (!pare_json_is_object(json))
      return pare_fail(ctx, PARE_INPUT, store->where, "%s must hold objects", PART);
   PARE_TRY(pare_tok_string(ctx, store, json, PART, "content", &token->content));
   if (!pare_json_int(pare_json_get(json, "id"), 0, UINT32_MAX - 1, id))
      return pare_tok_bad(ctx, store, PART, "id", "a whole number");
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "special", false, &token->special));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "normalized", !token->special, &token->normalized));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "single_word", false, &token->single_word));
   PARE_TRY(pare_tok_bool(ctx, store, json, PART, "lstrip", false, &token->lstrip));
   return pare_tok_bool(ctx, store, json, PART, "rstrip", false, &token->rstrip);
}

static pare_status normal_text(pare_ctx *ctx, pare_tok_store *store, const pare_tok_normalizer *normalizer,
                               pare_tok_added_token *token)
{
   token->normal = token->content;
   if (!token->normalized || !normalizer->count) return PARE_OK;
   pare_tok_work work = { .ctx = ctx };
   uint32_t first = 0;
   pare_status status =
      pare_tok_normalize(&work, normalizer, token->content.data, token->content.size, &first);
   if (status == PARE_OK)
      status = pare_tok_keep(ctx, store, work.a.data ? work.a.data : "", work.a.size, &token->normal);
   pare_tok_work_finish(&work);
   return status;
}

/* Puts the token at its id: the one it had, the model's, or the next free one. */
static pare_status place(pare_ctx *ctx, const pare_tok_model *model, pare_tok_added *added,
                         pare_tok_added_token *token, uint32_t *next_id)
{
   const uint32_t *known = pare_strmap_get(&added->by_content, token->content.data, token->content.size);
   const uint32_t *in_model = pare_strmap_get(&model->vocab.ids, token->content.data, token->content.size);
   token->id = known ? added->items[*known].id : in_model ? *in_model : *next_id;
   *next_id += !known && !in_model;
   if (known) {
      added->items[*known] = *token;
      return PARE_OK;
   }
   PARE_TRY(pare_grow(ctx, (void **)&added->items, &added->capacity, added->count + 1, sizeof *added->items));
   PARE_TRY(pare_strmap_put(ctx, &added->by_content, token->content.data, token->content.size,
                            (uint32_t)added->count));
   added->items[added->count++] = *token;
   return PARE_OK;
}

static pare_status build_tries(pare_ctx *ctx, pare_tok_added *added)
{
   for (size_t i = 0; i < added->count; i++) {
      const pare_tok_added_token *token = &added->items[i];
      PARE_TRY(
         insert(ctx, token->normalized ? &added->normal : &added->raw, added, (uint32_t)i, token->normal));
   }
   return PARE_OK;
}

pare_status pare_tok_added_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                                const pare_tok_model *model, const pare_tok_normalizer *normalizer,
                                pare_tok_added *out)
{
   if (pare_json_is_null(json)) return PARE_OK;
   if (!pare_json_is_array(json))
      return pare_fail(ctx, PARE_INPUT, store->where, "'%s' must be an array", PART);
   uint32_t next_id = (uint32_t)model->vocab.ids.count;
   for (const pare_json *item = pare_json_first(json); item; item = pare_json_next(item)) {
      pare_tok_added_token token = { 0 };
      int64_t id;
      PARE_TRY(read_token(ctx, store, item, &token, &id));
      if (!token.content.size) continue;
      PARE_TRY(normal_text(ctx, store, normalizer, &token));
      PARE_TRY(place(ctx, model, out, &token, &next_id));
      if (token.id != id)
         pare_log(ctx, PARE_WARNING, "added_token_id", store->where,
                  "added token '%.80s' has id %u, not %lld", token.content.data, token.id, (long long)id);
   }
   return build_tries(ctx, out);
}

void pare_tok_added_finish(pare_ctx *ctx, pare_tok_added *added)
{
   pare_free(ctx, added->items);
   pare_free(ctx, added->raw.nodes);
   pare_free(ctx, added->normal.nodes);
   pare_strmap_finish(ctx, &added->by_content);
}

/* ---- cutting ---- */

/* Whether no word character touches [start, end). */
static bool stands_alone(const char *text, size_t size, size_t start, size_t end)
{
   bool before = start > 0 && pare_is_word(pare_utf8_get(text + start - pare_utf8_back(text + start)));
   bool after = end < size && pare_is_word(pare_utf8_get(text + end));
   return !before && !after;
}

static size_t spaces_before(const char *text, size_t start)
{
   while (start > 0) {
      size_t size = pare_utf8_back(text + start);
      if (!pare_is_space(pare_utf8_get(text + start - size))) break;
      start -= size;
   }
   return start;
}

static size_t spaces_after(const char *text, size_t size, size_t end)
{
   while (end < size && pare_is_space(pare_utf8_get(text + end))) end += pare_utf8_size(text[end]);
   return end;
}

/* White space taken by rstrip may hold the next token again: `done` then goes back to that token's end, or
 * the token is nothing because lstrip begins it where the one before ended. */
pare_status pare_tok_added_split(pare_tok_work *work, const pare_tok_added *added, const pare_tok_trie *trie,
                                 const pare_tok_piece *piece, const char *text, size_t base)
{
   size_t size = piece->size, done = 0;
   uint32_t index = 0;
   for (size_t at = 0, length; trie->count && at < size; at += length) {
      length = longest(trie, text + at, size - at, &index);
      if (!length) {
         length = 1;
         continue;
      }
      const pare_tok_added_token *token = &added->items[index];
      size_t start = at, end = at + length;
      if (token->single_word && !stands_alone(text, size, start, end)) continue;
      if (token->lstrip) start = spaces_before(text, start);
      if (token->lstrip && start < done) start = done;
      if (token->rstrip) end = spaces_after(text, size, end);
      if (done < start) PARE_TRY(pare_tok_add_piece(work, pare_tok_part(piece, base, done, start)));
      if (start < end) PARE_TRY(pare_tok_add_token(work, token->id));
      done = end;
   }
   if (done == size) return PARE_OK;
   return pare_tok_add_piece(work, pare_tok_part(piece, base, done, size));
}
