/* The scheduler: each request gets the tokens that it gets alone, whatever runs beside it. */
#include "run/scheduler.h"
#include "test_run_models.h"

enum { CONTEXT = 100, MOST_PROMPT = 80, MOST_MADE = 24, REQUESTS = 14 };

typedef struct job {
   uint32_t prompt[MOST_PROMPT], tokens[MOST_MADE], expected[MOST_MADE];
   size_t n_prompt;
   int64_t n, n_expected;
   int finished;
   pare_request request;
   pare_generate_result result, alone;
   pare_scheduler *then_add; /* with `next`: added when this one has finished */
   struct job *next;
} job;

static pare_status take(pare_ctx *ctx, void *user, uint32_t token)
{
   job *j = user;
   if (j->n == MOST_MADE) return pare_fail(ctx, PARE_INTERNAL, NULL, "too many tokens");
   j->tokens[j->n++] = token;
   return PARE_OK;
}

static pare_status finish(pare_ctx *ctx, void *user, const pare_generate_result *result)
{
   job *j = user;
   j->finished++;
   j->result = *result;
   return j->next ? pare_scheduler_add(ctx, j->then_add, &j->next->request) : PARE_OK;
}

typedef struct rig {
   pare_ctx ctx;
   unit_heap heap;
   tiny m;
   pare_model *model;
   job jobs[REQUESTS];
} rig;

/* Half of the prompts begin with one text, some are greedy, some want nothing or more than the context. */
static void make_job(rig *r, int i)
{
   job *j = &r->jobs[i];
   uint32_t common[MOST_PROMPT];
   pare_rng rng;
   pare_rng_seed(&rng, (uint64_t)i);
   j->n_prompt = 1 + pare_rng_below(&rng, MOST_PROMPT);
   tiny_tokens(&r->m, (uint64_t)i + 50, j->prompt, MOST_PROMPT);
   tiny_tokens(&r->m, 49, common, MOST_PROMPT);
   if (i % 2) memcpy(j->prompt, common, 45 * sizeof *common);
   j->request = (pare_request){
      .prompt = j->prompt,
      .n = j->n_prompt,
      .sampling = { .temperature = i % 3 ? 0.9 : 0,
                    .top_p = 0.9,
                    .repeat_penalty = 1.2,
                    .repeat_window = 9,
                    .seed = i },
      .options = { .max_tokens = (int64_t)pare_rng_below(&rng, MOST_MADE), .on_token = take, .user = j },
      .on_finish = finish
   };
}

/* What the request gets alone becomes `expected`. */
static void run_alone(rig *r, job *j)
{
   pare_session *session;
   pare_sampler *sampler;
   assert_ok(&r->ctx,
             pare_session_create(&r->ctx, r->model, &(pare_session_options){ .slots = 1 }, &session));
   assert_ok(&r->ctx, pare_sampler_create(&r->ctx, &j->request.sampling, r->m.vocab, &sampler));
   assert_ok(&r->ctx, pare_generate(&r->ctx, r->model, session, sampler, j->prompt, j->n_prompt,
                                    &j->request.options, &j->alone));
   memcpy(j->expected, j->tokens, sizeof j->tokens);
   j->n_expected = j->n;
   pare_sampler_destroy(&r->ctx, sampler);
   pare_session_destroy(&r->ctx, session);
}

static void rig_start(rig *r, bool gpt2)
{
   memset(r, 0, sizeof *r);
   unit_heap_init(&r->ctx, &r->heap);
   r->m = gpt2 ? tiny_gpt2() : tiny_llama();
   r->m.context = CONTEXT;
   r->m.i8 = !gpt2;
   r->m.cache = gpt2 ? "f32" : "i8";
   r->model = tiny_model(&r->ctx, &r->m);
   r->model->n_end = 1;
   r->model->end[0] = 3;
   for (int i = 0; i < REQUESTS; i++) {
      make_job(r, i);
      run_alone(r, &r->jobs[i]);
   }
}

static void rig_end(rig *r)
{
   pare_model_destroy(&r->ctx, r->model);
   pare_ctx_finish(&r->ctx);
   ck_assert_int_eq(r->heap.blocks, 0);
}

static void reset(rig *r)
{
   for (int i = 0; i < REQUESTS; i++) {
      r->jobs[i].n = r->jobs[i].finished = 0;
      r->jobs[i].next = NULL;
   }
}

static void check_jobs(const rig *r)
{
   for (int i = 0; i < REQUESTS; i++) {
      const job *j = &r->jobs[i];
      ck_assert_int_eq(j->finished, 1);
      ck_assert_int_eq(j->n, j->n_expected);
      ck_assert_int_eq(memcmp(j->tokens, j->expected, (size_t)j->n * sizeof *j->tokens), 0);
      ck_assert_int_eq(j->result.finish, j->alone.finish);
      ck_assert_int_eq(j->result.tokens, j->alone.tokens);
      ck_assert_int_eq(j->result.steps + j->result.accepted, j->alone.steps);
      ck_assert_int_eq(j->result.prompt_tokens, (int64_t)j->n_prompt);
      ck_assert(j->result.prompt_seconds >= 0 && j->result.seconds >= 0);
   }
}

static const pare_speculate_options guesses = { .tokens = 6, .ngram = 2 };

static pare_scheduler *schedule(rig *r, int64_t slots, int64_t tokens, int64_t chunk, bool lookup,
                                pare_session **session)
{
   pare_session_options limits = { .slots = slots, .tokens = tokens };
   pare_scheduler_options options = { .chunk = chunk, .lookup = lookup ? &guesses : NULL };
   pare_scheduler *s;
   assert_ok(&r->ctx, pare_session_create(&r->ctx, r->model, &limits, session));
   assert_ok(&r->ctx, pare_scheduler_create(&r->ctx, r->model, *session, &options, &s));
   return s;
}

static void run_out(rig *r, pare_scheduler *s)
{
   bool busy = true;
   while (busy) assert_ok(&r->ctx, pare_scheduler_step(&r->ctx, s, &busy));
}

/* All come in order of the list, some at once and some while others run. */
static pare_scheduler_stats run_all(rig *r, int64_t slots, int64_t tokens, int64_t chunk, bool lookup,
                                    uint64_t seed)
{
   pare_session *session;
   pare_scheduler *s = schedule(r, slots, tokens, chunk, lookup, &session);
   pare_rng rng;
   bool busy;
   pare_rng_seed(&rng, seed);
   reset(r);
   for (int i = 0; i < REQUESTS; i++) {
      assert_ok(&r->ctx, pare_scheduler_add(&r->ctx, s, &r->jobs[(i + (int)seed) % REQUESTS].request));
      int steps = seed ? (int)pare_rng_below(&rng, 6) : 0;
      while (steps-- > 0) assert_ok(&r->ctx, pare_scheduler_step(&r->ctx, s, &busy));
   }
   run_out(r, s);
   check_jobs(r);
   pare_scheduler_stats stats = pare_scheduler_done(s);
   pare_scheduler_destroy(&r->ctx, s);
   pare_session_destroy(&r->ctx, session);
   return stats;
}

START_TEST(each_is_as_if_alone)
{
   static const int64_t chunks[] = { 0, 1, 5, 17 }, rooms[] = { 0, 40, 7 };
   for (int gpt2 = 0; gpt2 < 2; gpt2++) {
      rig r;
      rig_start(&r, gpt2);
      for (int i = 0; i < 16; i++) {
         int64_t slots = i % 4 + 1, room = rooms[i % 3];
         run_all(&r, slots, room, chunks[i / 4], false, (uint64_t)i);
      }
      rig_end(&r);
   }
}
END_TEST

/* Guesses fill batches of any size, come true or not, and change no text. */
START_TEST(looks_up_for_each)
{
   static const int64_t rooms[] = { 0, 40, 7, 4 };
   int64_t accepted = 0, refused = 0;
   for (int gpt2 = 0; gpt2 < 2; gpt2++) {
      rig r;
      rig_start(&r, gpt2);
      for (int i = 0; i < 16; i++) {
         pare_scheduler_stats stats = run_all(&r, i % 4 + 1, rooms[i / 4], i % 3 * 5, true, (uint64_t)i);
         accepted += stats.accepted;
         refused += stats.guessed - stats.accepted;
      }
      rig_end(&r);
   }
   ck_assert_int_gt(accepted, 100);
   ck_assert_int_gt(refused, 100);
}
END_TEST

START_TEST(threads_change_nothing)
{
   rig r;
   rig_start(&r, false);
   r.ctx.threads = 3;
   run_all(&r, 3, 30, 8, true, 4);
   rig_end(&r);
}
END_TEST

/* Six prompts of 45 shared and a few own tokens, all at once: the shared part is computed once. */
START_TEST(shared_prefixes_are_computed_once)
{
   rig r;
   pare_session *session;
   rig_start(&r, false);
   pare_scheduler *s = schedule(&r, 6, 100, 0, false, &session);
   int64_t prompts = 0, made = 0;
   reset(&r);
   for (int i = 0; i < 6; i++) {
      job *j = &r.jobs[i];
      memcpy(j->prompt, r.jobs[1].prompt, 45 * sizeof *j->prompt);
      j->prompt[45] = (uint32_t)i;
      j->request.n = j->n_prompt = 50;
      j->request.options.max_tokens = 10;
      j->n = 0;
      run_alone(&r, j);
      j->n = j->finished = 0;
      assert_ok(&r.ctx, pare_scheduler_add(&r.ctx, s, &j->request));
   }
   run_out(&r, s);
   for (int i = 0; i < 6; i++) {
      job *j = &r.jobs[i];
      ck_assert_int_eq(j->n, j->n_expected);
      ck_assert_int_eq(memcmp(j->tokens, j->expected, (size_t)j->n * sizeof *j->tokens), 0);
      ck_assert_int_eq(j->result.reused, i ? 45 : 0);
      prompts += 50;
      made += j->result.steps - 1; /* the first logits are the prompt's */
   }
   pare_scheduler_stats stats = pare_scheduler_done(s);
   ck_assert_int_eq(stats.reused, 5 * 45);
   ck_assert_int_eq(stats.tokens, prompts + made - stats.reused);
   ck_assert_int_le(stats.steps, 12);
   pare_scheduler_destroy(&r.ctx, s);
   pare_session_destroy(&r.ctx, session);
   rig_end(&r);
}
END_TEST

/* A conversation goes on in its slot although others ran meanwhile; its next turn begins with all before. */
START_TEST(conversations_keep_their_slot)
{
   rig r;
   pare_session *session;
   rig_start(&r, false);
   pare_scheduler *s = schedule(&r, 2, 0, 0, false, &session);
   job *first = &r.jobs[0], *other = &r.jobs[2], *turn = &r.jobs[4];
   first->n_prompt = first->request.n = 20;
   first->request.options = (pare_generate_options){ .max_tokens = 10, true, take, first };
   other->n_prompt = other->request.n = 30;
   reset(&r);
   assert_ok(&r.ctx, pare_scheduler_add(&r.ctx, s, &first->request));
   run_out(&r, s);
   assert_ok(&r.ctx, pare_scheduler_add(&r.ctx, s, &other->request));
   run_out(&r, s);
   memcpy(turn->prompt, first->prompt, 20 * sizeof *turn->prompt);
   memcpy(turn->prompt + 20, first->tokens, 10 * sizeof *turn->prompt);
   turn->n_prompt = turn->request.n = 40;
   run_alone(&r, turn);
   turn->n = 0;
   assert_ok(&r.ctx, pare_scheduler_add(&r.ctx, s, &turn->request));
   run_out(&r, s);
   ck_assert_int_eq(turn->result.reused, 29); /* the last token that was made was never fed */
   ck_assert_int_eq(turn->n, turn->n_expected);
   ck_assert_int_eq(memcmp(turn->tokens, turn->expected, (size_t)turn->n * sizeof *turn->tokens), 0);
   pare_scheduler_destroy(&r.ctx, s);
   pare_session_destroy(&r.ctx, session);
   rig_end(&r);
}
END_TEST

START_TEST(requests_come_from_callbacks)
{
   rig r;
   pare_session *session;
   rig_start(&r, true);
   pare_scheduler *s = schedule(&r, 2, 0, 0, false, &session);
   reset(&r);
   for (int i = 0; i + 1 < REQUESTS; i++) {
      r.jobs[i].then_add = s;
      r.jobs[i].next = &r.jobs[i + 1];
   }
   assert_ok(&r.ctx, pare_scheduler_add(&r.ctx, s, &r.jobs[0].request));
   run_out(&r, s);
   check_jobs(&r);
   pare_scheduler_destroy(&r.ctx, s);
   pare_session_destroy(&r.ctx, session);
   rig_end(&r);
}
END_TEST

static pare_status fail_token(pare_ctx *ctx, void *user, uint32_t token)
{
   (void)user;
   (void)token;
   return pare_fail(ctx, PARE_STOPPED, NULL, "enough");
}

START_TEST(refuses)
{
   rig r;
   pare_session *session;
   pare_scheduler *s, *none;
   bool busy;
   rig_start(&r, false);
   assert_ok(&r.ctx, pare_session_create(&r.ctx, r.model, &(pare_session_options){ .slots = 4, .tokens = 3 },
                                         &session));
   pare_scheduler_options options = { 0 };
   assert_fails(&r.ctx, pare_scheduler_create(&r.ctx, r.model, session, &options, &s), PARE_USAGE,
                "3 tokens and 3 rows for 4 sequences");
   pare_session_destroy(&r.ctx, session);
   s = schedule(&r, 2, 0, 0, false, &session);
   options.chunk = -1;
   assert_fails(&r.ctx, pare_scheduler_create(&r.ctx, r.model, session, &options, &none), PARE_USAGE,
                "-1, expected at least 0");
   options = (pare_scheduler_options){ .lookup = &(pare_speculate_options){ .tokens = 0, .ngram = 2 } };
   assert_fails(&r.ctx, pare_scheduler_create(&r.ctx, r.model, session, &options, &none), PARE_USAGE,
                "drafts of 0 tokens");
   pare_request bad = r.jobs[0].request;
   bad.n = 0;
   assert_fails(&r.ctx, pare_scheduler_add(&r.ctx, s, &bad), PARE_INPUT, "0 tokens, expected 1 to 100");
   bad.n = 101;
   assert_fails(&r.ctx, pare_scheduler_add(&r.ctx, s, &bad), PARE_INPUT, "101 tokens, expected 1 to 100");
   bad.n = 1;
   bad.prompt = &(uint32_t){ (uint32_t)r.model->vocab };
   assert_fails(&r.ctx, pare_scheduler_add(&r.ctx, s, &bad), PARE_INPUT, "token 0 of the prompt: id");
   bad = r.jobs[0].request;
   bad.sampling.top_p = 0;
   assert_fails(&r.ctx, pare_scheduler_add(&r.ctx, s, &bad), PARE_USAGE, "expected 1e-09 to 1");
   bad = r.jobs[0].request;
   bad.options.speculator = (pare_speculator *)(void *)&r;
   assert_fails(&r.ctx, pare_scheduler_add(&r.ctx, s, &bad), PARE_USAGE, "cannot speculate");
   assert_ok(&r.ctx, pare_scheduler_step(&r.ctx, s, &busy));
   ck_assert(!busy);
   for (int i = 0; i < 4; i++) {
      bad = r.jobs[i].request;
      bad.options.max_tokens = 9;
      bad.options.ignore_end_tokens = true;
      bad.options.on_token = fail_token;
      assert_ok(&r.ctx, pare_scheduler_add(&r.ctx, s, &bad));
   }
   assert_fails(&r.ctx, pare_scheduler_step(&r.ctx, s, &busy), PARE_STOPPED, "enough");
   pare_scheduler_destroy(&r.ctx, s);
   pare_scheduler_destroy(&r.ctx, NULL);
   pare_session_destroy(&r.ctx, session);
   rig_end(&r);
}
END_TEST

/* Fewer than the vocabulary where the embedding is not the head. */
START_TEST(ids_are_rows_of_the_smallest_table)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_llama();
   m.table = 20;
   pare_model *model = tiny_model(&ctx, &m);
   pare_session *session;
   pare_scheduler *s;
   bool busy = true;
   static job j; /* what is taken is counted here */
   uint32_t prompt[] = { 3, 20 };
   const pare_request request = { .prompt = prompt,
                                  .n = 2,
                                  .sampling = { .top_p = 1, .repeat_penalty = 1 },
                                  .options = { .max_tokens = 1, .on_token = take, .user = &j },
                                  .on_finish = finish };
   assert_ok(&ctx, pare_session_create(&ctx, model, &(pare_session_options){ .slots = 2 }, &session));
   assert_ok(&ctx, pare_scheduler_create(&ctx, model, session, &(pare_scheduler_options){ 0 }, &s));
   assert_fails(&ctx, pare_scheduler_add(&ctx, s, &request), PARE_INPUT,
                "token 1 of the prompt: id 20, expected 0 to 19");
   prompt[1] = 19;
   assert_ok(&ctx, pare_scheduler_add(&ctx, s, &request));
   while (busy) assert_ok(&ctx, pare_scheduler_step(&ctx, s, &busy));
   ck_assert_int_eq(j.finished, 1);
   ck_assert_int_eq(j.n, 1);
   pare_scheduler_destroy(&ctx, s);
   pare_session_destroy(&ctx, session);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

static pare_status run_three(rig *r, pare_session *session)
{
   pare_scheduler *s;
   bool busy = true;
   PARE_TRY(
      pare_scheduler_create(&r->ctx, r->model, session, &(pare_scheduler_options){ .lookup = &guesses }, &s));
   pare_status status = PARE_OK;
   for (int i = 0; i < 3 && status == PARE_OK; i++)
      status = pare_scheduler_add(&r->ctx, s, &r->jobs[i].request);
   while (busy && status == PARE_OK) status = pare_scheduler_step(&r->ctx, s, &busy);
   pare_scheduler_destroy(&r->ctx, s);
   return status;
}

START_TEST(survives_lack_of_memory)
{
   rig r;
   pare_session *session;
   pare_status status = PARE_RESOURCE;
   rig_start(&r, false);
   assert_ok(&r.ctx, pare_session_create(&r.ctx, r.model, &(pare_session_options){ .slots = 2 }, &session));
   long blocks = r.heap.blocks, fail = 0;
   while (status != PARE_OK) {
      reset(&r);
      r.heap.calls = 0;
      r.heap.fail_at = ++fail;
      status = run_three(&r, session);
      ck_assert(status == PARE_OK || status == PARE_RESOURCE);
      ck_assert_int_eq(r.heap.blocks, blocks);
      pare_ctx_clear(&r.ctx);
   }
   ck_assert_int_gt(fail, 15);
   r.heap.fail_at = 0;
   pare_session_destroy(&r.ctx, session);
   rig_end(&r);
}
END_TEST

UNIT_MAIN("scheduler", each_is_as_if_alone, looks_up_for_each, threads_change_nothing,
          shared_prefixes_are_computed_once, conversations_keep_their_slot, requests_come_from_callbacks,
          refuses, ids_are_rows_of_the_smallest_table, survives_lack_of_memory)
