/* scalar_linear: int8 product and the packed layout of its weights (see kernels.h). */
#include "kernels/tiers.h"

/* acc[16] = sum over k of (code + 128) * act. Wraps like the vector instructions; the final sum fits. */
static void dot_block(const uint8_t *lines, const int8_t *act, int64_t kq, uint32_t *acc)
{
   for (int c = 0; c < PARE_BLOCK; c++) {
      uint32_t sum = 0;
      for (int64_t i = 0; i < kq; i++) {
         const uint8_t *w = lines + 64 * i + 4 * c;
         const int8_t *a = act + 4 * i;
         sum += (uint32_t)(w[0] * a[0] + w[1] * a[1] + w[2] * a[2] + w[3] * a[3]);
      }
      acc[c] = sum;
   }
}

static void linear_block(const pare_linear_i8 *p, int64_t block)
{
   int64_t first = block * PARE_BLOCK;
   int64_t channels = p->n - first < PARE_BLOCK ? p->n - first : PARE_BLOCK;
   uint32_t acc[PARE_BLOCK];
   for (int64_t r = 0; r < p->m; r++) {
      dot_block(p->codes + block * p->kq * 64, p->act + r * p->lda, p->kq, acc);
      uint32_t offset = 128u * (uint32_t)p->act_sum[r];
      for (int64_t c = 0; c < channels; c++) {
         float sum = (float)(int32_t)(acc[c] - offset);
         float scale = p->act_scale[r] * p->w_scale[first + c];
         float bias = p->bias ? p->bias[first + c] : 0.0f;
         float result = __builtin_fmaf(sum, scale, bias);
         p->out[r * p->ldo + first + c] = p->add ? result + p->add[r * p->ld_add + first + c] : result;
      }
   }
}

static void linear_i8(const pare_kernels *self, const pare_linear_i8 *p, int64_t block0, int64_t block1)
{
   (void)self;   /* one block at a time: nothing to cut */
   int64_t blocks = (p->n + PARE_BLOCK - 1) / PARE_BLOCK;
   for (int64_t b = block0; b < block1 && b < blocks; b++) {
      linear_block(p, b);
   }
}

static void pack_i8(const int8_t *rows, int64_t ld, int64_t kq, uint8_t *lines)
{
   for (int64_t i = 0; i < kq; i++) {
      for (int64_t b = 0; b < 64; b++) {
         lines[64 * i + b] = (uint8_t)rows[(b / 4) * ld + 4 * i + b % 4] ^ 0x80u;
      }
   }
}

static int8_t code_at(const uint8_t *block, int lane, int64_t i)
{
   return (int8_t)(block[64 * (i / 4) + 4 * lane + i % 4] ^ 0x80u);
}

static void unpack_row_i8(const uint8_t *block, int lane, int64_t k, int8_t *q)
{
   for (int64_t i = 0; i < k; i++) {
      q[i] = code_at(block, lane, i);
   }
}

static void dequant_row_i8(const uint8_t *block, int lane, int64_t k, float scale, float *x)
{
   for (int64_t i = 0; i < k; i++) {
      x[i] = (float)code_at(block, lane, i) * scale;
   }
}

void PARE_SCALAR(linear)(pare_kernels *k)
{
   k->linear_i8 = linear_i8;
   k->pack_i8 = pack_i8;
   k->unpack_row_i8 = unpack_row_i8;
   k->dequant_row_i8 = dequant_row_i8;
}
