/* wide_rows: norms, sums and products of rows, argmax, rotary embedding. */
#include <math.h>

#include "kernels/mathf.h"
#include "kernels/tiers.h"
#include "kernels/wide.h"

static float sum16(const float *x, int64_t n)
{
   v8 low = v8_zero(), high = v8_zero(), v[2];
   for (int64_t i = 0; i < n; i += 16) {
      v8_load16_part(x + i, n - i, v);   /* adding +0 changes no lane: none is -0 */
      low = v8_add(low, v[0]);
      high = v8_add(high, v[1]);
   }
   return v8_tree16(low, high);
}

static float sum16_squares(const float *x, float mean, int64_t n)
{
   const v8 center = v8_set(mean);
   v8 low = v8_zero(), high = v8_zero(), v[2];
   for (int64_t i = 0; i < n; i += 16) {
      v8_load16_part(x + i, n - i, v);
      v[0] = v8_sub(v[0], center);
      v[1] = v8_sub(v[1], center);
      v8_keep16(n - i, v);
      low = v8_fma(v[0], v[0], low);
      high = v8_fma(v[1], v[1], high);
   }
   return v8_tree16(low, high);
}

static void rms_norm(const float *x, const float *w, float eps, int64_t n, float *y)
{
   const v8 inv = v8_set(1.0f / sqrtf(sum16_squares(x, 0.0f, n) / (float)n + eps));
   for (int64_t i = 0; i < n; i += 8) {
      v8 v = v8_mul(v8_load_part(x + i, n - i), inv);
      if (w) {
         v = v8_mul(v, v8_load_part(w + i, n - i));
      }
      v8_store_part(y + i, n - i, v);
   }
}

static void layer_norm(const float *x, const float *w, const float *b, float eps, int64_t n, float *y)
{
   float mean = sum16(x, n) / (float)n;
   const v8 center = v8_set(mean), inv = v8_set(1.0f / sqrtf(sum16_squares(x, mean, n) / (float)n + eps));
   for (int64_t i = 0; i < n; i += 8) {
      v8 v = v8_mul(v8_sub(v8_load_part(x + i, n - i), center), inv);
      v8 gain = w ? v8_load_part(w + i, n - i) : v8_set(1.0f);
      v8 shift = b ? v8_load_part(b + i, n - i) : v8_zero();
      v8_store_part(y + i, n - i, v8_fma(v, gain, shift));
   }
}

static void add(const float *a, const float *b, int64_t n, float *y)
{
   for (int64_t i = 0; i < n; i += 8) {
      v8_store_part(y + i, n - i, v8_add(v8_load_part(a + i, n - i), v8_load_part(b + i, n - i)));
   }
}

static void mul(const float *a, const float *b, int64_t n, float *y)
{
   for (int64_t i = 0; i < n; i += 8) {
      v8_store_part(y + i, n - i, v8_mul(v8_load_part(a + i, n - i), v8_load_part(b + i, n - i)));
   }
}

/* NaN is never taken. */
static float largest_of(const float *x, int64_t n)
{
   v8 largest = v8_set(-INFINITY);
   int64_t i = 0;
   for (; i + 8 <= n; i += 8) {
      largest = v8_max(v8_load(x + i), largest);
   }
   float lanes[8], best = -INFINITY;
   v8_store(lanes, largest);
   for (int l = 0; l < 8; l++) {
      best = lanes[l] > best ? lanes[l] : best;
   }
   for (; i < n; i++) {
      best = x[i] > best ? x[i] : best;
   }
   return best;
}

/* The largest of each stretch; the element itself is then looked for in one stretch only. */
static int64_t argmax(const float *x, int64_t n)
{
   enum { STRETCH = 512 };
   float best = -INFINITY;
   int64_t at = 0;
   for (int64_t i = 0; i < n; i += STRETCH) {
      float largest = largest_of(x + i, n - i < STRETCH ? n - i : STRETCH);
      if (largest > best) {
         best = largest;
         at = i;
      }
   }
   while (best > -INFINITY && x[at] != best) {
      at++;
   }
   return at;
}

static void rope_halves(float *x, int64_t pairs, const float *cosines, const float *sines)
{
   for (int64_t i = 0; i < pairs; i += 8) {
      int64_t left = pairs - i;
      v8 c = v8_load_part(cosines + i, left), s = v8_load_part(sines + i, left);
      v8 x0 = v8_load_part(x + i, left), x1 = v8_load_part(x + pairs + i, left);
      v8_store_part(x + i, left, v8_fma(x0, c, v8_xor(v8_mul(x1, s), v8_set(-0.0f))));
      v8_store_part(x + pairs + i, left, v8_fma(x1, c, v8_mul(x0, s)));
   }
}

static void rope_interleaved(float *x, int64_t pairs, const float *cosines, const float *sines)
{
   static const float even_minus[8] = { -0.0f, 0.0f, -0.0f, 0.0f, -0.0f, 0.0f, -0.0f, 0.0f };
   const v8 signs = v8_load(even_minus);
   int64_t i = 0;
   for (; i + 4 <= pairs; i += 4) {
      v8 c = v8_load_twice(cosines + i), s = v8_load_twice(sines + i), v = v8_load(x + 2 * i);
      v8_store(x + 2 * i, v8_fma(v, c, v8_xor(v8_mul(v8_swap1(v), s), signs)));
   }
   for (; i < pairs; i++) {
      float x0 = x[2 * i], x1 = x[2 * i + 1], c = cosines[i], s = sines[i];
      x[2 * i] = pare_fmaf(x0, c, -(x1 * s));
      x[2 * i + 1] = pare_fmaf(x1, c, x0 * s);
   }
}

static void rope(float *x, int64_t heads, int64_t head_dim, int64_t rot_dim, const float *cosines,
                 const float *sines, int interleaved)
{
   for (int64_t h = 0; h < heads; h++) {
      if (interleaved) {
         rope_interleaved(x + h * head_dim, rot_dim / 2, cosines, sines);
      } else {
         rope_halves(x + h * head_dim, rot_dim / 2, cosines, sines);
      }
   }
}

void PARE_WIDE(rows)(pare_kernels *k)
{
   k->rms_norm = rms_norm;
   k->layer_norm = layer_norm;
   k->add = add;
   k->mul = mul;
   k->argmax = argmax;
   k->rope = rope;
}
