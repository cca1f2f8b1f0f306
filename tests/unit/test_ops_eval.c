/* The reference evaluation of each op against values worked out by hand. */
#include <stdio.h>

#include "graphs.h"
#include "ops/evaluate.h"

static pare_ctx ctx;
static unit_heap heap;

enum { MOST = 64 };

/* Weights come from `values` by name. */
typedef struct named_values {
   const char *name;
   float values[MOST];
} named_values;

typedef struct values_list {
   const named_values *items;
   size_t count;
} values_list;

static pare_status decode(pare_ctx *c, void *user, const pare_weight *weight, float *out)
{
   const values_list *list = user;
   for (size_t i = 0; i < list->count; i++) {
      if (strcmp(list->items[i].name, weight->name) != 0) continue;
      memcpy(out, list->items[i].values, (size_t)pare_weight_count(weight) * sizeof *out);
      return PARE_OK;
   }
   return pare_fail(c, PARE_INPUT, weight->name, "no values");
}

static const pare_sizes sizes = { .tokens = 2, .rows = 1, .slots = 2, .past = 3 };

static pare_status run(const char *items, const pare_binding *bindings, size_t count, values_list weights,
                       float *out)
{
   char text[2048];
   float *outputs[] = { out };
   pare_graph *graph = NULL;
   unit_heap_init(&ctx, &heap);
   snprintf(text, sizeof text, "graph \"g\" {\n%s\noutput %%0\n}\n", items);
   assert_ok(&ctx, parse_text(&ctx, text, &graph));
   pare_evaluation plan = { .sizes = sizes, .bindings = bindings, .n_bindings = count, .decode = decode,
                            .user = &weights, .outputs = outputs };
   pare_status status = pare_evaluate(&ctx, graph, &plan);
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
   return status;
}

static void expect(const float *found, const float *wanted, size_t count)
{
   for (size_t i = 0; i < count; i++)
      ck_assert_msg(fabsf(found[i] - wanted[i]) <= 2e-6f * (1 + fabsf(wanted[i])),
                    "[%zu] is %.9g, expected %.9g", i, (double)found[i], (double)wanted[i]);
}

#define RUN(items, bindings, weights, out) \
   assert_ok(&ctx, run(items, bindings, sizeof(bindings) / sizeof *(bindings), weights, out))
#define WEIGHTS(list) ((values_list){ list, sizeof(list) / sizeof *(list) })
#define NO_WEIGHTS ((values_list){ NULL, 0 })

START_TEST(embed_and_select)
{
   int32_t ids[] = { 2, 0 }, rows[] = { 1 };
   float x[] = { 1, 2, 3, 4 }, out[4];
   named_values w[] = { { "w", { 10, 11, 20, 21, 30, 31 } } };
   pare_binding b[] = { { "ids", ids }, { "x", x }, { "rows", rows } };
   RUN("input %ids : i32[tokens]\nweight \"w\" [3, 2] f32\n%0 = embed \"e\" (%ids) [\"w\"] : f32[tokens, 2]",
       b, WEIGHTS(w), out);
   expect(out, (float[]){ 30, 31, 10, 11 }, 4);
   RUN("input %x : f32[tokens, 2]\ninput %rows : i32[rows]\n%0 = select \"s\" (%x, %rows) : f32[rows, 2]", b,
       NO_WEIGHTS, out);
   expect(out, (float[]){ 3, 4 }, 2);
   ids[1] = 3;
   assert_fails(&ctx, run("input %ids : i32[tokens]\nweight \"w\" [3, 2] f32\n"
                          "%0 = embed \"e\" (%ids) [\"w\"] : f32[tokens, 2]", b, 3, WEIGHTS(w), out),
                PARE_INPUT, "id 3, expected [0, 3)");
   rows[0] = -1;
   assert_fails(&ctx, run("input %x : f32[tokens, 2]\ninput %rows : i32[rows]\n"
                          "%0 = select \"s\" (%x, %rows) : f32[rows, 2]", b, 3, NO_WEIGHTS, out),
                PARE_INPUT, "row -1, expected [0, 2)");
}
END_TEST

START_TEST(linear_in_f32)
{
   float x[] = { 1, 2, -1, 0.5f }, out[6];
   named_values w[] = { { "w", { 1, 0, 0, 1, 2, -3 } }, { "b", { 100, 200, 300 } } };
   pare_binding b[] = { { "x", x } };
   RUN("input %x : f32[tokens, 2]\nweight \"w\" [3, 2] f32\nweight \"b\" [3] f32\n"
       "%0 = linear \"l\" (%x) [\"w\", \"b\"] : f32[tokens, 3]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 101, 202, 296, 99, 200.5f, 296.5f }, 6);
}
END_TEST

START_TEST(linear_of_several_matrices)
{
   float x[] = { 1, 2, -1, 0.5f }, out[4];
   named_values w[] = { { "gate", { 1, 0, 0, 1 } }, { "b", { 100, -200 } }, { "up", { 2, -3, 1, 1 } } };
   pare_binding b[] = { { "x", x } };
#define HEAD "input %x : f32[tokens, 2]\nweight \"gate\" [2, 2] f32\nweight \"b\" [2] f32\nweight \"up\" [2, 2] f32\n"
   RUN(HEAD "%1, %0 = linear \"l\" (%x) [\"gate\", \"b\", \"up\"] : f32[tokens, 2], f32[tokens, 2]", b,
       WEIGHTS(w), out);
   expect(out, (float[]){ -4, 3, -3.5f, -0.5f }, 4);
   RUN(HEAD "%0 = linear \"l\" (%x) [\"gate\", \"b\", \"up\"] {\"activation\":\"relu\",\"gated\":true} : "
            "f32[tokens, 2]", b, WEIGHTS(w), out);
   expect(out, (float[]){ -404, 0, -346.5f, 0 }, 4);
   RUN(HEAD "%0 = linear \"l\" (%x) [\"gate\", \"b\"] {\"activation\":\"relu\"} : f32[tokens, 2]", b, WEIGHTS(w),
       out);
   expect(out, (float[]){ 101, 0, 99, 0 }, 4);
}
END_TEST

START_TEST(residual_norm_and_quantize)
{
   float x[] = { 3, -1, 1, 3 }, y[] = { 0, 5, -1, -2 }, out[4];
   named_values w[] = { { "w", { 1, 10 } }, { "b", { 100, 200 } }, { "m", { 1, 0, 0, 1 } } };
   pare_binding b[] = { { "x", x }, { "y", y } };
#define TWO "input %x : f32[tokens, 2]\ninput %y : f32[tokens, 2]\nweight \"w\" [2] f32\nweight \"b\" [2] f32\n" \
            "weight \"m\" [2, 2] i8\n"
   RUN(TWO "%0, %1 = residual_norm \"r\" (%x, %y) [\"w\"] : f32[tokens, 2], f32[tokens, 2]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 3, 4, 0, 1 }, 4);
   RUN(TWO "%1, %0 = residual_norm \"r\" (%x, %y) [\"w\", \"b\"] {\"eps\":0,\"kind\":\"layer\"} : "
           "f32[tokens, 2], f32[tokens, 2]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 99, 210, 99, 210 }, 4);
   RUN(TWO "%1 = quantize \"q\" (%x) : i8[tokens, 2]\n"
           "%0 = linear \"l\" (%1) [\"m\"] {\"act\":\"i8\"} : f32[tokens, 2]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 3, -42 * 3.0f / 127, 42 * 3.0f / 127, 3 }, 4);
}
END_TEST

START_TEST(linear_in_i8_rounds_the_activations)
{
   float x[] = { 127, 63.4f, 63.5f, 0, -1.27f, 0.006f, 0, 0 }, out[8];
   named_values w[] = { { "w", { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 } } };
   pare_binding b[] = { { "x", x } };
   RUN("input %x : f32[tokens, 4]\nweight \"w\" [4, 4] i8\n"
       "%0 = linear \"l\" (%x) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 4]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 127, 63, 64, 0, -1.27f, 0.01f, 0, 0 }, 8);
   float zero[8] = { 0 };
   pare_binding z[] = { { "x", zero } };
   RUN("input %x : f32[tokens, 4]\nweight \"w\" [4, 4] i8\n"
       "%0 = linear \"l\" (%x) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 4]", z, WEIGHTS(w), out);
   expect(out, zero, 8);
}
END_TEST

/* A row whose largest is 127 has 256 codes to the unit; one of 32512 is rounded to whole numbers. F32 loses nothing. */
START_TEST(linear_in_i16_and_f32_of_integers)
{
   float x[] = { 127, 63.4f, -63.5f, 0.0015f, 32512, 0.4f, 0.5f, 1.5f }, out[8];
   named_values w[] = { { "w", { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 } } };
   pare_binding b[] = { { "x", x } };
   RUN("input %x : f32[tokens, 4]\nweight \"w\" [4, 4] i8\n"
       "%0 = linear \"l\" (%x) [\"w\"] {\"act\":\"i16\"} : f32[tokens, 4]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 127, 16230 / 256.0f, -63.5f, 0, 32512, 0, 0, 2 }, 8);
   RUN("input %x : f32[tokens, 4]\nweight \"w\" [4, 4] i8\n%0 = linear \"l\" (%x) [\"w\"] : f32[tokens, 4]", b,
       WEIGHTS(w), out);
   expect(out, x, 8);
}
END_TEST

/* One 3 rotates to 32 equal magnitudes, which are exact in int8, so it comes back unchanged. Beside a 1000 it
 * rotates to 16 of 1003 / sqrt(32), code 127, and 16 of 997 / sqrt(32), code 126, which turn back into
 * 1003 / 254; without rotation it is lost to rounding. */
START_TEST(linear_in_i8_rotates)
{
   float x[64] = { 0 }, out[2];
   named_values w[] = { { "w", { 0, 0, 0, 0, 0, 1 } } };
   pare_binding b[] = { { "x", x } };
   x[5] = 3;
   x[32] = 1000;
   x[37] = 3;
   RUN("input %x : f32[tokens, 32]\nweight \"w\" [1, 32] i8 {\"rotation\":32}\n"
       "%0 = linear \"l\" (%x) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 1]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 3, 1003 / 254.0f }, 2);
   RUN("input %x : f32[tokens, 32]\nweight \"w\" [1, 32] i8\n"
       "%0 = linear \"l\" (%x) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 1]", b, WEIGHTS(w), out);
   expect(out, (float[]){ 3, 0 }, 2);
}
END_TEST

START_TEST(norms)
{
   float x[] = { 3, 4, 1, 7, 0, 0, 2, 2 }, out[8];
   named_values w[] = { { "w2", { 1, 2 } }, { "w4", { 1, 1, 1, 2 } }, { "b4", { 0, 10, 0, 0 } } };
   pare_binding b[] = { { "x", x } };
   RUN("input %x : f32[tokens, 4]\nweight \"w2\" [2] f32\n"
       "%0 = rms_norm \"n\" (%x) [\"w2\"] {\"eps\":0.5} : f32[tokens, 4]", b, WEIGHTS(w), out);
   float a = 1 / sqrtf(13), c = 1 / sqrtf(25.5f), d = 1 / sqrtf(4.5f);
   expect(out, (float[]){ 3 * a, 8 * a, c, 14 * c, 0, 0, 2 * d, 4 * d }, 8);
   RUN("input %x : f32[tokens, 4]\nweight \"w4\" [4] f32\nweight \"b4\" [4] f32\n"
       "%0 = layer_norm \"n\" (%x) [\"w4\", \"b4\"] {\"eps\":0.3125} : f32[tokens, 4]", b, WEIGHTS(w), out);
   /* Means 3.75 and 1; mean squares 4.6875 = (0.5625 + 0.0625 + 7.5625 + 10.5625) / 4 and 1. */
   float s = 1 / sqrtf(5), u = 1 / sqrtf(1.3125f);
   expect(out, (float[]){ -0.75f * s, 0.25f * s + 10, -2.75f * s, 6.5f * s, -u, 10 - u, u, 2 * u }, 8);
}
END_TEST

START_TEST(rope)
{
   int32_t positions[] = { 0, 3 };
   float x[] = { 1, 2, 3, 4, 5, 1, 2, 3, 4, 5 }, out[10];
   pare_binding b[] = { { "x", x }, { "p", positions } };
   float c0 = cosf(3), s0 = sinf(3), c1 = cosf(0.3f), s1 = sinf(0.3f); /* frequencies 1 and 100^(-1/2) */
   RUN("input %x : f32[tokens, 5]\ninput %p : i32[tokens]\n"
       "%0 = rope \"r\" (%x, %p) {\"head_dim\":5,\"rot_dim\":4,\"theta\":100} : f32[tokens, 5]",
       b, NO_WEIGHTS, out);
   expect(out, x, 5);
   expect(out + 5, (float[]){ c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + s0, 4 * c1 + 2 * s1, 5 }, 5);
   RUN("input %x : f32[tokens, 5]\ninput %p : i32[tokens]\n"
       "%0 = rope \"r\" (%x, %p) {\"head_dim\":5,\"rot_dim\":4,\"theta\":100,\"interleaved\":true} : "
       "f32[tokens, 5]",
       b, NO_WEIGHTS, out);
   expect(out + 5, (float[]){ c0 - 2 * s0, 2 * c0 + s0, 3 * c1 - 4 * s1, 4 * c1 + 3 * s1, 5 }, 5);
}
END_TEST

START_TEST(elementwise)
{
   static const char *const kinds[] = { "silu", "gelu_tanh", "gelu_erf", "quick_gelu", "relu" };
   const float wanted[][2] = { { 0.731058579f, -0.238405844f }, { 0.841191991f, -0.0454023059f },
                               { 0.841344746f, -0.0455002639f }, { 0.845795877f, -0.0643413737f }, { 1, 0 } };
   float x[] = { 1, -2 }, y[] = { 5, 0.5f }, out[2];
   char text[256];
   pare_binding b[] = { { "x", x }, { "y", y } };
   for (size_t i = 0; i < 5; i++) {
      snprintf(text, sizeof text,
               "input %%x : f32[tokens, 1]\n%%0 = activation \"a\" (%%x) {\"kind\":\"%s\"} : "
               "f32[tokens, 1]",
               kinds[i]);
      RUN(text, b, NO_WEIGHTS, out);
      expect(out, wanted[i], 2);
   }
   RUN("input %x : f32[tokens, 1]\ninput %y : f32[tokens, 1]\n%0 = add \"a\" (%x, %y) : f32[tokens, 1]", b,
       NO_WEIGHTS, out);
   expect(out, (float[]){ 6, -1.5f }, 2);
   RUN("input %x : f32[tokens, 1]\ninput %y : f32[tokens, 1]\n%0 = mul \"a\" (%x, %y) : f32[tokens, 1]", b,
       NO_WEIGHTS, out);
   expect(out, (float[]){ 5, -1 }, 2);
}
END_TEST

START_TEST(slice)
{
   float x[] = { 1, 2, 3, 4, 5, 6 }, out[4];
   pare_binding b[] = { { "x", x } };
   RUN("input %x : f32[tokens, 3]\n%0 = slice \"s\" (%x) {\"from\":1,\"to\":3} : f32[tokens, 2]", b,
       NO_WEIGHTS, out);
   expect(out, (float[]){ 2, 3, 5, 6 }, 4);
}
END_TEST

#define ATTENTION(dtype, attrs)                                                                              \
   "input %q : f32[tokens, 2]\ninput %k : f32[tokens, 1]\ninput %v : f32[tokens, 1]\ninput %p : "            \
   "i32[tokens]\n"                                                                                           \
   "input %s : i32[tokens]\nstate %kv : " dtype "[slots, 1, past, 2]\n"                                      \
   "%0 = attention \"a\" (%q, %k, %v, %p, %s, %kv) {\"heads\":2,\"head_dim\":1" attrs "} : f32[tokens, 2]"

START_TEST(attention_by_hand)
{
   int32_t positions[] = { 2, 1 }, slots[] = { 1, 1 };
   float q[] = { 1, 0, 1, 2 }, k[] = { 2, 1 }, v[] = { 30, 20 }, out[4];
   float kv[2 * 3 * 2] = { [6] = 0, [7] = 10 }; /* slot 1, position 0: key 0, value 10 */
   pare_binding b[] = {
      { "q", q }, { "k", k }, { "v", v }, { "p", positions }, { "s", slots }, { "kv", kv }
   };
   RUN(ATTENTION("f32", ""), b, NO_WEIGHTS, out);
   float e = expf(1), f = e * e;
   float all[] = { (10 + 20 * e + 30 * f) / (1 + e + f), 20, (10 + 20 * e) / (1 + e),
                   (10 + 20 * f) / (1 + f) };
   expect(out, all, 4);
   expect(kv, (float[]){ 0, 0, 0, 0, 0, 0, 0, 10, 1, 20, 2, 30 }, 12);
   RUN(ATTENTION("f32", ",\"window\":2"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ (20 + 30 * e) / (1 + e), 25, all[2], all[3] }, 4);
   RUN(ATTENTION("f32", ",\"window\":1"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 30, 30, 20, 20 }, 4);
   v[0] = 1 + 0x1p-12f;
   RUN(ATTENTION("f16", ",\"window\":1"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 1, 1, 20, 20 }, 4);
   ck_assert(kv[11] == 1);
   positions[0] = 3;
   assert_fails(&ctx, run(ATTENTION("f32", ""), b, 6, NO_WEIGHTS, out), PARE_INPUT,
                "position 3, expected [0, 3)");
   positions[0] = 0;
   slots[1] = 2;
   assert_fails(&ctx, run(ATTENTION("f32", ""), b, 6, NO_WEIGHTS, out), PARE_INPUT,
                "sequence 2, expected [0, 2)");
}
END_TEST

START_TEST(attention_shares_heads)
{
   int32_t positions[] = { 0, 0 }, slots[] = { 0, 1 };
   float q[8] = { 0 }, k[4] = { 0 }, v[] = { 1, 2, 3, 4 }, kv[2 * 2 * 3 * 2] = { 0 }, out[8];
   pare_binding b[] = {
      { "q", q }, { "k", k }, { "v", v }, { "p", positions }, { "s", slots }, { "kv", kv }
   };
   RUN("input %q : f32[tokens, 4]\ninput %k : f32[tokens, 2]\ninput %v : f32[tokens, 2]\n"
       "input %p : i32[tokens]\ninput %s : i32[tokens]\nstate %kv : f32[slots, 2, past, 2]\n"
       "%0 = attention \"a\" (%q, %k, %v, %p, %s, %kv) {\"heads\":4,\"kv_heads\":2,\"head_dim\":1} : "
       "f32[tokens, 4]", b, NO_WEIGHTS, out);
   expect(out, (float[]){ 1, 1, 2, 2, 3, 3, 4, 4 }, 8);
}
END_TEST

#define ROWS "input %q : f32[tokens, 1]\ninput %v : f32[tokens, 1]\n"
#define ATTEND(inputs, operands, attrs)                                                               \
   ROWS inputs "%0 = attention \"a\" (%q, %q, %v" operands ") {\"head_dim\":1" attrs "} : f32[tokens, 1]"

/* Queries of 0 give every key that is attended the same weight. */
START_TEST(attention_of_rows)
{
   float q[] = { 0, 0 }, v[] = { 2, 4 }, sum[] = { 0, -INFINITY, logf(3), 0 }, out[4];
   int32_t back[] = { 1, 0 }, two[] = { 0, 1 }, mask[] = { 0, 1, 0, 0 };
   pare_binding b[] = { { "q", q }, { "v", v }, { "p", back }, { "s", two }, { "m", mask }, { "f", sum } };
   RUN(ATTEND("", "", ""), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 2, 3 }, 2);
   RUN(ATTEND("", "", ",\"causal\":false"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 3, 3 }, 2);
   RUN(ATTEND("", "", ",\"window\":1"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 2, 4 }, 2);
   RUN(ATTEND("input %p : i32[tokens]\n", ", %p", ""), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 3, 4 }, 2);
   RUN(ATTEND("input %p : i32[tokens]\ninput %s : i32[tokens]\n", ", %p, %s", ""), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 2, 4 }, 2);
   RUN(ATTEND("input %m : i32[tokens, tokens]\n", ", %m", ",\"causal\":false"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 4, 0 }, 2);
   RUN(ATTEND("input %f : f32[tokens, tokens]\n", ", %f", ",\"causal\":false"), b, NO_WEIGHTS, out);
   expect(out, (float[]){ 2, 2.5f }, 2);
   /* Two heads of queries, one of keys and values: scores 0 and 0, 0 and ln 3. */
   float q2[] = { 0, 0, 0, logf(3) }, k[] = { 0, 1 };
   pare_binding g[] = { { "q", q2 }, { "k", k }, { "v", v } };
   RUN("input %q : f32[tokens, 2]\ninput %k : f32[tokens, 1]\ninput %v : f32[tokens, 1]\n"
       "%0 = attention \"a\" (%q, %k, %v) {\"heads\":2,\"head_dim\":1,\"causal\":false} : f32[tokens, 2]", g,
       NO_WEIGHTS, out);
   expect(out, (float[]){ 3, 3, 3, 3.5f }, 4);
}
END_TEST

START_TEST(numbers_of_other_types)
{
   float x[] = { 1.9f, -1.9f, 1e20f, NAN }, out[4];
   int32_t n[] = { 7, -3 };
   pare_binding b[] = { { "x", x }, { "n", n } };
   RUN("input %x : f32[tokens, 2]\n%9 = cast \"c\" (%x) {\"to\":\"i32\"} : i32[tokens, 2]\n"
       "%0 = cast \"b\" (%9) : f32[tokens, 2]", b, NO_WEIGHTS, out);
   expect(out, (float[]){ 1, -1, 2147483648.0f, 0 }, 4);
   RUN("input %n : i32[tokens]\n%0 = cast \"b\" (%n) : f32[tokens]", b, NO_WEIGHTS, out);
   expect(out, (float[]){ 7, -3 }, 2);
   float four[] = { 4, 0.25f };
   pare_binding f[] = { { "x", four } };
   RUN("input %x : f32[tokens]\n%0 = rsqrt \"r\" (%x) : f32[tokens]", f, NO_WEIGHTS, out);
   expect(out, (float[]){ 0.5f, 2 }, 2);
}
END_TEST

UNIT_MAIN("ops_eval", embed_and_select, linear_in_f32, linear_of_several_matrices,
          residual_norm_and_quantize, linear_in_i8_rounds_the_activations,
          linear_in_i16_and_f32_of_integers, linear_in_i8_rotates, norms, rope, elementwise, slice, attention_by_hand,
          attention_shares_heads, attention_of_rows,
          numbers_of_other_types)
