/* peer_amx.h: forced into llama.cpp's build (-include) where gcc 12 compiles its AMX kernels. That compiler's
 * _tile_loadconfig tells it that 8 of the 64 bytes of the configuration are read, so stores to the rest are
 * dropped and the first product faults; a barrier keeps them. */
#if defined(__cplusplus) && defined(__x86_64__)
#include <immintrin.h>
#define _tile_loadconfig(config)             \
   do {                                      \
      __asm__ volatile("" : : : "memory");   \
      (_tile_loadconfig)(config);            \
   } while (0)
#endif
