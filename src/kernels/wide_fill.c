/* wide_fill: the AVX2 tier (AVX2, FMA, F16C), or the NEON tier (Armv8.2 with the dot product). */
#include "kernels/tiers.h"
#include "kernels/wide.h"

void PARE_WIDE(fill)(pare_kernels *k)
{
   PARE_WIDE(groups)(k);
   PARE_WIDE(linear)(k);
   PARE_WIDE(quant)(k);
   PARE_WIDE(pack)(k);
   PARE_WIDE(gemm)(k);
   PARE_WIDE(rows)(k);
   PARE_WIDE(unary)(k);
   PARE_WIDE(attention)(k);
   PARE_WIDE(attention_f32)(k);
   PARE_WIDE(attention_i8)(k);
}
