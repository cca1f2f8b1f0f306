/* wide_attention_f32: attention over the f32 cache. */
#include "kernels/wide.h"

#define KV_TYPE float

PARE_INLINE v8 load_kv(const float *p)
{
   return v8_load(p);
}

PARE_INLINE void store_kv(float *p, v8 x)
{
   v8_store(p, x);
}

#include "kernels/wide_attention_body.h"

void PARE_WIDE(attention_f32)(pare_kernels *k)
{
   k->kv_store_f32 = kv_store;
   k->attention_f32 = attention;
}
