/* The executor: against the reference evaluator, and the same bits however a sequence is cut, batched,
 * threaded or computed. */
#include "base/cpu.h"
#include "base/memory.h"
#include "test_run_models.h"

enum { N = 23, MOST_TOKENS = TINY_MOST_TOKENS };

static pare_status decode(pare_ctx *ctx, void *user, const pare_weight *weight, float *out)
{
   (void)user;
   return pare_weight_read(ctx, weight, 0, weight->dim[0], out);
}

/* The reference evaluator's logits of one sequence. */
static float *evaluate(pare_ctx *ctx, const pare_model *model, const tiny *m, const uint32_t *tokens,
                       int64_t n)
{
   int32_t ids[64], positions[64], slots[64] = { 0 };
   for (int32_t i = 0; i < n; i++) {
      ids[i] = (int32_t)tokens[i];
      positions[i] = i;
   }
   pare_sizes sizes = { .tokens = n, .rows = n, .slots = 1, .past = n };
   pare_binding bindings[8] = { { "tokens", ids }, { "positions", positions }, { "sequences", slots },
                                { "rows", positions } };
   char names[4][16];
   for (int i = 0; i < m->layers; i++) {
      snprintf(names[i], sizeof names[i], "kv.%d", i);
      bindings[4 + i].name = names[i];
      bindings[4 + i].data = calloc((size_t)(m->kv_heads * 2 * m->head_dim * n), sizeof(float));
   }
   float *out = malloc((size_t)(n * m->vocab) * sizeof *out);
   pare_evaluation evaluation = { .sizes = sizes, .bindings = bindings, .n_bindings = 4 + (size_t)m->layers,
                                  .decode = decode, .outputs = &out };
   assert_ok(ctx, pare_evaluate(ctx, model->graph, &evaluation));
   for (int i = 0; i < m->layers; i++) free(bindings[4 + i].data);
   return out;
}

/* Largest difference as a share of the range of the expected values. */
static double difference(const float *found, const float *expected, int64_t n)
{
   double low = INFINITY, high = -INFINITY, worst = 0;
   for (int64_t i = 0; i < n; i++) {
      double distance = fabs((double)found[i] - (double)expected[i]);
      low = fmin(low, (double)expected[i]);
      high = fmax(high, (double)expected[i]);
      worst = distance <= worst ? worst : distance;
   }
   return worst / (high - low);
}

static void check_reference(pare_ctx *ctx, const tiny *m, double tolerance)
{
   uint32_t tokens[N];
   tiny_tokens(m, 5, tokens, N);
   pare_model *model = tiny_model(ctx, m);
   float *found = tiny_run(ctx, model, tokens, N, 10, 0), *expected = evaluate(ctx, model, m, tokens, N);
   double d = difference(found, expected, N * m->vocab);
   ck_assert_msg(d <= tolerance, "%s %s cache, weights %s%s: %g", m->gpt2 ? "gpt2" : "llama", m->cache,
                 m->weights, m->i8 ? " i8" : "", d);
   free(found);
   free(expected);
   pare_model_destroy(ctx, model);
}

static const char *const caches[] = { "f32", "f16", "i8" };

/* How far the executor may be from the evaluator, which does not round the weights of attention to 8 bits. */
static double tolerance_of(const tiny *m)
{
   if ((m->i8 && !m->act) || strcmp(m->cache, "i8") == 0) return 2e-2;
   if (m->i8 && strcmp(m->act, "i16") == 0) return 1e-4;
   return strcmp(m->cache, "f16") == 0 ? 1e-3 : 3e-6;
}

/* f16 cache and int8 activations: a difference in the last bit of f32 can move a value to the next code,
 * which is worth a thousandth (f16) or a hundredth (int8) of it; such moves are rare. */
START_TEST(agrees_with_the_reference)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 36; i++) {
      tiny m = i % 2 ? tiny_gpt2() : tiny_llama();
      m.cache = caches[i / 2 % 3];
      m.i8 = i / 6 % 2;
      m.weights = i / 12 == 0 ? "f32" : i / 12 == 1 ? "f16" : "bf16";
      m.window = i / 12 == 1 ? 6 : 0;
      m.head_dim = i / 12 == 2 && i % 2 == 0 ? 32 : 16;
      check_reference(&ctx, &m, tolerance_of(&m));
      if (m.gpt2) continue;
      m.heads = m.kv_heads = 3;
      m.head_dim = 64; /* stays rotated after attention over an i8 cache */
      check_reference(&ctx, &m, tolerance_of(&m));
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Attention whose results stay rotated, for two products. */
static void make_rotated(tiny *m)
{
   m->cache = "i8";
   m->heads = m->kv_heads = 3;
   m->head_dim = 64;
   m->dim = 192;
   m->twice = true;
}

/* What a graph was fused into runs to the same bits. */
START_TEST(fused_as_unfused)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 24; i++) {
      tiny m = i % 2 ? tiny_gpt2() : tiny_llama();
      uint32_t tokens[N];
      int kind = i / 2 % 6;
      m.i8 = kind > 0;
      m.bits = kind == 2 ? 4 : kind == 3 ? 2 : 0;
      m.act = kind < 4 ? NULL : kind == 4 ? "i16" : "f32";
      if (i >= 12) make_rotated(&m);
      tiny_tokens(&m, 5, tokens, N);
      pare_model *fused = tiny_model(&ctx, &m);
      m.fused = false;
      pare_model *plain = tiny_model(&ctx, &m);
      ck_assert_uint_lt(fused->graph->n_nodes, plain->graph->n_nodes);
      float *a = tiny_run(&ctx, fused, tokens, N, 10, 0), *b = tiny_run(&ctx, plain, tokens, N, 10, 0);
      ck_assert_int_eq(memcmp(a, b, (size_t)(N * m.vocab) * sizeof *a), 0);
      free(a);
      free(b);
      pare_model_destroy(&ctx, fused);
      pare_model_destroy(&ctx, plain);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Sizes that are multiples of nothing, and no rotation. */
static void make_odd(tiny *m)
{
   m->dim = 30;
   m->head_dim = 10;
   m->heads = m->kv_heads = 3;
   m->ffn = 41;
   m->vocab = 19;
}

START_TEST(odd_sizes)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 16; i++) {
      static const int bits[] = { 0, 4, 3, 2 };
      tiny m = tiny_llama();
      make_odd(&m);
      m.i8 = i % 2;
      m.bits = bits[i / 4];
      m.cache = caches[i / 2 % 2];
      check_reference(&ctx, &m, tolerance_of(&m));
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

static const char *const acts[] = { "i16", "f32" };

/* Integer weights with finer activations: much closer to the evaluator than int8 can be. Sizes that rotate and some
 * that are multiples of nothing. */
START_TEST(agrees_with_finer_activations)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 24; i++) {
      static const int bits[] = { 0, 4, 3, 2 };
      tiny m = i % 3 == 1 ? tiny_gpt2() : tiny_llama();
      m.i8 = true;
      m.act = acts[i / 3 % 2];
      m.bits = bits[i / 6];
      if (i % 3 == 2) make_odd(&m);
      check_reference(&ctx, &m, tolerance_of(&m));
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

static void assert_same(const float *a, const float *b, int64_t n, const char *what)
{
   ck_assert_msg(memcmp(a, b, (size_t)n * sizeof *a) == 0, "%s: bits differ", what);
}

/* Large enough that the pool is used. */
static tiny wide(bool gpt2)
{
   tiny m = gpt2 ? tiny_gpt2() : tiny_llama();
   m.dim = gpt2 ? 48 : 256;
   m.ffn = 640;
   m.layers = 1;
   m.vocab = 300;
   return m;
}

static void check_bits(pare_ctx *ctx, const tiny *m, int64_t n)
{
   uint32_t tokens[150];
   int64_t all = n * m->vocab;
   tiny_tokens(m, 6, tokens, n);
   pare_model *model = tiny_model(ctx, m);
   float *first = tiny_run(ctx, model, tokens, n, n < 64 ? n : 64, 0);
   for (int i = 0; i < 6; i++) {
      static const int64_t chunks[] = { 1, 7, 33, 33, 5, 33 };
      ctx->threads = i % 3 + 1;
      ctx->cpu = i >= 3 ? 0 : pare_cpu_detect();
      float *again = tiny_run(ctx, model, tokens, n, chunks[i], i);
      assert_same(again, first, all, m->i8 ? "i8" : "f32");
      free(again);
   }
   ctx->threads = 1;
   ctx->cpu = pare_cpu_detect();
   free(first);
   pare_model_destroy(ctx, model);
}

START_TEST(same_bits_in_every_way)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 14; i++) {
      tiny m = wide(i % 2);
      m.i8 = i / 2 % 2 || i >= 8;
      m.bits = i >= 8 ? i / 2 - 2 : 0;
      m.cache = i / 4 ? "f16" : "f32";
      check_bits(&ctx, &m, N + 10);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(same_bits_of_finer_activations)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 12; i++) {
      static const int bits[] = { 0, 4, 2 };
      tiny m = wide(i % 2);
      m.i8 = true;
      m.act = acts[i / 2 % 2];
      m.bits = bits[i / 4];
      m.context = 160;
      check_bits(&ctx, &m, i < 4 ? 150 : N + 10);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Batches around the sizes at which products cut their rows into groups, by how many workers there are. */
START_TEST(same_bits_of_many_rows)
{
   static const struct {
      int64_t rows;
      int threads;
   } cuts[] = { { 1024, 1 }, { 1024, 2 }, { 1024, 3 }, { 1024, 7 }, { 513, 2 }, { 512, 7 }, { 511, 3 }, { 255, 2 } };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 6; i++) {
      tiny m = i % 2 ? tiny_gpt2() : tiny_llama(); /* a gated layer, a plain one with an activation */
      uint32_t tokens[MOST_TOKENS];
      m.i8 = true;
      m.act = i < 2 ? NULL : acts[i / 2 - 1];
      m.layers = 1;
      m.context = MOST_TOKENS;
      m.window = 40;
      m.cache = i % 2 ? "f32" : "i8";
      m.heads = m.kv_heads = m.gpt2 ? m.heads : 2;
      m.head_dim = m.gpt2 ? m.head_dim : 64;
      tiny_tokens(&m, 6, tokens, MOST_TOKENS);
      pare_model *model = tiny_model(&ctx, &m);
      float *first = tiny_run(&ctx, model, tokens, MOST_TOKENS, 64, 0);
      for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
         ctx.threads = cuts[c].threads;
         float *again = tiny_run(&ctx, model, tokens, MOST_TOKENS, cuts[c].rows, 0);
         assert_same(again, first, (int64_t)MOST_TOKENS * m.vocab, "many rows");
         free(again);
      }
      ctx.threads = 1;
      free(first);
      pare_model_destroy(&ctx, model);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* The int8 cache over several blocks of positions: groups of heads larger and smaller than a call of the kernel,
 * windows, head sizes with and without rotation. */
START_TEST(same_bits_from_an_int8_cache)
{
   static const struct {
      int heads, kv_heads, head_dim, window;
   } cases[] = { { 4, 2, 16, 0 }, { 3, 3, 32, 70 }, { 20, 1, 16, 0 },
                 { 6, 2, 12, 5 }, { 2, 1, 16, 0 },  { 3, 1, 64, 9 } };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      tiny m = tiny_llama();
      m.cache = "i8";
      m.i8 = i % 2;
      m.layers = 1;
      m.context = 160;
      m.heads = cases[i].heads;
      m.kv_heads = cases[i].kv_heads;
      m.head_dim = cases[i].head_dim;
      m.window = cases[i].window;
      check_bits(&ctx, &m, 150);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Token i of sequence a stands beside token i - 3 of sequence b, in one batch a step. */
START_TEST(sequences_do_not_meet)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_llama();
   m.i8 = true;
   m.cache = "i8";
   uint32_t a[N], b[N];
   tiny_tokens(&m, 1, a, N);
   tiny_tokens(&m, 2, b, N);
   pare_model *model = tiny_model(&ctx, &m);
   float *alone[2] = { tiny_run(&ctx, model, a, N, N, 0), tiny_run(&ctx, model, b, N, N, 0) };
   pare_session *session;
   assert_ok(&ctx, pare_session_create(&ctx, model, &(pare_session_options){ .slots = 3 }, &session));
   for (int32_t i = 0; i < N + 3; i++) {
      int32_t positions[2], slots[2], rows[2] = { 0, 1 };
      uint32_t tokens[2];
      int64_t n = 0;
      const float *logits;
      if (i < N) tokens[n] = a[i], positions[n] = i, slots[n++] = 2;
      if (i >= 3) tokens[n] = b[i - 3], positions[n] = i - 3, slots[n++] = 0;
      pare_batch batch = { n, tokens, positions, slots, n, rows };
      assert_ok(&ctx, pare_session_step(&ctx, session, &batch, &logits));
      for (int64_t row = 0; row < n; row++) {
         const float *expected = alone[slots[row] == 0] + positions[row] * m.vocab;
         assert_same(logits + row * m.vocab, expected, m.vocab, "two sequences");
      }
   }
   free(alone[0]);
   free(alone[1]);
   pare_session_destroy(&ctx, session);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* ---- batches that are refused, and odd ones that are not ---- */

static pare_status step(pare_ctx *ctx, pare_session *session, uint32_t token, int32_t position, int32_t slot,
                        int32_t row)
{
   const float *logits;
   pare_batch batch = { 1, &token, &position, &slot, 1, &row };
   return pare_session_step(ctx, session, &batch, &logits);
}

START_TEST(refuses_bad_batches)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_llama();
   pare_model *model = tiny_model(&ctx, &m);
   pare_session *session;
   const float *logits;
   uint32_t tokens[4] = { 1, 2, 3, 4 };
   int32_t positions[4] = { 0, 1, 3, 4 }, slots[4] = { 0 }, rows[2] = { 1, 0 };
   assert_ok(&ctx, pare_session_create(
                      &ctx, model, &(pare_session_options){ .slots = 2, .tokens = 4, .rows = 2 }, &session));
   assert_fails(&ctx, step(&ctx, session, 50, 0, 0, 0), PARE_INPUT, "id 50, expected 0 to 49");
   assert_fails(&ctx, step(&ctx, session, 1, -1, 0, 0), PARE_INPUT, "position -1, expected 0 to 39");
   assert_fails(&ctx, step(&ctx, session, 1, 40, 0, 0), PARE_INPUT, "position 40");
   assert_fails(&ctx, step(&ctx, session, 1, 0, 2, 0), PARE_INPUT, "sequence 2, expected 0 to 1");
   assert_fails(&ctx, step(&ctx, session, 1, 1, 0, 0), PARE_INPUT,
                "position 1 of sequence 0, expected at most 0");
   assert_fails(&ctx, step(&ctx, session, 1, 0, 0, 1), PARE_INPUT,
                "row 0 of the batch is token 1, expected 0 to 0");
   pare_batch gap = { 4, tokens, positions, slots, 0, NULL },
              order = { 2, tokens, positions, slots, 2, rows };
   assert_fails(&ctx, pare_session_step(&ctx, session, &gap, &logits), PARE_INPUT,
                "position 3 of sequence 0, expected 2");
   assert_fails(&ctx, pare_session_step(&ctx, session, &order, &logits), PARE_INPUT,
                "row 1 of the batch is token 0");
   pare_batch many = { 5, tokens, positions, slots, 0, NULL },
              tall = { 4, tokens, positions, slots, 3, rows };
   assert_fails(&ctx, pare_session_step(&ctx, session, &many, &logits), PARE_INPUT,
                "5 tokens, expected at most 4");
   assert_fails(&ctx, pare_session_step(&ctx, session, &tall, &logits), PARE_INPUT, "3 rows of logits");
   assert_fails(&ctx, pare_session_prefill(&ctx, session, 0, tokens, 38, 3, &logits), PARE_INPUT,
                "do not fit");
   assert_fails(&ctx, pare_session_prefill(&ctx, session, 0, tokens, 0, 0, &logits), PARE_INPUT, "no tokens");
   assert_ok(&ctx, step(&ctx, session, 1, 0, 0, 0));
   pare_batch nothing = { 0 };
   assert_ok(&ctx, pare_session_step(&ctx, session, &nothing, &logits));
   ctx.threads = 2;
   assert_fails(&ctx, step(&ctx, session, 1, 1, 0, 0), PARE_USAGE, "2 threads, the session was made for 1");
   pare_session_destroy(&ctx, session);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* A sequence may go back and take another way; prefill in small batches, without rows but the last. */
START_TEST(goes_back)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_gpt2();
   pare_model *model = tiny_model(&ctx, &m);
   uint32_t a[N], b[N];
   tiny_tokens(&m, 1, a, N);
   tiny_tokens(&m, 2, b, N);
   memcpy(b, a, 9 * sizeof *b);
   float *expected = tiny_run(&ctx, model, b, N, N, 0);
   pare_session *session;
   const float *logits;
   assert_ok(&ctx,
             pare_session_create(&ctx, model, &(pare_session_options){ .slots = 2, .tokens = 4 }, &session));
   assert_ok(&ctx, pare_session_prefill(&ctx, session, 1, a, 0, N, &logits));
   assert_ok(&ctx, pare_session_prefill(&ctx, session, 1, b + 9, 9, N - 9, &logits));
   assert_same(logits, expected + (N - 1) * m.vocab, m.vocab, "second way");
   assert_ok(&ctx, pare_session_prefill(&ctx, session, 1, b, 0, 2, &logits));
   assert_fails(&ctx, step(&ctx, session, 1, 5, 1, 0), PARE_INPUT, "at most 2");
   pare_session_memory used = pare_session_used(session);
   ck_assert_uint_eq(used.cache_bytes, 2u * 2 * 48 * 2 * 48 * 4);
   ck_assert_uint_gt(used.activation_bytes, 0);
   ck_assert_int_eq(pare_session_limits(session)->context, 40);
   ck_assert_int_eq(pare_session_limits(session)->rows, 4);
   free(expected);
   pare_session_destroy(&ctx, session);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* ---- making ---- */

START_TEST(refuses_what_it_cannot_run)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_gpt2();
   pare_model *model = tiny_model(&ctx, &m);
   pare_session *session;
   pare_session_options options = { .slots = 0 };
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_USAGE,
                "0, expected 1 to 4096");
   options = (pare_session_options){ .slots = 1, .context = 41 };
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_USAGE,
                "41, expected 1 to 40");
   model->context = 100;
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_USAGE,
                "the table has 40 positions");
   options = (pare_session_options){ .slots = 1, .context = 40, .tokens = -1 };
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_USAGE, "-1, expected");
   options = (pare_session_options){ .slots = 1, .context = 40 };
   model->vocab = m.vocab + 1;
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_INTERNAL, "a vocabulary of");
   model->vocab = m.vocab;
   pare_value *other;
   pare_node_spec spec = { .op = PARE_OP_add, .name = "other", .n_inputs = 2 };
   spec.input[0] = spec.input[1] = model->graph->outputs[0];
   assert_ok(&ctx, pare_graph_add_node(&ctx, model->graph, &spec, NULL, &other));
   assert_ok(&ctx, pare_graph_add_output(&ctx, model->graph, other));
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_UNSUPPORTED, "2 outputs");
   model->graph->n_outputs = 1;
   model->graph->outputs[0] = model->graph->first->output[0];
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_UNSUPPORTED,
                "rows, vocabulary");
   pare_model_destroy(&ctx, model);
   pare_session_destroy(&ctx, NULL);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(refuses_more_than_the_memory)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_llama();
   m.head_dim = 128;
   pare_model *model = tiny_model(&ctx, &m);
   pare_session *session;
   model->context = 1 << 17;
   pare_session_options options = { .slots = 4096 }; /* 2 TB */
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &session), PARE_RESOURCE,
                "131072 positions of 4096 sequences take 2");
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Memory that is taken is not touched, so the machine would not say no. */
START_TEST(sessions_of_a_context_count_together)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_llama();
   pare_model *model = tiny_model(&ctx, &m);
   pare_session *first, *second;
   const pare_session_options options = { .slots = 2 };
   size_t most = (size_t)pare_memory_limit();
   assert_ok(&ctx, pare_session_create(&ctx, model, &options, &first));
   size_t bytes = pare_session_used(first).total_bytes;
   ck_assert_uint_eq(ctx.reserved, bytes);
   ctx.reserved = most - bytes + 1; /* as if the first were so large */
   assert_fails(&ctx, pare_session_create(&ctx, model, &options, &second), PARE_RESOURCE,
                "40 positions of 2 sequences take 0.0 GB beside");
   ck_assert_uint_eq(ctx.reserved, most - bytes + 1);
   ctx.reserved = most - bytes;
   assert_ok(&ctx, pare_session_create(&ctx, model, &options, &second));
   ck_assert_uint_eq(ctx.reserved, most);
   pare_session_destroy(&ctx, second);
   ctx.reserved = bytes;
   pare_session_destroy(&ctx, first);
   ck_assert_uint_eq(ctx.reserved, 0);
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Every allocation fails in turn; a session that was made never allocates again. */
START_TEST(survives_lack_of_memory)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tiny m = tiny_llama();
   m.i8 = true;
   pare_model *model = tiny_model(&ctx, &m);
   pare_session *session;
   const float *logits;
   uint32_t tokens[N];
   tiny_tokens(&m, 3, tokens, N);
   long blocks = heap.blocks;
   pare_status status = PARE_RESOURCE;
   for (long fail = 1; status != PARE_OK; fail++) {
      heap.calls = 0;
      heap.fail_at = fail;
      status = pare_session_create(&ctx, model, &(pare_session_options){ .slots = 1, .tokens = 5 }, &session);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
      ck_assert_int_eq(heap.blocks, blocks);
      ck_assert_uint_eq(ctx.reserved, 0);
      pare_ctx_clear(&ctx);
   }
   heap.calls = 0;
   heap.fail_at = 1;
   assert_ok(&ctx, pare_session_prefill(&ctx, session, 0, tokens, 0, N, &logits));
   ck_assert_int_eq(heap.calls, 0);
   pare_session_destroy(&ctx, session);
   pare_model_destroy(&ctx, model);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("session", agrees_with_the_reference, fused_as_unfused, odd_sizes, same_bits_in_every_way,
          agrees_with_finer_activations, same_bits_of_finer_activations, same_bits_of_many_rows,
          same_bits_from_an_int8_cache, sequences_do_not_meet, refuses_bad_batches, goes_back,
          refuses_what_it_cannot_run, refuses_more_than_the_memory, sessions_of_a_context_count_together,
          survives_lack_of_memory)
