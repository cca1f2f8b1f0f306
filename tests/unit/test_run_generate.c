/* Generation: the loop's ends, its callback, and that decode continues what prefill began. */
#include "run/generate.h"
#include "test_run_models.h"

typedef struct made {
   uint32_t tokens[64];
   int64_t n, fail_at;
} made;

static pare_status take(pare_ctx *ctx, void *user, uint32_t token)
{
   made *m = user;
   m->tokens[m->n++] = token;
   return m->n == m->fail_at ? pare_fail(ctx, PARE_STOPPED, NULL, "enough") : PARE_OK;
}

typedef struct rig {
   pare_ctx ctx;
   unit_heap heap;
   pare_model *model;
   pare_session *session;
   pare_sampler *sampler;
   uint32_t prompt[9];
} rig;

static void rig_start(rig *r, double temperature)
{
   tiny m = tiny_llama();
   unit_heap_init(&r->ctx, &r->heap);
   pare_sampler_options options = { .temperature = temperature, .top_p = 1, .repeat_penalty = 1 };
   tiny_tokens(&m, 9, r->prompt, 9);
   r->model = tiny_model(&r->ctx, &m);
   assert_ok(&r->ctx, pare_session_create(&r->ctx, r->model,
                                          &(pare_session_options){ .slots = 1, .tokens = 4 }, &r->session));
   assert_ok(&r->ctx, pare_sampler_create(&r->ctx, &options, m.vocab, &r->sampler));
}

static void rig_end(rig *r)
{
   pare_sampler_destroy(&r->ctx, r->sampler);
   pare_session_destroy(&r->ctx, r->session);
   pare_model_destroy(&r->ctx, r->model);
   pare_ctx_finish(&r->ctx);
   ck_assert_int_eq(r->heap.blocks, 0);
}

static pare_status generate(rig *r, made *m, int64_t most, bool ignore_end, pare_generate_result *result)
{
   pare_generate_options options = {
      .max_tokens = most, .ignore_end_tokens = ignore_end, .on_token = take, .user = m
   };
   return pare_generate(&r->ctx, r->model, r->session, r->sampler, r->prompt, 9, &options, result);
}

START_TEST(ends_where_it_should)
{
   rig r;
   made m = { 0 }, again = { 0 };
   pare_generate_result result;
   rig_start(&r, 1);
   assert_ok(&r.ctx, generate(&r, &m, 12, false, &result));
   ck_assert_int_eq(result.finish, PARE_FINISH_LENGTH);
   ck_assert_int_eq(result.tokens, 12);
   ck_assert_int_eq(m.n, 12);
   ck_assert_int_eq(result.prompt_tokens, 9);
   ck_assert(result.prompt_seconds >= 0 && result.seconds >= 0);
   assert_ok(&r.ctx, generate(&r, &again, 1000, false, &result));
   ck_assert_int_eq(result.finish, PARE_FINISH_CONTEXT);
   ck_assert_int_eq(result.tokens, 40 - 9 + 1); /* the last one has no position any more */
   again.n = 0;
   assert_ok(&r.ctx, generate(&r, &again, 0, false, &result));
   ck_assert_int_eq(result.tokens, 0);
   ck_assert_int_eq(again.n, 0);
   rig_end(&r);
}
END_TEST

START_TEST(stops_at_an_end_token)
{
   rig r;
   made m = { 0 }, ended = { 0 };
   pare_generate_result result;
   rig_start(&r, 0);
   assert_ok(&r.ctx, generate(&r, &m, 20, false, &result));
   r.model->n_end = 2;
   r.model->end[0] = -1;
   r.model->end[1] = m.tokens[5];
   int64_t first = 0;
   while (m.tokens[first] != m.tokens[5]) first++;
   assert_ok(&r.ctx, generate(&r, &ended, 20, false, &result));
   ck_assert_int_eq(result.finish, PARE_FINISH_END_TOKEN);
   ck_assert_int_eq(result.tokens, first);
   ck_assert_int_eq(ended.n, first);
   ended.n = 0;
   assert_ok(&r.ctx, generate(&r, &ended, 20, true, &result));
   ck_assert_int_eq(ended.n, 20);
   ck_assert_int_eq(memcmp(ended.tokens, m.tokens, 20 * sizeof *m.tokens), 0);
   rig_end(&r);
}
END_TEST

/* Each token is the most likely one after a prefill of all before it. */
START_TEST(decode_continues_prefill)
{
   rig r;
   made m = { 0 };
   pare_generate_result result;
   uint32_t text[40];
   rig_start(&r, 0);
   assert_ok(&r.ctx, generate(&r, &m, 10, false, &result));
   memcpy(text, r.prompt, sizeof r.prompt);
   for (int64_t i = 0; i < 10; i++) {
      const float *logits;
      uint32_t token;
      assert_ok(&r.ctx, pare_session_prefill(&r.ctx, r.session, 0, text, 0, 9 + i, &logits));
      assert_ok(&r.ctx, pare_sampler_next(&r.ctx, r.sampler, logits, NULL, 0, &token));
      ck_assert_uint_eq(token, m.tokens[i]);
      text[9 + i] = token;
   }
   rig_end(&r);
}
END_TEST

START_TEST(passes_failures_on)
{
   rig r;
   made m = { .fail_at = 3 };
   pare_generate_result result;
   pare_generate_options options = { .max_tokens = 1 };
   uint32_t text[41] = { 0 };
   rig_start(&r, 0);
   assert_fails(&r.ctx, generate(&r, &m, 10, false, &result), PARE_STOPPED, "enough");
   ck_assert_int_eq(m.n, 3);
   assert_fails(&r.ctx, pare_generate(&r.ctx, r.model, r.session, r.sampler, text, 41, &options, &result),
                PARE_INPUT, "41 tokens, expected 1 to 40");
   assert_fails(&r.ctx, pare_generate(&r.ctx, r.model, r.session, r.sampler, text, 0, &options, &result),
                PARE_INPUT, "0 tokens");
   volatile sig_atomic_t stop = SIGINT;
   r.ctx.stop = &stop;
   assert_fails(&r.ctx, generate(&r, &m, 10, false, &result), PARE_STOPPED, "signal");
   r.ctx.stop = NULL;
   r.heap.calls = 0;
   r.heap.fail_at = 1;
   assert_fails(&r.ctx, generate(&r, &m, 10, false, &result), PARE_RESOURCE, "out of memory");
   r.heap.fail_at = 0;
   assert_ok(&r.ctx, pare_generate(&r.ctx, r.model, r.session, r.sampler, text, 40, &options, &result));
   ck_assert_int_eq(result.finish, PARE_FINISH_LENGTH);
   rig_end(&r);
}
END_TEST

UNIT_MAIN("generate", ends_where_it_should, stops_at_an_end_token, decode_continues_prefill,
          passes_failures_on)
