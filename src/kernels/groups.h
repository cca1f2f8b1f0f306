/* groups: where the parts of a block of weights in groups lie, inside src/kernels only; the specification is
 * formats/ARTIFACT.md, "i4, i3, i2".
 *
 * A block is a sequence of *fours*: one line with the multipliers of up to four groups, [16 channels][4
 * groups], then the levels of these groups. The levels are cut into *eights*, 8 lines (32 inputs) of `bits`
 * planes of 64 bytes; byte b of a plane holds bits of byte b of several of the 8 lines. */
#ifndef PARE_KERNELS_GROUPS_H
#define PARE_KERNELS_GROUPS_H

#include <stddef.h>

#include "kernels/kernels.h"

enum { PARE_GROUP_MAGNITUDE = 15, PARE_GROUP_UP = 16, PARE_EIGHT_K = 32 };

static inline int64_t pare_groups_count(const pare_groups *w)
{
   return (w->k + w->group - 1) / w->group;
}

/* Eights of a group. */
static inline int64_t pare_group_eights(const pare_groups *w)
{
   return w->group / PARE_EIGHT_K;
}

/* Where the four of group g begins in its block. */
static inline int64_t pare_groups_four_at(const pare_groups *w, int64_t g)
{
   return g / 4 * (64 + 4 * pare_group_eights(w) * w->bits * 64);
}

/* Where eight number e (inputs 32 e and up) begins in its block. */
static inline int64_t pare_groups_eight_at(const pare_groups *w, int64_t e)
{
   return (e / pare_group_eights(w) / 4 + 1 + e * w->bits) * 64;
}

/* Where the first eight of group g begins in its block; the others of the group follow. */
static inline int64_t pare_groups_group_at(const pare_groups *w, int64_t g)
{
   return (g / 4 + 1 + g * pare_group_eights(w) * w->bits) * 64;
}

/* Blocks of one call of linear_i8 on unpacked lines: what it likes best. */
enum { PARE_GROUPS_BLOCKS = 4 };

/* linear_groups by way of lines: each group of blocks is unpacked once, for all rows. */
static inline void pare_linear_by_lines(const pare_kernels *self, const pare_linear_i8 *p,
                                        const pare_groups *w, uint8_t *lines, int64_t block0, int64_t block1)
{
   int64_t all = (p->n + PARE_BLOCK - 1) / PARE_BLOCK, end = block1 < all ? block1 : all;
   for (int64_t b = block0; b < end; b += PARE_GROUPS_BLOCKS) {
      int64_t blocks = end - b < PARE_GROUPS_BLOCKS ? end - b : PARE_GROUPS_BLOCKS, first = b * PARE_BLOCK;
      pare_linear_i8 part = *p;
      for (int64_t i = 0; i < blocks; i++) {
         self->unpack_groups(w, b + i, lines + i * p->kq * 64);
      }
      part.codes = lines;
      part.n = p->n - first;
      part.w_scale = p->w_scale + first;
      part.bias = p->bias ? p->bias + first : NULL;
      part.out = p->out + first;
      part.add = p->add ? p->add + first : NULL;
      self->linear_i8(self, &part, 0, blocks);
   }
}

#endif
