/* fuzz_tokenizer: a tokenizer.json, a zero byte, and a text. Whatever loads must encode and decode; what
 * the stream gives must be what decoding at once gives, in valid UTF-8. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int fact)
{
   if (!fact) abort();
}

/* Both fail alike or give the same text. */
static void check_decode(pare_ctx *ctx, const pare_tokenizer *tokenizer, const pare_ids *ids,
                         bool skip_special)
{
   pare_str whole = { 0 }, stream = { 0 };
   pare_detokenizer *detokenizer = NULL;
   pare_status status = pare_tokenizer_decode(ctx, tokenizer, ids->data, ids->size, skip_special, &whole);
   pare_ctx_clear(ctx);
   require(pare_utf8_check(whole.data ? whole.data : "", whole.size) == whole.size);
   require(pare_detokenizer_create(ctx, tokenizer, skip_special, &detokenizer) == PARE_OK);
   pare_status last = PARE_OK;
   for (size_t i = 0; i < ids->size && last == PARE_OK; i++) {
      size_t from = stream.size;
      last = pare_detokenizer_push(ctx, detokenizer, ids->data[i], &stream);
      if (stream.size > from)
         require(pare_utf8_check(stream.data + from, stream.size - from) == stream.size - from);
   }
   if (last == PARE_OK) last = pare_detokenizer_finish(ctx, detokenizer, &stream);
   require(last == status && stream.size == whole.size);
   require(!whole.size || memcmp(stream.data, whole.data, whole.size) == 0);
   pare_ctx_clear(ctx);
   pare_detokenizer_destroy(ctx, detokenizer);
   pare_str_finish(ctx, &stream);
   pare_str_finish(ctx, &whole);
}

static void check_text(pare_ctx *ctx, const pare_tokenizer *tokenizer, const char *text, size_t size)
{
   for (int special = 0; special < 2; special++) {
      pare_ids ids = { 0 };
      if (pare_tokenizer_encode(ctx, tokenizer, text, size, special, &ids) != PARE_OK) {
         require(ctx->error.message[0] != 0 && ids.size == 0);
         pare_ctx_clear(ctx);
      }
      check_decode(ctx, tokenizer, &ids, !special);
      pare_ids_finish(ctx, &ids);
   }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
   pare_ctx ctx;
   pare_tokenizer *tokenizer = NULL;
   const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
   size_t json = zero ? (size_t)(zero - data) : size;
   pare_ctx_init(&ctx);
   if (pare_tokenizer_load(&ctx, (const char *)data, json, "input", &tokenizer) != PARE_OK) {
      require(ctx.error.message[0] != 0);
   } else {
      pare_str text = { 0 };
      require(pare_tokenizer_describe(&ctx, tokenizer, &text) == PARE_OK);
      pare_str_finish(&ctx, &text);
      if (zero) check_text(&ctx, tokenizer, (const char *)zero + 1, size - json - 1);
   }
   pare_tokenizer_destroy(&ctx, tokenizer);
   pare_ctx_finish(&ctx);
   return 0;
}
