/* UTF-8, normalization forms, classes of code points, and the string map. */
#include <stdio.h>
#include <string.h>

#include "text/strmap.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include "unit.h"

START_TEST(repairs_like_unicode)
{
   static const char *const cases[][2] = {
      { "plain ascii text, long enough", "plain ascii text, long enough" },
      { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
      { "a\xffz", "a\xef\xbf\xbdz" },
      { "\xe2\x82z", "\xef\xbf\xbdz" }, /* one for the maximal subpart */
      { "\xed\xa0\x80",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate: none of it may begin a character */
      { "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
      { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
      { "\xf0\x9f\x98", "\xef\xbf\xbd" },
   };
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_str out = { 0 };
      size_t size = strlen(cases[i][0]);
      assert_ok(&ctx, pare_utf8_repair(&ctx, cases[i][0], size, &out));
      ck_assert_str_eq(out.data, cases[i][1]);
      ck_assert_int_eq(pare_utf8_check(cases[i][0], size) == size, strcmp(cases[i][0], cases[i][1]) == 0);
      pare_str_finish(&ctx, &out);
   }
}
END_TEST

START_TEST(every_code_point_round_trips)
{
   for (uint32_t c = 0; c < 0x110000; c++) {
      char bytes[4];
      size_t used, size;
      if (c == 0xd800) c = 0xe000;
      size = pare_utf8_put(bytes, c);
      ck_assert_uint_eq(pare_utf8_size(bytes[0]), size);
      ck_assert_uint_eq(pare_utf8_get(bytes), c);
      ck_assert_uint_eq(pare_utf8_back(bytes + size), size);
      ck_assert(pare_utf8_look(bytes, size, &used) == PARE_UTF8_GOOD && used == size);
   }
}
END_TEST

static void check_form(pare_normal_form form, const char *text, const char *wanted)
{
   pare_ctx ctx;
   pare_str out = { 0 };
   pare_ctx_init(&ctx);
   assert_ok(&ctx, pare_normalize(&ctx, form, text, strlen(text), &out));
   ck_assert_str_eq(out.data ? out.data : "", wanted);
   pare_str_finish(&ctx, &out);
}

START_TEST(normal_forms)
{
   check_form(PARE_NFC, "cafe\xcc\x81 x", "caf\xc3\xa9 x");
   check_form(PARE_NFD, "caf\xc3\xa9 x", "cafe\xcc\x81 x");
   check_form(PARE_NFKC, "\xef\xac\x81 \xef\xbc\xa1", "fi A");
   check_form(PARE_NFC, "\xef\xac\x81", "\xef\xac\x81");
   check_form(PARE_NFC, "q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87"); /* marks in canonical order */
   check_form(PARE_NFC, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c");       /* Hangul */
   check_form(PARE_NFC, "\xed\x95\x98\xe1\x86\xa7", "\xed\x95\x98\xe1\x86\xa7");       /* U+11A7 stays */
   check_form(PARE_NFKD, "\xe2\x84\xab", "A\xcc\x8a");
   check_form(PARE_NFC, "", "");
}
END_TEST

/* Alternating combining classes: sorting must not take quadratic time. */
START_TEST(long_runs_of_marks)
{
   enum { PAIRS = 200000 };
   pare_ctx ctx;
   pare_str text = { 0 }, out = { 0 };
   pare_ctx_init(&ctx);
   for (int i = 0; i < PAIRS; i++) assert_ok(&ctx, pare_str_puts(&ctx, &text, "\xcc\x81\xcc\xa3"));
   assert_ok(&ctx, pare_normalize(&ctx, PARE_NFD, text.data, text.size, &out));
   ck_assert_uint_eq(out.size, text.size);
   ck_assert_int_eq(memcmp(out.data, "\xcc\xa3\xcc\xa3", 4), 0);
   ck_assert_int_eq(memcmp(out.data + out.size - 4, "\xcc\x81\xcc\x81", 4), 0);
   pare_str_finish(&ctx, &text);
   pare_str_finish(&ctx, &out);
}
END_TEST

START_TEST(classes)
{
   uint32_t lower[2];
   ck_assert(pare_is_space(' ') && pare_is_space(0x85) && pare_is_space(0x3000) && !pare_is_space(0x200b));
   ck_assert(pare_is_word('_') && pare_is_word(0x301) && pare_is_word(0x24b6) && !pare_is_word('-'));
   ck_assert(pare_is_numeric(0xbd) && pare_is_numeric(0x663) && !pare_is_numeric('a'));
   ck_assert(pare_is_punctuation('$') && pare_is_punctuation('_') && pare_is_punctuation(0x3002));
   ck_assert(!pare_is_punctuation('a') && !pare_is_punctuation(0x20ac));
   ck_assert(pare_is_mark(0x903) && !pare_is_nonspacing_mark(0x903) && pare_is_nonspacing_mark(0x301));
   ck_assert(pare_is_control(0x7f) && pare_is_control(0xad) && !pare_is_control('a'));
   ck_assert_uint_eq(pare_lowercase(0x130, lower), 2);
   ck_assert(lower[0] == 'i' && lower[1] == 0x307);
   ck_assert(pare_lowercase(0x3a3, lower) == 1 && lower[0] == 0x3c3);
}
END_TEST

START_TEST(strings_to_values)
{
   enum { COUNT = 5000 };
   static char keys[COUNT][8];
   pare_ctx ctx;
   unit_heap heap;
   pare_strmap map = { 0 };
   unit_heap_init(&ctx, &heap);
   ck_assert_ptr_null(pare_strmap_get(&map, "a", 1));
   for (uint32_t i = 0; i < COUNT; i++) {
      snprintf(keys[i], sizeof keys[i], "k%u", i);
      assert_ok(&ctx, pare_strmap_put(&ctx, &map, keys[i], strlen(keys[i]), i));
   }
   assert_ok(&ctx, pare_strmap_put(&ctx, &map, "k7", 2, 99));
   assert_ok(&ctx, pare_strmap_put(&ctx, &map, "", 0, 1));
   ck_assert_uint_eq(map.count, COUNT + 1);
   for (uint32_t i = 0; i < COUNT; i++)
      ck_assert_uint_eq(*pare_strmap_get(&map, keys[i], strlen(keys[i])), i == 7 ? 99 : i);
   ck_assert_ptr_null(pare_strmap_get(&map, "k5000", 5));
   pare_strmap_finish(&ctx, &map);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("text_unicode", repairs_like_unicode, every_code_point_round_trips, normal_forms,
          long_runs_of_marks, classes, strings_to_values)
