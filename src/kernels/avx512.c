/* avx512: the AVX-512 tier (F, BW, DQ, VL, VNNI). */
#include "kernels/tiers.h"

void pare_avx512_fill(pare_kernels *k)
{
   pare_avx512_linear(k);
   pare_avx512_groups(k);
   pare_avx512_quant(k);
   pare_avx512_pack(k);
   pare_avx512_gemm(k);
   pare_avx512_rows(k);
   pare_avx512_unary(k);
   pare_avx512_attention(k);
   pare_avx512_attention_f32(k);
   pare_avx512_attention_i8(k);
}
