/* scalar_rows: norms, elementwise functions, argmax, rotary embedding (see kernels.h, mathf.h). */
#include <math.h>

#include "kernels/scalar_sums.h"
#include "kernels/tiers.h"

static float sum16(const float *x, int64_t n)
{
   float s[16] = { 0 };
   for (int64_t i = 0; i < n; i++) {
      s[i % 16] += x[i];
   }
   return pare_tree16(s);
}

/* 16-lane sum of (x - mean)^2 */
static float sum16_squares(const float *x, float mean, int64_t n)
{
   float s[16] = { 0 };
   for (int64_t i = 0; i < n; i++) {
      float d = x[i] - mean;
      s[i % 16] = pare_fmaf(d, d, s[i % 16]);
   }
   return pare_tree16(s);
}

static void rms_norm(const float *x, const float *w, float eps, int64_t n, float *y)
{
   float inv = 1.0f / sqrtf(sum16_squares(x, 0.0f, n) / (float)n + eps);
   for (int64_t i = 0; i < n; i++) {
      y[i] = w ? (x[i] * inv) * w[i] : x[i] * inv;
   }
}

static void layer_norm(const float *x, const float *w, const float *b, float eps, int64_t n, float *y)
{
   float mean = sum16(x, n) / (float)n;
   float inv = 1.0f / sqrtf(sum16_squares(x, mean, n) / (float)n + eps);
   for (int64_t i = 0; i < n; i++) {
      y[i] = pare_fmaf((x[i] - mean) * inv, w ? w[i] : 1.0f, b ? b[i] : 0.0f);
   }
}

static void add(const float *a, const float *b, int64_t n, float *y)
{
   for (int64_t i = 0; i < n; i++) {
      y[i] = a[i] + b[i];
   }
}

static void mul(const float *a, const float *b, int64_t n, float *y)
{
   for (int64_t i = 0; i < n; i++) {
      y[i] = a[i] * b[i];
   }
}

#define UNARY(name, function)                                                          \
   static void unary_##name(const float *x, const float *times, int64_t n, float *y)   \
   {                                                                                   \
      for (int64_t i = 0; i < n; i++) {                                                \
         y[i] = times ? function(x[i]) * times[i] : function(x[i]);                    \
      }                                                                                \
   }
UNARY(silu, pare_siluf)
UNARY(gelu_tanh, pare_gelu_tanhf)
UNARY(gelu_erf, pare_gelu_erff)
UNARY(quick_gelu, pare_quick_geluf)
UNARY(relu, pare_reluf)
UNARY(exp, pare_expf)
UNARY(tanh, pare_tanhf)
UNARY(erf, pare_erff)

static int64_t argmax(const float *x, int64_t n)
{
   int64_t best = 0;
   float largest = -INFINITY;
   for (int64_t i = 0; i < n; i++) {
      if (x[i] > largest) {
         largest = x[i];
         best = i;
      }
   }
   return best;
}

static void rope(float *x, int64_t heads, int64_t head_dim, int64_t rot_dim, const float *cosines,
                 const float *sines, int interleaved)
{
   int64_t pairs = rot_dim / 2, step = interleaved ? 2 : 1, other = interleaved ? 1 : pairs;
   for (int64_t h = 0; h < heads; h++) {
      for (int64_t i = 0; i < pairs; i++) {
         float *a = x + h * head_dim + i * step, *b = a + other;
         float x0 = *a, x1 = *b, c = cosines[i], s = sines[i];
         *a = pare_fmaf(x0, c, -(x1 * s));
         *b = pare_fmaf(x1, c, x0 * s);
      }
   }
}

void PARE_SCALAR(rows)(pare_kernels *k)
{
   k->rms_norm = rms_norm;
   k->layer_norm = layer_norm;
   k->add = add;
   k->mul = mul;
   k->silu = unary_silu;
   k->gelu_tanh = unary_gelu_tanh;
   k->gelu_erf = unary_gelu_erf;
   k->quick_gelu = unary_quick_gelu;
   k->relu = unary_relu;
   k->exp = unary_exp;
   k->tanh = unary_tanh;
   k->erf = unary_erf;
   k->argmax = argmax;
   k->rope = rope;
}
