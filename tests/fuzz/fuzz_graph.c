/* fuzz_graph: any bytes as the text of a graph. What is accepted must print, and the print must parse and
 * print the same. */
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pare_status attach(pare_ctx *ctx, void *user, const char *name, int rank, const int64_t *dim,
                          pare_encoding encoding, pare_buffer **out)
{
   size_t bytes = 0;
   (void)user;
   if (!pare_encoding_bytes(&encoding, rank, dim, &bytes) || bytes > 1 << 16)
      return pare_fail(ctx, PARE_INPUT, name, "too large");
   return pare_buffer_create(ctx, bytes, out);
}

static void must(bool good)
{
   if (!good) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_graph *graph = NULL, *again = NULL;
   pare_str first = { 0 }, second = { 0 };
   pare_ctx_init(&ctx);
   pare_status status = pare_graph_parse(&ctx, (const char *)data, size, "fuzz", attach, NULL, &graph);
   if (status == PARE_OK) {
      must(pare_graph_print(&ctx, graph, &first) == PARE_OK);
      must(pare_graph_parse(&ctx, first.data, first.size, "print", attach, NULL, &again) == PARE_OK);
      must(pare_graph_print(&ctx, again, &second) == PARE_OK);
      must(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
   } else {
      must(status == PARE_INPUT && ctx.error.message[0]);
   }
   pare_graph_destroy(&ctx, graph);
   pare_graph_destroy(&ctx, again);
   pare_str_finish(&ctx, &first);
   pare_str_finish(&ctx, &second);
   pare_ctx_finish(&ctx);
   return 0;
}
