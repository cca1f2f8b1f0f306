/* attention_i8_body: attention over the int8 cache (see kernels.h), included once a tier. What is the same for
 * all: rows to codes, blocks of 64 positions, tiles of 16 rows. The includer defines before:
 *
 *    OFFSET               128 if its products with keys are of the unsigned bytes, 0 if of codes
 *    multiply_keys(act, lda, rows, lines, kq, blocks, out, ldo)
 *                         out[r][16 b + lane] for rows (<= TILE_ROWS) of signed codes and blocks of kq lines of
 *                         unsigned bytes each; may write all TILE_ROWS rows
 *    multiply_values      the same for unsigned codes and lines of signed bytes
 *    weigh_pass(pass)     the softmax of a pass's pairs: maxima and sums of rows; codes, keep and step from raw.
 *                         May call pass->ahead->go_on while it waits
 *    add_values(raw, step, keep, n, out)
 *                         out[n] with a pair's sums of values
 *
 * A pass is up to 16 rows by one block, or, when there are no more rows, by several. Passes go on to the next rows,
 * then to the next blocks: keys and values (8 KB for heads of 64) are read once for all rows, and what a pass writes
 * stays in the first-level cache with them. The scores of a pass and of the next are all that there ever is of the
 * score matrix. */
#ifndef PARE_KERNELS_ATTENTION_I8_BODY_H
#define PARE_KERNELS_ATTENTION_I8_BODY_H

static void start_rows(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows,
                       int64_t n, float scale, const attention_work *w)
{
   float *tmp = (float *)(void *)w->raw;
   scale *= PARE_EXP_LOG2E;
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

static bool go_on(attention_ahead *ahead)
{
   const attention_pass *next = ahead->next;
   const attention_work *w = &next->work;
   ask_ahead(ahead);
   if (ahead->block >= next->blocks) return false;
   multiply_keys(w->q, w->q_stride, next->n, next->block[ahead->block].keys, ahead->kq, next->groups,
                 w->raw + ahead->block * next->n * PARE_ATTN_BLOCK, PARE_ATTN_BLOCK);
   ahead->block++;
   return true;
}

static void multiply_pass_values(const attention_pass *pass)
{
   const attention_work *w = &pass->work;
   for (int64_t b = 0; b < pass->blocks; b++) {
      int64_t p = b * pass->n;
      ask_ahead(pass->ahead);
      multiply_values(w->codes + p * PARE_ATTN_BLOCK, PARE_ATTN_BLOCK, pass->n, pass->block[b].values,
                      PARE_ATTN_BLOCK / 4, w->dims / PARE_BLOCK, w->raw + p * w->dims, w->dims);
   }
}

static void add_pass(const attention_pass *pass)
{
   const attention_work *w = &pass->work;
   for (int64_t b = 0; b < pass->blocks; b++) {
      for (int64_t r = 0; r < pass->n; r++) {
         int64_t p = b * pass->n + r;
         if (pass->whole || meets(&pass->rows[r], pass->start + b * PARE_ATTN_BLOCK))
            add_values(w->raw + p * w->dims, w->step[p], w->keep[p], w->dims, w->out + r * w->dims);
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

/* A call: all rows, TILE_ROWS at a time, by some blocks, then by the next. */
typedef struct attention_call {
   const pare_kv_i8 *kv;
   const pare_attention_row *rows;
   int64_t n;
   char *scratch;
   attention_places places;
   int64_t most;       /* blocks of a pass */
   int64_t row, start; /* where the next pass begins: its first row, its first position */
   int64_t turn;       /* of work_of, of the last pass that was made */
   attention_span all, span[(PARE_ATTN_ROWS + TILE_ROWS - 1) / TILE_ROWS]; /* of all rows, of those of a pass */
} attention_call;

static attention_call call_of(const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n, void *scratch)
{
   attention_call c = { .kv = kv, .rows = rows, .n = n, .scratch = scratch, .all = span_of(rows, n) };
   c.places = places_of(kv->head_dim);
   c.most = n > TILE_ROWS ? 1 : PASS_BLOCKS;
   c.start = c.all.from / PARE_ATTN_BLOCK * PARE_ATTN_BLOCK;
   for (int64_t r = 0; r < n; r += TILE_ROWS)
      c.span[r / TILE_ROWS] = span_of(rows + r, n - r < TILE_ROWS ? n - r : TILE_ROWS);
   return c;
}

static int64_t pass_blocks(const attention_span *span, int64_t start, int64_t most)
{
   int64_t blocks = start < span->to ? (span->to - start + PARE_ATTN_BLOCK - 1) / PARE_ATTN_BLOCK : 0;
   return blocks < most ? blocks : most;
}

static void pass_at(const attention_call *c, attention_pass *pass)
{
   const attention_span *span = &c->span[c->row / TILE_ROWS];
   int64_t groups = (span->to - c->start + PARE_BLOCK - 1) / PARE_BLOCK;
   pass->rows = c->rows + c->row;
   pass->n = c->n - c->row < TILE_ROWS ? c->n - c->row : TILE_ROWS;
   pass->start = c->start;
   pass->blocks = span->from < c->start + c->most * PARE_ATTN_BLOCK ? pass_blocks(span, c->start, c->most) : 0;
   pass->groups = groups < PARE_ATTN_BLOCK / PARE_BLOCK ? groups : PARE_ATTN_BLOCK / PARE_BLOCK;
   pass->work = work_of(&c->places, c->scratch, c->row, c->turn);
   int64_t end = c->start + pass->blocks * PARE_ATTN_BLOCK;
   pass->whole = span->all_from <= c->start && span->all_to >= end;
   for (int64_t b = 0; b < pass->blocks; b++) pass->block[b] = kv_block_of(c->kv, c->start + b * PARE_ATTN_BLOCK);
}

/* To the next rows, or with the first ones to the next blocks. */
static void advance(attention_call *c)
{
   c->row += TILE_ROWS;
   if (c->row < c->n) return;
   c->row = 0;
   c->start += c->most * PARE_ATTN_BLOCK;
}

/* Rows that see nothing of some blocks have no pass there. */
static void next_pass(attention_call *c, attention_pass *pass)
{
   c->turn = 1 - c->turn;
   pass->blocks = 0;
   while (pass->blocks == 0 && c->start < c->all.to) {
      pass_at(c, pass);
      advance(c);
   }
}

/* Asks for the pass after the next during this one. Many rows do not wait for memory. */
static void plan_asking(const attention_call *c, const attention_pass *pass, attention_ahead *ahead)
{
   if (c->n > TILE_ROWS || c->start >= c->all.to) return;
   int64_t times = 2 * pass->blocks + (pass->n * pass->blocks + TILE_ROWS - 1) / TILE_ROWS;
   ahead->at = kv_block_of(c->kv, c->start).keys;
   ahead->blocks = pass_blocks(&c->all, c->start, pass->blocks);
   ahead->block_bytes = pare_kv_i8_block_bytes(c->kv->head_dim);
   ahead->left = ahead->block_bytes / 64;
   ahead->share = (ahead->left + times - 1) / times;
}

static void attend(const pare_kernels *self, const pare_kv_i8 *kv, const pare_attention_row *rows, int64_t n,
                   float scale, bool stay_rotated, void *scratch)
{
   attention_call call = call_of(kv, rows, n, scratch);
   attention_work work = work_of(&call.places, scratch, 0, 0);
   attention_pass passes[2], *pass = &passes[0], *next = &passes[1];
   start_rows(self, kv, rows, n, scale, &work);
   next_pass(&call, pass);
   attention_ahead ahead = { .next = pass, .kq = kv->head_dim / 4, .go_on = go_on };
   while (go_on(&ahead)) continue;
   while (pass->blocks > 0) {
      next_pass(&call, next);
      ahead = (attention_ahead){ .next = next, .kq = kv->head_dim / 4, .go_on = go_on };
      plan_asking(&call, pass, &ahead);
      pass->ahead = &ahead;
      weigh_pass(pass);
      while (go_on(&ahead)) continue;
      multiply_pass_values(pass);
      add_pass(pass);
      attention_pass *done = pass;
      pass = next;
      next = done;
   }
   end_rows(self, kv, rows, n, stay_rotated, &work);
}

#endif
