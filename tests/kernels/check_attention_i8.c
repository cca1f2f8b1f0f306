/* check_attention_i8: the int8 cache and attention over it. */
#include <math.h>
#include <string.h>

#include "tests/kernels/kernel_check.h"

/* Few rows take four blocks of 64 positions a pass: several passes. */
enum { CAPACITY = 1024, FEW_ROWS = 16 };

typedef struct attention_case {
   int64_t head_dim, rows;
   int kind;     /* of check_floats, of keys and values */
   bool windows; /* rows see what they like instead of all up to a position of their own */
   bool rotated; /* results stay so */
} attention_case;

static pare_kv_i8 cache_of(const attention_case *t, void *blocks)
{
   int64_t rotation = 128;
   while (rotation >= 32 && t->head_dim % rotation) rotation /= 2;
   if (rotation < 32) rotation = 0;
   return (pare_kv_i8){ .blocks = blocks, .head_dim = t->head_dim, .rotation = rotation };
}

/* Stores the positions that rows see in two caches that were filled with noise, NaN as scales. */
static void fill(check *c, const attention_case *t, const uint8_t *seen, check_out ref, check_out k)
{
   pare_kv_i8 ref_kv = cache_of(t, ref.data), kv = cache_of(t, k.data);
   float *tmp = check_input(c, (size_t)t->head_dim * 8);
   float *x = check_floats(c, 2 * CAPACITY * t->head_dim, t->kind);
   memset(ref.data, 0xff, ref.bytes);
   memset(k.data, 0xff, k.bytes);
   for (int64_t p = 0; p < CAPACITY; p++) {
      if (!seen[p]) continue;
      const float *key = x + 2 * p * t->head_dim, *value = key + t->head_dim;
      c->ref->kv_store_i8(c->ref, key, value, &ref_kv, p, tmp);
      c->k->kv_store_i8(c->k, key, value, &kv, p, tmp);
   }
   check_same(c, "kv_store_i8", k, ref, false);
}

static void attend(const pare_kernels *k, const attention_case *t, const int64_t *from, const int64_t *to,
                   const float *q, void *blocks, void *scratch, check_out out)
{
   pare_kv_i8 kv = cache_of(t, blocks);
   pare_attention_row rows[PARE_ATTN_ROWS];
   for (int64_t r = 0; r < t->rows; r++)
      rows[r] =
         (pare_attention_row){ q + r * t->head_dim, (float *)out.data + r * t->head_dim, from[r], to[r] };
   k->attention_i8(k, &kv, rows, t->rows, 0.3f, t->rotated, scratch);
}

static void check_case(check *c, const attention_case *t)
{
   size_t bytes = (size_t)(CAPACITY / PARE_ATTN_BLOCK * pare_kv_i8_block_bytes(t->head_dim));
   size_t results = (size_t)(t->rows * t->head_dim) * sizeof(float);
   check_out ref_cache = check_output(c, bytes), cache = check_output(c, bytes);
   check_out want = check_output(c, results), got = check_output(c, results);
   void *scratch = check_input(c, (size_t)pare_attention_i8_scratch(t->head_dim));
   uint8_t seen[CAPACITY] = { 0 };
   int64_t from[PARE_ATTN_ROWS], to[PARE_ATTN_ROWS], first = check_range(c, 1, CAPACITY - PARE_ATTN_ROWS / 2);
   for (int64_t r = 0; r < t->rows; r++) {
      to[r] = t->windows ? check_range(c, 1, CAPACITY) : first + r / 2;
      from[r] = t->windows ? check_range(c, 0, to[r] - 1) : 0;
      memset(seen + from[r], 1, (size_t)(to[r] - from[r]));
   }
   fill(c, t, seen, ref_cache, cache);
   const float *q = check_floats(c, t->rows * t->head_dim, 0);
   attend(c->ref, t, from, to, q, ref_cache.data, scratch, want);
   attend(c->k, t, from, to, q, cache.data, scratch, got);
   check_same(c, "attention_i8", got, want, true);
   for (int64_t i = 0; t->kind == 0 && i < t->rows * t->head_dim; i++)
      check_true(c, "attention_i8 is finite", isfinite(((float *)got.data)[i]));
   check_reset(c);
}

/* Against attention in f32 over the same keys and values: what all the rounding costs. */
static void check_against_f32(check *c, int64_t head_dim, int64_t to)
{
   attention_case t = { .head_dim = head_dim, .rows = 1 };
   size_t floats = (size_t)(CAPACITY * head_dim) * sizeof(float), result = (size_t)head_dim * sizeof(float);
   size_t blocks = (size_t)(CAPACITY / PARE_ATTN_BLOCK * pare_kv_i8_block_bytes(head_dim));
   pare_kv_i8 kv = cache_of(&t, check_input(c, blocks));
   float *kc = check_input(c, floats), *vc = check_input(c, floats), *tmp = check_input(c, 2 * result + 256);
   float *x = check_floats(c, 2 * to * head_dim, 0), *want = check_input(c, result);
   const int64_t from = 0;
   for (int64_t p = 0; p < to; p++) {
      const float *key = x + 2 * p * head_dim, *value = key + head_dim;
      c->k->kv_store_i8(c->k, key, value, &kv, p, tmp);
      c->k->kv_store_f32(key, value, head_dim, p, kc, vc);
   }
   const float *q = check_floats(c, head_dim, 0);
   check_out got = check_output(c, result);
   attend(c->k, &t, &from, &to, q, kv.blocks, check_input(c, (size_t)pare_attention_i8_scratch(head_dim)),
          got);
   const pare_attention_row row = { q, want, from, to };
   c->k->attention_f32(kc, vc, head_dim, &row, 1, 0.3f);
   for (int64_t d = 0; d < head_dim; d++)
      check_true(c, "attention_i8 near attention_f32", fabsf(((float *)got.data)[d] - want[d]) < 0.1f);
   check_reset(c);
}

void check_attention_i8(check *c)
{
   static const int64_t dims[] = { 4, 12, 16, 32, 64, 80, 96, 100, 128, 192 };
   for (int i = 0; i < 20; i++) check_against_f32(c, dims[i % 10], check_range(c, 1, CAPACITY));
   for (int i = 0; i < 300; i++) {
      attention_case t = { .head_dim = dims[i % 10],
                           .rows = check_range(c, 1, i < 200 ? PARE_ATTN_ROWS : FEW_ROWS),
                           .kind = i < 120 ? 0 : i % CHECK_KINDS,
                           .windows = i / 10 % 2,
                           .rotated = i / 20 % 2 };
      check_case(c, &t);
   }
}
