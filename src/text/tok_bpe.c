/* tok_bpe: byte pair encoding (Sennrich et al. 2016).
 *
 * A word begins as one symbol a character; the pair of neighbours with the lowest rank is merged until
 * none is left. Symbols form a linked list and candidate pairs a heap ordered by rank and place, so a word
 * of n characters takes O(n log n). */
#include <string.h>

#include "text/tok_parts.h"
#include "text/utf8.h"

static const char PART[] = "model";

enum { NONE = 0xffffffffu, SHOWN = 60 };

/* From a pair of ids to the rank of their merge: open addressing, at most half full. */
struct pare_tok_merges {
   uint64_t *pairs;
   uint32_t *ranks;    /* NONE: free */
   uint32_t *products; /* by rank: the id that a merge makes */
   size_t capacity, count;
};

typedef struct pare_tok_merges merges;

struct pare_tok_symbol {
   uint32_t id;
   uint32_t prev, next; /* places; NONE at the ends */
   bool gone;
};

typedef struct pare_tok_symbol symbol;

static uint64_t pair_of(uint32_t left, uint32_t right)
{
   return (uint64_t)left << 32 | right;
}

static size_t find_slot(const merges *m, uint64_t pair)
{
   uint64_t hash = pair * 0x9e3779b97f4a7c15u;
   size_t i = (size_t)(hash ^ hash >> 32) & (m->capacity - 1);
   while (m->ranks[i] != NONE && m->pairs[i] != pair) i = (i + 1) & (m->capacity - 1);
   return i;
}

static uint32_t rank_of(const merges *m, uint32_t left, uint32_t right)
{
   return m->ranks[find_slot(m, pair_of(left, right))];
}

/* ---- loading ---- */

static pare_status bad_merge(pare_ctx *ctx, const pare_tok_store *store, size_t rank, const char *problem,
                             pare_tok_text what)
{
   int shown = what.size < SHOWN ? (int)what.size : SHOWN;
   return pare_fail(ctx, PARE_INPUT, store->where, "merges: entry %zu %s '%.*s'", rank, problem, shown,
                    what.data);
}

static pare_status token_id(pare_ctx *ctx, const pare_tok_store *store, const pare_tok_model *model,
                            size_t rank, pare_tok_text text, uint32_t *id)
{
   const uint32_t *found = pare_strmap_get(&model->vocab.ids, text.data, text.size);
   if (!found) return bad_merge(ctx, store, rank, "needs a token that the vocabulary lacks:", text);
   *id = *found;
   return PARE_OK;
}

/* "left right" or ["left", "right"]. */
static pare_status read_pair(pare_ctx *ctx, const pare_tok_store *store, const pare_json *item, size_t rank,
                             pare_tok_text *left, pare_tok_text *right)
{
   const char *line = pare_json_string(item);
   if (line) {
      const char *space = strchr(line, ' ');
      if (!space || strchr(space + 1, ' '))
         return bad_merge(ctx, store, rank, "must be two tokens with a space between them, found",
                          (pare_tok_text){ line, strlen(line) });
      *left = (pare_tok_text){ line, (size_t)(space - line) };
      *right = (pare_tok_text){ space + 1, strlen(space + 1) };
      return PARE_OK;
   }
   const char *a = pare_json_string(pare_json_first(item));
   const char *b = a ? pare_json_string(pare_json_next(pare_json_first(item))) : NULL;
   if (!pare_json_is_array(item) || pare_json_count(item) != 2 || !b)
      return pare_fail(ctx, PARE_INPUT, store->where, "merges: entry %zu must be two tokens", rank);
   *left = (pare_tok_text){ a, strlen(a) };
   *right = (pare_tok_text){ b, strlen(b) };
   return PARE_OK;
}

/* Of two merges of one pair the later counts. */
static pare_status add_merge(pare_ctx *ctx, const pare_tok_store *store, const pare_tok_model *model,
                             const pare_json *item, size_t rank, pare_str *scratch)
{
   merges *m = model->merges;
   pare_tok_text left = { 0 }, right = { 0 };
   uint32_t a = 0, b = 0;
   PARE_TRY(read_pair(ctx, store, item, rank, &left, &right));
   PARE_TRY(token_id(ctx, store, model, rank, left, &a));
   PARE_TRY(token_id(ctx, store, model, rank, right, &b));
   if (right.size < model->prefix.size)
      return bad_merge(ctx, store, rank, "has a second token shorter than the subword prefix:", right);
   pare_str_clear(scratch);
   PARE_TRY(pare_str_append(ctx, scratch, left.data, left.size));
   PARE_TRY(pare_str_append(ctx, scratch, right.data + model->prefix.size, right.size - model->prefix.size));
   PARE_TRY(
      token_id(ctx, store, model, rank, (pare_tok_text){ scratch->data, scratch->size }, &m->products[rank]));
   size_t slot = find_slot(m, pair_of(a, b));
   m->pairs[slot] = pair_of(a, b);
   m->ranks[slot] = (uint32_t)rank;
   return PARE_OK;
}

static pare_status create_merges(pare_ctx *ctx, size_t count, pare_tok_model *model)
{
   merges *m = model->merges = pare_alloc(ctx, sizeof *m);
   if (!m) return PARE_RESOURCE;
   m->count = count;
   m->capacity = 16;
   while (m->capacity < count * 2) m->capacity *= 2;
   m->pairs = pare_alloc_array(ctx, m->capacity, sizeof *m->pairs);
   m->ranks = m->pairs ? pare_alloc_array(ctx, m->capacity, sizeof *m->ranks) : NULL;
   m->products = m->ranks ? pare_alloc_array(ctx, count, sizeof *m->products) : NULL;
   if (!m->products) return PARE_RESOURCE;
   memset(m->ranks, 0xff, m->capacity * sizeof *m->ranks);
   return PARE_OK;
}

static void find_byte_tokens(pare_tok_model *model)
{
   static const char digits[] = "0123456789ABCDEF";
   for (unsigned i = 0; i < 256; i++) {
      char name[] = { '<', '0', 'x', digits[i >> 4], digits[i & 15], '>' };
      const uint32_t *found = pare_strmap_get(&model->vocab.ids, name, sizeof name);
      model->byte_ids[i] = found ? *found : NONE;
   }
}

pare_status pare_tok_bpe_load(pare_ctx *ctx, pare_tok_store *store, const pare_json *json,
                              pare_tok_model *model)
{
   const pare_json *list = pare_json_get(json, "merges");
   if (!pare_json_is_array(list)) return pare_tok_bad(ctx, store, PART, "merges", "an array");
   PARE_TRY(create_merges(ctx, pare_json_count(list), model));
   find_byte_tokens(model);
   pare_str scratch = { 0 };
   pare_status status = PARE_OK;
   size_t rank = 0;
   for (const pare_json *item = pare_json_first(list); item && status == PARE_OK;
        item = pare_json_next(item)) {
      const char *line = pare_json_string(item);
      if (line && strncmp(line, "#version", 8) == 0) continue; /* the first line of merges.txt */
      status = add_merge(ctx, store, model, item, rank++, &scratch);
   }
   pare_str_finish(ctx, &scratch);
   return status;
}

void pare_tok_bpe_finish(pare_ctx *ctx, merges *m)
{
   if (!m) return;
   pare_free(ctx, m->pairs);
   pare_free(ctx, m->ranks);
   pare_free(ctx, m->products);
   pare_free(ctx, m);
}

void pare_tok_bpe_work_finish(pare_ctx *ctx, pare_tok_bpe_work *work)
{
   pare_free(ctx, work->symbols);
   pare_free(ctx, work->heap);
   pare_str_finish(ctx, &work->text);
}

/* ---- the symbols a word begins with ---- */

static pare_status add_symbol(pare_ctx *ctx, pare_tok_bpe_work *work, uint32_t id)
{
   if (work->count == work->capacity)
      PARE_TRY(
         pare_grow(ctx, (void **)&work->symbols, &work->capacity, work->count + 1, sizeof *work->symbols));
   uint32_t place = (uint32_t)work->count++;
   work->symbols[place] = (symbol){ .id = id, .prev = place ? place - 1 : NONE, .next = place + 1 };
   return PARE_OK;
}

/* A character as the vocabulary spells it: with the prefix unless first, with the suffix if last. */
static pare_status spell(pare_ctx *ctx, const pare_tok_model *model, pare_str *scratch, bool first, bool last,
                         pare_tok_text *c)
{
   bool prefix = !first && model->prefix.size, suffix = last && model->suffix.size;
   if (!prefix && !suffix) return PARE_OK;
   pare_str_clear(scratch);
   if (prefix) PARE_TRY(pare_str_append(ctx, scratch, model->prefix.data, model->prefix.size));
   PARE_TRY(pare_str_append(ctx, scratch, c->data, c->size));
   if (suffix) PARE_TRY(pare_str_append(ctx, scratch, model->suffix.data, model->suffix.size));
   *c = (pare_tok_text){ scratch->data, scratch->size };
   return PARE_OK;
}

static bool has_bytes(const pare_tok_model *model, pare_tok_text c)
{
   for (size_t i = 0; i < c.size; i++)
      if (model->byte_ids[(uint8_t)c.data[i]] == NONE) return false;
   return model->byte_fallback;
}

/* An unknown token waits until the next known character (or the end), so that a run of them can be fused
 * into one. Without an unknown token the character is dropped. */
static pare_status unknown_character(pare_ctx *ctx, const pare_tok_model *model, pare_tok_bpe_work *work,
                                     pare_tok_text c, uint32_t *waiting)
{
   if (!model->has_unk) return PARE_OK;
   if (*waiting != NONE && model->fuse_unk) return PARE_OK;
   if (*waiting != NONE) PARE_TRY(add_symbol(ctx, work, *waiting));
   return pare_tok_unknown(ctx, model, c.data, c.size, waiting);
}

static pare_status add_character(pare_ctx *ctx, const pare_tok_model *model, pare_tok_bpe_work *work,
                                 pare_tok_text c, uint32_t *waiting)
{
   const uint32_t *found = pare_strmap_get(&model->vocab.ids, c.data, c.size);
   if (found) {
      if (*waiting != NONE) PARE_TRY(add_symbol(ctx, work, *waiting));
      *waiting = NONE;
      return add_symbol(ctx, work, *found);
   }
   if (!has_bytes(model, c)) return unknown_character(ctx, model, work, c, waiting);
   for (size_t i = 0; i < c.size; i++) PARE_TRY(add_symbol(ctx, work, model->byte_ids[(uint8_t)c.data[i]]));
   return PARE_OK;
}

static pare_status begin(pare_ctx *ctx, const pare_tok_model *model, pare_tok_bpe_work *work,
                         const char *word, size_t size)
{
   uint32_t waiting = NONE;
   work->count = 0;
   if (size >= UINT32_MAX / 4)
      return pare_fail(ctx, PARE_UNSUPPORTED, NULL, "a word of %zu bytes, expected less than 1 GiB", size);
   for (size_t at = 0, used; at < size; at += used) {
      used = pare_utf8_size(word[at]);
      pare_tok_text c = { word + at, used };
      PARE_TRY(spell(ctx, model, &work->text, at == 0, at + used == size, &c));
      PARE_TRY(add_character(ctx, model, work, c, &waiting));
   }
   if (waiting != NONE) PARE_TRY(add_symbol(ctx, work, waiting));
   if (work->count) work->symbols[work->count - 1].next = NONE;
   return PARE_OK;
}

/* ---- merging ---- */

/* The heap holds rank << 32 | place, the smallest on top. */
static pare_status push(pare_ctx *ctx, pare_tok_bpe_work *work, uint32_t rank, uint32_t place)
{
   uint64_t key = (uint64_t)rank << 32 | place;
   if (work->heap_count == work->heap_capacity)
      PARE_TRY(pare_grow(ctx, (void **)&work->heap, &work->heap_capacity, work->heap_count + 1,
                         sizeof *work->heap));
   size_t i = work->heap_count++;
   for (; i > 0 && work->heap[(i - 1) / 2] > key; i = (i - 1) / 2) work->heap[i] = work->heap[(i - 1) / 2];
   work->heap[i] = key;
   return PARE_OK;
}

static uint64_t pop(pare_tok_bpe_work *work)
{
   uint64_t *heap = work->heap, top = heap[0], key = heap[--work->heap_count];
   size_t i = 0, count = work->heap_count;
   for (size_t child; (child = 2 * i + 1) < count; i = child) {
      child += child + 1 < count && heap[child + 1] < heap[child];
      if (key <= heap[child]) break;
      heap[i] = heap[child];
   }
   heap[i] = key;
   return top;
}

static pare_status push_pair(pare_ctx *ctx, const merges *m, pare_tok_bpe_work *work, uint32_t left)
{
   uint32_t right = left == NONE ? NONE : work->symbols[left].next;
   if (right == NONE) return PARE_OK;
   uint32_t rank = rank_of(m, work->symbols[left].id, work->symbols[right].id);
   return rank == NONE ? PARE_OK : push(ctx, work, rank, left);
}

/* A candidate is out of date when its symbol is gone or the pair there now makes another token. */
static pare_status merge_top(pare_ctx *ctx, const merges *m, pare_tok_bpe_work *work)
{
   uint64_t top = pop(work);
   uint32_t place = (uint32_t)top, product = m->products[top >> 32];
   symbol *left = &work->symbols[place];
   if (left->gone || left->next == NONE) return PARE_OK;
   symbol *right = &work->symbols[left->next];
   uint32_t rank = rank_of(m, left->id, right->id);
   if (rank == NONE || m->products[rank] != product) return PARE_OK;
   left->id = product;
   left->next = right->next;
   right->gone = true;
   if (left->next != NONE) work->symbols[left->next].prev = place;
   PARE_TRY(push_pair(ctx, m, work, left->prev));
   return push_pair(ctx, m, work, place);
}

static pare_status merge_all(pare_ctx *ctx, const merges *m, pare_tok_bpe_work *work)
{
   work->heap_count = 0;
   for (size_t i = 0; i + 1 < work->count; i++) PARE_TRY(push_pair(ctx, m, work, (uint32_t)i));
   for (size_t turn = 1; work->heap_count; turn++) {
      if (turn % 65536 == 0) PARE_TRY(pare_check_stop(ctx));
      PARE_TRY(merge_top(ctx, m, work));
   }
   return PARE_OK;
}

pare_status pare_tok_bpe_word(pare_ctx *ctx, const pare_tok_model *model, pare_tok_bpe_work *work,
                              const char *word, size_t size, pare_ids *out)
{
   const uint32_t *whole = model->ignore_merges ? pare_strmap_get(&model->vocab.ids, word, size) : NULL;
   if (whole) return pare_ids_push(ctx, out, *whole);
   PARE_TRY(begin(ctx, model, work, word, size));
   PARE_TRY(merge_all(ctx, model->merges, work));
   for (size_t i = 0; i < work->count; i++)
      if (!work->symbols[i].gone) PARE_TRY(pare_ids_push(ctx, out, work->symbols[i].id));
   return PARE_OK;
}
