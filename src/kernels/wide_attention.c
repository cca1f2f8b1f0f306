/* wide_attention: attention over the f16 cache. */
#include "kernels/wide.h"

#define KV_TYPE uint16_t

PARE_INLINE v8 load_kv(const uint16_t *p)
{
   return v8_load_f16(p);
}

PARE_INLINE void store_kv(uint16_t *p, v8 x)
{
   v8_store_f16(p, x);
}

#include "kernels/wide_attention_body.h"

void PARE_WIDE(attention)(pare_kernels *k)
{
   k->kv_store = kv_store;
   k->attention = attention;
}
