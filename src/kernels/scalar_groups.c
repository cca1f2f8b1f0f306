/* scalar_groups: weights of 4, 3 and 2 bits with multipliers, to lines and back (see kernels.h, groups.h). */
#include <string.h>

#include "kernels/groups.h"
#include "kernels/tiers.h"

/* The level at byte b of line j of an eight. */
static int level_at(const uint8_t *eight, int bits, int64_t j, int64_t b)
{
   if (bits == 4) {
      return eight[64 * (j / 2) + b] >> 4 * (j % 2) & 15;
   }
   int low = eight[64 * (j / 4) + b] >> 2 * (j % 4) & 3;
   return bits == 2 ? low : low + 4 * (eight[128 + b] >> j & 1);
}

static void put_level(uint8_t *eight, int bits, int64_t j, int64_t b, int level)
{
   if (bits == 4) {
      eight[64 * (j / 2) + b] |= (uint8_t)(level << 4 * (j % 2));
      return;
   }
   eight[64 * (j / 4) + b] |= (uint8_t)((level & 3) << 2 * (j % 4));
   if (bits == 3) {
      eight[128 + b] |= (uint8_t)(level >> 2 << j);
   }
}

/* code * multiplier. */
static int product_of(int level, int bits, int multiplier)
{
   int magnitude = multiplier & PARE_GROUP_MAGNITUDE, up = (multiplier & PARE_GROUP_UP) != 0;
   if (bits == 2) {
      return magnitude * (2 * level - 3);
   }
   return magnitude * (level - (bits == 4 ? 8 : 4) + up);
}

/* code * multiplier of a channel of the block, at input i. */
static int product_at(const pare_groups *w, const uint8_t *block, int64_t lane, int64_t i)
{
   int64_t g = i / w->group, line = i / 4;
   int multiplier = block[pare_groups_four_at(w, g) + 4 * lane + g % 4];
   const uint8_t *eight = block + pare_groups_eight_at(w, i / PARE_EIGHT_K);
   return product_of(level_at(eight, w->bits, line % 8, 4 * lane + i % 4), w->bits, multiplier);
}

static void unpack_groups(const pare_groups *w, int64_t block, uint8_t *lines)
{
   const uint8_t *from = w->data + block * w->block_bytes;
   for (int64_t line = 0; line < (w->k + 3) / 4; line++) {
      for (int64_t b = 0; b < 64; b++) {
         lines[64 * line + b] = (uint8_t)(product_at(w, from, b / 4, 4 * line + b % 4) + 128);
      }
   }
}

static void pack_groups(const pare_groups *w, const uint8_t *levels, const uint8_t *multipliers, uint8_t *out)
{
   int64_t groups = pare_groups_count(w), padded = groups * w->group;
   memset(out, 0, (size_t)w->block_bytes);
   for (int64_t lane = 0; lane < PARE_BLOCK; lane++) {
      for (int64_t g = 0; g < groups; g++) {
         out[pare_groups_four_at(w, g) + 4 * lane + g % 4] = multipliers[lane * groups + g];
      }
      for (int64_t i = 0; i < padded; i++) {
         uint8_t *eight = out + pare_groups_eight_at(w, i / PARE_EIGHT_K);
         put_level(eight, w->bits, i / 4 % 8, 4 * lane + i % 4, levels[lane * padded + i]);
      }
   }
}

static void dequant_row_groups(const pare_groups *w, int64_t row, float scale, float *x)
{
   const uint8_t *block = w->data + row / PARE_BLOCK * w->block_bytes;
   for (int64_t i = 0; i < w->k; i++) {
      x[i] = (float)product_at(w, block, row % PARE_BLOCK, i) * scale;
   }
}

void PARE_SCALAR(groups)(pare_kernels *k)
{
   k->unpack_groups = unpack_groups;
   k->linear_groups = pare_linear_by_lines;
   k->pack_groups = pack_groups;
   k->dequant_row_groups = dequant_row_groups;
}
