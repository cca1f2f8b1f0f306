/* storage: element i of a stored float array that may stand at any address (mapped files). Inside
 * src/kernels. */
#ifndef PARE_KERNELS_STORAGE_H
#define PARE_KERNELS_STORAGE_H

#include <string.h>

#include "base/half.h"
#include "kernels/kernels.h"

static inline float pare_load_stored(const void *base, int storage, int64_t i)
{
   const unsigned char *bytes = base;
   if (storage == PARE_FLOAT_F32) {
      float x;
      memcpy(&x, bytes + 4 * i, sizeof x);
      return x;
   }
   uint16_t h;
   memcpy(&h, bytes + 2 * i, sizeof h);
   return storage == PARE_FLOAT_F16 ? pare_f16_to_f32(h) : pare_bf16_to_f32(h);
}

#endif
