/* kernels: choose the tiers. Scalar fills the whole table, each instruction set overwrites what it has. */
#include "kernels/kernels.h"

#include "kernels/attention_i8.h"
#include "kernels/tiers.h"

void pare_kernels_init(pare_kernels *k, unsigned cpu_mask)
{
   k->caches = pare_cpu_cache_sizes();
#if defined(PARE_HAVE_SCALAR_FMA)
   if (pare_cpu_detect() & PARE_CPU_AVX2) {
      pare_scalar_fma_fill(k);
   } else {
      pare_scalar_fill(k);
   }
#else
   pare_scalar_fill(k);
#endif
#if defined(PARE_HAVE_AVX2)
   if (cpu_mask & PARE_CPU_AVX2) {
      pare_avx2_fill(k);
   }
#endif
#if defined(PARE_HAVE_AVXVNNI)
   if (cpu_mask & PARE_CPU_AVXVNNI) {
      pare_avxvnni_fill(k);
   }
#endif
#if defined(PARE_HAVE_AVX512)
   if (cpu_mask & PARE_CPU_AVX512) {
      pare_avx512_fill(k);
   }
#endif
#if defined(PARE_HAVE_AMX)
   if (cpu_mask & PARE_CPU_AMX) {
      pare_amx_linear(k);
      pare_amx_attention_i8(k);
   }
#endif
#if defined(PARE_HAVE_NEON)
   if (cpu_mask & PARE_CPU_NEON_DOT) {
      pare_neon_fill(k);
      if (cpu_mask & PARE_CPU_I8MM) {
         pare_neon_i8mm_linear(k);
      }
   }
#endif
   (void)cpu_mask;
}

int64_t pare_kv_i8_block_bytes(int64_t head_dim)
{
   return PARE_ATTN_BLOCK * (head_dim + (head_dim + 15) / 16 * 16 + 2 * (int64_t)sizeof(float));
}

int64_t pare_attention_i8_scratch(int64_t head_dim)
{
   return places_of(head_dim).end;
}
