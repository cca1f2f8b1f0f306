/* gemm_rows: the rows of an f32 product in tiles, the same for all tiers with vectors. Included once a tier, after
 *
 *    gemm_args, TILE_ROWS
 *    tile(g, row, rows)   rows: constant, so that the tile is compiled for it */
#ifndef PARE_KERNELS_GEMM_ROWS_H
#define PARE_KERNELS_GEMM_ROWS_H

/* Rows left over after the full tiles: 4, 2 and 1 at a time. */
static int64_t tail_tile(const gemm_args *g, int64_t row, int64_t left)
{
   if (left >= 4) {
      tile(g, row, 4);
      return 4;
   }
   if (left >= 2) {
      tile(g, row, 2);
      return 2;
   }
   tile(g, row, 1);
   return 1;
}

static void multiply_rows(const gemm_args *g, int64_t m)
{
   int64_t row = 0;
   for (; row + TILE_ROWS <= m; row += TILE_ROWS) tile(g, row, TILE_ROWS);
   while (row < m) row += tail_tile(g, row, m - row);
}

#endif
