/* scalar_attention_body: the key/value cache and attention over it (see kernels.h), included once for each
 * element type, by scalar_attention.c and scalar_attention_f32.c. They define before: KV_TYPE, the element;
 * KV_LOAD(x), an element as f32; KV_STORE(x), the other way. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/scalar_sums.h"
#include "kernels/tiers.h"

static int64_t key_offset(int64_t head_dim, int64_t pos)
{
   return (pos / PARE_KV_BLOCK) * head_dim * PARE_KV_BLOCK + pos % PARE_KV_BLOCK;
}

static void kv_store(const float *k, const float *v, int64_t head_dim, int64_t pos, KV_TYPE *kc,
                     KV_TYPE *vc)
{
   KV_TYPE *key = kc + key_offset(head_dim, pos), *value = vc + pos * head_dim;
   for (int64_t d = 0; d < head_dim; d++) {
      key[d * PARE_KV_BLOCK] = KV_STORE(k[d]);
      value[d] = KV_STORE(v[d]);
   }
}

static float score(const float *q, const KV_TYPE *key, int64_t head_dim, float scale)
{
   float s = 0.0f;
   for (int64_t d = 0; d < head_dim; d++) {
      s = pare_fmaf(q[d], KV_LOAD(key[d * PARE_KV_BLOCK]), s);
   }
   return s * scale;
}

static void attend(const KV_TYPE *kc, const KV_TYPE *vc, int64_t head_dim, const pare_attention_row *row, float scale)
{
   const int64_t from = row->from, to = row->to;
   float max = -INFINITY, sum = 0.0f, p[PARE_ATTN_BLOCK], *out = row->out;
   memset(out, 0, (size_t)head_dim * sizeof *out);
   for (int64_t start = from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK; start < to; start += PARE_ATTN_BLOCK) {
      int64_t lo = from > start ? from - start : 0;
      int64_t hi = to - start < PARE_ATTN_BLOCK ? to - start : PARE_ATTN_BLOCK;
      float larger = max;
      for (int64_t j = lo; j < hi; j++) {
         p[j] = score(row->q, kc + key_offset(head_dim, start + j), head_dim, scale);
         larger = p[j] > larger ? p[j] : larger;
      }
      float correction = pare_expf(max - larger);
      sum = pare_fmaf(sum, correction, pare_exponentials(p, lo, hi, larger, pare_expf));
      max = larger;
      for (int64_t d = 0; d < head_dim; d++) {
         float o = out[d] * correction;
         for (int64_t j = lo; j < hi; j++) {
            o = pare_fmaf(p[j], KV_LOAD(vc[(start + j) * head_dim + d]), o);
         }
         out[d] = o;
      }
   }
   for (int64_t d = 0; d < head_dim; d++) {
      out[d] /= sum;
   }
}

static void attention(const KV_TYPE *kc, const KV_TYPE *vc, int64_t head_dim, const pare_attention_row *rows,
                      int64_t n, float scale)
{
   for (int64_t r = 0; r < n; r++) attend(kc, vc, head_dim, &rows[r], scale);
}
