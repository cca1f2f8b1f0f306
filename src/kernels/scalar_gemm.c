/* scalar_gemm: f32 product by panels of 16 channels, and conversion of stored floats (see kernels.h). */
#include "kernels/storage.h"
#include "kernels/tiers.h"

static void to_f32(const void *src, int storage, int64_t n, float *dst)
{
   for (int64_t i = 0; i < n; i++) {
      dst[i] = pare_load_stored(src, storage, i);
   }
}

static void panel_f32(const void *w, int storage, int64_t row_stride, int64_t col_stride, int64_t rows,
                      int64_t k, float *panel)
{
   for (int64_t i = 0; i < k; i++) {
      for (int64_t r = 0; r < PARE_BLOCK; r++) {
         int64_t at = r * row_stride + i * col_stride;
         panel[i * PARE_BLOCK + r] = r < rows ? pare_load_stored(w, storage, at) : 0.0f;
      }
   }
}

static void gemm_f32(const float *panel, int64_t k, const float *a, int64_t lda, int64_t m,
                     const float *bias16, float *out, int64_t ldo, int64_t cols)
{
   for (int64_t r = 0; r < m; r++) {
      float s[PARE_BLOCK] = { 0 };
      for (int64_t i = 0; i < k; i++) {
         float x = a[r * lda + i];
         for (int64_t c = 0; c < PARE_BLOCK; c++) {
            s[c] = __builtin_fmaf(x, panel[i * PARE_BLOCK + c], s[c]);
         }
      }
      for (int64_t c = 0; c < cols; c++) {
         out[r * ldo + c] = bias16 ? s[c] + bias16[c] : s[c];
      }
   }
}

void PARE_SCALAR(gemm)(pare_kernels *k)
{
   k->to_f32 = to_f32;
   k->panel_f32 = panel_f32;
   k->gemm_f32 = gemm_f32;
}
