/* Building, changing, copying and validating graphs. */
#include "graphs.h"
#include "ops/ops.h"

static pare_ctx ctx;
static unit_heap heap;
static pare_graph *graph;

static void begin(void)
{
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, TINY_LLAMA, &graph));
}

static void end(void)
{
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
}

static pare_node *node(const char *name)
{
   pare_node *found = pare_graph_find_node(graph, name);
   ck_assert_ptr_nonnull(found);
   return found;
}

START_TEST(finds_things)
{
   begin();
   pare_weight *embed = pare_graph_find_weight(graph, "embed");
   ck_assert_ptr_eq(pare_weight_next_user(graph, embed, NULL), node("embed"));
   ck_assert_ptr_eq(pare_weight_next_user(graph, embed, node("embed")), node("head"));
   ck_assert_ptr_null(pare_weight_next_user(graph, embed, node("head")));
   ck_assert_ptr_null(pare_graph_find_node(graph, "nothing"));
   ck_assert_ptr_null(pare_graph_find_value(graph, "nothing"));
   ck_assert_int_eq(pare_graph_find_value(graph, "kv.0")->kind, PARE_VALUE_STATE);
   ck_assert_uint_eq(graph->n_nodes, 12);
   end();
}
END_TEST

START_TEST(patterns_match_with_and_without_prefix)
{
   const char *layers[] = { "x", "layers.*.mlp.*" }, *full[] = { "model.layers.3.*" };
   ck_assert(pare_name_matches("model.layers.3.mlp.up", layers, 2));
   ck_assert(pare_name_matches("layers.3.mlp.up", layers, 2));
   ck_assert(pare_name_matches("layers.3.mlp.up", full, 1));
   ck_assert(pare_name_matches("model.layers.3.mlp.up", full, 1));
   ck_assert(!pare_name_matches("model.layers.13.attn.q", layers, 2));
   ck_assert(!pare_name_matches("model.layers.3.mlp.up", layers, 0));
}
END_TEST

START_TEST(a_node_can_be_replaced)
{
   begin();
   pare_node *old = node("act");
   pare_activation_attrs attrs = { PARE_ACTIVATION_RELU };
   pare_node_spec spec = { .op = PARE_OP_activation, .name = "relu", .n_inputs = 1, .attrs = &attrs };
   pare_value *relu;
   spec.input[0] = old->input[0];
   assert_ok(&ctx, pare_graph_add_node(&ctx, graph, &spec, old, &relu));
   pare_graph_replace_value(graph, old->output[0], relu);
   pare_graph_remove_node(graph, old);
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   ck_assert_ptr_eq(node("last")->input[0], relu);
   ck_assert_ptr_null(pare_graph_find_node(graph, "act"));
   ck_assert_uint_eq(graph->n_nodes, 12);
   pare_graph_replace_value(graph, node("head")->output[0], relu);
   pare_graph_remove_node(graph, node("head"));
   pare_graph_remove_node(graph, node("last"));
   ck_assert_ptr_eq(graph->outputs[0], relu);
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   end();
}
END_TEST

START_TEST(many_values_can_be_replaced_at_once)
{
   begin();
   pare_value *instead[64];
   const pare_value *act = node("act")->output[0], *last = node("last")->output[0];
   ck_assert_uint_le(graph->n_values, 64);
   for (size_t i = 0; i < graph->n_values; i++) instead[i] = graph->values[i];
   instead[act->index] = node("act")->input[0];
   instead[node("head")->output[0]->index] = node("last")->output[0];
   pare_graph_replace_values(graph, instead);
   ck_assert_ptr_eq(node("last")->input[0], node("act")->input[0]);
   ck_assert_ptr_eq(graph->outputs[0], last);
   pare_graph_remove_node(graph, node("act"));
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   end();
}
END_TEST

START_TEST(a_weight_can_be_replaced_and_removed)
{
   begin();
   pare_weight *q = pare_graph_find_weight(graph, "q");
   pare_encoding half = { .kind = PARE_ENC_F16 };
   pare_buffer *data;
   assert_fails(&ctx, pare_weight_replace(&ctx, q, half, q->data), PARE_INPUT, "256 bytes, expected 128");
   assert_ok(&ctx, pare_buffer_create(&ctx, 128, &data));
   assert_ok(&ctx, pare_weight_replace(&ctx, q, half, data));
   pare_buffer_unref(&ctx, data);
   ck_assert_int_eq(q->encoding.kind, PARE_ENC_F16);
   node("q")->weight[0] = pare_graph_find_weight(graph, "embed");
   pare_graph_remove_weight(&ctx, graph, q);
   ck_assert_ptr_null(pare_graph_find_weight(graph, "q"));
   ck_assert_uint_eq(pare_graph_find_weight(graph, "k")->index, 2);
   end();
}
END_TEST

START_TEST(a_clone_is_the_same_and_shares_bytes)
{
   begin();
   pare_graph *copy;
   pare_str a = { 0 }, b = { 0 };
   assert_ok(&ctx, pare_graph_clone(&ctx, graph, &copy));
   assert_ok(&ctx, pare_graph_validate(&ctx, copy, PARE_INTERNAL));
   assert_ok(&ctx, pare_graph_print(&ctx, graph, &a));
   assert_ok(&ctx, pare_graph_print(&ctx, copy, &b));
   ck_assert_str_eq(a.data, b.data);
   for (size_t i = 0; i < graph->n_weights; i++) {
      ck_assert_ptr_ne(copy->weights[i], graph->weights[i]);
      ck_assert_ptr_eq(copy->weights[i]->data, graph->weights[i]->data);
   }
   ((pare_linear_attrs *)node("q")->attrs)->act = PARE_ACT_I8;
   ck_assert_int_eq(((pare_linear_attrs *)pare_graph_find_node(copy, "q")->attrs)->act, PARE_ACT_F32);
   const pare_rope_attrs *rope = node("k.rope")->attrs, *other = pare_graph_find_node(copy, "k.rope")->attrs;
   ck_assert_ptr_ne(rope->long_factor.items, other->long_factor.items);
   ck_assert(pare_fields_same(pare_op_rope.fields, rope, other));
   pare_graph_destroy(&ctx, copy);
   pare_str_finish(&ctx, &a);
   pare_str_finish(&ctx, &b);
   end();
}
END_TEST

START_TEST(building_refuses_what_does_not_fit)
{
   char long_name[PARE_MAX_NAME + 2];
   int64_t dim[2] = { 2, 2 };
   pare_encoding f32 = { .kind = PARE_ENC_F32 };
   pare_type list = pare_type_make(PARE_I32, 1, PARE_DIM_TOKENS), odd = pare_type_make(PARE_F32, 2, 0, 1);
   pare_value *value;
   pare_weight *weight;
   pare_buffer *data;
   begin();
   memset(long_name, 'x', sizeof long_name - 1);
   long_name[PARE_MAX_NAME + 1] = 0;
   assert_ok(&ctx, pare_buffer_create(&ctx, 15, &data));
   assert_fails(&ctx, pare_graph_add_input(&ctx, graph, "tokens", list, &value), PARE_INPUT, "of this name");
   assert_fails(&ctx, pare_graph_add_input(&ctx, graph, "7", list, &value), PARE_INPUT, "letter");
   assert_fails(&ctx, pare_graph_add_input(&ctx, graph, "a b", list, &value), PARE_INPUT, "letters");
   assert_fails(&ctx, pare_graph_add_state(&ctx, graph, "odd", odd, &value), PARE_INPUT, "type");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, "q", 2, dim, f32, data, &weight), PARE_INPUT,
                "of this name");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, "w", 2, dim, f32, data, &weight), PARE_INPUT,
                "15 bytes, expected 16");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, "w", 3, dim, f32, data, &weight), PARE_INPUT,
                "shape");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, "", 2, dim, f32, data, &weight), PARE_INPUT,
                "no bytes");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, "a\nb", 2, dim, f32, data, &weight), PARE_INPUT,
                "control");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, "a\xff", 2, dim, f32, data, &weight), PARE_INPUT,
                "UTF-8");
   assert_fails(&ctx, pare_graph_add_weight(&ctx, graph, long_name, 2, dim, f32, data, &weight), PARE_INPUT,
                "too many");
   assert_fails(&ctx, pare_graph_add_output(&ctx, graph, graph->values[0]), PARE_INPUT, "no node");
   pare_node_spec spec = { .op = PARE_OP_add, .name = "q", .n_inputs = 2 };
   assert_fails(&ctx, pare_graph_add_node(&ctx, graph, &spec, NULL, &value), PARE_INPUT, "of this name");
   spec.name = "sum";
   assert_fails(&ctx, pare_graph_add_node(&ctx, graph, &spec, NULL, &value), PARE_INTERNAL, "input 0");
   spec.n_inputs = 1;
   assert_fails(&ctx, pare_graph_add_node(&ctx, graph, &spec, NULL, &value), PARE_INPUT, "takes 2 inputs");
   spec = (pare_node_spec){ .op = PARE_OP_attention, .name = "again", .n_inputs = 6 };
   spec.attrs = node("attn")->attrs;
   memcpy(spec.input, node("attn")->input, sizeof spec.input);
   assert_fails(&ctx, pare_graph_add_node(&ctx, graph, &spec, NULL, &value), PARE_INPUT,
                "the state kv.0 belongs to the node attn");
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   pare_buffer_unref(&ctx, data);
   end();
}
END_TEST

/* An attention is replaced by one with another state; the state left over is free for a new user. */
START_TEST(a_state_has_one_user)
{
   begin();
   pare_value *old = pare_graph_find_value(graph, "kv.0"), *fresh, *result;
   pare_node_spec spec = { .op = PARE_OP_attention, .name = "again", .n_inputs = 6 };
   assert_ok(&ctx, pare_graph_add_state(&ctx, graph, "kv.1", old->type, &fresh));
   pare_graph_replace_value(graph, old, fresh);
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   spec.attrs = node("attn")->attrs;
   memcpy(spec.input, node("attn")->input, sizeof spec.input);
   spec.input[5] = old;
   assert_ok(&ctx, pare_graph_add_node(&ctx, graph, &spec, node("residual"), &result));
   pare_graph_replace_value(graph, node("attn")->output[0], result);
   pare_graph_remove_node(graph, node("attn"));
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   ck_assert_ptr_null(fresh->user);
   ck_assert_ptr_eq(old->user, node("again"));
   end();
}
END_TEST

/* The old value lives on as the new node's result, with its users. */
START_TEST(a_new_node_takes_over)
{
   begin();
   pare_value *old = node("act")->output[0], *result;
   pare_node_spec spec = { .op = PARE_OP_activation, .name = "again", .n_inputs = 1 };
   spec.input[0] = node("act")->input[0];
   assert_ok(&ctx, pare_graph_add_node(&ctx, graph, &spec, node("act"), &result));
   size_t n_values = graph->n_values;
   pare_graph_take_over(old, result);
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   pare_graph_remove_node(graph, node("act"));
   assert_ok(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL));
   ck_assert_ptr_eq(node("again")->output[0], old);
   ck_assert_ptr_eq(node("last")->input[0], old);
   ck_assert_uint_eq(graph->n_values, n_values - 1);
   end();
}
END_TEST

/* Each kind of damage, done, and seen by validate as `status` with `text`. */
#define DAMAGE(change, text)                                                                \
   do {                                                                                     \
      begin();                                                                              \
      change;                                                                               \
      assert_fails(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL), PARE_INTERNAL, text); \
      end();                                                                                \
   } while (0)

static pare_value strange_value;
static pare_weight strange_weight;

START_TEST(validate_sees_damaged_nodes)
{
   DAMAGE(node("q")->input[0] = node("head")->output[0], "before the node");
   DAMAGE(node("q")->input[0] = &strange_value, "not a value of the graph");
   DAMAGE(node("q")->input[0] = graph->values[4], "the state kv.0 belongs to another node");
   DAMAGE(graph->values[4]->user = NULL, "the state kv.0 belongs to another node");
   DAMAGE(node("q")->weight[0] = &strange_weight, "not a weight of the graph");
   DAMAGE(node("q")->n_inputs = 2, "takes 1 inputs");
   DAMAGE(node("q")->n_weights = 0, "takes 1 to 8 weights");
   DAMAGE(node("q")->n_outputs = 2, "2 results, expected 1");
   DAMAGE(node("q")->n_outputs = 0, "0 results, expected 1");
   DAMAGE(node("q")->name = "other", "finds another");
   DAMAGE(node("q")->op = PARE_OP_COUNT, "no such operation");
   DAMAGE(node("q")->output[0]->type.dim[1] = 9, "expected f32[tokens, 8]");
   DAMAGE(node("q")->output[0] = node("k")->output[0], "belongs to something else");
   DAMAGE(node("q")->attrs = NULL, "no attributes");
   DAMAGE(((pare_linear_attrs *)node("q")->attrs)->act = 3, "\"act\" is out of range");
   DAMAGE(((pare_linear_attrs *)node("q")->attrs)->act = PARE_ACT_I8, "i8 with integer weights");
   DAMAGE(((pare_norm_attrs *)node("norm")->attrs)->eps = (double)NAN, "\"eps\" is out of range");
   DAMAGE(((pare_attention_attrs *)node("attn")->attrs)->window = -1, "\"window\" is out of range");
}
END_TEST

/* What reads quantized activations is held to their rotation. */
START_TEST(validate_sees_other_rotations)
{
   static const char text[] = "graph \"g\" {\ninput %x : f32[tokens, 64]\n"
                              "weight \"w\" [2, 64] i8 {\"rotation\":64}\n"
                              "%0 = quantize \"q\" (%x) {\"rotation\":64} : i8[tokens, 64]\n"
                              "%1 = linear \"l\" (%0) [\"w\"] {\"act\":\"i8\"} : f32[tokens, 2]\n"
                              "output %1\n}\n";
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, parse_text(&ctx, text, &graph));
   ((pare_quantize_attrs *)node("q")->attrs)->rotation = 32;
   assert_fails(&ctx, pare_graph_validate(&ctx, graph, PARE_INTERNAL), PARE_INTERNAL,
                "input 0 is rotated by 32, the weights by 64");
   end();
}
END_TEST

START_TEST(validate_sees_damaged_lists)
{
   DAMAGE(node("q")->prev = NULL, "does not lead here");
   DAMAGE(graph->last->next = graph->first, "longer");
   DAMAGE(graph->last = node("q"), "another end");
   DAMAGE(graph->n_nodes = 11, "longer");
   DAMAGE(graph->n_nodes = 13, "another end");
   DAMAGE(graph->values[3]->index = 2, "value 3 has index 2");
   DAMAGE(graph->values[0]->name = "rows", "finds another");
   DAMAGE(graph->values[0]->producer = graph->first, "has a producer");
   DAMAGE(graph->values[4]->type.rank = 5, "not valid");
   DAMAGE(graph->weights[1]->index = 0, "weight 1 has index 0");
   DAMAGE(graph->weights[1]->name = "q", "finds another weight");
   DAMAGE(graph->weights[1]->dim[0] = 9, "16 bytes, expected 18");
   DAMAGE(graph->weights[1]->rank = 3, "shape");
   DAMAGE(graph->weights[2]->encoding.rotation = 32, "shape");
   DAMAGE(graph->outputs[0] = graph->values[0], "output 0");
   DAMAGE(graph->n_outputs = 0, "no output");
   DAMAGE(pare_graph_remove_node(graph, node("embed")), "not a value of the graph");
}
END_TEST

START_TEST(every_allocation_may_fail)
{
   for (long at = 1;; at++) {
      unit_heap_init(&ctx, &heap);
      heap.fail_at = at;
      pare_graph *copy = NULL;
      pare_str text = { 0 };
      graph = NULL;
      pare_status status = parse_text(&ctx, TINY_LLAMA, &graph);
      if (status == PARE_OK) status = pare_graph_clone(&ctx, graph, &copy);
      if (status == PARE_OK) status = pare_graph_print(&ctx, copy, &text);
      if (status == PARE_OK) status = pare_graph_validate(&ctx, copy, PARE_INTERNAL);
      ck_assert_int_eq(status, ctx.error.status);
      pare_str_finish(&ctx, &text);
      pare_graph_destroy(&ctx, copy);
      end();
      if (status == PARE_OK) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
   }
}
END_TEST

UNIT_MAIN("ir_graph", finds_things, patterns_match_with_and_without_prefix, a_node_can_be_replaced,
          many_values_can_be_replaced_at_once,
          a_weight_can_be_replaced_and_removed, a_clone_is_the_same_and_shares_bytes,
          building_refuses_what_does_not_fit, a_state_has_one_user, a_new_node_takes_over,
          validate_sees_damaged_nodes, validate_sees_damaged_lists, validate_sees_other_rotations,
          every_allocation_may_fail)
