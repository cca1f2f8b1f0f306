/* check_f32: f32 product, stored floats, norms, elementwise functions, argmax, rotary embedding, attention.
 * */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "tests/kernels/kernel_check.h"

/* A stored array of n floats of any bits, one byte off every alignment. */
static const void *stored(check *c, int64_t n, int storage)
{
   size_t bytes = (size_t)n * (storage == PARE_FLOAT_F32 ? 4 : 2);
   unsigned char *p = check_input(c, bytes + 1);
   for (size_t i = 0; i < bytes + 1; i++) {
      p[i] = (unsigned char)check_random(c);
   }
   return p + 1;
}

static void check_panel(check *c, int64_t k, int64_t rows, int storage, int layout)
{
   int64_t row_stride = layout == 0 ? k + 3 : layout == 1 ? 1 : 2 * k + 1;
   int64_t col_stride = layout == 0 ? 1 : layout == 1 ? rows + 2 : 2;
   const void *w = stored(c, (rows - 1) * row_stride + (k - 1) * col_stride + 1, storage);
   check_out want = check_output(c, (size_t)k * 64), got = check_output(c, (size_t)k * 64);
   c->ref->panel_f32(w, storage, row_stride, col_stride, rows, k, want.data);
   c->k->panel_f32(w, storage, row_stride, col_stride, rows, k, got.data);
   check_same(c, "panel_f32", got, want, true);
   check_out x = check_output(c, (size_t)k * 4), x2 = check_output(c, (size_t)k * 4);
   const void *row = stored(c, k, storage);
   c->ref->to_f32(row, storage, k, x.data);
   c->k->to_f32(row, storage, k, x2.data);
   check_same(c, "to_f32", x2, x, true);
   check_reset(c);
}

static void check_product_f32(check *c, int64_t m, int64_t k, int64_t cols, int kind)
{
   int64_t lda = k + check_range(c, 0, 3), ldo = cols + check_range(c, 0, 5);
   const float *panel = check_floats(c, 16 * k, 0), *a = check_floats(c, m * lda, kind);
   const float *bias = check_range(c, 0, 1) ? check_floats(c, cols, 0) : NULL;
   size_t bytes = (size_t)(m * ldo) * 4;
   check_out want = check_output(c, bytes), got = check_output(c, bytes);
   c->ref->gemm_f32(panel, k, a, lda, m, bias, want.data, ldo, cols);
   c->k->gemm_f32(panel, k, a, lda, m, bias, got.data, ldo, cols);
   check_same(c, "gemm_f32", got, want, true);
   check_reset(c);
}

void check_gemm(check *c)
{
   for (int i = 0; i < 120; i++) {
      int64_t k = check_range(c, 1, 70), rows = check_range(c, 1, 16);
      check_panel(c, k, rows, i % 3, i / 3 % 3);
   }
   for (int64_t m = 1; m <= 70; m++) {
      int64_t k = check_range(c, 1, 90), cols = check_range(c, 1, 16);
      check_product_f32(c, m, k, cols, (int)m % CHECK_KINDS);
   }
}

static void check_unary(check *c, const char *name, pare_unary *ref, pare_unary *f, int64_t n, int kind)
{
   float *x = check_floats(c, n, kind), *times = check_range(c, 0, 2) ? check_floats(c, n, kind) : NULL;
   check_out want = check_output(c, (size_t)n * 4), got = check_output(c, (size_t)n * 4);
   for (int64_t i = 0; i < n && kind == 0; i++) {
      x[i] *= 40.0f;
   }
   ref(x, times, n, want.data);
   memcpy(got.data, x, (size_t)n * 4);
   f(got.data, times, n, got.data);
   check_same(c, name, got, want, true);
   check_reset(c);
}

/* Floats of every sign, exponent and some 2^13 mantissas each. */
static void check_unary_bits(check *c, const char *name, pare_unary *ref, pare_unary *f)
{
   enum { N = 4096 };
   for (uint32_t high = 0; high < 512; high++) {
      float *x = check_input(c, N * 4);
      check_out want = check_output(c, N * 4), got = check_output(c, N * 4);
      for (uint32_t i = 0; i < N; i++) {
         x[i] = pare_f32_from_bits((high << 23) | (uint32_t)(check_random(c) & 0x7fffff));
      }
      ref(x, NULL, N, want.data);
      f(x, NULL, N, got.data);
      check_same(c, name, got, want, true);
      check_reset(c);
   }
}

static void check_functions(check *c)
{
   const pare_kernels *r = c->ref, *k = c->k;
   const struct { const char *name; pare_unary *ref, *f; } all[] = {
      { "silu", r->silu, k->silu }, { "gelu_tanh", r->gelu_tanh, k->gelu_tanh },
      { "gelu_erf", r->gelu_erf, k->gelu_erf }, { "quick_gelu", r->quick_gelu, k->quick_gelu },
      { "relu", r->relu, k->relu }, { "exp", r->exp, k->exp },
      { "tanh", r->tanh, k->tanh }, { "erf", r->erf, k->erf },
   };
   for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
      check_unary_bits(c, all[i].name, all[i].ref, all[i].f);
      for (int kind = 0; kind < CHECK_KINDS; kind++) {
         check_unary(c, all[i].name, all[i].ref, all[i].f, check_range(c, 1, 100), kind);
      }
   }
}

static void check_norms(check *c, int64_t n, int kind)
{
   float *x = check_floats(c, n, kind), *w = check_range(c, 0, 2) ? check_floats(c, n, 0) : NULL;
   float *b = check_range(c, 0, 2) ? check_floats(c, n, 0) : NULL;
   check_out want = check_output(c, (size_t)n * 4), got = check_output(c, (size_t)n * 4);
   c->ref->rms_norm(x, w, 1e-5f, n, want.data);
   c->k->rms_norm(x, w, 1e-5f, n, got.data);
   check_same(c, "rms_norm", got, want, true);
   c->ref->layer_norm(x, w, b, 1e-5f, n, want.data);
   c->k->layer_norm(x, w, b, 1e-5f, n, got.data);
   check_same(c, "layer_norm", got, want, true);
   float *y = check_floats(c, n, 0);
   c->ref->add(x, y, n, want.data);
   c->k->add(x, y, n, got.data);
   check_same(c, "add", got, want, true);
   c->ref->mul(x, y, n, want.data);
   c->k->mul(x, y, n, got.data);
   check_same(c, "mul", got, want, true);
   check_reset(c);
}

static void check_argmax(check *c, int64_t n, int kind)
{
   float *x = check_floats(c, n, kind);
   for (int64_t i = 0; i < n && kind < 2; i++) {
      x[i] = kind == 0 ? (float)check_range(c, -2, 2) : -INFINITY;
   }
   check_true(c, "argmax", c->k->argmax(x, n) == c->ref->argmax(x, n));
   check_reset(c);
}

static void check_rope(check *c, int64_t heads, int64_t head_dim, int64_t rot_dim, int interleaved)
{
   float *x = check_floats(c, heads * head_dim, 0);
   float *cosines = check_floats(c, rot_dim / 2, 0), *sines = check_floats(c, rot_dim / 2, 0);
   size_t bytes = (size_t)(heads * head_dim) * 4;
   check_out want = check_output(c, bytes), got = check_output(c, bytes);
   memcpy(want.data, x, bytes);
   memcpy(got.data, x, bytes);
   c->ref->rope(want.data, heads, head_dim, rot_dim, cosines, sines, interleaved);
   c->k->rope(got.data, heads, head_dim, rot_dim, cosines, sines, interleaved);
   check_same(c, "rope", got, want, false);
   check_reset(c);
}

void check_rows(check *c)
{
   check_functions(c);
   for (int i = 0; i < 150; i++) {
      check_norms(c, check_range(c, 1, 200), i % CHECK_KINDS);
      check_argmax(c, check_range(c, 1, 100), i % CHECK_KINDS);
      int64_t rot_dim = 2 * check_range(c, 1, 40), heads = check_range(c, 1, 3), rest = check_range(c, 0, 20);
      check_rope(c, heads, rot_dim + rest, rot_dim, i % 2);
   }
}

/* The cache, capacity 208, is filled with NaN; positions [0, to) are stored. */
static void check_one_attention(check *c, int64_t head_dim, int64_t from, int64_t to, int kind)
{
   size_t bytes = (size_t)(208 * head_dim) * 2;
   check_out kc = check_output(c, bytes), vc = check_output(c, bytes), kc2 = check_output(c, bytes);
   check_out vc2 = check_output(c, bytes);
   memset(kc.data, 0xff, bytes);
   memset(vc.data, 0xff, bytes);
   memset(kc2.data, 0xff, bytes);
   memset(vc2.data, 0xff, bytes);
   float *k = check_floats(c, to * head_dim, kind), *v = check_floats(c, to * head_dim, kind);
   for (int64_t p = from; p < to; p++) {
      c->ref->kv_store(k + p * head_dim, v + p * head_dim, head_dim, p, kc.data, vc.data);
      c->k->kv_store(k + p * head_dim, v + p * head_dim, head_dim, p, kc2.data, vc2.data);
   }
   check_same(c, "kv_store keys", kc2, kc, false);
   check_same(c, "kv_store values", vc2, vc, false);
   const float *q = check_floats(c, head_dim, 0);
   check_out want = check_output(c, (size_t)head_dim * 4), got = check_output(c, (size_t)head_dim * 4);
   pare_attention_row wanted = { q, want.data, from, to }, row = { q, got.data, from, to };
   c->ref->attention(kc.data, vc.data, head_dim, &wanted, 1, 0.3f);
   c->k->attention(kc.data, vc.data, head_dim, &row, 1, 0.3f);
   check_same(c, "attention", got, want, true);
   bool finite = kind == 0;
   for (int64_t d = 0; finite && d < head_dim; d++) {
      check_true(c, "attention is finite", isfinite(((float *)got.data)[d]));
   }
   check_reset(c);
}

static float *rounded_to_half(check *c, int64_t n)
{
   float *x = check_floats(c, n, 0);
   for (int64_t i = 0; i < n; i++) {
      x[i] = pare_f16_to_f32(pare_f32_to_f16(x[i]));
   }
   return x;
}

/* The f32 cache, capacity 208, filled with NaN; kind 5: values that f16 holds, where both caches give the
 * same. */
static void check_one_attention_f32(check *c, int64_t head_dim, int64_t from, int64_t to, int kind)
{
   size_t bytes = (size_t)(208 * head_dim) * 4;
   check_out kc = check_output(c, bytes), vc = check_output(c, bytes), kc2 = check_output(c, bytes);
   check_out vc2 = check_output(c, bytes), half_kc = check_output(c, bytes / 2),
             half_vc = check_output(c, bytes / 2);
   check_out outs[] = { kc, vc, kc2, vc2 };
   for (int i = 0; i < 4; i++) {
      memset(outs[i].data, 0xff, bytes);
   }
   float *k = kind == 5 ? rounded_to_half(c, to * head_dim) : check_floats(c, to * head_dim, kind);
   float *v = kind == 5 ? rounded_to_half(c, to * head_dim) : check_floats(c, to * head_dim, kind);
   for (int64_t p = from; p < to; p++) {
      c->ref->kv_store_f32(k + p * head_dim, v + p * head_dim, head_dim, p, kc.data, vc.data);
      c->k->kv_store_f32(k + p * head_dim, v + p * head_dim, head_dim, p, kc2.data, vc2.data);
      c->ref->kv_store(k + p * head_dim, v + p * head_dim, head_dim, p, half_kc.data, half_vc.data);
   }
   check_same(c, "kv_store_f32 keys", kc2, kc, true);
   check_same(c, "kv_store_f32 values", vc2, vc, true);
   const float *q = check_floats(c, head_dim, 0);
   check_out want = check_output(c, (size_t)head_dim * 4), got = check_output(c, (size_t)head_dim * 4);
   check_out half = check_output(c, (size_t)head_dim * 4);
   pare_attention_row wanted = { q, want.data, from, to }, row = { q, got.data, from, to };
   c->ref->attention_f32(kc.data, vc.data, head_dim, &wanted, 1, 0.3f);
   c->k->attention_f32(kc.data, vc.data, head_dim, &row, 1, 0.3f);
   check_same(c, "attention_f32", got, want, true);
   if (kind == 5) {
      row.out = half.data;
      c->ref->attention(half_kc.data, half_vc.data, head_dim, &row, 1, 0.3f);
      check_same(c, "attention over f32 and f16", got, half, true);
   }
   check_reset(c);
}

/* Every f16, and f32 around every rounding limit, through the kernels' conversions and those of half.h. */
static void check_halves(check *c)
{
   for (uint32_t h = 0; h < 65536; h++) {
      uint16_t half = (uint16_t)h;
      float x;
      c->k->to_f32(&half, PARE_FLOAT_F16, 1, &x);
      check_true(c, "f16 to f32", pare_f32_bits(x) == pare_f32_bits(pare_f16_to_f32(half)));
      for (int32_t step = -1; step <= 1; step++) {
         for (uint32_t middle = 0; middle <= 0x1000; middle += 0x1000) {
            float y = pare_f32_from_bits(pare_f32_bits(x) + middle + (uint32_t)step);
            uint16_t key = 0, value = 0;
            c->k->kv_store(&y, &y, 1, 0, &key, &value);
            check_true(c, "f32 to f16", key == pare_f32_to_f16(y) && value == key);
         }
      }
   }
}

void check_attention(check *c)
{
   static const int64_t dims[] = { 1, 7, 16, 24, 32, 64, 80, 128 };
   for (int i = 0; i < 160; i++) {
      int64_t to = check_range(c, 1, 200), from = i % 3 ? 0 : check_range(c, 0, to - 1);
      check_one_attention(c, dims[i % 8], from, to, i < 120 ? 0 : 1 + i % 4);
   }
   check_halves(c);
   for (int i = 0; i < 160; i++) {
      int64_t to = check_range(c, 1, 200), from = i % 3 ? 0 : check_range(c, 0, to - 1);
      check_one_attention_f32(c, dims[i % 8], from, to, i < 80 ? 0 : 1 + i % 5);
   }
}

/* Where rows look: at all positions up to their own, as heads of one and the next token do; at windows of 40 that
 * slide, two tokens a row; at what they like, some at nothing in common. */
enum { LOOK_CAUSAL, LOOK_WINDOW, LOOK_ANYWHERE, LOOKS, ROWS_CAPACITY = 256 };

static void look(check *c, int how, int64_t n, pare_attention_row *rows)
{
   int64_t first = check_range(c, 1, ROWS_CAPACITY - 2 * PARE_ATTN_ROWS), heads = check_range(c, 1, 4);
   for (int64_t r = 0; r < n; r++) {
      rows[r].from = 0;
      if (how == LOOK_CAUSAL) rows[r].to = first + r / heads;
      if (how == LOOK_WINDOW) rows[r].to = first + 2 * r;
      if (how == LOOK_WINDOW && rows[r].to > 40) rows[r].from = rows[r].to - 40;
      if (how != LOOK_ANYWHERE) continue;
      rows[r].to = check_range(c, 1, ROWS_CAPACITY);
      rows[r].from = check_range(c, 0, rows[r].to - 1);
   }
}

/* Rows of one call against one row a call of the scalar kernel, over both kinds of cache. Positions that no row sees
 * hold NaN. */
static void check_some_rows(check *c, int64_t head_dim, int64_t n, int how, int kind)
{
   size_t result = (size_t)(n * head_dim) * sizeof(float), cached = (size_t)(ROWS_CAPACITY * head_dim);
   pare_attention_row rows[PARE_ATTN_ROWS];
   uint8_t seen[ROWS_CAPACITY] = { 0 };
   look(c, how, n, rows);
   for (int64_t r = 0; r < n; r++) memset(seen + rows[r].from, 1, (size_t)(rows[r].to - rows[r].from));
   void *kc = memset(check_input(c, cached * 2), 0xff, cached * 2);
   void *vc = memset(check_input(c, cached * 2), 0xff, cached * 2);
   void *kc_f32 = memset(check_input(c, cached * 4), 0xff, cached * 4);
   void *vc_f32 = memset(check_input(c, cached * 4), 0xff, cached * 4);
   const float *x = check_floats(c, 2 * ROWS_CAPACITY * head_dim, kind), *q = check_floats(c, n * head_dim, 0);
   for (int64_t p = 0; p < ROWS_CAPACITY; p++) {
      const float *key = x + 2 * p * head_dim, *value = key + head_dim;
      if (seen[p]) c->ref->kv_store(key, value, head_dim, p, kc, vc);
      if (seen[p]) c->ref->kv_store_f32(key, value, head_dim, p, kc_f32, vc_f32);
   }
   check_out want = check_output(c, result), want_f32 = check_output(c, result);
   check_out got = check_output(c, result), got_f32 = check_output(c, result);
   for (int64_t r = 0; r < n; r++) {
      rows[r].q = q + r * head_dim;
      rows[r].out = (float *)want.data + r * head_dim;
      c->ref->attention(kc, vc, head_dim, &rows[r], 1, 0.3f);
      rows[r].out = (float *)want_f32.data + r * head_dim;
      c->ref->attention_f32(kc_f32, vc_f32, head_dim, &rows[r], 1, 0.3f);
   }
   for (int64_t r = 0; r < n; r++) rows[r].out = (float *)got.data + r * head_dim;
   c->k->attention(kc, vc, head_dim, rows, n, 0.3f);
   check_same(c, "attention of rows", got, want, true);
   for (int64_t r = 0; r < n; r++) rows[r].out = (float *)got_f32.data + r * head_dim;
   c->k->attention_f32(kc_f32, vc_f32, head_dim, rows, n, 0.3f);
   check_same(c, "attention_f32 of rows", got_f32, want_f32, true);
   check_reset(c);
}

void check_attention_rows(check *c)
{
   static const int64_t dims[] = { 1, 7, 16, 24, 32, 40, 48, 64, 72, 80, 96, 128 };
   enum { DIMS = sizeof dims / sizeof *dims };
   for (int i = 0; i < 240; i++) {
      int64_t n = i % 2 ? check_range(c, 1, 8) : check_range(c, 1, PARE_ATTN_ROWS);
      check_some_rows(c, dims[i % DIMS], n, i / DIMS % LOOKS, i < 180 ? 0 : 1 + i % 4);
   }
}
