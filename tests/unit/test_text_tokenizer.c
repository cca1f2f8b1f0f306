/* Tokenizers made here: every model, what surrounds them, streaming, bad files, failing allocations. */
#include <stdio.h>
#include <string.h>

#include "text/tokenizer.h"
#include "unit.h"

/* Pieces of tokenizer.json. */
#define CHARS                                                                                                \
   "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"abab\":3},\"merges\":[\"a b\",[\"ab\",\"ab\"]]}"
#define SPM                                                                                                  \
   "{\"type\":\"BPE\",\"vocab\":{\"<unk>\":0,\"\xe2\x96\x81\":1,\"a\":2,\"\xe2\x96\x81"                      \
   "a\":3,\"<0xC3>\":4,\"<0xA9>\":5,\"<s>\":6},\"merges\":[\"\xe2\x96\x81 a\"],\"unk_token\":\"<unk>\","     \
   "\"fuse_unk\":true,\"byte_fallback\":true}"
#define LLAMA_DECODER                                                                                        \
   "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},"   \
   "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"                                     \
   "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"
#define LLAMA_NORMALIZER                                                                                     \
   "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},"            \
   "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]}"
#define TEMPLATE                                                                                             \
   "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"         \
   "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":"                            \
   "{\"<s>\":{\"id\":\"<s>\",\"ids\":[6],\"tokens\":[\"<s>\"]}}}"
#define ADDED(content, id, flags) "{\"content\":\"" content "\",\"id\":" #id flags "}"
#define LLAMA                                                                                                \
   "{\"model\":" SPM ",\"normalizer\":" LLAMA_NORMALIZER ",\"decoder\":" LLAMA_DECODER                       \
   ",\"post_processor\":" TEMPLATE ",\"added_tokens\":[" ADDED("<s>", 6, ",\"special\":true") "]}"

typedef struct fixture {
   pare_ctx ctx;
   unit_heap heap;
   pare_tokenizer *tokenizer;
} fixture;

static void load(fixture *f, const char *json)
{
   unit_heap_init(&f->ctx, &f->heap);
   f->tokenizer = NULL;
   assert_ok(&f->ctx, pare_tokenizer_load(&f->ctx, json, strlen(json), "test", &f->tokenizer));
}

static void unload(fixture *f)
{
   pare_tokenizer_destroy(&f->ctx, f->tokenizer);
   ck_assert_int_eq(f->heap.blocks, 0);
}

/* The ids as "1 2 3". */
static void check_ids(fixture *f, const char *text, bool add_special, const char *wanted)
{
   pare_ids ids = { 0 };
   pare_str shown = { 0 };
   assert_ok(&f->ctx, pare_tokenizer_encode(&f->ctx, f->tokenizer, text, strlen(text), add_special, &ids));
   for (size_t i = 0; i < ids.size; i++)
      assert_ok(&f->ctx, pare_str_printf(&f->ctx, &shown, i ? " %u" : "%u", ids.data[i]));
   ck_assert_str_eq(shown.data ? shown.data : "", wanted);
   pare_ids_finish(&f->ctx, &ids);
   pare_str_finish(&f->ctx, &shown);
}

static void check_text(fixture *f, const uint32_t *ids, size_t count, bool skip_special, const char *wanted)
{
   pare_str text = { 0 };
   assert_ok(&f->ctx, pare_tokenizer_decode(&f->ctx, f->tokenizer, ids, count, skip_special, &text));
   ck_assert_str_eq(text.data ? text.data : "", wanted);
   pare_str_finish(&f->ctx, &text);
}

START_TEST(merges_in_rank_order)
{
   fixture f;
   load(&f, "{\"model\":" CHARS "}");
   check_ids(&f, "ababab", true, "3 2");
   check_ids(&f, "aabb", false, "0 2 1");
   check_ids(&f, "", true, "");
   check_ids(&f, "axb", true,
             "2"); /* without an unknown token a character is dropped, and its neighbours meet */
   check_text(&f, (uint32_t[]){ 3, 0 }, 2, true, "abab a");
   unload(&f);
}
END_TEST

START_TEST(llama_style)
{
   fixture f;
   load(&f, LLAMA);
   check_ids(&f, "a a", true, "6 3 3");
   check_ids(&f, "a\xc3\xa9", false, "3 4 5");
   check_ids(&f, "xx a", false, "1 0 3"); /* unknown characters are fused */
   check_ids(&f, "a<s>a", false, "3 6 3");
   check_text(&f, (uint32_t[]){ 6, 3, 4, 5, 3 }, 5, true, "a\xc3\xa9 a");
   check_text(&f, (uint32_t[]){ 3, 4, 3 }, 3, true, "a\xef\xbf\xbd a");
   check_text(&f, (uint32_t[]){ 6, 3, 99 }, 3, false, "<s> a");
   pare_str text = { 0 };
   assert_ok(&f.ctx, pare_tokenizer_describe(&f.ctx, f.tokenizer, &text));
   ck_assert_str_eq(text.data, "BPE of characters, 7 tokens, 1 added");
   pare_str_finish(&f.ctx, &text);
   ck_assert_uint_eq(pare_tokenizer_size(f.tokenizer), 7);
   ck_assert_int_eq(pare_tokenizer_id(f.tokenizer, "<s>"), 6);
   ck_assert_int_eq(pare_tokenizer_id(f.tokenizer, "no"), -1);
   ck_assert_str_eq(pare_tokenizer_token(f.tokenizer, 2), "a");
   ck_assert_ptr_null(pare_tokenizer_token(f.tokenizer, 7));
   ck_assert(pare_tokenizer_is_special(f.tokenizer, 6) && !pare_tokenizer_is_special(f.tokenizer, 2));
   unload(&f);
}
END_TEST

START_TEST(stream_gives_whole_characters)
{
   static const uint32_t ids[] = { 3, 4, 5, 2 };
   static const char *const after[] = { "a", "a", "a", ("a\xc3\xa9" "a") };
   fixture f;
   pare_detokenizer *stream;
   pare_str text = { 0 };
   load(&f, LLAMA);
   assert_ok(&f.ctx, pare_detokenizer_create(&f.ctx, f.tokenizer, true, &stream));
   for (size_t i = 0; i < 4; i++) {
      assert_ok(&f.ctx, pare_detokenizer_push(&f.ctx, stream, ids[i], &text));
      ck_assert_str_eq(text.data, after[i]);
   }
   assert_ok(&f.ctx, pare_detokenizer_finish(&f.ctx, stream, &text));
   ck_assert_str_eq(text.data, after[3]);
   pare_detokenizer_destroy(&f.ctx, stream);
   pare_str_finish(&f.ctx, &text);
   unload(&f);
}
END_TEST

/* U+0120 stands for a space, U+00C3 U+00A9 for the bytes of e with an acute accent. */
START_TEST(byte_level)
{
   fixture f;
   load(&f, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xc4\xa0\":0,\"a\":1,\"\xc4\xa0"
            "a\":2,\"\xc3\x83\":3,"
            "\"\xc2\xa9\":4,\"\xc3\xaf\":5,\"\xc2\xbf\":6,\"\xc2\xbd\":7},\"merges\":[\"\xc4\xa0 a\"]},"
            "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},\"decoder\":{\"type\":"
            "\"ByteLevel\"}}");
   check_ids(&f, "a a", false, "2 2");
   check_ids(&f, " a  a", false, "2 0 2");
   check_ids(&f, "\xc3\xa9", false, "0 3 4");
   check_ids(&f, "a\xff", false, "2 5 6 7"); /* an invalid byte reads as U+FFFD */
   check_text(&f, (uint32_t[]){ 2, 3, 4, 3 }, 4, false, " a\xc3\xa9\xef\xbf\xbd");
   unload(&f);
}
END_TEST

START_TEST(added_tokens_are_cut_out_first)
{
   fixture f;
   load(&f, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\" \":2},\"merges\":[]},"
            "\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":["
            ADDED("<x>", 3, ",\"special\":true") ","
            ADDED("<xy>", 4, ",\"special\":true") ","
            ADDED("AB", 5, ",\"normalized\":true") ","
            ADDED("<l>", 6, ",\"normalized\":false,\"lstrip\":true") ","
            ADDED("<r>", 7, ",\"normalized\":false,\"rstrip\":true") ","
            ADDED("w", 8, ",\"normalized\":false,\"single_word\":true") "]}");
   check_ids(&f, "a<xy>b<x>a", false, "0 4 1 3 0");
   check_ids(&f, "ABaabA", false, "5 0 5 0");
   check_ids(&f, "a  <l> a<r>  b", false, "0 6 2 0 7 1");
   check_ids(&f, "w aw w", false, "8 2 0 2 8");
   check_text(&f, (uint32_t[]){ 0, 3, 5 }, 3, true, "a ab");
   unload(&f);
}
END_TEST

/* Ids of added tokens as tokenizers 0.23.3 gives them, whatever the file says: a token of the model keeps the
 * model's, the others count on from the number of the model's tokens, also where its ids have holes. */
START_TEST(added_tokens_get_ids)
{
   static const struct {
      const char *vocab, *added;
      int64_t x, y;
   } cases[] = {
      { "\"a\":0,\"b\":1,\"c\":7", ADDED("<x>", 3, "") "," ADDED("<y>", 4, ""), 3, 4 },
      { "\"a\":0,\"b\":1,\"c\":7", ADDED("c", 7, "") "," ADDED("<x>", 8, "") "," ADDED("<y>", 9, ""), 3, 4 },
      { "\"a\":0,\"b\":1,\"c\":7", ADDED("<x>", 3, "") "," ADDED("c", 7, "") "," ADDED("<y>", 9, ""), 3, 4 },
      { "\"a\":0,\"b\":3,\"c\":9", ADDED("b", 3, "") "," ADDED("<x>", 4, "") "," ADDED("<y>", 5, ""), 3, 4 },
      { "\"a\":0,\"c\":2", ADDED("<x>", 3, "") "," ADDED("<x>", 9, "") "," ADDED("<y>", 4, ""), 2, 3 },
      { "\"a\":0,\"c\":5", ADDED("c", 5, "") "," ADDED("c", 5, "") "," ADDED("<y>", 4, ""), -1, 2 },
   };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      fixture f;
      char json[512];
      snprintf(json, sizeof json,
               "{\"model\":{\"type\":\"BPE\",\"vocab\":{%s},\"merges\":[]},\"added_tokens\":[%s]}",
               cases[i].vocab, cases[i].added);
      load(&f, json);
      ck_assert_int_eq(pare_tokenizer_id(f.tokenizer, "<x>"), cases[i].x);
      ck_assert_int_eq(pare_tokenizer_id(f.tokenizer, "<y>"), cases[i].y);
      unload(&f);
   }
}
END_TEST

START_TEST(metaspace_first)
{
   fixture f;
   load(&f,
        "{\"model\":" SPM ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
        "\"prepend_scheme\":\"first\"},\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"},"
        "\"added_tokens\":[" ADDED("<s>", 6, ",\"special\":true") "]}");
   check_ids(&f, "a a<s>a", false, "3 3 6 2");
   check_ids(&f, "<s>a", false, "6 2");
   check_text(&f, (uint32_t[]){ 3, 3 }, 2, false, "a a");
   unload(&f);
}
END_TEST

START_TEST(whole_words)
{
   fixture f;
   load(&f,
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1,\"[UNK]\":2},\"unk_token\":\"[UNK]\"},"
        "\"pre_tokenizer\":{\"type\":\"Whitespace\"}}");
   check_ids(&f, "a b, ab", false, "0 1 2 2");
   unload(&f);
   load(&f,
        "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"un\":0,\"##able\":1,\"##a\":2,\"[UNK]\":3,\"[CLS]\":"
        "4},"
        "\"unk_token\":\"[UNK]\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{"
        "\"type\":"
        "\"BertProcessing\",\"cls\":[\"[CLS]\",4],\"sep\":[\"[CLS]\",4]},\"decoder\":{\"type\":\"WordPiece\","
        "\"prefix\":\"##\"}}");
   check_ids(&f, "unable una unx", true, "4 0 1 0 2 3 4");
   check_text(&f, (uint32_t[]){ 0, 1, 0 }, 3, true, "unable un");
   unload(&f);
}
END_TEST

START_TEST(missing_unknown_token)
{
   fixture f;
   pare_ids ids = { 0 };
   load(&f, "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"<unk>\"}}");
   assert_fails(&f.ctx, pare_tokenizer_encode(&f.ctx, f.tokenizer, "xyz", 3, false, &ids), PARE_INPUT,
                "lacks 'xyz' and has no unknown token '<unk>'");
   ck_assert_uint_eq(ids.size, 0);
   pare_ids_finish(&f.ctx, &ids);
   unload(&f);
}
END_TEST

START_TEST(bad_files)
{
   static const struct { const char *json; pare_status status; const char *message;
   } cases[] = {
      { "{", PARE_INPUT, "" },
      { "[]", PARE_INPUT, "expected a JSON object" },
      { "{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", PARE_INPUT, "'vocab' must be" },
      { "{}", PARE_INPUT, "'model' must be" },
      { "{\"version\":\"2.0\",\"model\":" CHARS "}", PARE_UNSUPPORTED, "version is '2.0'" },
      { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", PARE_UNSUPPORTED, "type 'Unigram'" },
      { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", PARE_INPUT,
        "the same id 0" },
      { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4000000000},\"merges\":[]}}", PARE_INPUT,
        "only 1 tokens" },
      { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.5},\"merges\":[]}}", PARE_INPUT, "whole number" },
      { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a c\"]}}", PARE_INPUT, "lacks: 'c'" },
      { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"aa\"]}}", PARE_INPUT,
        "entry 0 must be" },
      { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", PARE_UNSUPPORTED,
        "dropout" },
      { "{\"model\":" CHARS ",\"normalizer\":{\"type\":\"Precompiled\"}}", PARE_UNSUPPORTED,
        "'Precompiled'" },
      { "{\"model\":" CHARS ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"}}}",
        PARE_UNSUPPORTED, "pattern '('" },
      { "{\"model\":" CHARS ",\"decoder\":{\"type\":\"CTC\"}}", PARE_UNSUPPORTED, "'CTC'" },
      { "{\"model\":" CHARS ",\"added_tokens\":[{\"content\":5}]}", PARE_INPUT, "'content' must be" },
      { "{\"model\":" CHARS ",\"x\":\"\\u0000\"}", PARE_UNSUPPORTED, "zero character" },
      { "{\"model\":" CHARS ",\"x\":\"\xff\"}", PARE_INPUT, "not valid UTF-8" },
   };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_tokenizer *tokenizer;
      const char *json = cases[i].json;
      assert_fails(&ctx, pare_tokenizer_load(&ctx, json, strlen(json), "t", &tokenizer), cases[i].status,
                   cases[i].message);
      ck_assert_int_eq(heap.blocks, 0);
   }
}
END_TEST

/* A replacement that doubles the text, again and again. */
START_TEST(growth_is_bounded)
{
   fixture f;
   pare_ids ids = { 0 };
   pare_str json = { 0 };
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   assert_ok(&ctx,
             pare_str_puts(&ctx, &json,
                           "{\"model\":" CHARS ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["));
   for (int i = 0; i < 60; i++)
      assert_ok(&ctx, pare_str_printf(&ctx, &json, "%s{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},"
                                      "\"content\":\"aaaa\"}", i ? "," : ""));
   assert_ok(&ctx, pare_str_puts(&ctx, &json, "]}}"));
   load(&f, json.data);
   assert_fails(&f.ctx, pare_tokenizer_encode(&f.ctx, f.tokenizer, "a", 1, false, &ids), PARE_UNSUPPORTED,
                "bytes of this");
   pare_ids_finish(&f.ctx, &ids);
   pare_str_finish(&ctx, &json);
   unload(&f);
}
END_TEST

static pare_status whole_run(pare_ctx *ctx)
{
   static const char text[] = "a xx\xc3\xa9<s> a\xff";
   pare_tokenizer *tokenizer = NULL;
   pare_ids ids = { 0 };
   pare_str out = { 0 };
   pare_status status = pare_tokenizer_load(ctx, LLAMA, strlen(LLAMA), "t", &tokenizer);
   if (status == PARE_OK) status = pare_tokenizer_encode(ctx, tokenizer, text, strlen(text), true, &ids);
   if (status == PARE_OK) status = pare_tokenizer_decode(ctx, tokenizer, ids.data, ids.size, true, &out);
   pare_tokenizer_destroy(ctx, tokenizer);
   pare_ids_finish(ctx, &ids);
   pare_str_finish(ctx, &out);
   return status;
}

START_TEST(failing_allocations)
{
   pare_ctx ctx;
   unit_heap heap;
   long calls = 1;
   for (long fail_at = 1; fail_at <= calls; fail_at++) {
      unit_heap_init(&ctx, &heap);
      heap.fail_at = fail_at;
      pare_status status = whole_run(&ctx);
      ck_assert_int_eq(heap.blocks, 0);
      if (heap.calls < fail_at) break;
      ck_assert_int_eq(status, PARE_RESOURCE);
      calls = fail_at + 1;
   }
   ck_assert_int_gt(calls, 30);
}
END_TEST

UNIT_MAIN("text_tokenizer", merges_in_rank_order, llama_style, stream_gives_whole_characters, byte_level,
          added_tokens_are_cut_out_first, added_tokens_get_ids, metaspace_first,
          whole_words, missing_unknown_token, bad_files,
          growth_is_bounded, failing_allocations)
