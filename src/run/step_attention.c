/* step_attention: keys and values into the cache, then each query head over its keys.
 *
 * An item is some rows of the query heads that share a key/value head. All keys of the batch are stored before
 * (a stage earlier), and a row looks at positions up to its own only. Rows of one sequence are handed to the kernel
 * together, as many as it takes: they share what is read of the cache, and a matrix product wants rows. Items go by
 * tokens, so that a worker finds the rows that it made in the steps before in its caches, and makes those of the
 * steps after; late tokens, which see the most, are shared by who is done with early ones. */
#include "run/step.h"

enum { ITEMS_PER_WORKER = 4 };

static void store_i8(const pare_run *run, const pare_cache *cache, int64_t slot, int64_t head, int64_t pos,
                     const float *k, const float *v, int worker)
{
   pare_kv_i8 kv = pare_cache_i8(cache, slot, head);
   run->kernels->kv_store_i8(run->kernels, k, v, &kv, pos, pare_run_scratch(run, worker));
}

void pare_step_kv_store(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   const pare_cache *cache = step->attention.cache;
   const pare_kernels *kernels = run->kernels;
   for (int64_t row = from; row < to; row++) {
      int64_t slot = run->batch->slots[row], pos = run->batch->positions[row], size = cache->head_dim;
      for (int64_t head = 0; head < cache->kv_heads; head++) {
         const float *k = pare_region_row(step->in[0], row) + head * size;
         const float *v = pare_region_row(step->in[1], row) + head * size;
         void *keys = pare_cache_keys(cache, slot, head), *values = pare_cache_values(cache, slot, head);
         if (cache->dtype == PARE_I8) store_i8(run, cache, slot, head, pos, k, v, worker);
         else if (cache->dtype == PARE_F32) kernels->kv_store_f32(k, v, size, pos, keys, values);
         else kernels->kv_store(k, v, size, pos, keys, values);
      }
   }
}

/* ---- items: tokens by groups of query heads ---- */

typedef struct attention_cut {
   int64_t heads;  /* query heads of a group, all with one key/value head */
   int64_t groups; /* of heads */
   int64_t tokens; /* of an item */
} attention_cut;

/* Whether as many items, at least, of equal size are work for all. */
static bool enough(int64_t items, int64_t workers)
{
   return items >= ITEMS_PER_WORKER * workers || items % workers == 0;
}

/* A group is all heads of a key/value head, which then is read once, unless they give the workers too little or
 * unequal work; tokens fill the rows of a call of the kernel. */
static attention_cut cut_of(const pare_run *run, const pare_step *step)
{
   int64_t heads = step->attention.heads / step->attention.cache->kv_heads, tokens = run->batch->n_tokens;
   int64_t wanted = ITEMS_PER_WORKER * (int64_t)run->workers, most = PARE_ATTN_ROWS;
   attention_cut cut = { .heads = heads < most ? heads : most };
   while (cut.heads > 1 &&
          (heads % cut.heads || !enough(step->attention.heads / cut.heads * tokens, run->workers)))
      cut.heads--;
   cut.groups = step->attention.heads / cut.heads;
   cut.tokens = tokens * cut.groups / wanted;
   if (cut.tokens > most / cut.heads) cut.tokens = most / cut.heads;
   if (cut.tokens < 1) cut.tokens = 1;
   return cut;
}

pare_step_cut pare_attention_cut(const pare_run *run, const pare_step *step)
{
   attention_cut cut = cut_of(run, step);
   return (pare_step_cut){ cut.groups * ((run->batch->n_tokens + cut.tokens - 1) / cut.tokens), 1 };
}

/* One query head at one token. */
static pare_attention_row row_of(const pare_run *run, const pare_step *step, int64_t token, int64_t head)
{
   int64_t at = head * step->attention.cache->head_dim, window = step->attention.window;
   int64_t to = (int64_t)run->batch->positions[token] + 1;
   return (pare_attention_row){ .q = pare_region_row(step->in[0], token) + at,
                                .out = pare_region_row(step->out, token) + at,
                                .from = window > 0 && to > window ? to - window : 0,
                                .to = to };
}

/* Rows of one slot and key/value head. */
static void attend(const pare_run *run, const pare_step *step, const pare_attention_row *rows, int64_t n,
                   int64_t slot, int64_t kv_head, void *scratch)
{
   const pare_cache *cache = step->attention.cache;
   const pare_kernels *kernels = run->kernels;
   float scale = step->attention.scale;
   if (cache->dtype == PARE_I8) {
      pare_kv_i8 kv = pare_cache_i8(cache, slot, kv_head);
      kernels->attention_i8(kernels, &kv, rows, n, scale, step->attention.stays_rotated, scratch);
      return;
   }
   const void *keys = pare_cache_keys(cache, slot, kv_head), *values = pare_cache_values(cache, slot, kv_head);
   if (cache->dtype == PARE_F32) kernels->attention_f32(keys, values, cache->head_dim, rows, n, scale);
   else kernels->attention(keys, values, cache->head_dim, rows, n, scale);
}

static void attend_item(const pare_run *run, const pare_step *step, const attention_cut *cut, int64_t item,
                        int worker)
{
   int64_t tokens = run->batch->n_tokens;
   int64_t first = item % cut->groups * cut->heads, token = item / cut->groups * cut->tokens;
   int64_t end = token + cut->tokens < tokens ? token + cut->tokens : tokens;
   int64_t kv_head = first / (step->attention.heads / step->attention.cache->kv_heads);
   pare_attention_row rows[PARE_ATTN_ROWS];
   while (token < end) {
      int64_t n = 0, slot = run->batch->slots[token];
      for (; token < end && run->batch->slots[token] == slot; token++) {
         for (int64_t h = 0; h < cut->heads; h++) rows[n++] = row_of(run, step, token, first + h);
      }
      attend(run, step, rows, n, slot, kv_head, pare_run_scratch(run, worker));
   }
}

void pare_attention_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   attention_cut cut = cut_of(run, step);
   for (int64_t item = from; item < to; item++) attend_item(run, step, &cut, item, worker);
}
