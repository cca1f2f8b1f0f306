/* avx512_attention: attention over the f16 cache. */
#include "kernels/avx512_util.h"

#define KV_TYPE uint16_t

PARE_INLINE __m512 load_kv(const uint16_t *p)
{
   return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

PARE_INLINE __m512 load_kv_lanes(__mmask16 lanes, const uint16_t *p)
{
   return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, p));
}

#include "kernels/avx512_attention_body.h"

static void kv_store(const float *k, const float *v, int64_t head_dim, int64_t pos, uint16_t *kc,
                     uint16_t *vc)
{
   uint16_t *key = kc + (pos / PARE_KV_BLOCK) * head_dim * PARE_KV_BLOCK + pos % PARE_KV_BLOCK;
   uint16_t *value = vc + pos * head_dim;
   for (int64_t d = 0; d < head_dim; d += 16) {
      __mmask16 lanes = pare_lanes(d, head_dim);
      uint16_t half[16];
      __m256i h = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(lanes, k + d), _MM_FROUND_TO_NEAREST_INT);
      _mm256_storeu_si256((__m256i *)half, h);
      for (int64_t i = 0; i < 16 && d + i < head_dim; i++) {
         key[(d + i) * PARE_KV_BLOCK] = half[i];
      }
      h = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(lanes, v + d), _MM_FROUND_TO_NEAREST_INT);
      _mm256_mask_storeu_epi16(value + d, lanes, h);
   }
}

void pare_avx512_attention(pare_kernels *k)
{
   k->kv_store = kv_store;
   k->attention = attention;
}
