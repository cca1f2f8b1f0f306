/* The vectors that the `tokenizers` package computed: tests/reference/tok, made by
 * tests/reference/tokenizers_ref.py. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "text/tokenizer.h"
#include "unit.h"

enum { MAX_PATH = 1024, MAX_FILE = 1 << 24 };

/* tests/reference/tok/NAME ENDING, found from where this source file lies. */
static pare_buffer *read_vector(pare_ctx *ctx, const char *name, const char *ending)
{
   char path[MAX_PATH];
   pare_buffer *file;
   const char *slash = strrchr(__FILE__, '/');
   snprintf(path, sizeof path, "%.*s/../reference/tok/%s%s", slash ? (int)(slash - __FILE__) : 1,
            slash ? __FILE__ : ".", name, ending);
   assert_ok(ctx, pare_read_file(ctx, path, MAX_FILE, &file));
   return file;
}

static void check_ids(pare_cursor *wanted, size_t count, const pare_ids *ids, const char *name, size_t line)
{
   ck_assert_msg(count == ids->size, "%s line %zu: %zu ids, expected %zu", name, line, ids->size, count);
   for (size_t i = 0; i < count; i++) {
      uint32_t id = pare_cursor_u32(wanted);
      ck_assert_msg(id == ids->data[i], "%s line %zu: id %zu is %u, expected %u", name, line, i, ids->data[i],
                    id);
   }
}

static void check_decoded(pare_ctx *ctx, const pare_tokenizer *tokenizer, const pare_ids *ids,
                          const uint8_t *wanted, size_t size)
{
   pare_str text = { 0 };
   assert_ok(ctx, pare_tokenizer_decode(ctx, tokenizer, ids->data, ids->size, true, &text));
   ck_assert_uint_eq(text.size, size);
   ck_assert(size == 0 || memcmp(text.data, wanted, size) == 0);
   pare_str_finish(ctx, &text);
}

static void check_whole(pare_ctx *ctx, const pare_tokenizer *tokenizer, const char *name)
{
   pare_buffer *text = read_vector(ctx, "mixed", ".txt"), *wanted = read_vector(ctx, name, ".ids.u32"),
               *decoded = read_vector(ctx, name, ".decoded.txt");
   pare_cursor cursor = pare_cursor_on(pare_buffer_data(wanted), pare_buffer_size(wanted));
   pare_ids ids = { 0 };
   assert_ok(ctx, pare_tokenizer_encode(ctx, tokenizer, (const char *)pare_buffer_data(text),
                                        pare_buffer_size(text), true, &ids));
   check_ids(&cursor, pare_buffer_size(wanted) / 4, &ids, name, 0);
   check_decoded(ctx, tokenizer, &ids, pare_buffer_data(decoded), pare_buffer_size(decoded));
   pare_ids_finish(ctx, &ids);
   pare_buffer_unref(ctx, text);
   pare_buffer_unref(ctx, wanted);
   pare_buffer_unref(ctx, decoded);
}

static void check_lines(pare_ctx *ctx, const pare_tokenizer *tokenizer, const char *name)
{
   pare_buffer *text = read_vector(ctx, "lines", ".txt"), *wanted = read_vector(ctx, name, ".lines.u32"),
               *decoded = read_vector(ctx, name, ".lines_decoded.bin");
   pare_cursor ids_at = pare_cursor_on(pare_buffer_data(wanted), pare_buffer_size(wanted));
   pare_cursor text_at = pare_cursor_on(pare_buffer_data(decoded), pare_buffer_size(decoded));
   const char *at = (const char *)pare_buffer_data(text), *end = at + pare_buffer_size(text), *feed;
   for (size_t line = 1; at < end && (feed = memchr(at, '\n', (size_t)(end - at))); at = feed + 1, line++) {
      pare_ids ids = { 0 };
      assert_ok(ctx, pare_tokenizer_encode(ctx, tokenizer, at, (size_t)(feed - at), false, &ids));
      check_ids(&ids_at, pare_cursor_u32(&ids_at), &ids, name, line);
      uint32_t size = pare_cursor_u32(&text_at);
      check_decoded(ctx, tokenizer, &ids, pare_cursor_take(&text_at, size), size);
      pare_ids_finish(ctx, &ids);
   }
   ck_assert(!ids_at.bad && pare_cursor_left(&ids_at) == 0 && !text_at.bad &&
             pare_cursor_left(&text_at) == 0);
   pare_buffer_unref(ctx, text);
   pare_buffer_unref(ctx, wanted);
   pare_buffer_unref(ctx, decoded);
}

static void check_tokenizer(const char *name)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_tokenizer *tokenizer;
   unit_heap_init(&ctx, &heap);
   pare_buffer *json = read_vector(&ctx, name, ".json");
   assert_ok(&ctx, pare_tokenizer_load(&ctx, (const char *)pare_buffer_data(json), pare_buffer_size(json),
                                       name, &tokenizer));
   check_whole(&ctx, tokenizer, name);
   check_lines(&ctx, tokenizer, name);
   pare_tokenizer_destroy(&ctx, tokenizer);
   pare_buffer_unref(&ctx, json);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(bpe_llama3)
{
   check_tokenizer("bpe_llama3");
}
END_TEST

START_TEST(bpe_metaspace)
{
   check_tokenizer("bpe_metaspace");
}
END_TEST

START_TEST(wordlevel)
{
   check_tokenizer("wordlevel");
}
END_TEST

UNIT_MAIN("text_reference", bpe_llama3, bpe_metaspace, wordlevel)
