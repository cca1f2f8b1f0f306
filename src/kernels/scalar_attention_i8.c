/* scalar_attention_i8: the int8 cache and attention over it (see kernels.h). */
#include "kernels/attention_i8.h"
#include "kernels/scalar_sums.h"

#define OFFSET 128

/* Where input i of channel c lies. */
static int64_t place(int64_t c, int64_t i, int64_t kq)
{
   return (c / PARE_BLOCK * kq + i / 4) * 64 + c % PARE_BLOCK * 4 + i % 4;
}

static void multiply_keys(const int8_t *act, int64_t lda, int64_t rows, const uint8_t *lines, int64_t kq,
                          int64_t blocks, int32_t *out, int64_t ldo)
{
   for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < blocks * PARE_BLOCK; c++) {
         int32_t sum = 0;
         for (int64_t i = 0; i < 4 * kq; i++) sum += act[r * lda + i] * lines[place(c, i, kq)];
         out[r * ldo + c] = sum;
      }
   }
}

static void multiply_values(const uint8_t *codes, int64_t ldc, int64_t rows, const uint8_t *lines, int64_t kq,
                            int64_t blocks, int32_t *out, int64_t ldo)
{
   for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < blocks * PARE_BLOCK; c++) {
         int32_t sum = 0;
         for (int64_t i = 0; i < 4 * kq; i++) sum += codes[r * ldc + i] * (int8_t)lines[place(c, i, kq)];
         out[r * ldo + c] = sum;
      }
   }
}

/* A row at a block. */
typedef struct attention_pair {
   const int32_t *raw; /* [64] sums of the row by the keys */
   int32_t offset;
   float factor;
   int64_t lo, hi; /* lo < hi */
   const kv_block *block;
   float *max, *sum, *keep, *step;
   uint8_t *codes; /* [64] */
} attention_pair;

static void weigh(const attention_pair *t)
{
   int64_t lo = t->lo, hi = t->hi;
   float p[PARE_ATTN_BLOCK], max = *t->max;
   uint32_t largest = 0;
   for (int64_t j = lo; j < hi; j++) {
      p[j] = (float)(t->raw[j] - t->offset) * (t->factor * t->block->key_scales[j]);
      max = p[j] > max ? p[j] : max;
   }
   *t->keep = pare_exp2_downf(*t->max - max);
   *t->max = max;
   *t->sum = pare_fmaf(*t->sum, *t->keep, pare_exponentials(p, lo, hi, max, pare_exp2_downf));
   for (int64_t j = lo; j < hi; j++) {
      p[j] *= t->block->value_scales[j];
      uint32_t magnitude = pare_round_magnitude(p[j]);
      largest = magnitude > largest ? magnitude : largest;
   }
   pare_rounding rounding = pare_round_weights(largest);
   *t->step = rounding.scale;
   for (int64_t j = 0; j < PARE_ATTN_BLOCK; j++) {
      bool counts = j >= lo && j < hi && !rounding.zero;
      t->codes[j] = counts ? pare_round_weight(p[j], rounding.inverse) : 0;
   }
}

static void weigh_pass(const attention_pass *pass)
{
   const attention_work *w = &pass->work;
   for (int64_t b = 0; b < pass->blocks; b++) {
      for (int64_t r = 0; r < pass->n; r++) {
         int64_t p = b * pass->n + r;
         attention_range range = range_of(pass, b, r);
         attention_pair pair = { .raw = w->raw + p * PARE_ATTN_BLOCK,
                                 .offset = w->offset[r],
                                 .factor = w->factor[r],
                                 .lo = range.lo,
                                 .hi = range.hi,
                                 .block = &pass->block[b],
                                 .max = &w->max[r],
                                 .sum = &w->sum[r],
                                 .keep = &w->keep[p],
                                 .step = &w->step[p],
                                 .codes = w->codes + p * PARE_ATTN_BLOCK };
         if (range.lo < range.hi) weigh(&pair);
         else memset(pair.codes, 0, PARE_ATTN_BLOCK);
      }
   }
}

static void add_values(const int32_t *raw, float step, float keep, int64_t n, float *out)
{
   for (int64_t d = 0; d < n; d++) out[d] = pare_fmaf((float)raw[d], step, out[d] * keep);
}

#include "kernels/attention_i8_body.h"

static void kv_store_i8(const pare_kernels *self, const float *k, const float *v, const pare_kv_i8 *kv,
                        int64_t pos, float *tmp)
{
   int64_t size = kv->head_dim, at = pos % PARE_ATTN_BLOCK;
   kv_block block = kv_block_of(kv, pos);
   uint8_t *key = block.keys + at / 16 * 16 * size + at % 16 * 4;
   uint8_t *value = block.values + at / 4 * 64 + at % 4;
   int8_t *codes = (int8_t *)(tmp + size);
   int32_t sum;
   self->quant_row(k, size, kv->rotation, codes, size, tmp, &block.key_scales[at], &sum);
   for (int64_t d = 0; d < size; d += 4, key += 64) {
      uint32_t four;
      memcpy(&four, codes + d, 4);
      four ^= 0x80808080u;
      memcpy(key, &four, 4);
   }
   self->quant_row(v, size, kv->rotation, codes, size, tmp, &block.value_scales[at], &sum);
   for (int64_t d = 0; d < size; d += 16, value += 1024) {
      for (int64_t lane = 0; lane < 16 && d + lane < size; lane++) value[4 * lane] = (uint8_t)codes[d + lane];
   }
}

void PARE_SCALAR(attention_i8)(pare_kernels *k)
{
   k->kv_store_i8 = kv_store_i8;
   k->attention_i8 = attend;
}
