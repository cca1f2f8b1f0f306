/* avx512_gemm: f32 product by panels of 16 channels.
 *
 * One register is the 16 channels of a row; 8 rows in flight are 8 independent fma chains in K order, enough
 * to hide the latency of fma (4 cycles) on processors with one or two such units. Not more: rows that are a
 * multiple of 4 KB apart share a set of the first-level cache, which has 8 to 12 ways. */
#include "kernels/avx512_util.h"
#include "kernels/storage.h"
#include "kernels/tiers.h"

enum { TILE_ROWS = 8 };

static void to_f32(const void *src, int storage, int64_t n, float *dst)
{
   for (int64_t i = 0; i < n; i += 16) {
      __mmask16 lanes = pare_lanes(i, n);
      _mm512_mask_storeu_ps(dst + i, lanes, pare_load_f32x16(src, storage, i, lanes));
   }
}

/* Rows are contiguous in K: 16 inputs of 16 rows, transposed. Rows from `rows` on and lanes outside the mask give
 * zeros; with both constant the tests fold away. */
PARE_INLINE void transpose_tile(const void *w, const int storage, int64_t at, int64_t row_stride,
                                const int64_t rows, const __mmask16 lanes, __m512i *v)
{
   PARE_UNROLL
   for (int r = 0; r < 16; r++) {
      __m512 x = r < rows ? pare_load_f32x16(w, storage, at + r * row_stride, lanes) : _mm512_setzero_ps();
      v[r] = _mm512_castps_si512(x);
   }
   pare_transpose16(v);
}

/* Whole tiles of 16 rows; returns how many inputs they cover. Sixteen streams are more than the hardware follows, so
 * the same tile of the next 16 rows is asked for on the way. */
PARE_INLINE int64_t whole_tiles(const void *w, const int storage, int64_t row_stride, int64_t k, float *panel)
{
   int64_t i = 0;
   for (; i + 16 <= k; i += 16) {
      __m512i v[16];
      const size_t size = storage == PARE_FLOAT_F32 ? 4 : 2;
      PARE_UNROLL
      for (int r = 0; r < 16; r++)
         _mm_prefetch((const char *)w + (size_t)(i + (r + 16) * row_stride) * size, _MM_HINT_T1);
      transpose_tile(w, storage, i, row_stride, 16, 0xffff, v);
      PARE_UNROLL
      for (int j = 0; j < 16; j++) _mm512_store_si512(panel + (i + j) * PARE_BLOCK, v[j]);
   }
   return i;
}

static void panel_of_rows(const void *w, int storage, int64_t row_stride, int64_t rows, int64_t k,
                          float *panel)
{
   int64_t i = 0;
   if (rows == 16 && storage == PARE_FLOAT_F32) i = whole_tiles(w, PARE_FLOAT_F32, row_stride, k, panel);
   if (rows == 16 && storage == PARE_FLOAT_F16) i = whole_tiles(w, PARE_FLOAT_F16, row_stride, k, panel);
   if (rows == 16 && storage == PARE_FLOAT_BF16) i = whole_tiles(w, PARE_FLOAT_BF16, row_stride, k, panel);
   for (; i < k; i += 16) {
      __m512i v[16];
      transpose_tile(w, storage, i, row_stride, rows, pare_lanes(i, k), v);
      for (int64_t j = 0; j < 16 && i + j < k; j++) _mm512_store_si512(panel + (i + j) * PARE_BLOCK, v[j]);
   }
}

static void panel_f32(const void *w, int storage, int64_t row_stride, int64_t col_stride, int64_t rows,
                      int64_t k, float *panel)
{
   if (col_stride == 1) {
      panel_of_rows(w, storage, row_stride, rows, k, panel);
      return;
   }
   __mmask16 lanes = pare_lanes(0, rows);
   for (int64_t i = 0; i < k; i++) {
      float *line = panel + i * PARE_BLOCK;
      if (row_stride == 1) {
         _mm512_store_ps(line, pare_load_f32x16(w, storage, i * col_stride, lanes));
         continue;
      }
      for (int64_t r = 0; r < PARE_BLOCK; r++) {
         line[r] = r < rows ? pare_load_stored(w, storage, r * row_stride + i * col_stride) : 0.0f;
      }
   }
}

typedef struct gemm_args {
   const float *panel;
   int64_t k;
   const float *a;
   int64_t lda;
   __m512 bias;
   int has_bias;
   float *out;
   int64_t ldo;
   __mmask16 lanes;
} gemm_args;

/* Accumulators are named variables so that gcc keeps them in registers across the loop. */
#define FOR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define DECLARE(r)  __m512 acc##r = _mm512_setzero_ps();
#define MULTIPLY(r)                                                                                          \
   if (r < rows) {                                                                                           \
      acc##r = _mm512_fmadd_ps(_mm512_set1_ps(a[r * lda + i]), w, acc##r);                                   \
   }
#define STORE(r)                                                                                             \
   if (r < rows) {                                                                                           \
      store_row(g, row + r, acc##r);                                                                         \
   }

PARE_INLINE void store_row(const gemm_args *g, int64_t row, __m512 acc)
{
   __m512 y = g->has_bias ? _mm512_add_ps(acc, g->bias) : acc;
   _mm512_mask_storeu_ps(g->out + row * g->ldo, g->lanes, y);
}

PARE_INLINE void tile(const gemm_args *g, int64_t row, const int rows)
{
   const float *a = g->a + row * g->lda, *panel = g->panel;
   const int64_t k = g->k, lda = g->lda;
   FOR_ROWS(DECLARE)
   for (int64_t i = 0; i < k; i++) {
      __m512 w = _mm512_load_ps(panel + i * PARE_BLOCK);
      FOR_ROWS(MULTIPLY)
   }
   FOR_ROWS(STORE)
}

#include "kernels/gemm_rows.h"

static void gemm_f32(const float *panel, int64_t k, const float *a, int64_t lda, int64_t m,
                     const float *bias16, float *out, int64_t ldo, int64_t cols)
{
   gemm_args g = { .panel = panel, .k = k, .a = a, .lda = lda, .out = out, .ldo = ldo };
   g.lanes = pare_lanes(0, cols);
   g.has_bias = bias16 != NULL;
   g.bias = bias16 ? _mm512_maskz_loadu_ps(g.lanes, bias16) : _mm512_setzero_ps();
   multiply_rows(&g, m);
}

void pare_avx512_gemm(pare_kernels *k)
{
   k->to_f32 = to_f32;
   k->panel_f32 = panel_f32;
   k->gemm_f32 = gemm_f32;
}
