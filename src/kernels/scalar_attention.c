/* scalar_attention: f16 key/value cache. */
#include "base/half.h"

#define KV_TYPE uint16_t
#define KV_LOAD(x) pare_f16_to_f32(x)
#define KV_STORE(x) pare_f32_to_f16(x)

#include "kernels/scalar_attention_body.h"

void PARE_SCALAR(attention)(pare_kernels *k)
{
   k->kv_store = kv_store;
   k->attention = attention;
}
