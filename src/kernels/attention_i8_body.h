/* attention_i8_body: attention over the int8 cache (see kernels.h), included once a tier. What is the same for
 * all: rows to codes, blocks of 64 positions, tiles of 16 rows. The includer defines before:
 *
 *    OFFSET               128 if its products with keys are of the unsigned bytes, 0 if of codes
 *    multiply_keys(act, lda, rows, lines, kq, blocks, out, ldo)
 *                         out[r][16 b + lane] for rows (<= TILE_ROWS) of signed codes and blocks of kq lines of
 *                         unsigned bytes each; may write all TILE_ROWS rows
 *    multiply_values      the same for unsigned codes and lines of signed bytes
 *    weigh_rows(parts, n, block)
 *                         the softmax of n (<= TILE_ROWS) rows over a block: states and codes from sums
 *    add_values(raw, state, n, out)
 *                         out[n] with the block's sums of values
 *
 * A block's keys and values (8 KB for heads of 64) stay in the first-level cache while all rows pass; the scores
 * of the rows of a call by 64 keys are all that is ever written of the score matrix. */
#ifndef PARE_KERNELS_ATTENTION_I8_BODY_H
#define PARE_KERNELS_ATTENTION_I8_BODY_H

/* Where a call keeps its things, in its scratch memory. */
typedef struct attention_work {
   int64_t q_stride, dims; /* bytes of a row of q; head_dim rounded up to 16 */
   int8_t *q;              /* [PARE_ATTN_ROWS][q_stride], zeros after head_dim */
   float *q_scale;         /* [PARE_ATTN_ROWS], times the softmax's scale */
   int32_t *q_sum;         /* [PARE_ATTN_ROWS] */
   attention_state *state; /* [PARE_ATTN_ROWS] */
   float *out;             /* [PARE_ATTN_ROWS][dims] */
   uint8_t *codes;         /* [PARE_ATTN_ROWS][64] */
   int32_t *raw;           /* [PARE_ATTN_ROWS][larger of 64 and dims] */
} attention_work;

static attention_work lay_out(const pare_kv_i8 *kv, void *scratch)
{
   attention_work w = { .q_stride = (kv->head_dim + 63) / 64 * 64, .dims = (kv->head_dim + 15) / 16 * 16 };
   char *at = scratch;
   w.q = (int8_t *)at;
   at += PARE_ATTN_ROWS * w.q_stride;
   w.out = (float *)(void *)at;
   at += PARE_ATTN_ROWS * w.dims * 4;
   w.codes = (uint8_t *)at;
   at += PARE_ATTN_ROWS * PARE_ATTN_BLOCK;
   w.raw = (int32_t *)(void *)at;
   at += PARE_ATTN_ROWS * (w.dims > PARE_ATTN_BLOCK ? w.dims : PARE_ATTN_BLOCK) * 4;
   w.q_scale = (float *)(void *)at;
   at += PARE_ATTN_ROWS * 4;
   w.q_sum = (int32_t *)(void *)at;
   at += PARE_ATTN_ROWS * 4;
   w.state = (attention_state *)(void *)at;
   return w;
}

static void start_rows(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                       int64_t n, float scale, const attention_work *w)
{
   float *tmp = (float *)(void *)w->raw;
   for (int64_t r = 0; r < n; r++) {
      self->quant_row(rows[r].q, kv->head_dim, kv->rotation, w->q + r * w->q_stride, w->q_stride, tmp,
                      &w->q_scale[r], &w->q_sum[r]);
      w->q_scale[r] *= scale;
      w->state[r] = (attention_state){ .max = -INFINITY };
   }
   for (int64_t r = n; r % TILE_ROWS; r++) memset(w->q + r * w->q_stride, 0, (size_t)w->q_stride);
   memset(w->out, 0, (size_t)(n * w->dims) * sizeof *w->out);
}

static inline bool meets(const pare_attention_row *row, int64_t start)
{
   return row->from < start + PARE_ATTN_BLOCK && row->to > start;
}

/* Rows of the tile at `first`. */
static inline int64_t rows_of_tile(int64_t first, int64_t n)
{
   return n - first < TILE_ROWS ? n - first : TILE_ROWS;
}

/* The softmax of the rows of a tile over the block at `start`. */
static void weigh_tile(const pare_attention_row *rows, int64_t first, int64_t n, const kv_block *block,
                       int64_t start, const attention_work *w)
{
   attention_part parts[TILE_ROWS];
   for (int64_t i = 0; i < n; i++) {
      int64_t r = first + i, lo = rows[r].from - start, hi = rows[r].to - start;
      parts[i] = (attention_part){ .raw = w->raw + r * PARE_ATTN_BLOCK,
                                   .offset = OFFSET * w->q_sum[r],
                                   .factor = w->q_scale[r],
                                   .lo = lo > 0 ? lo : 0,
                                   .hi = hi < PARE_ATTN_BLOCK ? hi : PARE_ATTN_BLOCK,
                                   .state = &w->state[r],
                                   .codes = w->codes + r * PARE_ATTN_BLOCK };
   }
   weigh_rows(parts, n, block);
}

/* The block at `start` for all rows: each kind of work for all of them, so that none waits for the last product. */
static void add_block(const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n, int64_t start,
                      const attention_work *w)
{
   kv_block block = kv_block_of(kv, start);
   for (int64_t r = 0; r < n; r += TILE_ROWS)
      multiply_keys(w->q + r * w->q_stride, w->q_stride, rows_of_tile(r, n), block.keys, kv->head_dim / 4,
                    PARE_ATTN_BLOCK / PARE_BLOCK, w->raw + r * PARE_ATTN_BLOCK, PARE_ATTN_BLOCK);
   for (int64_t r = 0; r < n; r += TILE_ROWS) weigh_tile(rows, r, rows_of_tile(r, n), &block, start, w);
   for (int64_t r = 0; r < n; r += TILE_ROWS)
      multiply_values(w->codes + r * PARE_ATTN_BLOCK, PARE_ATTN_BLOCK, rows_of_tile(r, n), block.values,
                      PARE_ATTN_BLOCK / 4, w->dims / PARE_BLOCK, w->raw + r * w->dims, w->dims);
   for (int64_t r = 0; r < n; r++) {
      if (meets(&rows[r], start))
         add_values(w->raw + r * w->dims, &w->state[r], w->dims, w->out + r * w->dims);
   }
}

static void end_rows(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                     int64_t n, const attention_work *w)
{
   for (int64_t r = 0; r < n; r++) {
      const float *out = w->out + r * w->dims;
      for (int64_t d = 0; d < kv->head_dim; d++) rows[r].out[d] = out[d] / w->state[r].sum;
      self->hadamard(rows[r].out, kv->head_dim, kv->rotation);
   }
}

static void attend(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n,
                   float scale, void *scratch)
{
   attention_work w = lay_out(kv, scratch);
   int64_t from = rows[0].from, to = rows[0].to;
   start_rows(self, kv, rows, n, scale, &w);
   for (int64_t r = 1; r < n; r++) {
      from = rows[r].from < from ? rows[r].from : from;
      to = rows[r].to > to ? rows[r].to : to;
   }
   for (int64_t start = from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK; start < to; start += PARE_ATTN_BLOCK)
      add_block(kv, rows, n, start, &w);
   end_rows(self, kv, rows, n, &w);
}

#endif
