/* What the executor says of primitives and of attention without a cache: it cannot run them, and names the node. */
#include <stdio.h>

#include "run/plan.h"
#include "test_run_models.h"

static pare_ctx ctx;
static unit_heap heap;

static pare_status attach_nothing(pare_ctx *c, void *user, const char *name, int rank, const int64_t *dim,
                                  pare_encoding encoding, pare_buffer **out)
{
   size_t size = 0;
   (void)user;
   if (!pare_encoding_bytes(&encoding, rank, dim, &size)) return pare_fail(c, PARE_INPUT, name, "too large");
   return pare_buffer_create(c, size, out);
}

static void refuses(const char *nodes, const char *where, const char *why)
{
   char text[1024];
   pare_graph *graph;
   pare_kernels kernels;
   pare_plan *plan;
   pare_session_options limits = { .slots = 1, .context = 8, .tokens = 4, .rows = 1 };
   unit_heap_init(&ctx, &heap);
   snprintf(text, sizeof text,
            "graph \"g\" {\ninput %%tokens : i32[tokens]\ninput %%rows : i32[rows]\nweight \"e\" [4, 8] f32\n"
            "%%0 = embed \"embed\" (%%tokens) [\"e\"] : f32[tokens, 8]\n%s\noutput %%1\n}\n", nodes);
   assert_ok(&ctx, pare_graph_parse(&ctx, text, strlen(text), "test", attach_nothing, NULL, &graph));
   pare_kernels_init(&kernels, ctx.cpu);
   ck_assert_int_eq(pare_plan_create(&ctx, graph, &kernels, &limits, &plan), PARE_UNSUPPORTED);
   ck_assert_str_eq(ctx.error.where, where);
   ck_assert_msg(strstr(ctx.error.message, why) != NULL, "%s", ctx.error.message);
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(primitives_are_refused_by_name)
{
   refuses("%1 = tanh \"t\" (%0) : f32[tokens, 8]", "t", "tanh cannot be run by itself");
   refuses("%1 = reshape \"r\" (%0) {\"shape\":[0,2,4]} : f32[tokens, 2, 4]", "r", "reshape cannot be run by itself");
   refuses("%1 = slice \"s\" (%0) {\"to\":8,\"step\":2} : f32[tokens, 4]", "s", "neighbours");
   refuses("%1 = attention \"a\" (%0, %0, %0) {\"head_dim\":8} : f32[tokens, 8]", "a", "without a cache");
   refuses("%2 = slice \"c\" (%0) : f32[tokens, 1]\n%1 = add \"b\" (%0, %2) : f32[tokens, 8]", "b", "one shape");
}
END_TEST

UNIT_MAIN("run_primitives", primitives_are_refused_by_name)
