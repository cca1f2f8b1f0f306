/* Patterns: what fits, what does not, and the reason that is given. */
#include <stdio.h>

#include "graphs.h"
#include "ir/match.h"

static pare_ctx ctx;
static unit_heap heap;

enum { A, B, C, FACTOR };

#define HEAD                                          \
   "graph \"g\" {\n"                                  \
   "input %x : f32[tokens, 8]\n"                      \
   "input %y : f32[tokens, 8]\n"                      \
   "weight \"two\" [1] f32\n"                         \
   "%0 = constant \"two\" () [\"two\"] : f32[1]\n"

/* Weights are 2. */
static pare_status attach_two(pare_ctx *c, void *user, const char *name, int rank, const int64_t *dim,
                              pare_encoding encoding, pare_buffer **out)
{
   PARE_TRY(attach_values(c, user, name, rank, dim, encoding, out));
   for (size_t i = 0; i < pare_buffer_size(*out) / sizeof(float); i++)
      memcpy(pare_buffer_edit(*out) + i * sizeof(float), &(float){ 2 }, sizeof(float));
   return PARE_OK;
}

/* Matches the pattern at the node "root", or around "anchor" when there is such a node. */
static bool fits(const char *nodes, const pare_pattern *pattern, pare_match *m)
{
   char text[2048];
   pare_graph *graph = NULL;
   pare_uses uses;
   unit_heap_init(&ctx, &heap);
   snprintf(text, sizeof text, "%s%s}\n", HEAD, nodes);
   assert_ok(&ctx, pare_graph_parse(&ctx, text, strlen(text), "test", attach_two, NULL, &graph));
   assert_ok(&ctx, pare_uses_find(&ctx, graph, &uses));
   pare_node *anchor = pare_graph_find_node(graph, "anchor");
   const pare_pattern *const patterns[] = { pattern, NULL };
   bool good = anchor ? pare_match_find(m, &uses, patterns, anchor)
                      : pare_match_at(m, &uses, pattern, pare_graph_find_node(graph, "root"));
   for (int i = 0; i < PARE_MATCH_SLOTS; i++) m->value[i] = NULL;
   pare_uses_finish(&ctx, &uses);
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
   return good;
}

static void takes(const char *nodes, const pare_pattern *pattern, size_t inside)
{
   pare_match m;
   ck_assert_msg(fits(nodes, pattern, &m), "%s: %s", nodes, m.why);
   ck_assert_uint_eq(m.n_inside, inside);
}

static void refuses(const char *nodes, const pare_pattern *pattern, const char *why)
{
   pare_match m;
   ck_assert_msg(!fits(nodes, pattern, &m), "%s", nodes);
   ck_assert_msg(strstr(m.why, why) != NULL, "%s: %s", nodes, m.why);
}

START_TEST(operands)
{
   const pare_pattern *sub = P_OP(sub, P_ANY(A), P_OP(neg, P_ANY(A)));
   const pare_pattern *add = P_OP(add, P_ANY(A), P_OP(neg, P_ANY(A)));
   takes("%1 = neg \"n\" (%x) : f32[tokens, 8]\n%2 = sub \"root\" (%x, %1) : f32[tokens, 8]\noutput %2\n", sub, 2);
   refuses("%1 = neg \"n\" (%x) : f32[tokens, 8]\n%2 = sub \"root\" (%1, %x) : f32[tokens, 8]\noutput %2\n", sub,
           "x is an input, expected the result of neg");
   takes("%1 = neg \"n\" (%x) : f32[tokens, 8]\n%2 = add \"root\" (%1, %x) : f32[tokens, 8]\noutput %2\n", add, 2);
   refuses("%1 = neg \"n\" (%y) : f32[tokens, 8]\n%2 = add \"root\" (%1, %x) : f32[tokens, 8]\noutput %2\n", add,
           "should be the same value");
   refuses("%1 = exp \"n\" (%y) : f32[tokens, 8]\n%2 = sub \"root\" (%1, %1) : f32[tokens, 8]\noutput %2\n", sub,
           "n is exp, expected neg");
   refuses("%1 = neg \"n\" (%x) : f32[tokens, 8]\n%2 = add \"root\" (%1, %x) : f32[tokens, 8]\noutput %2\noutput %1\n",
           add, "the result of n, inside the pattern, is used elsewhere too");
}
END_TEST

START_TEST(numbers)
{
   const pare_pattern *twice = P_OP(mul, P_NUMBER(2), P_ANY(A)), *scaled = P_SCALED(FACTOR, P_OP(neg, P_ANY(A)));
   pare_match m;
   takes("%1 = mul \"root\" (%x, %0) : f32[tokens, 8]\noutput %1\n", twice, 1);
   refuses("%1 = mul \"root\" (%x, %y) : f32[tokens, 8]\noutput %1\n", twice, "is not the number 2");
   refuses("%1 = mul \"root\" (%x, %0) : f32[tokens, 8]\noutput %1\n", P_OP(mul, P_NUMBER(2.001), P_ANY(A)),
           "the number of two is 2, expected 2.001");
   ck_assert(fits("%1 = neg \"n\" (%x) : f32[tokens, 8]\n%2 = mul \"m\" (%1, %0) : f32[tokens, 8]\n"
                  "%3 = mul \"m2\" (%0, %2) : f32[tokens, 8]\n%4 = div \"root\" (%3, %0) : f32[tokens, 8]\noutput %4\n",
                  scaled, &m));
   ck_assert_double_eq(m.number[FACTOR], 2);
   ck_assert_uint_eq(m.n_inside, 4);
   ck_assert(fits("%1 = neg \"root\" (%x) : f32[tokens, 8]\noutput %1\n", scaled, &m));
   ck_assert_double_eq(m.number[FACTOR], 1);
}
END_TEST

START_TEST(products)
{
   const pare_pattern *product = P_PRODUCT(4, P_ANY(A), P_OP(exp, P_ANY(A)), P_OP(sin, P_ANY(B)));
   const pare_pattern *cube = P_PRODUCT(-1, P_ANY(A), P_ANY(A), P_ANY(A));
   takes("%1 = exp \"e\" (%x) : f32[tokens, 8]\n%2 = sin \"n\" (%y) : f32[tokens, 8]\n"
         "%3 = mul \"a\" (%1, %0) : f32[tokens, 8]\n%4 = mul \"b\" (%2, %x) : f32[tokens, 8]\n"
         "%5 = mul \"c\" (%4, %0) : f32[tokens, 8]\n%6 = mul \"root\" (%3, %5) : f32[tokens, 8]\noutput %6\n",
         product, 6);
   refuses("%1 = exp \"e\" (%x) : f32[tokens, 8]\n%2 = mul \"root\" (%1, %x) : f32[tokens, 8]\noutput %2\n", product,
           "the product at root has 2 factors beside numbers, expected 3");
   takes("%1 = mul \"s\" (%x, %x) : f32[tokens, 8]\n%2 = neg \"n\" (%x) : f32[tokens, 8]\n"
         "%3 = mul \"root\" (%1, %2) : f32[tokens, 8]\noutput %3\n", cube, 3);
   /* x^2 here has another user, so it is a factor of its own. */
   refuses("%1 = mul \"s\" (%x, %x) : f32[tokens, 8]\n%2 = neg \"n\" (%x) : f32[tokens, 8]\n"
           "%3 = mul \"root\" (%1, %2) : f32[tokens, 8]\noutput %3\noutput %1\n", cube, "has 2 factors");
}
END_TEST

START_TEST(the_largest_match_around_an_anchor)
{
   const pare_pattern *either = P_EITHER(P_OP(add, P_OP(exp, P_ANY(A)), P_CONST(B)), P_OP(exp, P_ANY(A)));
   takes("%1 = exp \"anchor\" (%x) : f32[tokens, 8]\n%2 = add \"a\" (%0, %1) : f32[tokens, 8]\noutput %2\n", either, 2);
   takes("%1 = exp \"anchor\" (%x) : f32[tokens, 8]\n%2 = add \"a\" (%y, %1) : f32[tokens, 8]\noutput %2\n", either, 1);
   refuses("%1 = neg \"anchor\" (%x) : f32[tokens, 8]\n%2 = exp \"e\" (%1) : f32[tokens, 8]\noutput %2\n",
           P_OP(exp, P_OP(neg, P_CONST(C))), "x is computed, expected a constant");
}
END_TEST

UNIT_MAIN("ir_match", operands, numbers, products, the_largest_match_around_an_anchor)
