/* Whole graphs through the reference evaluator. */
#include "graphs.h"
#include "ops/evaluate.h"
#include "ops/ops.h"

static pare_ctx ctx;
static unit_heap heap;

enum { TOKENS = 5, WIDTH = 8, VOCAB = 6, PAST = 8, SLOTS = 2, KV = SLOTS * PAST * 8 };

typedef struct batch {
   int32_t tokens[TOKENS], positions[TOKENS], sequences[TOKENS], rows[TOKENS];
   int64_t n_tokens, n_rows;
} batch;

/* Runs the tiny model, whose k and norm weights are zeros: fill those that matter by decoding all as
 * test_value. */
static pare_status decode_all(pare_ctx *c, void *user, const pare_weight *weight, float *out)
{
   (void)c;
   (void)user;
   for (int64_t i = 0; i < pare_weight_count(weight); i++) out[i] = test_value(weight->name, i);
   return PARE_OK;
}

static pare_status step(const pare_graph *graph, batch *b, float *kv, float *logits)
{
   pare_binding bindings[] = { { "tokens", b->tokens },
                               { "positions", b->positions },
                               { "sequences", b->sequences },
                               { "rows", b->rows },
                               { "kv.0", kv } };
   pare_evaluation plan = { .sizes = { b->n_tokens, b->n_rows, SLOTS, PAST },
                            .bindings = bindings,
                            .n_bindings = 5,
                            .decode = decode_all,
                            .outputs = &logits };
   return pare_evaluate(&ctx, graph, &plan);
}

/* ---- the same model, written out for one sequence ---- */

static double gelu(double x)
{
   return 0.5 * x * (1 + erf(x / sqrt(2)));
}

static void product(const double *x, const char *weight, int n, int k, double *out)
{
   for (int c = 0; c < n; c++) {
      out[c] = 0;
      for (int i = 0; i < k; i++) out[c] += x[i] * (double)test_value(weight, c * k + i);
   }
}

/* divisors: within and beyond the original context, of each pair. */
static void turn(double *head, int position, const double divisors[2][2])
{
   for (int i = 0; i < 2; i++) {
      double angle = position * (i ? 0.01 : 1) / divisors[position >= 2][i]; /* 10000^(-2i/4) */
      double a = head[i], b = head[i + 2];
      head[i] = a * cos(angle) - b * sin(angle);
      head[i + 2] = b * cos(angle) + a * sin(angle);
   }
}

static void naive(const int32_t *tokens, int count, double *logits)
{
   static double x[TOKENS][WIDTH], q[TOKENS][WIDTH], k[TOKENS][4], v[TOKENS][4];
   static const double plain[2][2] = { { 1, 1 }, { 1, 1 } }, longrope[2][2] = { { 1, 1.5 }, { 2.25, 8 } };
   for (int t = 0; t < count; t++) {
      double normal[WIDTH], squares = 0;
      for (int i = 0; i < WIDTH; i++) x[t][i] = (double)test_value("embed", tokens[t] * WIDTH + i);
      for (int i = 0; i < WIDTH; i++) squares += x[t][i] * x[t][i];
      for (int i = 0; i < WIDTH; i++)
         normal[i] = x[t][i] / sqrt(squares / WIDTH + 1e-6) * (double)test_value("norm", i);
      product(normal, "q", WIDTH, WIDTH, q[t]);
      product(normal, "k", 4, WIDTH, k[t]);
      product(normal, "v", 4, WIDTH, v[t]);
      for (int i = 0; i < 4; i++) v[t][i] += (double)test_value("v.bias", i);
      turn(q[t], t, plain);
      turn(q[t] + 4, t, plain);
      turn(k[t], t, longrope);
   }
   int last = count - 1;
   for (int head = 0; head < 2; head++) {
      double total = 0, sum[4] = { 0 };
      for (int t = 0; t < count; t++) {
         double dot = 0;
         for (int i = 0; i < 4; i++) dot += q[last][4 * head + i] * k[t][i];
         total += exp(0.5 * dot);
         for (int i = 0; i < 4; i++) sum[i] += exp(0.5 * dot) * v[t][i];
      }
      for (int i = 0; i < 4; i++) x[last][4 * head + i] = gelu(x[last][4 * head + i] + sum[i] / total);
   }
   product(x[last], "embed", VOCAB, WIDTH, logits);
}

static void compare(const float *found, const double *wanted)
{
   for (int i = 0; i < VOCAB; i++)
      ck_assert_msg(fabs((double)found[i] - wanted[i]) < 1e-5, "logit %d is %g, expected %g", i,
                    (double)found[i], wanted[i]);
}

START_TEST(tiny_llama_agrees_with_a_naive_one)
{
   pare_graph *graph;
   batch b = { { 3, 1, 4, 1, 5 }, { 0, 1, 2, 3, 4 }, { 0 }, { 4, 1 }, TOKENS, 2 };
   float kv[KV] = { 0 }, logits[2 * VOCAB];
   double wanted[VOCAB];
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, TINY_LLAMA, &graph));
   assert_ok(&ctx, step(graph, &b, kv, logits));
   naive(b.tokens, 5, wanted);
   compare(logits, wanted);
   naive(b.tokens, 2, wanted);
   compare(logits + VOCAB, wanted);
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(batching_does_not_change_a_sequence)
{
   pare_graph *graph;
   batch whole = { { 3, 1, 4 }, { 0, 1, 2 }, { 0 }, { 2 }, 3, 1 };
   batch mixed = { { 5, 3, 1 }, { 0, 0, 1 }, { 0, 1, 1 }, { 0 }, 3, 1 },
         then = { { 4 }, { 2 }, { 1 }, { 0 }, 1, 1 };
   float kv[KV] = { 0 }, kv2[KV] = { 0 }, a[VOCAB], b[VOCAB];
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, TINY_LLAMA, &graph));
   assert_ok(&ctx, step(graph, &whole, kv, a));
   assert_ok(&ctx, step(graph, &mixed, kv2, b));
   assert_ok(&ctx, step(graph, &then, kv2, b));
   ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
   pare_graph_destroy(&ctx, graph);
}
END_TEST

static pare_status count_results(pare_ctx *c, void *user, const pare_value *value, const pare_tensor *result)
{
   (void)c;
   ck_assert_int_eq(result->type.dim[1], value->type.dim[1]);
   ck_assert_int_gt(result->type.dim[0], 0);
   ++*(int *)user;
   return PARE_OK;
}

START_TEST(bindings_are_checked_and_results_observed)
{
   pare_graph *graph;
   batch b = { { 3, 9 }, { 0, 1 }, { 0 }, { 1 }, 2, 1 };
   float kv[KV] = { 0 }, logits[VOCAB];
   int results = 0;
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, TINY_LLAMA, &graph));
   assert_fails(&ctx, step(graph, &b, kv, logits), PARE_INPUT, "id 9");
   assert_fails(&ctx, step(graph, &b, NULL, logits), PARE_USAGE, "no data");
   b.tokens[1] = 2;
   b.n_rows = -1;
   assert_fails(&ctx, step(graph, &b, kv, logits), PARE_USAGE, "negative");
   pare_binding bindings[] = { { "tokens", b.tokens },
                               { "positions", b.positions },
                               { "sequences", b.sequences },
                               { "rows", b.rows },
                               { "kv.0", kv } };
   pare_evaluation plan = { .sizes = { 2, 1, SLOTS, PAST }, .bindings = bindings, .n_bindings = 5,
                            .decode = pare_decode_float, .observe = count_results, .user = &results };
   assert_ok(&ctx, pare_evaluate(&ctx, graph, &plan));
   ck_assert_int_eq(results, 12);
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(float_encodings_decode)
{
   static const uint16_t f16[] = { 0x3c00, 0xc000, 0x0001, 0x7bff, 0x3800, 0x0000 };
   static const uint16_t bf16[] = { 0x3f80, 0xc000 };
   pare_graph *graph;
   pare_buffer *data;
   pare_weight *weight;
   float out[6];
   int64_t dim[2] = { 2, 3 }, two[1] = { 2 }, four[2] = { 4, 4 };
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, pare_graph_create(&ctx, "g", &graph));
   assert_ok(&ctx, pare_buffer_copy(&ctx, f16, sizeof f16, &data));
   assert_ok(&ctx, pare_graph_add_weight(&ctx, graph, "a", 2, dim, (pare_encoding){ PARE_ENC_F16, true, 0 },
                                         data, &weight));
   pare_buffer_unref(&ctx, data);
   assert_ok(&ctx, pare_decode_float(&ctx, NULL, weight, out));
   const float turned[] = { 1, 0x1p-24f, 0.5f, -2, 65504, 0 };
   ck_assert_int_eq(memcmp(out, turned, sizeof turned), 0);
   assert_ok(&ctx, pare_buffer_copy(&ctx, bf16, sizeof bf16, &data));
   assert_ok(&ctx, pare_graph_add_weight(&ctx, graph, "b", 1, two, (pare_encoding){ .kind = PARE_ENC_BF16 },
                                         data, &weight));
   pare_buffer_unref(&ctx, data);
   assert_ok(&ctx, pare_decode_float(&ctx, NULL, weight, out));
   ck_assert(out[0] == 1 && out[1] == -2);
   assert_ok(&ctx, pare_buffer_create(&ctx, 128, &data));
   assert_ok(&ctx, pare_graph_add_weight(&ctx, graph, "c", 2, four, (pare_encoding){ .kind = PARE_ENC_I8 },
                                         data, &weight));
   pare_buffer_unref(&ctx, data);
   assert_fails(&ctx, pare_decode_float(&ctx, NULL, weight, out), PARE_UNSUPPORTED, "encoded i8");
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
   batch b = { { 3, 1 }, { 0, 1 }, { 0 }, { 1 }, 2, 1 };
   float kv[KV] = { 0 }, logits[VOCAB];
   pare_graph *graph;
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, TINY_LLAMA, &graph));
   long before = heap.blocks;
   for (long at = 1;; at++) {
      heap.calls = 0;
      heap.fail_at = at;
      pare_ctx_clear(&ctx);
      pare_status status = step(graph, &b, kv, logits);
      ck_assert_int_eq(heap.blocks, before);
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
   }
   pare_graph_destroy(&ctx, graph);
}
END_TEST

UNIT_MAIN("ops_evaluate", tiny_llama_agrees_with_a_naive_one, batching_does_not_change_a_sequence,
          bindings_are_checked_and_results_observed, float_encodings_decode, every_allocation_may_fail)
