/* amx_util: tile registers of AMX.
 *
 * A product of tiles adds, for 16 rows and 16 channels, 64 products each:
 *    C[16 rows][16] += A[16 rows][64 codes] * B[16 lines of 64 bytes: 4 inputs of 16 channels]
 * B is 16 lines of the packed weight layout as they lie, A 16 rows of activations as they lie. Tiles are state of
 * the thread: a kernel configures them where it starts and releases them where it ends (Intel SDM volume 1,
 * chapter 18). */
#ifndef PARE_KERNELS_AMX_UTIL_H
#define PARE_KERNELS_AMX_UTIL_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { PARE_TILE_ROWS = 16, PARE_TILE_BYTES = 64, PARE_TILES = 8 };

/* The 64 bytes that ldtilecfg reads (palette 1). */
typedef struct pare_tile_config {
   uint8_t palette, start_row, reserved[14];
   uint16_t bytes[16];
   uint8_t rows[16];
} pare_tile_config;

/* Tile t gets rows[t] rows (1 to 16) of 64 bytes; all tiles become zero. */
static inline void pare_tiles_configure(const uint8_t rows[PARE_TILES])
{
   pare_tile_config config = { .palette = 1 };
   for (int t = 0; t < PARE_TILES; t++) {
      config.bytes[t] = PARE_TILE_BYTES;
      config.rows[t] = rows[t];
   }
   /* gcc 12 believes that 8 bytes are read, and drops the stores of the others without this. */
   __asm__ volatile("" : : "r"(&config) : "memory");
   _tile_loadconfig(&config);
}

#endif
