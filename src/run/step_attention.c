/* step_attention: keys and values into the cache, then each query head over its keys.
 *
 * An item is some rows of one head; the heads that share keys follow each other. All keys of the batch are
 * stored before (a stage earlier), and a row looks at positions up to its own only. */
#include "run/step.h"

enum { MANY_ROWS = 16, ROWS = 8 };

void pare_step_kv_store(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   (void)worker;
   const pare_cache *cache = step->attention.cache;
   const pare_kernels *kernels = run->kernels;
   for (int64_t row = from; row < to; row++) {
      int64_t slot = run->batch->slots[row], pos = run->batch->positions[row], size = cache->head_dim;
      for (int64_t head = 0; head < cache->kv_heads; head++) {
         const float *k = pare_region_row(step->in[0], row) + head * size;
         const float *v = pare_region_row(step->in[1], row) + head * size;
         void *keys = pare_cache_keys(cache, slot, head), *values = pare_cache_values(cache, slot, head);
         if (cache->f32) kernels->kv_store_f32(k, v, size, pos, keys, values);
         else kernels->kv_store(k, v, size, pos, keys, values);
      }
   }
}

static int64_t rows_of_item(int64_t rows)
{
   return rows >= MANY_ROWS ? ROWS : 1;
}

static int64_t row_chunks(int64_t rows)
{
   return (rows + rows_of_item(rows) - 1) / rows_of_item(rows);
}

pare_step_cut pare_attention_cut(const pare_run *run, const pare_step *step)
{
   return (pare_step_cut){ step->attention.heads * row_chunks(run->batch->n_tokens), 1 };
}

static void attend(const pare_run *run, const pare_step *step, int64_t row, int64_t head, float *tmp)
{
   const pare_cache *cache = step->attention.cache;
   int64_t size = cache->head_dim, window = step->attention.window;
   int64_t slot = run->batch->slots[row], to = (int64_t)run->batch->positions[row] + 1;
   int64_t from = window > 0 && to > window ? to - window : 0;
   int64_t kv_head = head / (step->attention.heads / cache->kv_heads);
   const void *keys = pare_cache_keys(cache, slot, kv_head),
              *values = pare_cache_values(cache, slot, kv_head);
   const float *q = pare_region_row(step->in[0], row) + head * size;
   float *out = pare_region_row(step->out, row) + head * size, scale = step->attention.scale;
   if (cache->f32) run->kernels->attention_f32(q, keys, values, size, from, to, scale, tmp, out);
   else run->kernels->attention(q, keys, values, size, from, to, scale, tmp, out);
}

static void attend_item(const pare_run *run, const pare_step *step, int64_t item, int worker)
{
   int64_t rows = run->batch->n_tokens, chunks = row_chunks(rows), size = rows_of_item(rows);
   int64_t head = item / chunks, row = item % chunks * size, end = row + size < rows ? row + size : rows;
   for (; row < end; row++) attend(run, step, row, head, pare_run_scratch(run, worker));
}

void pare_attention_items(const pare_run *run, const pare_step *step, int64_t from, int64_t to, int worker)
{
   for (int64_t item = from; item < to; item++) attend_item(run, step, item, worker);
}
