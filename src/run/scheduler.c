/* scheduler: see scheduler.h. A slot of the session is a lane here; `active` lists the lanes that run, oldest
 * request first. */
#include "run/scheduler.h"

#include <string.h>

#include "base/clock.h"
#include "run/sequence.h"

/* A prompt waits a step for one that begins alike when that saves so many tokens. */
enum { WORTH_WAITING = 32 };

typedef struct waiting {
   struct waiting *next;
   pare_request request;
   uint32_t prompt[];
} waiting;

typedef struct lane {
   int64_t slot;
   bool busy;
   pare_sequence text;
   pare_speculator *speculator; /* or NULL */
   pare_status (*on_finish)(pare_ctx *ctx, void *user, const pare_generate_result *result);
   int64_t fed;           /* tokens of the text, or of the last one, that the slot holds */
   int64_t count, row;    /* in this step: tokens fed; first row of logits or -1 */
   int64_t released;      /* step after which it became free */
   double started, first; /* times of the start and of the first logits */
} lane;

struct pare_scheduler {
   const pare_model *model;
   pare_session *session;
   const pare_session_options *limits;
   int64_t chunk;
   waiting *queue, **queue_end;
   lane *lanes;   /* [slots] */
   lane **active; /* [slots] */
   int64_t n_active;
   pare_batch batch;
   uint32_t *tokens;                  /* [limits->tokens], as the next two */
   int32_t *positions, *slots, *rows; /* rows: [limits->rows] */
   pare_scheduler_stats stats;
};

/* ---- making ---- */

static pare_status take_memory(pare_ctx *ctx, pare_scheduler *s)
{
   size_t slots = (size_t)s->limits->slots, tokens = (size_t)s->limits->tokens;
   s->lanes = pare_alloc_array(ctx, slots, sizeof *s->lanes);
   s->active = pare_alloc_array(ctx, slots, sizeof(lane *));
   s->tokens = pare_alloc_array(ctx, tokens, sizeof *s->tokens);
   s->positions = pare_alloc_array(ctx, tokens, sizeof *s->positions);
   s->slots = pare_alloc_array(ctx, tokens, sizeof *s->slots);
   s->rows = pare_alloc_array(ctx, (size_t)s->limits->rows, sizeof *s->rows);
   bool all = s->lanes && s->active && s->tokens && s->positions && s->slots && s->rows;
   for (int64_t i = 0; all && i < s->limits->slots; i++)
      s->lanes[i] = (lane){ .slot = i, .fed = pare_session_held(s->session, i) };
   return all ? PARE_OK : PARE_RESOURCE;
}

static pare_status make(pare_ctx *ctx, pare_scheduler *s, const pare_scheduler_options *options)
{
   PARE_TRY(take_memory(ctx, s));
   for (int64_t i = 0; options->lookup && i < s->limits->slots; i++)
      PARE_TRY(
         pare_speculator_create_lookup(ctx, options->lookup, s->limits->context, &s->lanes[i].speculator));
   return PARE_OK;
}

pare_status pare_scheduler_create(pare_ctx *ctx, const pare_model *model, pare_session *session,
                                  const pare_scheduler_options *options, pare_scheduler **out)
{
   const pare_session_options *limits = pare_session_limits(session);
   if (limits->tokens < limits->slots || limits->rows < limits->slots)
      return pare_fail(ctx, PARE_USAGE, NULL, "batches of %lld tokens and %lld rows for %lld sequences",
                       (long long)limits->tokens, (long long)limits->rows, (long long)limits->slots);
   if (options->chunk < 0)
      return pare_fail(ctx, PARE_USAGE, "chunk", "%lld, expected at least 0", (long long)options->chunk);
   pare_scheduler *s = pare_alloc(ctx, sizeof *s);
   if (!s) return PARE_RESOURCE;
   s->model = model;
   s->session = session;
   s->limits = limits;
   s->chunk = options->chunk ? options->chunk : limits->tokens;
   s->queue_end = &s->queue;
   pare_status status = make(ctx, s, options);
   if (status != PARE_OK) {
      pare_scheduler_destroy(ctx, s);
      return status;
   }
   s->batch =
      (pare_batch){ .tokens = s->tokens, .positions = s->positions, .slots = s->slots, .rows = s->rows };
   *out = s;
   return PARE_OK;
}

static void release(pare_ctx *ctx, pare_scheduler *s, lane *l)
{
   pare_sampler_destroy(ctx, l->text.sampler);
   pare_sequence_finish(ctx, &l->text);
   l->text.sampler = NULL;
   l->busy = false;
   l->released = s->stats.steps;
}

void pare_scheduler_destroy(pare_ctx *ctx, pare_scheduler *s)
{
   if (!s) return;
   for (int64_t i = 0; s->lanes && i < s->limits->slots; i++) {
      release(ctx, s, &s->lanes[i]);
      pare_speculator_destroy(ctx, s->lanes[i].speculator);
   }
   for (waiting *next; s->queue; s->queue = next) {
      next = s->queue->next;
      pare_free(ctx, s->queue);
   }
   pare_free(ctx, s->lanes);
   pare_free(ctx, s->active);
   pare_free(ctx, s->tokens);
   pare_free(ctx, s->positions);
   pare_free(ctx, s->slots);
   pare_free(ctx, s->rows);
   pare_free(ctx, s);
}

/* ---- requests come ---- */

/* Here, since the session would refuse the whole batch that the token comes to stand in. */
static pare_status check_ids(pare_ctx *ctx, const pare_scheduler *s, const pare_request *request)
{
   int64_t ids = pare_session_token_ids(s->session);
   for (size_t i = 0; i < request->n; i++) {
      if (request->prompt[i] < ids) continue;
      return pare_fail(ctx, PARE_INPUT, NULL, "token %zu of the prompt: id %u, expected 0 to %lld", i,
                       (unsigned)request->prompt[i], (long long)ids - 1);
   }
   return PARE_OK;
}

pare_status pare_scheduler_add(pare_ctx *ctx, pare_scheduler *s, const pare_request *request)
{
   PARE_TRY(pare_sampler_check(ctx, &request->sampling));
   if (request->options.speculator)
      return pare_fail(ctx, PARE_USAGE, NULL, "a scheduler's request cannot speculate");
   if (request->n < 1 || request->n > (size_t)s->limits->context)
      return pare_fail(ctx, PARE_INPUT, NULL, "a prompt of %zu tokens, expected 1 to %lld", request->n,
                       (long long)s->limits->context);
   PARE_TRY(check_ids(ctx, s, request));
   waiting *w = pare_alloc(ctx, sizeof *w + request->n * sizeof *w->prompt);
   if (!w) return PARE_RESOURCE;
   w->request = *request;
   w->request.prompt = w->prompt;
   memcpy(w->prompt, request->prompt, request->n * sizeof *w->prompt);
   *s->queue_end = w;
   s->queue_end = &w->next;
   return PARE_OK;
}

/* How much of the text a lane's slot has; the last token is always fed, for its logits. */
static int64_t prefix(const pare_scheduler *s, const lane *l, const uint32_t *tokens, int64_t n)
{
   return pare_session_prefix(s->session, l->slot, tokens, n - 1);
}

/* The free lane for a prompt: one whose whole text the prompt goes on from, else the one longest unused. */
static lane *free_lane(pare_scheduler *s, const uint32_t *tokens, int64_t n)
{
   lane *best = NULL;
   int64_t longest = 0;
   for (int64_t i = 0; i < s->limits->slots; i++) {
      lane *l = &s->lanes[i];
      if (l->busy) continue;
      int64_t same = prefix(s, l, tokens, n);
      bool goes_on = same > longest && same >= l->fed;
      if (goes_on) longest = same;
      if (goes_on || !best || (longest == 0 && l->released < best->released)) best = l;
   }
   return best;
}

static pare_status start(pare_ctx *ctx, pare_scheduler *s, lane *l, const pare_request *r)
{
   l->busy = true;
   l->on_finish = r->on_finish;
   l->fed = prefix(s, l, r->prompt, (int64_t)r->n);
   l->started = pare_now();
   s->active[s->n_active++] = l;
   PARE_TRY(pare_sequence_start(ctx, &l->text, s->model, s->limits->context, r->prompt, r->n, &r->options));
   l->text.result.reused = l->fed;
   l->text.speculator = l->speculator;
   if (l->speculator) pare_speculator_start(l->speculator);
   return pare_sampler_create(ctx, &r->sampling, s->model->vocab, &l->text.sampler);
}

static pare_status admit(pare_ctx *ctx, pare_scheduler *s)
{
   while (s->queue && s->n_active < s->limits->slots) {
      waiting *w = s->queue;
      lane *l = free_lane(s, w->prompt, (int64_t)w->request.n);
      s->queue = w->next;
      if (!s->queue) s->queue_end = &s->queue;
      pare_status status = start(ctx, s, l, &w->request);
      pare_free(ctx, w);
      PARE_TRY(status);
   }
   return PARE_OK;
}

/* ---- one batch ---- */

static bool in_prompt(const lane *l)
{
   return l->text.n - l->fed > 1;
}

/* Takes over what another slot holds more of the text. */
static pare_status share(pare_ctx *ctx, pare_scheduler *s, lane *l)
{
   const lane *from = NULL;
   int64_t longest = l->fed;
   for (int64_t i = 0; i < s->limits->slots; i++) {
      int64_t same = prefix(s, &s->lanes[i], l->text.tokens, l->text.n);
      if (same <= longest) continue;
      longest = same;
      from = &s->lanes[i];
   }
   if (!from) return PARE_OK;
   PARE_TRY(pare_session_copy(ctx, s->session, from->slot, l->slot, longest));
   l->text.result.reused += longest - l->fed;
   l->fed = longest;
   return PARE_OK;
}

/* Whether an older prompt is about to be computed of which this one needs much. The oldest never waits. */
static bool is_worth_waiting(const pare_scheduler *s, const lane *l)
{
   for (int64_t i = 0; s->active[i] != l; i++) {
      const lane *older = s->active[i];
      if (!in_prompt(older)) continue;
      int64_t most = l->text.n - 1 < older->text.n ? l->text.n - 1 : older->text.n, same = 0;
      while (same < most && older->text.tokens[same] == l->text.tokens[same]) same++;
      if (same - l->fed >= WORTH_WAITING) return true;
   }
   return false;
}

/* Appends so many tokens from the first one on that is to be fed; the first row is that of the text's end. */
static void put(pare_scheduler *s, lane *l, int64_t count)
{
   for (int64_t i = 0; i < count; i++) {
      int64_t at = s->batch.n_tokens++;
      s->tokens[at] = l->text.tokens[l->fed + i];
      s->positions[at] = (int32_t)(l->fed + i);
      s->slots[at] = (int32_t)l->slot;
      if (l->fed + i < l->text.n - 1) continue;
      if (l->row < 0) l->row = s->batch.n_rows;
      s->rows[s->batch.n_rows++] = (int32_t)at;
   }
   l->count = count;
}

static int64_t least_of(int64_t a, int64_t b)
{
   return a < b ? a : b;
}

static pare_status put_last(pare_ctx *ctx, pare_scheduler *s, lane *l, int64_t others)
{
   int64_t tokens = s->limits->tokens - s->batch.n_tokens, rows = s->limits->rows - s->batch.n_rows;
   PARE_TRY(pare_sequence_guess(ctx, &l->text, least_of(tokens, rows) - others - 1));
   put(s, l, 1 + l->text.guessed);
   return PARE_OK;
}

static void put_chunk(pare_scheduler *s, lane *l)
{
   int64_t pending = l->text.n - l->fed, room = s->limits->tokens - s->batch.n_tokens;
   put(s, l, least_of(least_of(pending, s->chunk), room));
}

/* Every sequence has the room of one token and one row, whatever is guessed before it. */
static pare_status pack(pare_ctx *ctx, pare_scheduler *s)
{
   s->batch.n_tokens = s->batch.n_rows = 0;
   for (int64_t i = 0; i < s->n_active; i++) {
      lane *l = s->active[i];
      l->count = 0;
      l->row = -1;
      if (in_prompt(l)) PARE_TRY(share(ctx, s, l));
   }
   for (int64_t i = 0, others = s->n_active - 1; i < s->n_active; i++) {
      if (in_prompt(s->active[i])) continue;
      PARE_TRY(put_last(ctx, s, s->active[i], others));
      others--;
   }
   for (int64_t i = 0; i < s->n_active; i++) {
      lane *l = s->active[i];
      if (in_prompt(l) && !is_worth_waiting(s, l)) put_chunk(s, l);
   }
   return PARE_OK;
}

/* The slot then holds the text but for its last token: refused guesses lie behind it and are written over. */
static pare_status judge(pare_ctx *ctx, pare_scheduler *s, lane *l, const float *logits, bool *more)
{
   pare_sequence *text = &l->text;
   if (text->result.steps == 0) l->first = pare_now();
   *more = text->options.max_tokens > 0;
   if (*more) PARE_TRY(pare_sequence_judge(ctx, text, logits + l->row * s->model->vocab, more));
   l->fed = text->n - 1;
   return PARE_OK;
}

static pare_status retire(pare_ctx *ctx, pare_scheduler *s, lane *l)
{
   pare_generate_result result = l->text.result;
   void *user = l->text.options.user;
   result.prompt_seconds = l->first - l->started;
   result.seconds = pare_now() - l->first;
   s->stats.reused += result.reused;
   s->stats.guessed += result.guessed;
   s->stats.accepted += result.accepted;
   release(ctx, s, l);
   return l->on_finish ? l->on_finish(ctx, user, &result) : PARE_OK;
}

static pare_status hand_out(pare_ctx *ctx, pare_scheduler *s, const float *logits)
{
   int64_t left = 0, n = s->n_active;
   for (int64_t i = 0; i < n; i++) {
      lane *l = s->active[i];
      bool more = true;
      s->stats.tokens += l->count;
      if (l->row >= 0) PARE_TRY(judge(ctx, s, l, logits, &more));
      else l->fed += l->count;
      if (more) s->active[left++] = l;
      else PARE_TRY(retire(ctx, s, l));
   }
   s->n_active = left;
   return PARE_OK;
}

pare_status pare_scheduler_step(pare_ctx *ctx, pare_scheduler *s, bool *busy)
{
   const float *logits;
   PARE_TRY(admit(ctx, s));
   *busy = s->n_active > 0;
   if (!*busy) return PARE_OK;
   PARE_TRY(pack(ctx, s));
   PARE_TRY(pare_session_step(ctx, s->session, &s->batch, &logits));
   s->stats.steps++;
   PARE_TRY(hand_out(ctx, s, logits));
   *busy = s->n_active > 0 || s->queue;
   return PARE_OK;
}

pare_scheduler_stats pare_scheduler_done(const pare_scheduler *s)
{
   return s->stats;
}
