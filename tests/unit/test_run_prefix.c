/* Prefixes: what a slot holds, its comparison with a text, copies from slot to slot, bit for bit. */
#include "run/session.h"
#include "test_run_models.h"

enum { N = 70, SHARED = 50 };

typedef struct rig {
   pare_ctx ctx;
   unit_heap heap;
   tiny m;
   pare_model *model;
   pare_session *session;
   uint32_t a[N], b[N]; /* begin alike */
} rig;

static void rig_start(rig *r, int kind)
{
   unit_heap_init(&r->ctx, &r->heap);
   r->m = kind % 2 ? tiny_gpt2() : tiny_llama();
   r->m.context = 80;
   r->m.i8 = kind / 2 % 2;
   r->m.cache = kind / 4 == 0 ? "f32" : kind / 4 == 1 ? "f16" : "i8";
   tiny_tokens(&r->m, 1, r->a, N);
   tiny_tokens(&r->m, 2, r->b, N);
   memcpy(r->b, r->a, SHARED * sizeof *r->b);
   r->b[SHARED] = r->a[SHARED] ^ 1;
   r->model = tiny_model(&r->ctx, &r->m);
   pare_session_options options = { .slots = 3, .tokens = 24 };
   assert_ok(&r->ctx, pare_session_create(&r->ctx, r->model, &options, &r->session));
}

static void rig_end(rig *r)
{
   pare_session_destroy(&r->ctx, r->session);
   pare_model_destroy(&r->ctx, r->model);
   pare_ctx_finish(&r->ctx);
   ck_assert_int_eq(r->heap.blocks, 0);
}

static const float *prefill(rig *r, int64_t slot, const uint32_t *tokens, int64_t from, int64_t to)
{
   const float *logits;
   assert_ok(&r->ctx,
             pare_session_prefill(&r->ctx, r->session, slot, tokens + from, from, to - from, &logits));
   return logits;
}

START_TEST(copies_are_as_good_as_computed)
{
   static const int64_t counts[] = { 1, 15, 16, 17, 32, SHARED };
   for (int kind = 0; kind < 12; kind++) {
      rig r;
      rig_start(&r, kind);
      size_t bytes = (size_t)r.m.vocab * sizeof(float);
      float *expected = malloc(bytes);
      memcpy(expected, prefill(&r, 2, r.b, 0, N), bytes);
      prefill(&r, 0, r.a, 0, N);
      for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
         prefill(&r, 1, r.a + 9, 0, 40);
         assert_ok(&r.ctx, pare_session_copy(&r.ctx, r.session, 0, 1, counts[i]));
         ck_assert_int_eq(pare_session_held(r.session, 1), counts[i]);
         ck_assert_int_eq(pare_session_prefix(r.session, 1, r.b, N), counts[i]);
         const float *logits = prefill(&r, 1, r.b, counts[i], N);
         ck_assert_msg(memcmp(logits, expected, bytes) == 0, "kind %d, %d copied", kind, (int)counts[i]);
      }
      free(expected);
      rig_end(&r);
   }
}
END_TEST

START_TEST(knows_what_it_holds)
{
   rig r;
   rig_start(&r, 0);
   ck_assert_int_eq(pare_session_prefix(r.session, 0, r.a, N), 0);
   prefill(&r, 0, r.a, 0, N);
   ck_assert_int_eq(pare_session_held(r.session, 0), N);
   ck_assert_int_eq(pare_session_prefix(r.session, 0, r.a, N), N);
   ck_assert_int_eq(pare_session_prefix(r.session, 0, r.a, 7), 7);
   ck_assert_int_eq(pare_session_prefix(r.session, 0, r.b, N), SHARED);
   ck_assert_int_eq(pare_session_prefix(r.session, 1, r.a, N), 0);
   prefill(&r, 0, r.b, SHARED - 3, SHARED + 5); /* goes back: what came after is dropped */
   ck_assert_int_eq(pare_session_held(r.session, 0), SHARED + 5);
   ck_assert_int_eq(pare_session_prefix(r.session, 0, r.b, N), SHARED + 5);
   ck_assert_int_eq(pare_session_prefix(r.session, 0, r.a, N), SHARED);
   rig_end(&r);
}
END_TEST

START_TEST(refuses_what_is_not_there)
{
   rig r;
   rig_start(&r, 0);
   prefill(&r, 0, r.a, 0, 10);
   prefill(&r, 1, r.b, 0, 4);
   assert_fails(&r.ctx, pare_session_copy(&r.ctx, r.session, 0, 0, 1), PARE_INPUT, "expected two of 0 to 2");
   assert_fails(&r.ctx, pare_session_copy(&r.ctx, r.session, 0, 3, 1), PARE_INPUT, "sequence 0 to 3");
   assert_fails(&r.ctx, pare_session_copy(&r.ctx, r.session, -1, 1, 1), PARE_INPUT, "sequence -1");
   assert_fails(&r.ctx, pare_session_copy(&r.ctx, r.session, 0, 1, 11), PARE_INPUT, "it has 10");
   assert_fails(&r.ctx, pare_session_copy(&r.ctx, r.session, 0, 1, -1), PARE_INPUT, "-1 positions");
   ck_assert_int_eq(pare_session_held(r.session, 1), 4);
   assert_ok(&r.ctx, pare_session_copy(&r.ctx, r.session, 0, 1, 0));
   ck_assert_int_eq(pare_session_held(r.session, 1), 0);
   rig_end(&r);
}
END_TEST

UNIT_MAIN("prefix", copies_are_as_good_as_computed, knows_what_it_holds, refuses_what_is_not_there)
