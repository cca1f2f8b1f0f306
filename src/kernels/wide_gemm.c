/* wide_gemm: f32 product by panels of 16 channels.
 *
 * Two vectors are the 16 channels of a row; 6 rows in flight are 12 independent fma chains in K order, which
 * with the panel's line and a broadcast are 15 of the 16 registers of AVX2 (27 of 32 of NEON). */
#include <stdbool.h>

#include "kernels/storage.h"
#include "kernels/tiers.h"
#include "kernels/wide.h"

enum { TILE_ROWS = 6 };

/* Eight stored floats from element i on; `left` of them, +0 in the lanes that are not read. */
PARE_INLINE v8 load_stored(const void *base, int storage, int64_t i, int64_t left)
{
   const char *bytes = base;
   if (left < 8) {
      float t[8] = { 0 };
      for (int64_t j = 0; j < left; j++) {
         t[j] = pare_load_stored(base, storage, i + j);
      }
      return v8_load(t);
   }
   if (storage == PARE_FLOAT_F32) {
      return v8_load(bytes + 4 * i);
   }
   return storage == PARE_FLOAT_F16 ? v8_load_f16(bytes + 2 * i) : v8_load_bf16(bytes + 2 * i);
}

static void to_f32(const void *src, int storage, int64_t n, float *dst)
{
   for (int64_t i = 0; i < n; i += 8) {
      v8_store_part(dst + i, n - i, load_stored(src, storage, i, n - i));
   }
}

/* Rows are contiguous in K: transpose 8 x 8, twice. */
static void panel_of_rows(const void *w, int storage, int64_t row_stride, int64_t rows, int64_t k,
                          float *panel)
{
   for (int64_t i = 0; i < k; i += 8) {
      int64_t count = k - i < 8 ? k - i : 8;
      for (int64_t half = 0; half < 16; half += 8) {
         v8 v[8];
         PARE_UNROLL
         for (int64_t r = 0; r < 8; r++) {
            bool there = half + r < rows;
            v[r] = there ? load_stored(w, storage, (half + r) * row_stride + i, k - i) : v8_zero();
         }
         v8_transpose(v);
         for (int64_t j = 0; j < count; j++) {
            v8_store(panel + (i + j) * PARE_BLOCK + half, v[j]);
         }
      }
   }
}

/* Columns are contiguous in the rows: a line of the panel is a copy. */
static void panel_of_columns(const void *w, int storage, int64_t col_stride, int64_t rows, int64_t k,
                             float *panel)
{
   for (int64_t i = 0; i < k; i++) {
      float *line = panel + i * PARE_BLOCK;
      v8_store(line, load_stored(w, storage, i * col_stride, rows));
      v8_store(line + 8, rows > 8 ? load_stored(w, storage, i * col_stride + 8, rows - 8) : v8_zero());
   }
}

static void panel_f32(const void *w, int storage, int64_t row_stride, int64_t col_stride, int64_t rows,
                      int64_t k, float *panel)
{
   if (col_stride == 1) {
      panel_of_rows(w, storage, row_stride, rows, k, panel);
      return;
   }
   if (row_stride == 1) {
      panel_of_columns(w, storage, col_stride, rows, k, panel);
      return;
   }
   for (int64_t i = 0; i < k; i++) {
      for (int64_t r = 0; r < PARE_BLOCK; r++) {
         int64_t at = r * row_stride + i * col_stride;
         panel[i * PARE_BLOCK + r] = r < rows ? pare_load_stored(w, storage, at) : 0.0f;
      }
   }
}

typedef struct gemm_args {
   const float *panel;
   int64_t k;
   const float *a;
   int64_t lda;
   const float *bias;   /* [cols] or NULL */
   float *out;
   int64_t ldo;
   int64_t cols;
} gemm_args;

PARE_INLINE void store_part(const gemm_args *g, int64_t row, int64_t first, v8 acc)
{
   int64_t left = g->cols - first;
   if (left <= 0) {
      return;
   }
   if (g->bias) {
      acc = v8_add(acc, v8_load_part(g->bias + first, left));
   }
   v8_store_part(g->out + row * g->ldo + first, left, acc);
}

/* Accumulators are named variables so that gcc keeps them in registers across the loop. */
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define DECLARE(r) v8 low##r = v8_zero(), high##r = v8_zero();
#define MULTIPLY(r)                              \
   if (r < rows) {                               \
      v8 x = v8_set(a[r * lda + i]);             \
      low##r = v8_fma(x, w_low, low##r);         \
      high##r = v8_fma(x, w_high, high##r);      \
   }
#define STORE(r)                                 \
   if (r < rows) {                               \
      store_part(g, row + r, 0, low##r);         \
      store_part(g, row + r, 8, high##r);        \
   }

PARE_INLINE void tile(const gemm_args *g, int64_t row, const int rows)
{
   const float *a = g->a + row * g->lda, *panel = g->panel;
   const int64_t k = g->k, lda = g->lda;
   FOR_ROWS(DECLARE)
   for (int64_t i = 0; i < k; i++) {
      v8 w_low = v8_load(panel + i * PARE_BLOCK), w_high = v8_load(panel + i * PARE_BLOCK + 8);
      FOR_ROWS(MULTIPLY)
   }
   FOR_ROWS(STORE)
}

#include "kernels/gemm_rows.h"

static void gemm_f32(const float *panel, int64_t k, const float *a, int64_t lda, int64_t m,
                     const float *bias16, float *out, int64_t ldo, int64_t cols)
{
   const gemm_args g = { panel, k, a, lda, bias16, out, ldo, cols };
   multiply_rows(&g, m);
}

void PARE_WIDE(gemm)(pare_kernels *k)
{
   k->to_f32 = to_f32;
   k->panel_f32 = panel_f32;
   k->gemm_f32 = gemm_f32;
}
