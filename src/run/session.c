/* session: see session.h. All memory is taken at create; it is not touched before it is used, so what a
 * session really occupies grows with the batches and contexts it sees. */
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/pool.h"
#include "run/exec.h"

enum { ALIGN = 64, MOST_SLOTS = 4096, USUAL_TOKENS = 512, USUAL_ROWS = 64, MOST_TOKENS = 1 << 24 };

/* Memory aligned to 64 bytes, not zeroed. */
typedef struct slab {
   void *base;
   unsigned char *at;
   size_t bytes;
} slab;

struct pare_session {
   pare_kernels kernels;
   pare_plan *plan;
   slab activations, caches, scratch;
   slab held;         /* uint32_t [slots][context]: the tokens whose keys and values are in the cache */
   size_t reserved;   /* of the context's, until it is destroyed */
   int workers;
   int32_t *filled;   /* [slots] positions of the sequence that are in the cache */
   int32_t *next;     /* [slots] while a batch is checked: the position that must come next */
   int64_t *seen;     /* [slots] number of the last batch that had the slot */
   int64_t batches;   /* checked so far */
   int32_t *positions, *slots; /* [tokens] of pare_session_prefill */
};

static pare_status slab_create(pare_ctx *ctx, size_t bytes, slab *out)
{
   out->base = pare_realloc(ctx, NULL, bytes + ALIGN);
   if (!out->base) return PARE_RESOURCE;
   out->at = (unsigned char *)(((uintptr_t)out->base + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
   out->bytes = bytes;
   return PARE_OK;
}

/* ---- what it takes ---- */

/* The session's own struct and arrays, and what aligns its slabs. */
static size_t own_bytes(const pare_session_options *limits)
{
   const pare_session *s;
   size_t slot = sizeof *s->filled + sizeof *s->next + sizeof *s->seen;
   size_t token = sizeof *s->positions + sizeof *s->slots;
   slot += (size_t)limits->context * sizeof(uint32_t);
   return sizeof *s + 4 * ALIGN + (size_t)limits->slots * slot + (size_t)limits->tokens * token;
}

static pare_session_memory memory_of(const pare_plan *plan, int workers)
{
   pare_session_memory m = { .activation_bytes = plan->memory_bytes,
                             .scratch_bytes = plan->scratch_bytes * (size_t)workers,
                             .cache_bytes = plan->caches.bytes,
                             .table_bytes = plan->rope_tables.bytes,
                             .vector_bytes = plan->vector_bytes };
   size_t kept = m.table_bytes + m.vector_bytes;
   m.schedule_bytes = pare_plan_own_bytes(plan) - kept + own_bytes(&plan->limits);
   m.total_bytes = m.activation_bytes + m.scratch_bytes + m.cache_bytes + kept + m.schedule_bytes;
   return m;
}

/* ---- making ---- */

static pare_status check_option(pare_ctx *ctx, const char *name, int64_t value, int64_t most)
{
   if (value >= 1 && value <= most) return PARE_OK;
   return pare_fail(ctx, PARE_USAGE, name, "%lld, expected 1 to %lld", (long long)value, (long long)most);
}

static pare_status fill_limits(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                               pare_session_options *limits)
{
   int64_t longest = model->context < INT32_MAX - ALIGN ? model->context : INT32_MAX - ALIGN;
   *limits = *options;
   if (limits->context == 0) limits->context = longest;
   PARE_TRY(check_option(ctx, "slots", limits->slots, MOST_SLOTS));
   PARE_TRY(check_option(ctx, "context", limits->context, longest));
   if (limits->tokens == 0) limits->tokens = limits->context < USUAL_TOKENS ? limits->context : USUAL_TOKENS;
   PARE_TRY(check_option(ctx, "tokens", limits->tokens, MOST_TOKENS));
   if (limits->rows == 0) limits->rows = limits->tokens < USUAL_ROWS ? limits->tokens : USUAL_ROWS;
   return check_option(ctx, "rows", limits->rows, MOST_TOKENS);
}

static pare_status refuse_memory(pare_ctx *ctx, const pare_model *model, const pare_session *s, size_t bytes,
                                 size_t most)
{
   const pare_session_options *limits = &s->plan->limits;
   char beside[64] = "";
   if (ctx->reserved)
      snprintf(beside, sizeof beside, " beside %.1f GB that others hold", (double)ctx->reserved / 1e9);
   pare_fail(ctx, PARE_RESOURCE, model->path,
             "%lld positions of %lld sequences take %.1f GB%s, this process may have %.1f GB",
             (long long)limits->context, (long long)limits->slots, (double)bytes / 1e9, beside, (double)most / 1e9);
   pare_hint(ctx, "a shorter context, fewer sequences, or a cache of i8 (quant_kv) takes less");
   return PARE_RESOURCE;
}

/* Memory is touched late, so sessions too large would begin well and be killed. Those of a context count together. */
static pare_status reserve_memory(pare_ctx *ctx, const pare_model *model, pare_session *s)
{
   size_t bytes = memory_of(s->plan, s->workers).total_bytes, most = (size_t)pare_memory_limit();
   if (ctx->reserved > most || bytes > most - ctx->reserved) return refuse_memory(ctx, model, s, bytes, most);
   s->reserved = bytes;
   ctx->reserved += bytes;
   return PARE_OK;
}

static pare_status take_memory(pare_ctx *ctx, const pare_model *model, pare_session *s)
{
   pare_plan *plan = s->plan;
   size_t scratch, slots = (size_t)plan->limits.slots, tokens = (size_t)plan->limits.tokens;
   s->workers = pare_pool_width(ctx);
   if (__builtin_mul_overflow(plan->scratch_bytes, (size_t)s->workers, &scratch) || scratch > PTRDIFF_MAX / 2)
      return pare_fail(ctx, PARE_RESOURCE, NULL, "scratch memory of %d workers does not fit", s->workers);
   PARE_TRY(reserve_memory(ctx, model, s));
   PARE_TRY(slab_create(ctx, plan->memory_bytes, &s->activations));
   PARE_TRY(slab_create(ctx, plan->caches.bytes, &s->caches));
   PARE_TRY(slab_create(ctx, scratch, &s->scratch));
   PARE_TRY(slab_create(ctx, slots * (size_t)plan->limits.context * sizeof(uint32_t), &s->held));
   s->filled = pare_alloc_array(ctx, slots, sizeof *s->filled);
   s->next = pare_alloc_array(ctx, slots, sizeof *s->next);
   s->seen = pare_alloc_array(ctx, slots, sizeof *s->seen);
   s->positions = pare_alloc_array(ctx, tokens, sizeof *s->positions);
   s->slots = pare_alloc_array(ctx, tokens, sizeof *s->slots);
   if (!s->filled || !s->next || !s->seen || !s->positions || !s->slots) return PARE_RESOURCE;
   pare_plan_attach(plan, s->activations.at);
   pare_caches_attach(&plan->caches, s->caches.at);
   return PARE_OK;
}

static pare_status make_plan(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                             pare_kernels *kernels, pare_plan **plan)
{
   pare_session_options limits;
   PARE_TRY(fill_limits(ctx, model, options, &limits));
   pare_kernels_init(kernels, ctx->cpu);
   unsigned modes = pare_fp_pin();
   pare_status status = pare_plan_create(ctx, model->graph, kernels, &limits, plan);
   pare_fp_restore(modes);
   PARE_TRY(status);
   if ((*plan)->vocab == model->vocab) return PARE_OK;
   return pare_fail(ctx, PARE_INTERNAL, model->path, "%lld logits a row, expected a vocabulary of %lld",
                    (long long)(*plan)->vocab, (long long)model->vocab);
}

static pare_status make_session(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                                pare_session *s)
{
   PARE_TRY(make_plan(ctx, model, options, &s->kernels, &s->plan));
   PARE_TRY(take_memory(ctx, model, s));
   return pare_check_stop(ctx); /* vectors were read from the model's files */
}

pare_status pare_session_create(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                                pare_session **out)
{
   pare_session *s = pare_alloc(ctx, sizeof *s);
   if (!s) return PARE_RESOURCE;
   pare_status status = make_session(ctx, model, options, s);
   if (status != PARE_OK) {
      pare_session_destroy(ctx, s);
      return status;
   }
   *out = s;
   return PARE_OK;
}

void pare_session_destroy(pare_ctx *ctx, pare_session *s)
{
   if (!s) return;
   ctx->reserved -= s->reserved;
   pare_plan_destroy(ctx, s->plan);
   pare_free(ctx, s->activations.base);
   pare_free(ctx, s->caches.base);
   pare_free(ctx, s->scratch.base);
   pare_free(ctx, s->held.base);
   pare_free(ctx, s->filled);
   pare_free(ctx, s->next);
   pare_free(ctx, s->seen);
   pare_free(ctx, s->positions);
   pare_free(ctx, s->slots);
   pare_free(ctx, s);
}

/* ---- one batch ---- */

static pare_status bad_token(pare_ctx *ctx, int64_t i, const char *what, int64_t found, int64_t below)
{
   return pare_fail(ctx, PARE_INPUT, NULL, "token %lld of the batch: %s %lld, expected 0 to %lld",
                    (long long)i, what, (long long)found, (long long)below - 1);
}

/* A sequence goes on where it was, or starts again at an earlier position; within a batch it has no gaps. */
static pare_status check_place(pare_ctx *ctx, pare_session *s, int64_t i, int32_t slot, int32_t position)
{
   bool first = s->seen[slot] != s->batches;
   if (first ? position > s->filled[slot] : position != s->next[slot])
      return pare_fail(ctx, PARE_INPUT, NULL,
                       "token %lld of the batch: position %d of sequence %d, expected %s%d", (long long)i,
                       (int)position, (int)slot, first ? "at most " : "",
                       (int)(first ? s->filled[slot] : s->next[slot]));
   s->seen[slot] = s->batches;
   s->next[slot] = position + 1;
   return PARE_OK;
}

static pare_status check_tokens(pare_ctx *ctx, pare_session *s, const pare_batch *batch)
{
   const pare_session_options *limits = &s->plan->limits;
   for (int64_t i = 0; i < batch->n_tokens; i++) {
      int64_t id = batch->tokens[i], position = batch->positions[i], slot = batch->slots[i];
      if (id >= s->plan->token_ids) return bad_token(ctx, i, "id", id, s->plan->token_ids);
      if (position < 0 || position >= limits->context)
         return bad_token(ctx, i, "position", position, limits->context);
      if (slot < 0 || slot >= limits->slots) return bad_token(ctx, i, "sequence", slot, limits->slots);
      PARE_TRY(check_place(ctx, s, i, (int32_t)slot, (int32_t)position));
   }
   return PARE_OK;
}

static pare_status check_rows(pare_ctx *ctx, const pare_batch *batch)
{
   for (int64_t i = 0; i < batch->n_rows; i++) {
      int32_t row = batch->rows[i], least = i > 0 ? batch->rows[i - 1] + 1 : 0;
      if (row >= least && row < batch->n_tokens) continue;
      return pare_fail(ctx, PARE_INPUT, NULL, "row %lld of the batch is token %d, expected %d to %lld",
                       (long long)i, (int)row, (int)least, (long long)batch->n_tokens - 1);
   }
   return PARE_OK;
}

static pare_status check_batch(pare_ctx *ctx, pare_session *s, const pare_batch *batch)
{
   const pare_session_options *limits = &s->plan->limits;
   if (batch->n_tokens < 0 || batch->n_tokens > limits->tokens)
      return pare_fail(ctx, PARE_INPUT, NULL, "a batch of %lld tokens, expected at most %lld",
                       (long long)batch->n_tokens, (long long)limits->tokens);
   if (batch->n_rows < 0 || batch->n_rows > limits->rows)
      return pare_fail(ctx, PARE_INPUT, NULL, "%lld rows of logits, expected at most %lld",
                       (long long)batch->n_rows, (long long)limits->rows);
   if (pare_pool_width(ctx) > s->workers)
      return pare_fail(ctx, PARE_USAGE, NULL, "%d threads, the session was made for %d", pare_pool_width(ctx),
                       s->workers);
   s->batches++;
   PARE_TRY(check_tokens(ctx, s, batch));
   return check_rows(ctx, batch);
}

/* What a batch is about to overwrite no longer counts, even when it is interrupted. */
static void forget(pare_session *s, const pare_batch *batch)
{
   for (int64_t i = 0; i < batch->n_tokens; i++) {
      int32_t *filled = &s->filled[batch->slots[i]];
      if (batch->positions[i] < *filled) *filled = batch->positions[i];
   }
}

static uint32_t *held(const pare_session *s, int64_t slot)
{
   return (uint32_t *)(void *)s->held.at + slot * s->plan->limits.context;
}

static void remember(pare_session *s, const pare_batch *batch)
{
   for (int64_t i = 0; i < batch->n_tokens; i++) {
      s->filled[batch->slots[i]] = batch->positions[i] + 1;
      held(s, batch->slots[i])[batch->positions[i]] = batch->tokens[i];
   }
}

pare_status pare_session_step(pare_ctx *ctx, pare_session *s, const pare_batch *batch, const float **logits)
{
   PARE_TRY(check_batch(ctx, s, batch));
   pare_run run = { .plan = s->plan,
                    .kernels = &s->kernels,
                    .batch = batch,
                    .scratch = s->scratch.at,
                    .workers = s->workers };
   forget(s, batch);
   unsigned modes = pare_fp_pin();
   pare_status status = pare_exec(ctx, &run);
   pare_fp_restore(modes);
   PARE_TRY(status);
   remember(s, batch);
   *logits = pare_region_row(s->plan->logits, 0);
   return PARE_OK;
}

pare_status pare_session_prefill(pare_ctx *ctx, pare_session *s, int64_t slot, const uint32_t *tokens,
                                 int64_t from, int64_t count, const float **logits)
{
   const pare_session_options *limits = &s->plan->limits;
   if (count < 1) return pare_fail(ctx, PARE_INPUT, NULL, "no tokens to start with");
   if (from < 0 || from >= limits->context || count > limits->context - from)
      return pare_fail(ctx, PARE_INPUT, NULL,
                       "%lld tokens from position %lld on do not fit a context of %lld", (long long)count,
                       (long long)from, (long long)limits->context);
   if (slot < 0 || slot >= limits->slots) return bad_token(ctx, 0, "sequence", slot, limits->slots);
   for (int64_t done = 0; done < count;) {
      int64_t n = count - done < limits->tokens ? count - done : limits->tokens;
      for (int64_t i = 0; i < n; i++) {
         s->positions[i] = (int32_t)(from + done + i);
         s->slots[i] = (int32_t)slot;
      }
      int32_t last = (int32_t)n - 1;
      pare_batch batch = { .n_tokens = n,
                           .tokens = tokens + done,
                           .positions = s->positions,
                           .slots = s->slots,
                           .n_rows = done + n == count,
                           .rows = &last };
      PARE_TRY(pare_session_step(ctx, s, &batch, logits));
      done += n;
   }
   return PARE_OK;
}

/* ---- prefixes ---- */

int64_t pare_session_held(const pare_session *s, int64_t slot)
{
   return s->filled[slot];
}

int64_t pare_session_prefix(const pare_session *s, int64_t slot, const uint32_t *tokens, int64_t n)
{
   const uint32_t *have = held(s, slot);
   int64_t most = n < s->filled[slot] ? n : s->filled[slot], same = 0;
   while (same < most && have[same] == tokens[same]) same++;
   return same;
}

pare_status pare_session_copy(pare_ctx *ctx, pare_session *s, int64_t from, int64_t to, int64_t n)
{
   int64_t slots = s->plan->limits.slots;
   if (from < 0 || from >= slots || to < 0 || to >= slots || from == to)
      return pare_fail(ctx, PARE_INPUT, NULL, "copy of sequence %lld to %lld, expected two of 0 to %lld",
                       (long long)from, (long long)to, (long long)slots - 1);
   if (n < 0 || n > s->filled[from])
      return pare_fail(ctx, PARE_INPUT, NULL, "copy of %lld positions of sequence %lld, it has %d",
                       (long long)n, (long long)from, (int)s->filled[from]);
   pare_caches_copy(&s->plan->caches, from, to, n);
   memcpy(held(s, to), held(s, from), (size_t)n * sizeof(uint32_t));
   s->filled[to] = (int32_t)n;
   return PARE_OK;
}

pare_session_memory pare_session_used(const pare_session *s)
{
   return memory_of(s->plan, s->workers);
}

pare_status pare_session_plan(pare_ctx *ctx, const pare_model *model, const pare_session_options *options,
                              pare_plan **plan, pare_session_memory *memory)
{
   pare_kernels kernels;
   pare_plan *made = NULL;
   pare_status status = make_plan(ctx, model, options, &kernels, &made);
   if (status != PARE_OK) {
      pare_plan_destroy(ctx, made);
      return status;
   }
   *memory = memory_of(made, pare_pool_width(ctx));
   *plan = made;
   return PARE_OK;
}

int64_t pare_session_token_ids(const pare_session *s)
{
   return s->plan->token_ids;
}

const pare_session_options *pare_session_limits(const pare_session *s)
{
   return &s->plan->limits;
}
