/* avx512_attention_f32: attention over the f32 cache. */
#include "kernels/avx512_util.h"

#define KV_TYPE float

PARE_INLINE __m512 load_kv(const float *p)
{
   return _mm512_loadu_ps(p);
}

PARE_INLINE __m512 load_kv_lanes(__mmask16 lanes, const float *p)
{
   return _mm512_maskz_loadu_ps(lanes, p);
}

#include "kernels/avx512_attention_body.h"

void pare_avx512_attention_f32(pare_kernels *k)
{
   k->attention_f32 = attention;
}
