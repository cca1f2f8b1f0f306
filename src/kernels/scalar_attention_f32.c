/* scalar_attention_f32: f32 key/value cache. */
#define KV_TYPE float
#define KV_LOAD(x) (x)
#define KV_STORE(x) (x)

#include "kernels/scalar_attention_body.h"

void PARE_SCALAR(attention_f32)(pare_kernels *k)
{
   k->kv_store_f32 = kv_store;
   k->attention_f32 = attention;
}
