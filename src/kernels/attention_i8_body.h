/* attention_i8_body: attention over the int8 cache (see kernels.h), included once a tier. What is the same for
 * all: rows to codes, blocks of 64 positions, tiles of 16 rows. The includer defines before:
 *
 *    OFFSET               128 if its products with keys are of the unsigned bytes, 0 if of codes
 *    multiply_keys(act, lda, rows, lines, kq, blocks, out, ldo)
 *                         out[r][16 b + lane] for rows (<= TILE_ROWS) of signed codes and blocks of kq lines of
 *                         unsigned bytes each; may write all TILE_ROWS rows
 *    multiply_values      the same for unsigned codes and lines of signed bytes
 *    weigh_pass(pass, work)
 *                         the softmax of a pass's pairs: maxima and sums of rows; codes, keep and step from raw.
 *                         May call pass->ahead->go_on while it waits
 *    add_values(raw, step, keep, n, out)
 *                         out[n] with a pair's sums of values
 *
 * A pass is some blocks by all rows: one of them for many rows, whose keys and values (8 KB for heads of 64) then stay
 * in the first-level cache, several for few. The scores of a pass and of the next are all that is ever written of the
 * score matrix. */
#ifndef PARE_KERNELS_ATTENTION_I8_BODY_H
#define PARE_KERNELS_ATTENTION_I8_BODY_H

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
   for (int i = 0; i < 2; i++) {
      w.raw[i] = (int32_t *)(void *)at;
      at += PARE_ATTN_ROWS * (w.dims > PARE_ATTN_BLOCK ? w.dims : PARE_ATTN_BLOCK) * 4;
   }
   float **const numbers[] = { &w.factor, &w.max, &w.sum, &w.keep, &w.step };
   for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++, at += NUMBERS * 4)
      *numbers[i] = (float *)(void *)at;
   w.offset = (int32_t *)(void *)at;
   return w;
}

static void start_rows(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                       int64_t n, float scale, const attention_work *w)
{
   float *tmp = (float *)(void *)w->raw[0];
   for (int64_t r = 0; r < n; r++) {
      int32_t sum;
      self->quant_row(rows[r].q, kv->head_dim, kv->rotation, w->q + r * w->q_stride, w->q_stride, tmp,
                      &w->factor[r], &sum);
      w->factor[r] *= scale;
      w->offset[r] = OFFSET * sum;
      w->max[r] = -INFINITY;
      w->sum[r] = 0.0f;
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

static bool go_on(attention_ahead *ahead)
{
   const attention_pass *next = ahead->next;
   const attention_work *w = ahead->work;
   int64_t b = ahead->block, r = ahead->row;
   ask_ahead(ahead);
   if (b >= next->blocks) return false;
   multiply_keys(w->q + r * w->q_stride, w->q_stride, rows_of_tile(r, next->n), next->block[b].keys,
                 ahead->kq, next->groups, next->raw + (b * next->n + r) * PARE_ATTN_BLOCK, PARE_ATTN_BLOCK);
   bool last = r + TILE_ROWS >= next->n;
   ahead->block += last;
   ahead->row = last ? 0 : r + TILE_ROWS;
   return true;
}

static void multiply_pass_values(const attention_pass *pass, const attention_work *w)
{
   for (int64_t b = 0; b < pass->blocks; b++) {
      ask_ahead(pass->ahead);
      for (int64_t r = 0; r < pass->n; r += TILE_ROWS) {
         int64_t p = b * pass->n + r;
         multiply_values(w->codes + p * PARE_ATTN_BLOCK, PARE_ATTN_BLOCK, rows_of_tile(r, pass->n),
                         pass->block[b].values, PARE_ATTN_BLOCK / 4, w->dims / PARE_BLOCK,
                         pass->raw + p * w->dims, w->dims);
      }
   }
}

static void add_pass(const attention_pass *pass, const attention_work *w)
{
   for (int64_t b = 0; b < pass->blocks; b++) {
      for (int64_t r = 0; r < pass->n; r++) {
         int64_t p = b * pass->n + r;
         if (pass->whole || meets(&pass->rows[r], pass->start + b * PARE_ATTN_BLOCK))
            add_values(pass->raw + p * w->dims, w->step[p], w->keep[p], w->dims, w->out + r * w->dims);
      }
   }
}

static void end_rows(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                     int64_t n, bool stay_rotated, const attention_work *w)
{
   for (int64_t r = 0; r < n; r++) {
      const float *out = w->out + r * w->dims;
      const float share = 1.0f / w->sum[r];
      for (int64_t d = 0; d < kv->head_dim; d++) rows[r].out[d] = out[d] * share;
      self->hadamard(rows[r].out, kv->head_dim, stay_rotated ? 0 : kv->rotation);
   }
}

/* The positions that all rows see, and those that any does. */
typedef struct attention_span {
   int64_t from, to, all_from, all_to;
} attention_span;

static attention_span span_of(const pare_attention_row *rows, int64_t n)
{
   attention_span s = { rows[0].from, rows[0].to, rows[0].from, rows[0].to };
   for (int64_t r = 1; r < n; r++) {
      s.from = rows[r].from < s.from ? rows[r].from : s.from;
      s.to = rows[r].to > s.to ? rows[r].to : s.to;
      s.all_from = rows[r].from > s.all_from ? rows[r].from : s.all_from;
      s.all_to = rows[r].to < s.all_to ? rows[r].to : s.all_to;
   }
   return s;
}

static int64_t pass_blocks(const attention_span *span, int64_t start, int64_t most)
{
   int64_t blocks = start < span->to ? (span->to - start + PARE_ATTN_BLOCK - 1) / PARE_ATTN_BLOCK : 0;
   return blocks < most ? blocks : most;
}

/* The pass at `start` over up to `most` blocks. */
static attention_pass pass_at(const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n,
                              const attention_span *span, int64_t start, int64_t most)
{
   attention_pass pass = { .rows = rows, .n = n, .start = start, .blocks = pass_blocks(span, start, most) };
   int64_t groups = (span->to - start + PARE_BLOCK - 1) / PARE_BLOCK;
   pass.groups = groups < PARE_ATTN_BLOCK / PARE_BLOCK ? groups : PARE_ATTN_BLOCK / PARE_BLOCK;
   pass.whole = span->all_from <= start && span->all_to >= start + pass.blocks * PARE_ATTN_BLOCK;
   for (int64_t b = 0; b < pass.blocks; b++) pass.block[b] = kv_block_of(kv, start + b * PARE_ATTN_BLOCK);
   return pass;
}

/* Asks for the pass at `start` during that of `pass`. Many rows do not wait for memory. */
static void plan_asking(const pare_kv_i8 *kv, const attention_pass *pass, const attention_span *span,
                        int64_t start, attention_ahead *ahead)
{
   if (pass->n > TILE_ROWS || start >= span->to) return;
   int64_t times = 2 * pass->blocks + (pass->n * pass->blocks + TILE_ROWS - 1) / TILE_ROWS;
   ahead->at = kv_block_of(kv, start).keys;
   ahead->blocks = pass_blocks(span, start, pass->blocks);
   ahead->block_bytes = pare_kv_i8_block_bytes(kv->head_dim);
   ahead->left = ahead->block_bytes / 64;
   ahead->share = (ahead->left + times - 1) / times;
}

static void attend(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n,
                   float scale, bool stay_rotated, void *scratch)
{
   attention_work w = lay_out(kv, scratch);
   attention_span span = span_of(rows, n);
   int64_t most = n > TILE_ROWS ? 1 : PARE_ATTN_ROWS / n;
   most = most < PASS_BLOCKS ? most : PASS_BLOCKS;
   start_rows(self, kv, rows, n, scale, &w);
   attention_pass next,
      pass = pass_at(kv, rows, n, &span, span.from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK, most);
   attention_ahead ahead = { .next = &pass, .work = &w, .kq = kv->head_dim / 4, .go_on = go_on };
   pass.raw = w.raw[0];
   while (go_on(&ahead)) continue;
   for (int i = 1; pass.blocks > 0; i++, pass = next) {
      int64_t start = pass.start + pass.blocks * PARE_ATTN_BLOCK;
      next = pass_at(kv, rows, n, &span, start, most);
      next.raw = w.raw[i % 2];
      ahead = (attention_ahead){ .next = &next, .work = &w, .kq = kv->head_dim / 4, .go_on = go_on };
      plan_asking(kv, &pass, &span, start + pass.blocks * PARE_ATTN_BLOCK, &ahead);
      pass.ahead = &ahead;
      weigh_pass(&pass, &w);
      while (go_on(&ahead)) continue;
      multiply_pass_values(&pass, &w);
      add_pass(&pass, &w);
   }
   end_rows(self, kv, rows, n, stay_rotated, &w);
}

#endif
