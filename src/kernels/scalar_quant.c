/* scalar_quant: Walsh-Hadamard rotation and row quantization (see kernels.h, round.h). */
#include <string.h>

#include "kernels/round.h"
#include "kernels/tiers.h"

/* y = H x / sqrt(rot) for one block; y may be x. */
static void rotate_block(const float *x, int64_t rot, float *y)
{
   memmove(y, x, (size_t)rot * sizeof *y);
   for (int64_t h = 1; h < rot; h *= 2) {
      for (int64_t i = 0; i < rot; i++) {
         if (i & h) {
            continue;
         }
         float a = y[i], b = y[i + h];
         y[i] = a + b;
         y[i + h] = a - b;
      }
   }
   float factor = pare_round_hadamard_factor(rot);
   for (int64_t i = 0; i < rot; i++) {
      y[i] *= factor;
   }
}

static void hadamard(float *x, int64_t n, int64_t rot)
{
   for (int64_t i = 0; rot > 0 && i < n; i += rot) {
      rotate_block(x + i, rot, x + i);
   }
}

static const float *rotate_row(const float *x, int64_t k, int64_t rot, float *tmp)
{
   if (rot == 0) {
      return x;
   }
   for (int64_t i = 0; i < k; i += rot) {
      rotate_block(x + i, rot, tmp + i);
   }
   return tmp;
}

static uint32_t largest_magnitude(const float *x, int64_t k)
{
   uint32_t amax = 0;
   for (int64_t i = 0; i < k; i++) {
      uint32_t magnitude = pare_round_magnitude(x[i]);
      amax = magnitude > amax ? magnitude : amax;
   }
   return amax;
}

static void quant_row(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t kpad, float *tmp,
                      float *scale, int32_t *sum)
{
   const float *y = rotate_row(x, k, rot, tmp);
   pare_rounding rule = pare_round_digits(largest_magnitude(y, k), 1, scale);
   int32_t total = 0;
   for (int64_t i = 0; i < kpad; i++) {
      q[i] = (rule.zero || i >= k) ? 0 : pare_round_code(y[i], rule.inverse);
      total += q[i];
   }
   *sum = total;
}

static void quant_row_i16(const float *x, int64_t k, int64_t rot, int8_t *q, int64_t ldq, int64_t kpad, float *tmp,
                          float scale[2], int32_t sum[2])
{
   const float *y = rotate_row(x, k, rot, tmp);
   pare_rounding rule = pare_round_digits(largest_magnitude(y, k), 2, scale);
   sum[0] = sum[1] = 0;
   for (int64_t i = 0; i < kpad; i++) {
      int32_t code = (rule.zero || i >= k) ? 0 : pare_round_code_i16(y[i], rule.inverse);
      int32_t high = pare_round_high(code), low = code - (int32_t)PARE_ROUND_I16_BASE * high;
      q[i] = (int8_t)high;
      q[ldq + i] = (int8_t)low;
      sum[0] += high;
      sum[1] += low;
   }
}

/* Each part is a pass over a row that stays in the first-level cache. */
static void norm_quant(const pare_kernels *self, const pare_norm_quant *p)
{
   const float *x = p->a;
   if (p->b) {
      self->add(p->a, p->b, p->n, p->sum);
      x = p->sum;
   }
   if (p->layer) {
      self->layer_norm(x, p->gain, p->bias, p->eps, p->n, p->tmp);
   } else {
      self->rms_norm(x, p->gain, p->eps, p->n, p->tmp);
   }
   self->quant_row(p->tmp, p->n, p->rot, p->q, p->kpad, p->tmp, p->scale, p->code_sum);
}

void PARE_SCALAR(quant)(pare_kernels *k)
{
   k->hadamard = hadamard;
   k->quant_row = quant_row;
   k->quant_row_i16 = quant_row_i16;
   k->norm_quant = norm_quant;
}
