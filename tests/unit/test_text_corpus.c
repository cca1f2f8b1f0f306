/* Corpora of every format, and what is wrong with bad ones. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text/corpus.h"
#include "unit.h"

static const char TOKENIZER[] =
   "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   pare_tokenizer *tokenizer;
   char path[64];
} fixture;

/* A file of these bytes whose name ends in `ending`. */
static void begin(fixture *f, const char *ending, const void *bytes, size_t size)
{
   unit_heap_init(&f->ctx, &f->heap);
   assert_ok(&f->ctx, pare_tokenizer_load(&f->ctx, TOKENIZER, strlen(TOKENIZER), "t", &f->tokenizer));
   snprintf(f->path, sizeof f->path, "test_text_corpus_%d%s", (int)getpid(), ending);
   FILE *file = fopen(f->path, "wb");
   ck_assert_ptr_nonnull(file);
   ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
   fclose(file);
}

static void end(fixture *f)
{
   unlink(f->path);
   pare_tokenizer_destroy(&f->ctx, f->tokenizer);
   ck_assert_int_eq(f->heap.blocks, 0);
}

/* Documents as "1 2|3". */
static void check(const char *ending, const char *bytes, size_t size, pare_corpus_format format,
                  const char *wanted, uint64_t text_bytes)
{
   fixture f;
   pare_corpus corpus;
   pare_str shown = { 0 };
   begin(&f, ending, bytes, size);
   assert_ok(&f.ctx, pare_corpus_load(&f.ctx, f.path, format, f.tokenizer, 100, &corpus));
   for (size_t d = 0; d < corpus.documents; d++)
      for (size_t i = corpus.starts[d]; i < corpus.starts[d + 1]; i++)
         assert_ok(&f.ctx, pare_str_printf(&f.ctx, &shown, "%s%u", i == corpus.starts[d] ? d ? "|" : "" : " ",
                                           corpus.ids.data[i]));
   ck_assert_str_eq(shown.data, wanted);
   ck_assert_uint_eq(corpus.text_bytes, text_bytes);
   ck_assert_uint_eq(strlen(corpus.sha256), 64);
   pare_str_finish(&f.ctx, &shown);
   pare_corpus_finish(&f.ctx, &corpus);
   end(&f);
}

START_TEST(reads_every_format)
{
   check(".txt", "ab\nb", 4, PARE_CORPUS_AUTO, "2 1", 4);
   check(".txt", "ab\r\n\na\n", 7, PARE_CORPUS_LINES, "2|0", 3);
   check(".ids.txt", "1 2,3\n\n 4\t5 \r\n6", 15, PARE_CORPUS_AUTO, "1 2 3|4 5|6", 0);
   check(".u16", "\1\0\2\0", 4, PARE_CORPUS_AUTO, "1 2", 0);
   check(".u32", "\1\0\0\0\2\0\0\0", 8, PARE_CORPUS_AUTO, "1 2", 0);
   check(".bin", "\1\0\2\0", 4, PARE_CORPUS_U16, "1 2", 0);
}
END_TEST

static void check_bad(const char *ending, const char *bytes, size_t size, int64_t vocab, const char *message)
{
   fixture f;
   pare_corpus corpus;
   begin(&f, ending, bytes, size);
   assert_fails(&f.ctx, pare_corpus_load(&f.ctx, f.path, PARE_CORPUS_AUTO, f.tokenizer, vocab, &corpus),
                PARE_INPUT, message);
   end(&f);
}

START_TEST(says_what_is_wrong)
{
   check_bad(".ids", "1 2\n3 100\n", 10, 100, "line 2, id 2: id 100, expected less than 100");
   check_bad(".ids", "1 x", 3, 100, "line 1, id 2: 'x' in place of a digit");
   check_bad(".ids", "99999999999999999999999", 23, 0, "expected less than 4294967296");
   check_bad(".u16", "\1\0\2", 3, 100, "expected a multiple of 2");
   check_bad(".u16", "\1\0\2\0", 4, 2, "position 1: id 2, expected less than 2");
   check_bad(".txt", "ab", 2, 2, "id 2, expected less than 2");
   check_bad(".txt", "", 0, 100, "no tokens");
}
END_TEST

START_TEST(text_needs_a_tokenizer)
{
   fixture f;
   pare_corpus corpus;
   begin(&f, ".txt", "ab", 2);
   assert_fails(&f.ctx, pare_corpus_load(&f.ctx, f.path, PARE_CORPUS_AUTO, NULL, 100, &corpus), PARE_INPUT,
                "no tokenizer");
   assert_fails(&f.ctx, pare_corpus_load(&f.ctx, "no/such/file", PARE_CORPUS_AUTO, NULL, 100, &corpus),
                PARE_INPUT, "cannot open");
   end(&f);
}
END_TEST

UNIT_MAIN("text_corpus", reads_every_format, says_what_is_wrong, text_needs_a_tokenizer)
