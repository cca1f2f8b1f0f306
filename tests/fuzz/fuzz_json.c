/* fuzz_json: any bytes as JSON. What parses must print to text that parses and prints the same. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int fact)
{
   if (!fact) abort();
}

static void check_print(pare_ctx *ctx, const pare_json *value)
{
   pare_str first = { 0 }, second = { 0 };
   pare_json *again = NULL;
   require(pare_json_print(ctx, value, &first) == PARE_OK);
   require(pare_json_parse(ctx, first.data, first.size, "printed", &again) == PARE_OK);
   require(pare_json_print(ctx, again, &second) == PARE_OK);
   require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
   pare_json_free(again);
   pare_str_finish(ctx, &first);
   pare_str_finish(ctx, &second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_json *value = NULL;
   pare_ctx_init(&ctx);
   if (pare_json_parse(&ctx, (const char *)data, size, "input", &value) == PARE_OK) check_print(&ctx, value);
   else require(ctx.error.status == PARE_INPUT && ctx.error.message[0]);
   pare_json_free(value);
   pare_ctx_finish(&ctx);
   return 0;
}
