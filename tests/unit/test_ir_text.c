/* The text form: printing, parsing, and what the parser says of bad text. */
#include <stdio.h>

#include "graphs.h"

static pare_ctx ctx;
static unit_heap heap;

static void round_trip(const char *text, const char *expected)
{
   pare_graph *graph;
   pare_str out = { 0 };
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, text, &graph));
   assert_ok(&ctx, pare_graph_print(&ctx, graph, &out));
   ck_assert_str_eq(out.data, expected);
   pare_graph_destroy(&ctx, graph);
   pare_str_finish(&ctx, &out);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(text_comes_back_unchanged)
{
   round_trip(TINY_LLAMA, TINY_LLAMA);
}
END_TEST

START_TEST(free_layout_becomes_canonical)
{
   round_trip(
      "# a comment\n\ngraph\"a \\\"b\\\" \\u00e9\"{\r\n input %x:f32[tokens,64]\r\nweight \"w\"[2,64]i8"
      "{ \"rotation\" : 64, \"transposed\" : false }\n"
      "%7=slice\"s\"(%x) {\"to\": 64}:f32[tokens,64]\n\t%3 = linear \"l\" (%7)[\"w\"]{\"act\":\"i8\"}: "
      "f32[tokens,2]"
      "\n output %3\n}",
      "graph \"a \\\"b\\\" \xc3\xa9\" {\n"
      "  input %x : f32[tokens, 64]\n"
      "  weight \"w\" [2, 64] i8 {\"rotation\":64}\n"
      "  %0 = slice \"s\" (%x) {\"to\":64} : f32[tokens, 64]\n"
      "  %1 = linear \"l\" (%0) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 2]\n"
      "  output %1\n"
      "}\n");
}
END_TEST

START_TEST(nodes_have_several_results)
{
   round_trip("graph \"g\" {\ninput %x:f32[tokens,4]\nweight \"w\"[2,4] f32\nweight \"v\"[3,4] f32\n"
              "%8,%3=linear \"l\" (%x) [\"w\",\"v\"]:f32[tokens,2],f32[tokens,3]\n"
              "%4=add \"a\" (%8, %8) : f32[tokens, 2]\noutput %3\noutput %4\n}",
              "graph \"g\" {\n"
              "  input %x : f32[tokens, 4]\n"
              "  weight \"w\" [2, 4] f32\n"
              "  weight \"v\" [3, 4] f32\n"
              "  %0, %1 = linear \"l\" (%x) [\"w\", \"v\"] : f32[tokens, 2], f32[tokens, 3]\n"
              "  %2 = add \"a\" (%0, %0) : f32[tokens, 2]\n"
              "  output %1\n"
              "  output %2\n"
              "}\n");
}
END_TEST

/* Parses a graph of one line between good ones; the error must hold `message` and the number of that line. */
static void refuses(const char *line, const char *message)
{
   char text[2048], where[64];
   pare_graph *graph = NULL;
   unit_heap_init(&ctx, &heap);
   snprintf(text, sizeof text,
            "graph \"g\" {\ninput %%x : f32[tokens, 4]\nweight \"w\" [2, 4] f32\n%s\n"
            "%%9 = slice \"s\" (%%x) : f32[tokens, 1]\noutput %%9\n}\n", line);
   pare_status status = parse_text(&ctx, text, &graph);
   ck_assert_msg(status == PARE_INPUT, "accepted: %s", line);
   ck_assert_str_eq(ctx.error.where, "test");
   snprintf(where, sizeof where, "line 4: ");
   ck_assert_msg(strncmp(ctx.error.message, where, strlen(where)) == 0, "%s: %s", line, ctx.error.message);
   ck_assert_msg(strstr(ctx.error.message, message) != NULL, "%s: %s", line, ctx.error.message);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(bad_lines_are_refused)
{
   refuses("inputs %y : i32[tokens]", "column 1: expected input, state");
   refuses("input y : i32[tokens]", "expected a value");
   refuses("input %y i32[tokens]", "expected ':', found i32[tokens]");
   refuses("input %y : i64[tokens]", "expected a type");
   refuses("input %y : i32[heads]", "expected a dimension");
   refuses("input %y : i32[0]", "expected a dimension");
   refuses("input %y : i32[99999999999999999999]", "expected a dimension");
   refuses("input %y : i32[1, 1, 1, 1, 1, 1]", "expected ']'");
   refuses("input %y : i32[]", "expected a dimension");
   refuses("input %y : i32[tokens] x", "expected the end of the line, found x");
   refuses("input %x : i32[tokens]", "x: there is an input");
   refuses("input %5 : i32[tokens]", "letter");
   refuses("weight w [2] f32", "expected a name in quotes");
   refuses("weight \"w2 [2] f32", "ends on its line");
   refuses("weight \"w2\\q\" [2] f32", "escape");
   refuses("weight \"w\" [2] f32", "w: there is a weight");
   refuses("weight \"w2\" [tokens] f32", "expected a dimension");
   refuses("weight \"w2\" [2, 2, 2] f32", "expected ']'");
   refuses("weight \"w2\" [2] i5", "expected an encoding");
   refuses("weight \"w2\" [2, 32] i4", "cannot hold this shape");
   refuses("weight \"w2\" [2, 32] i4 {\"group\":48}", "cannot hold this shape");
   refuses("weight \"w2\" [2] i8", "cannot hold");
   refuses("weight \"w2\" [2, 4] i8 {\"rotation\":32}", "cannot hold");
   refuses("weight \"w2\" [2, 4] f32 {\"transpose\":true}", "did you mean \"transposed\"");
   refuses("weight \"w2\" [2, 4] f32 {\"transposed\":1}", "transposed");
   refuses("weight \"w2\" [2, 4] f32 {\"transposed\":true", "ends on its line");
   refuses("weight \"big\" [100000, 100000] f32", "too large for a test");
   refuses("%1 = conv \"m\" (%x) : f32[tokens, 2]", "no operation \"conv\"");
   refuses("%one = slice \"m\" (%x) : f32[tokens, 1]", "has a number");
   refuses("%1 = slice \"m\" (%y) : f32[tokens, 1]", "%y is used before");
   refuses("%1 = slice \"m\" (%9) : f32[tokens, 1]", "%9 is used before");
   refuses("%1 = slice \"m\" () : f32[tokens, 1]", "m: slice takes 1 inputs, found 0");
   refuses("%1 = slice \"m\" (%x, %x) : f32[tokens, 1]", "takes 1 inputs, found 2");
   refuses("%1 = add \"m\" (%x,%x,%x,%x,%x,%x,%x,%x,%x) : f32[tokens, 1]", "fewer inputs");
   refuses("%1 = slice \"m\" (%x) {\"to\":5} : f32[tokens, 5]", "columns 0 to 5 of 4");
   refuses("%1 = slice \"m\" (%x) {\"too\":2} : f32[tokens, 5]", "attributes.too: unknown key");
   refuses("%1 = slice \"m\" (%x) : f32[tokens, 2]", "m: the result is f32[tokens, 1]");
   refuses("%1 = slice \"m\" (%x)", "expected ':', found the end of the line");
   refuses("%1 = linear \"m\" (%x) [\"v\"] : f32[tokens, 2]", "v: there is no weight");
   refuses("%1 = linear \"m\" (%x) [\"w\",\"w\",\"w\",\"w\",\"w\",\"w\",\"w\",\"w\",\"w\"] : f32[tokens, 2]",
           "fewer weights");
   refuses("%1 = linear \"m\" (%x) : f32[tokens, 2]", "takes 1 to 8 weights");
   refuses("%1 = linear \"m\" (%x) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 2]", "i8 with integer weights");
   refuses("%1, %2 = linear \"m\" (%x) [\"w\"] : f32[tokens, 2], f32[tokens, 2]", "has 1 results, found 2");
   refuses("%1, %2 = linear \"m\" (%x) [\"w\", \"w\"] : f32[tokens, 2]", "expected ','");
   refuses("%1, %1 = linear \"m\" (%x) [\"w\", \"w\"] : f32[tokens, 2], f32[tokens, 2]", "defined twice");
   refuses("%1, %2, %3, %4, %5 = linear \"m\" (%x) [\"w\"] : f32[tokens, 2]", "fewer results");
   refuses("%1 = linear \"\" (%x) [\"w\"] : f32[tokens, 2]", "no bytes");
   refuses("output %x", "no node gives this output");
   refuses("output %8", "used before");
}
END_TEST

static void refuses_text(const char *text, const char *message)
{
   pare_graph *graph = NULL;
   unit_heap_init(&ctx, &heap);
   assert_fails(&ctx, parse_text(&ctx, text, &graph), PARE_INPUT, message);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(bad_texts_are_refused)
{
   refuses_text("", "line 0: the text ends");
   refuses_text("graph \"g\" {\n", "line 1: the text ends");
   refuses_text("graph \"g\"\n", "expected '{'");
   refuses_text("chart \"g\" {\n", "expected graph, found chart");
   refuses_text("graph \"g\" {\n}\n", "no output");
   refuses_text("graph \"g\" {\n}\nx\n", "line 3: column 1: expected nothing after the graph");
}
END_TEST

START_TEST(long_names_are_refused)
{
   char text[2 * PARE_MAX_NAME];
   memset(text, 'x', sizeof text);
   memcpy(text, "graph \"", 7);
   memcpy(text + PARE_MAX_NAME + 8, "\" {", 4);
   refuses_text(text, "a shorter name");
   memset(text, 'x', sizeof text);
   text[PARE_MAX_NAME + 1] = 0;
   refuses_text(text, "a shorter word");
}
END_TEST

UNIT_MAIN("ir_text", text_comes_back_unchanged, free_layout_becomes_canonical, nodes_have_several_results,
          bad_lines_are_refused,
          bad_texts_are_refused, long_names_are_refused)
