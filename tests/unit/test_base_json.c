/* Reading and writing JSON. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "unit.h"

static pare_ctx ctx;
static unit_heap heap;

static pare_json *read_text(const char *text)
{
   pare_json *root = NULL;
   assert_ok(&ctx, pare_json_parse(&ctx, text, strlen(text), "test", &root));
   return root;
}

START_TEST(reads_all_kinds)
{
   unit_heap_init(&ctx, &heap);
   pare_json *root = read_text(" {\"a\": [1, -2.5e3, true, null],"
                               " \"b\": {\"c\": \"\\u00e9\\ud83d\\ude00\\n\"}, \"\": 0}\n");
   ck_assert_uint_eq(pare_json_count(root), 3);
   const pare_json *a = pare_json_get(root, "a"), *item = pare_json_first(a);
   ck_assert(pare_json_is_array(a) && pare_json_count(a) == 4);
   ck_assert_double_eq(pare_json_number(item, 0), 1);
   item = pare_json_next(item);
   ck_assert_double_eq(pare_json_number(item, 0), -2500);
   item = pare_json_next(item);
   ck_assert(pare_json_is_bool(item) && pare_json_bool(item, false));
   item = pare_json_next(item);
   ck_assert(pare_json_is_null(item) && pare_json_is_null(NULL) && !pare_json_next(item));
   const pare_json *b = pare_json_get(root, "b");
   ck_assert_str_eq(pare_json_string(pare_json_get(b, "c")), "\xc3\xa9\xf0\x9f\x98\x80\n");
   ck_assert_str_eq(pare_json_name(pare_json_first(b)), "c");
   ck_assert_ptr_nonnull(pare_json_get(root, ""));
   ck_assert_ptr_null(pare_json_get(root, "A"));
   ck_assert_ptr_null(pare_json_get(a, "a"));
   ck_assert_ptr_null(pare_json_get(pare_json_get(NULL, "x"), "y"));
   pare_json_free(root);
   pare_json_free(NULL);
}
END_TEST

START_TEST(refuses_bad_text)
{
   static const struct {
      const char *text, *message;
   } cases[] = {
      { "", "line 1, column 1: the text ends" },
      { "{\n  \"a\": 1,\n  \"b\" 2\n}", "line 3, column 7: expected ':'" },
      { "[1, 2", "line 1, column 6: expected ',' or ']'" },
      { "{\"a\":1,}", "column 8: expected a key" },
      { "[1,]", "column 4: expected a value" },
      { "[1] x", "column 5: expected nothing after" },
      { "{} {}", "expected nothing after" },
      { "01", "leading zero" },
      { "1.", "expected a digit" },
      { "1e", "expected a digit" },
      { "-", "expected a digit" },
      { "+1", "expected a value" },
      { "nul", "expected a value" },
      { "NaN", "expected a value" },
      { "'a'", "expected a value" },
      { "\"\xc3\xa9", "column 3: the string does not end" },
      { "\"a\nb\"", "control character" },
      { "\"\\x\"", "unknown escape" },
      { "\"\\u12g4\"", "four hexadecimal digits" },
      { "\"\\u0000\"", "\\u0000 is not supported" },
      { "\"\\ud800\"", "surrogate" },
      { "\"\\ud800\\u0041\"", "surrogate" },
      { "\"\\udc00\"", "surrogate" },
      { "\"\xff\"", "invalid UTF-8" },
      { "\"\xc0\x80\"", "invalid UTF-8" },
      { "\"\xed\xa0\x80\"", "invalid UTF-8" },
      { "\"\xf4\x90\x80\x80\"", "invalid UTF-8" },
      { "1234567890123456789012345678901234567890123456789012345678901234", "more than 63" },
   };
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_json *root;
      const char *text = cases[i].text;
      assert_fails(&ctx, pare_json_parse(&ctx, text, strlen(text), "f", &root), PARE_INPUT, cases[i].message);
   }
   pare_json *root;
   assert_fails(&ctx, pare_json_parse(&ctx, "[\0]", 3, "f", &root), PARE_INPUT, "expected a value");
}
END_TEST

START_TEST(every_prefix_is_refused)
{
   static const char text[] = "{\"a\":[1.5e-3,true,null,\"\\ud83d\\ude00\xc3\xa9\"],\"b\":{\"c\":false}}";
   unit_heap_init(&ctx, &heap);
   for (size_t size = 0; size < sizeof text - 1; size++) {
      char *copy = malloc(size ? size : 1); /* so that a sanitizer sees any read past the end */
      memcpy(copy, text, size);
      pare_json *root;
      ck_assert_int_eq(pare_json_parse(&ctx, copy, size, "f", &root), PARE_INPUT);
      pare_ctx_clear(&ctx);
      free(copy);
   }
   pare_json_free(read_text(text));
}
END_TEST

START_TEST(nesting_is_limited)
{
   unit_heap_init(&ctx, &heap);
   char text[1000];
   pare_json *root;
   memset(text, '[', 60);
   memset(text + 60, ']', 60);
   assert_ok(&ctx, pare_json_parse(&ctx, text, 120, "f", &root));
   pare_str out = { 0 };
   assert_ok(&ctx, pare_json_print(&ctx, root, &out));
   ck_assert_int_eq(memcmp(out.data, text, 120), 0);
   pare_json_free(root);
   pare_str_finish(&ctx, &out);
   memset(text, '[', sizeof text);
   assert_fails(&ctx, pare_json_parse(&ctx, text, sizeof text, "f", &root), PARE_INPUT,
                "column 61: nested too deeply");
}
END_TEST

START_TEST(whole_numbers)
{
   unit_heap_init(&ctx, &heap);
   pare_json *root = read_text("[5, 5.0, 5e0, 5.5, 9007199254740992,"
                               " -9007199254740992, 9007199254740994, 1e30, \"5\"]");
   const bool good[] = { true, true, true, false, true, true, false, false, false };
   const pare_json *item = pare_json_first(root);
   for (size_t i = 0; i < sizeof good / sizeof *good; i++, item = pare_json_next(item)) {
      int64_t value = 0;
      ck_assert_int_eq(pare_json_int(item, INT64_MIN, INT64_MAX, &value), good[i]);
   }
   int64_t value = 1;
   ck_assert(!pare_json_int(pare_json_first(root), 6, 10, &value) && value == 1);
   pare_json_free(root);
}
END_TEST

START_TEST(members_with_defaults)
{
   unit_heap_init(&ctx, &heap);
   pare_json *root = read_text("{\"n\": 12, \"x\": 0.5, \"b\": true, \"s\": \"t\","
                               " \"z\": null, \"o\": {}, \"h\": 1e999}");
   int64_t n;
   double x;
   bool b;
   const char *s;
   assert_ok(&ctx, pare_json_read_int(&ctx, root, "n", "f", 0, 100, 7, &n));
   ck_assert_int_eq(n, 12);
   assert_ok(&ctx, pare_json_read_int(&ctx, root, "z", "f", 0, 100, 7, &n));
   ck_assert_int_eq(n, 7);
   assert_ok(&ctx, pare_json_read_int(&ctx, NULL, "z", "f", 0, 100, 8, &n));
   ck_assert_int_eq(n, 8);
   assert_ok(&ctx, pare_json_read_number(&ctx, root, "x", "f", 0, 1, 0, &x));
   ck_assert_double_eq(x, 0.5);
   assert_ok(&ctx, pare_json_read_bool(&ctx, root, "b", "f", false, &b));
   ck_assert(b);
   assert_ok(&ctx, pare_json_read_string(&ctx, root, "s", "f", NULL, &s));
   ck_assert_str_eq(s, "t");
   assert_fails(&ctx, pare_json_read_int(&ctx, root, "n", "f", 0, 11, 7, &n), PARE_INPUT,
                "\"n\" is 12, expected a whole number in [0, 11]");
   assert_fails(&ctx, pare_json_read_int(&ctx, root, "x", "f", 0, 11, 7, &n), PARE_INPUT, "\"x\" is 0.5");
   assert_fails(&ctx, pare_json_read_number(&ctx, root, "s", "f", 0, 1, 0, &x), PARE_INPUT, "\"s\" is \"t\"");
   assert_fails(&ctx, pare_json_read_number(&ctx, root, "h", "f", 0, 1, 0, &x), PARE_INPUT,
                "a number too large");
   assert_fails(&ctx, pare_json_read_bool(&ctx, root, "o", "f", false, &b), PARE_INPUT, "an object");
   assert_fails(&ctx, pare_json_read_string(&ctx, root, "b", "f", NULL, &s), PARE_INPUT,
                "is true, expected a string");
   pare_json_free(root);
}
END_TEST

static void write_sample(pare_json_writer *w)
{
   pare_json_open_object(w, NULL);
   pare_json_put_string(w, "s", "a\"\\\n\x01\xff\xc3\xa9");
   pare_json_open_array(w, "n");
   for (int i = 1; i <= 3; i++) pare_json_put_int(w, NULL, i);
   pare_json_close_array(w);
   pare_json_open_array(w, "e");
   pare_json_close_array(w);
   pare_json_open_array(w, "t");
   pare_json_put_string(w, NULL, NULL);
   pare_json_open_object(w, NULL);
   pare_json_close_object(w);
   pare_json_close_array(w);
   pare_json_put_bool(w, "b", true);
   pare_json_put_number(w, "i", (double)INFINITY);
   pare_json_close_object(w);
}

START_TEST(writes_compact_and_pretty)
{
   unit_heap_init(&ctx, &heap);
   pare_str out = { 0 };
   pare_json_writer w;
   pare_json_begin(&w, &ctx, &out, false);
   write_sample(&w);
   ck_assert_int_eq(w.status, PARE_OK);
   ck_assert_str_eq(out.data,
                    "{\"s\":\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\",\"n\":[1,2,3],\"e\":[],"
                    "\"t\":[null,{}],"
                              "\"b\":true,\"i\":null}");
   pare_str_clear(&out);
   pare_json_begin(&w, &ctx, &out, true);
   write_sample(&w);
   ck_assert_str_eq(out.data, "{\n  \"s\": \"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\",\n"
                    "  \"n\": [1, 2, 3],\n  \"e\": [],\n"
                              "  \"t\": [\n    null,\n    {}\n  ],\n  \"b\": true,\n  \"i\": null\n}");
   pare_json_free(read_text(out.data));
   pare_str_finish(&ctx, &out);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(long_arrays_wrap)
{
   unit_heap_init(&ctx, &heap);
   pare_str out = { 0 };
   pare_json_writer w;
   pare_json_begin(&w, &ctx, &out, true);
   pare_json_open_array(&w, NULL);
   for (int i = 0; i < 500; i++) pare_json_put_number(&w, NULL, i / 7.0);
   pare_json_close_array(&w);
   size_t column = 0;
   for (size_t i = 0; i < out.size; i++) {
      column = out.data[i] == '\n' ? 0 : column + 1;
      ck_assert_uint_le(column, 100);
   }
   pare_json *root = read_text(out.data);
   ck_assert_uint_eq(pare_json_count(root), 500);
   pare_json_free(root);
   pare_str_finish(&ctx, &out);
}
END_TEST

static void assert_number(double value, const char *text)
{
   pare_str out = { 0 };
   pare_json_writer w;
   pare_json_begin(&w, &ctx, &out, false);
   pare_json_put_number(&w, NULL, value);
   if (text) ck_assert_str_eq(out.data, text);
   pare_json *root = read_text(out.data);
   double back = pare_json_number(root, 0);
   ck_assert_int_eq(memcmp(&back, &value, sizeof back), 0);
   pare_json_free(root);
   pare_str_finish(&ctx, &out);
}

START_TEST(numbers_read_back)
{
   unit_heap_init(&ctx, &heap);
   /* Any locale with a decimal comma, where the machine has one. */
   if (!setlocale(LC_ALL, "de_DE.UTF-8")) setlocale(LC_ALL, "fr_FR.UTF-8");
   assert_number(0.1, "0.1");
   assert_number(1.0 / 3, "0.3333333333333333");
   assert_number(0.1 + 0.2, "0.30000000000000004");
   assert_number(100000000000000000000.0, "1e+20");
   assert_number(9007199254740991.0, "9007199254740991");
   assert_number(-0.0, "-0");
   assert_number(5e-324, NULL);
   assert_number(1.7976931348623157e308, NULL);
   pare_rng rng;
   pare_rng_seed(&rng, 1);
   for (int i = 0; i < 2000; i++) {
      uint64_t bits = pare_rng_next(&rng);
      double value;
      memcpy(&value, &bits, sizeof value);
      if (isfinite(value)) assert_number(value, NULL);
   }
}
END_TEST

START_TEST(writer_refuses_misuse)
{
   unit_heap_init(&ctx, &heap);
   pare_str out = { 0 };
   pare_json_writer w;
   pare_json_begin(&w, &ctx, &out, false);
   for (int i = 0; i < 100; i++) pare_json_open_array(&w, NULL);
   assert_fails(&ctx, w.status, PARE_INTERNAL, "nested deeper");
   pare_json_begin(&w, &ctx, &out, false);
   pare_json_close_object(&w);
   assert_fails(&ctx, w.status, PARE_INTERNAL, "not open");
   pare_str_finish(&ctx, &out);
}
END_TEST

START_TEST(writer_out_of_memory)
{
   unit_heap_init(&ctx, &heap);
   for (long at = 1; at < 6; at++) {
      pare_str out = { 0 };
      pare_json_writer w;
      heap.calls = 0;
      heap.fail_at = at;
      pare_json_begin(&w, &ctx, &out, true);
      write_sample(&w);
      ck_assert(w.status == PARE_OK || w.status == PARE_RESOURCE);
      pare_ctx_clear(&ctx);
      pare_str_finish(&ctx, &out);
      ck_assert_int_eq(heap.blocks, 0);
   }
}
END_TEST

UNIT_MAIN("json", reads_all_kinds, refuses_bad_text, every_prefix_is_refused, nesting_is_limited,
          whole_numbers, members_with_defaults, writes_compact_and_pretty, long_arrays_wrap,
          numbers_read_back, writer_refuses_misuse, writer_out_of_memory)
