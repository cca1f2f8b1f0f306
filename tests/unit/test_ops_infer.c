/* What each op asks of its inputs, weights and attributes. */
#include <stdio.h>

#include "graphs.h"
#include "ops/ops.h"

static pare_ctx ctx;
static unit_heap heap;

#define HEAD                                                                        \
   "graph \"g\" {\n"                                                                \
   "input %x : f32[tokens, 8]\n"                                                    \
   "input %r : f32[rows, 8]\n"                                                      \
   "input %k : f32[tokens, 4]\n"                                                    \
   "input %open : f32[8, tokens]\n"                                                 \
   "input %ids : i32[tokens]\n"                                                     \
   "input %one : i32[tokens, 1]\n"                                                  \
   "input %c : f32[2, tokens, 8]\n"                                                 \
   "input %d : f32[2, 1, 4]\n"                                                      \
   "input %v : f32[8]\n"                                                            \
   "input %rows : i32[rows]\n"                                                      \
   "state %kv : f16[slots, 1, past, 8]\n"                                           \
   "state %kv2 : f16[slots, 2, past, 8]\n"                                          \
   "state %bad : i32[slots, 1, past, 8]\n"                                           \
   "weight \"w\" [3, 8] f32\n"                                                      \
   "weight \"i\" [3, 8] i8\n"                                                       \
   "weight \"v3\" [3] f32\n"                                                        \
   "weight \"v4\" [4] f32\n"                                                        \
   "weight \"v8\" [8] f32\n"

static pare_status parse_node(const char *node, pare_graph **graph)
{
   char text[2048];
   unit_heap_init(&ctx, &heap);
   snprintf(text, sizeof text, "%s%%0 = %s\noutput %%0\n}\n", HEAD, node);
   return parse_text(&ctx, text, graph);
}

static void takes(const char *node)
{
   pare_graph *graph = NULL;
   assert_ok(&ctx, parse_node(node, &graph));
   pare_graph_destroy(&ctx, graph);
}

static void refuses(const char *node, const char *message)
{
   pare_graph *graph = NULL;
   pare_status status = parse_node(node, &graph);
   ck_assert_msg(status == PARE_INPUT, "accepted: %s", node);
   ck_assert_msg(strstr(ctx.error.message, message) && strstr(ctx.error.message, "line 20: n: "), "%s: %s",
                 node, ctx.error.message);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(every_op_is_in_the_table)
{
   pare_op op;
   for (int i = 0; i < PARE_OP_COUNT; i++) {
      ck_assert_ptr_eq(pare_op_find(pare_ops[i]->name, &op), pare_ops[i]);
      ck_assert_int_eq(op, i);
      ck_assert(pare_ops[i]->help && pare_ops[i]->fields && pare_ops[i]->eval && pare_ops[i]->macs);
      ck_assert((pare_ops[i]->attrs_size > 0) == (pare_ops[i]->fields->name != NULL));
   }
   ck_assert_ptr_null(pare_op_find("conv", &op));
}
END_TEST

START_TEST(embed_and_select)
{
   takes("embed \"n\" (%ids) [\"w\"] : f32[tokens, 8]");
   takes("embed \"n\" (%ids) [\"i\"] : f32[tokens, 8]");
   refuses("embed \"n\" (%x) [\"w\"] : f32[tokens, 8]", "input 0 is f32[tokens, 8], expected i32[rows]");
   refuses("embed \"n\" (%ids) [\"v3\"] : f32[tokens, 8]", "weight 0 is a vector");
   takes("select \"n\" (%x, %rows) : f32[rows, 8]");
   refuses("select \"n\" (%kv, %rows) : f32[rows, 8]", "input 0 is f16[slots");
   refuses("select \"n\" (%x, %x) : f32[rows, 8]", "input 1");
}
END_TEST

START_TEST(linear)
{
   takes("linear \"n\" (%x) [\"w\"] : f32[tokens, 3]");
   takes("linear \"n\" (%r) [\"w\", \"v3\"] : f32[rows, 3]");
   takes("linear \"n\" (%x) [\"i\", \"v3\"] {\"act\":\"i8\"} : f32[tokens, 3]");
   takes("linear \"n\" (%x) [\"i\", \"v3\"] {\"act\":\"i16\"} : f32[tokens, 3]");
   takes("linear \"n\" (%x) [\"i\"] : f32[tokens, 3]");
   takes("linear \"n\" (%x) [\"i\", \"w\"] {\"gated\":true} : f32[tokens, 3]");
   refuses("linear \"n\" (%x) [\"i\", \"w\"] {\"act\":\"i16\",\"gated\":true} : f32[tokens, 3]",
           "activations are i16 and the weight is f32, expected f32 with floats");
   refuses("linear \"n\" (%x) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 3]",
           "activations are i8 and the weight is f32");
   refuses("linear \"n\" (%k) [\"w\"] : f32[tokens, 3]", "4 columns times a weight [3, 8]");
   refuses("linear \"n\" (%x) [\"w\", \"v4\"] : f32[tokens, 3]", "weight 1 has 4 elements, expected 3");
   refuses("linear \"n\" (%x) [\"w\", \"w\"] : f32[tokens, 3]", "linear has 2 results, found 1");
   refuses("linear \"n\" (%x) [\"w\", \"v3\", \"v3\"] : f32[tokens, 3]", "weight 2 is a vector");
   refuses("linear \"n\" (%x) [\"w\", \"w\", \"w\", \"w\", \"w\"] : f32[tokens, 3]", "more matrices than 4");
   takes("linear \"n\" (%x) [\"w\", \"v3\", \"w\"] {\"activation\":\"silu\",\"gated\":true} : f32[tokens, 3]");
   refuses("linear \"n\" (%x) [\"w\"] {\"gated\":true} : f32[tokens, 3]", "1 matrices, expected two");
   refuses("linear \"n\" (%x) [\"v8\"] : f32[tokens, 3]", "weight 0 is a vector");
   refuses("linear \"n\" (%open) [\"w\"] : f32[tokens, 3]", "expected f32[rows, a known size]");
}
END_TEST

START_TEST(norms)
{
   takes("rms_norm \"n\" (%x) [\"v8\"] : f32[tokens, 8]");
   takes("rms_norm \"n\" (%x) [\"v4\"] : f32[tokens, 8]");
   refuses("rms_norm \"n\" (%x) [\"v3\"] : f32[tokens, 8]", "3 elements does not divide rows of 8");
   refuses("rms_norm \"n\" (%x) [\"w\"] : f32[tokens, 8]", "a matrix, expected a vector");
   refuses("rms_norm \"n\" (%ids) [\"v4\"] : f32[tokens, 8]", "input 0 is i32[tokens]");
   takes("layer_norm \"n\" (%x) [\"v8\", \"v8\"] {\"eps\":0} : f32[tokens, 8]");
   refuses("layer_norm \"n\" (%x) [\"v4\"] : f32[tokens, 8]", "4 elements, expected 8");
   refuses("layer_norm \"n\" (%x) [\"v8\", \"v4\"] : f32[tokens, 8]", "weight 1 has 4 elements");
   takes("rms_norm \"n\" (%x) [\"v8\"] {\"result\":\"i8\"} : i8[tokens, 8]");
   refuses("rms_norm \"n\" (%x) [\"v8\"] {\"rotation\":32} : f32[tokens, 8]", "a result of f32 is not rotated");
   refuses("layer_norm \"n\" (%x) [\"v8\"] {\"result\":\"i8\",\"rotation\":32} : i8[tokens, 8]",
           "rotation is 32, expected 0, 32, 64 or 128 that divides 8");
   refuses("quantize \"n\" (%x) {\"rotation\":4} : i8[tokens, 8]", "rotation is 4");
}
END_TEST

START_TEST(residual_norms)
{
   takes("add \"a\" (%x, %x) : f32[tokens, 8]\n"
         "%1, %2 = residual_norm \"n\" (%x, %0) [\"v8\"] {\"result\":\"i8\"} : f32[tokens, 8], i8[tokens, 8]");
   refuses("residual_norm \"n\" (%x, %x) [\"v8\"] : f32[tokens, 8]", "has 2 results, found 1");
   refuses("residual_norm \"n\" (%x, %x) [\"v4\"] : f32[tokens, 8]", "weight 0 has 4 elements, expected 8");
   refuses("residual_norm \"n\" (%x, %x) [\"v8\", \"v8\"] : f32[tokens, 8]", "an rms norm has no bias");
   refuses("residual_norm \"n\" (%x, %k) [\"v8\"] : f32[tokens, 8]", "different types");
}
END_TEST

START_TEST(rope)
{
   takes("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"interleaved\":true} : f32[tokens, 8]");
   takes("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":4,\"scaling\":\"dynamic\"} : f32[tokens, 8]");
   takes("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"scaling\":\"longrope\",\"short_factor\":[1],"
         "\"long_factor\":[2.5]} : f32[tokens, 8]");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"scaling\":\"longrope\",\"short_factor\":[1],"
           "\"long_factor\":[2.5,1]} : f32[tokens, 8]", "long_factor has 2 numbers, expected 1");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"short_factor\":[1]} : f32[tokens, 8]",
           "short_factor has 1 numbers, expected 0");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"scaling\":\"dynamic\"} : f32[tokens, 8]",
           "dynamic scaling of rot_dim 2");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"scaling\":\"yarn\",\"theta\":1} : "
           "f32[tokens, 8]", "yarn scaling with theta 1");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":2,\"scaling\":\"llama3\","
           "\"low_freq_factor\":4} : f32[tokens, 8]", "high_freq_factor 4 is not above low_freq_factor 4");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":3,\"rot_dim\":2} : f32[tokens, 8]",
           "heads of 3 do not divide");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":3} : f32[tokens, 8]", "rot_dim is 3");
   refuses("rope \"n\" (%x, %ids) {\"head_dim\":4,\"rot_dim\":8} : f32[tokens, 8]", "rot_dim is 8");
   refuses("rope \"n\" (%x, %rows) {\"head_dim\":4,\"rot_dim\":4} : f32[tokens, 8]",
           "different numbers of rows");
   refuses("rope \"n\" (%x, %x) {\"head_dim\":4,\"rot_dim\":4} : f32[tokens, 8]", "input 1");
}
END_TEST

START_TEST(attention)
{
   takes("attention \"n\" (%x, %k, %k, %ids, %ids, %kv) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]");
   refuses("attention \"n\" (%x, %k, %k, %ids, %ids, %kv) {\"heads\":2,\"head_dim\":8} : f32[tokens, 8]",
           "2 heads of 8");
   refuses("attention \"n\" (%x, %x, %k, %ids, %ids, %kv) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "input 1 has 8");
   refuses("attention \"n\" (%x, %k, %x, %ids, %ids, %kv) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "input 2 has 8");
   refuses("attention \"n\" (%r, %k, %k, %ids, %ids, %kv) {\"heads\":2,\"head_dim\":4} : f32[rows, 8]",
           "different numbers");
   refuses("attention \"n\" (%x, %k, %k, %rows, %ids, %kv) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "inputs 3 and 0");
   refuses("attention \"n\" (%x, %k, %k, %ids, %k, %kv) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "input 4 is f32");
   refuses("attention \"n\" (%x, %k, %k, %ids, %ids, %kv2) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "not a state");
   refuses("attention \"n\" (%x, %k, %k, %ids, %ids, %bad) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "not a state");
   refuses("attention \"n\" (%x, %k, %k, %ids, %ids, %x) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "not a state");
   refuses("attention \"n\" (%x, %k, %k, %ids, %ids, %kv) {\"heads\":3,\"kv_heads\":2,\"head_dim\":4} : "
           "f32[tokens, 8]",
           "2 kv_heads do not divide 3 heads");
}
END_TEST

START_TEST(elementwise_and_slice)
{
   takes("add \"n\" (%x, %x) : f32[tokens, 8]");
   takes("activation \"n\" (%x) {\"kind\":\"relu\"} : f32[tokens, 8]");
   refuses("add \"n\" (%x, %r) : f32[tokens, 8]", "differ in dimension 2 from the last");
   refuses("mul \"n\" (%x, %k) : f32[tokens, 8]", "differ in dimension 1 from the last");
   refuses("mul \"n\" (%x, %ids) : f32[tokens, 8]", "input 1");
   refuses("activation \"n\" (%ids) : f32[tokens, 8]", "input 0");
   takes("slice \"n\" (%x) {\"from\":2,\"to\":8} : f32[tokens, 6]");
   refuses("slice \"n\" (%x) {\"from\":2,\"to\":9} : f32[tokens, 6]", "columns 2 to 9 of 8");
   refuses("slice \"n\" (%x) {\"from\":2,\"to\":2} : f32[tokens, 6]", "columns 2 to 2 of 8");
}
END_TEST

START_TEST(any_rank)
{
   takes("add \"n\" (%x, %v) : f32[tokens, 8]");
   takes("sub \"n\" (%c, %x) : f32[2, tokens, 8]");
   takes("sqrt \"n\" (%open) : f32[8, tokens]");
   refuses("sqrt \"n\" (%kv) : f32[8, tokens]", "input 0 is f16");
   refuses("tanh \"n\" (%ids) : i32[tokens]", "input 0 is i32[tokens], expected f32");
   takes("linear \"n\" (%c) [\"w\"] : f32[2, tokens, 3]");
   takes("layer_norm \"n\" (%c) [\"v8\"] : f32[2, tokens, 8]");
   takes("rope \"n\" (%c, %ids) {\"head_dim\":4,\"rot_dim\":4} : f32[2, tokens, 8]");
   takes("compare \"n\" (%ids, %one) {\"kind\":\"ge\"} : i32[tokens, tokens]");
   refuses("compare \"n\" (%ids, %x) : i32[tokens]", "different element types");
   takes("where \"n\" (%ids, %open, %open) : f32[8, tokens]");
   refuses("where \"n\" (%x, %x, %x) : f32[tokens, 8]", "input 0 is f32, expected i32");
   refuses("where \"n\" (%ids, %x, %ids) : f32[tokens, 8]", "different element types");
   takes("cast \"n\" (%ids) : f32[tokens]");
   takes("constant \"n\" () [\"w\"] {\"shape\":[1,2,12,1]} : f32[1, 2, 12, 1]");
   refuses("constant \"n\" () [\"w\"] {\"shape\":[5]} : f32[5]", "the weight has 24 elements");
}
END_TEST

START_TEST(products_and_reductions)
{
   takes("matmul \"n\" (%x, %open) : f32[tokens, tokens]");
   takes("matmul \"n\" (%c, %open) : f32[2, tokens, tokens]");
   refuses("matmul \"n\" (%x, %x) : f32[tokens, 8]", "not the last but one of input 1");
   refuses("matmul \"n\" (%v, %open) : f32[tokens]", "rank 1");
   takes("softmax \"n\" (%c) {\"axis\":1} : f32[2, tokens, 8]");
   refuses("softmax \"n\" (%x) {\"axis\":-3} : f32[tokens, 8]", "axis -3 of a tensor of rank 2");
   takes("reduce_mean \"n\" (%c) {\"axis\":1} : f32[2, 1, 8]");
   takes("reduce_max \"n\" (%c) {\"axis\":0,\"keep\":false} : f32[tokens, 8]");
   refuses("reduce_sum \"n\" (%v) {\"keep\":false} : f32[1]", "the only axis");
}
END_TEST

START_TEST(shapes)
{
   takes("transpose \"n\" (%c) : f32[8, tokens, 2]");
   takes("transpose \"n\" (%c) {\"perm\":[1,0,2]} : f32[tokens, 2, 8]");
   refuses("transpose \"n\" (%c) {\"perm\":[1,0]} : f32[tokens, 2]", "a perm of 2 for rank 3");
   refuses("transpose \"n\" (%c) {\"perm\":[1,0,1]} : f32[tokens, 2]", "no order of the 3");
   takes("reshape \"n\" (%x) {\"shape\":[0,2,4]} : f32[tokens, 2, 4]");
   takes("reshape \"n\" (%x) {\"shape\":[1,-1,2,4]} : f32[1, tokens, 2, 4]");
   takes("reshape \"n\" (%c) {\"shape\":[4,0,-1]} : f32[4, tokens, 4]");
   refuses("reshape \"n\" (%x) {\"shape\":[-1,4]} : f32[tokens, 4]", "another number of elements");
   refuses("reshape \"n\" (%x) {\"shape\":[-1,-1]} : f32[tokens, 8]", "-1 occurs twice");
   refuses("reshape \"n\" (%x) {\"shape\":[8,0]} : f32[8, 8]", "another number of elements");
   refuses("reshape \"n\" (%x) {\"shape\":[-1,8,0]} : f32[8, 8]", "no dimension 2 to keep");
   refuses("reshape \"n\" (%x) : f32[8, 8]", "no shape");
   takes("expand \"n\" (%d) {\"shape\":[3,1]} : f32[2, 3, 4]");
   refuses("expand \"n\" (%x) {\"shape\":[3,1]} : f32[3, 8]", "differ in dimension 2");
   takes("concat \"n\" (%x, %k, %x) : f32[tokens, 20]");
   refuses("concat \"n\" (%x, %k) {\"axis\":0} : f32[tokens, 8]", "differs from input 0");
   refuses("concat \"n\" (%x, %v) : f32[tokens, 16]", "input 1 differs");
   takes("slice \"n\" (%c) {\"to\":2,\"step\":3,\"axis\":0} : f32[1, tokens, 8]");
   refuses("slice \"n\" (%c) {\"to\":2,\"axis\":1} : f32[2, 2, 8]", "size of axis 1 is not known");
}
END_TEST

START_TEST(attention_of_rows)
{
   takes("attention \"n\" (%x, %k, %k) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]");
   takes("attention \"n\" (%c, %c, %c) {\"heads\":2,\"kv_heads\":2,\"head_dim\":4} : f32[2, tokens, 8]");
   takes("attention \"n\" (%x, %k, %k, %ids) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]");
   takes("attention \"n\" (%x, %k, %k, %ids, %ids) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]");
   takes("attention \"n\" (%x, %r, %r) {\"heads\":2,\"kv_heads\":2,\"head_dim\":4,\"causal\":false} : "
         "f32[tokens, 8]");
   refuses("attention \"n\" (%x, %r, %r) {\"heads\":2,\"kv_heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "inputs 0 and 1 have different numbers of rows");
   refuses("attention \"n\" (%x, %r, %x) {\"heads\":2,\"kv_heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "inputs 1 and 2 have different numbers of rows");
   refuses("attention \"n\" (%x, %k, %k, %rows) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]",
           "inputs 0 and 3 have different");
   refuses("attention \"n\" (%x, %k, %k, %c) {\"heads\":2,\"head_dim\":4} : f32[tokens, 8]", "differ in dim");
   refuses("attention \"n\" (%x, %k, %k, %ids, %ids, %kv) {\"heads\":2,\"head_dim\":4,\"causal\":false} : "
           "f32[tokens, 8]", "with a state it is causal");
   refuses("attention \"n\" (%c, %x, %x) {\"heads\":2,\"kv_heads\":2,\"head_dim\":4} : f32[2, tokens, 8]",
           "input 1 has rank 2");
}
END_TEST

UNIT_MAIN("ops_infer", every_op_is_in_the_table, embed_and_select, linear, norms, residual_norms, rope, attention,
          elementwise_and_slice, any_rank, products_and_reductions, shapes, attention_of_rows)
