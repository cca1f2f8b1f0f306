/* scalar: the tier that is the specification of every kernel; fills the whole table. */
#include "kernels/tiers.h"

void PARE_SCALAR(fill)(pare_kernels *k)
{
   PARE_SCALAR(linear)(k);
   PARE_SCALAR(groups)(k);
   PARE_SCALAR(quant)(k);
   PARE_SCALAR(gemm)(k);
   PARE_SCALAR(rows)(k);
   PARE_SCALAR(attention)(k);
   PARE_SCALAR(attention_f32)(k);
   PARE_SCALAR(attention_i8)(k);
}
