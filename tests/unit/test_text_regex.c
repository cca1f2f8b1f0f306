/* Patterns in Oniguruma's syntax: what they match, and what is refused. */
#include <string.h>

#include "text/regex.h"
#include "unit.h"

/* All matches, marked: "a[b]c". */
static void check_pattern(const char *pattern, const char *text, const char *wanted)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_regex *regex = NULL;
   pare_matcher *matcher = NULL;
   pare_str shown = { 0 };
   size_t size = strlen(text), done = 0, start, end;
   bool found = true;
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, pare_regex_create(&ctx, pattern, strlen(pattern), "t", &regex));
   assert_ok(&ctx, pare_matcher_create(&ctx, &matcher));
   while (done < size) {
      assert_ok(&ctx, pare_regex_find(&ctx, regex, matcher, text, size, done, &found, &start, &end));
      if (!found || end == start) break;
      assert_ok(&ctx, pare_str_printf(&ctx, &shown, "%.*s[%.*s]", (int)(start - done), text + done,
                                      (int)(end - start), text + start));
      done = end;
   }
   assert_ok(&ctx, pare_str_puts(&ctx, &shown, text + done));
   ck_assert_msg(strcmp(shown.data, wanted) == 0, "%s: %s, expected %s", pattern, shown.data, wanted);
   pare_str_finish(&ctx, &shown);
   pare_matcher_destroy(matcher);
   pare_regex_destroy(regex);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(matches)
{
   static const char *const cases[][3] = {
      { "\\s+(?!\\S)|\\s+", "a  b\xe1\xa0\x8e", "a[ ][ ]b\xe1\xa0\x8e" }, /* U+180E is no white space */
      { "\\s", "\xc2\x85", "[\xc2\x85]" },
      { "\\d+", "x12\xd9\xa3", "x[12\xd9\xa3]" },
      { "\\h+", "xfFg", "x[fF]g" },
      { "\\w+", "a_\xcc\x81\xc2\xb2-", "[a_\xcc\x81\xc2\xb2]-" },
      { "[\\w]+", "a\xc2\xb2", "[a]\xc2\xb2" },
      { "[^\\W]+", "-a-", "-[a]-" },
      { "[a[bc]]+", "abcd", "[abc]d" },
      { "[a-z&&[^b-d]&&[^x]]+", "abex", "[a]b[e]x" },
      { "[^a-c&&b]+", "ab-", "[a]b[-]" },
      { "[[:alpha:]_]+", "a_1", "[a_]1" },
      { "[]a]+", "a]b", "[a]]b" },
      { "\\p{Han}", "\xe6\xbc\xa2\xe3\x80\x81",
        "[\xe6\xbc\xa2]\xe3\x80\x81" }, /* Script, not Script_Extensions */
      { "\\p{^Lu}+|\\p{letter}", "aB", "[a][B]" },
      { "\\p{N}{1,3}", "1234", "[123][4]" },
      { "\\p{N}{1,3}+", "1234567", "[1234567]" },
      { "(?:ab){2}?", "abab", "[abab]" },
      { "a{,2}b", "aaab", "a[aab]" },
      { "a{x", "a{x", "[a{x]" },
      { "(?m:.)+", "a\nb", "[a\nb]" },
      { "^b$", "a\nb\nc", "a\n[b]\nc" },
      { "(?i:'s|'t)", "'S'T", "['S]['T]" },
      { "(?<n>a)\\k<n>", "aaa", "[aa]a" },
      { "\\bb", "b ab", "[b] ab" },
      { "a(?#note)b", "ab", "[ab]" },
      { "\\v\\u0041\\x42\\q", "\vABq", "[\vABq]" },
      { "\\S++|\\R", "ab\r\nc", "[ab][\r\n][c]" },
   };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      check_pattern(cases[i][0], cases[i][1], cases[i][2]);
}
END_TEST

START_TEST(refusals)
{
   static const char *const cases[][2] = {
      { "(a", "a group without end" },
      { "a)", "an unmatched closing" },
      { "[a", "a class without end" },
      { "(?~a)", "an unknown kind of group" },
      { "(*FAIL)", "a callout" },
      { "(?C1)", "an unknown kind of group" },
      { "\\ca", "a control escape" },
      { "\\xff", "a raw byte" },
      { "\\p{1}", "an unknown property" },
      { "*a", "pattern" },
      { "\\p{Nonsense}", "pattern '\\p{Nonsense}'" },
      { "[b-a]", "an empty range" },
      { "\\", "a backslash at the end" },
      { "[a&&]", "an empty class" },
      { "\\y", "text segment" },
      { "\\x{110000}", "no character" },
   };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_regex *regex;
      assert_fails(&ctx, pare_regex_create(&ctx, cases[i][0], strlen(cases[i][0]), "t", &regex),
                   PARE_UNSUPPORTED, cases[i][1]);
      ck_assert_int_eq(heap.blocks, 0);
   }
}
END_TEST

START_TEST(endless_backtracking_ends)
{
   static const char pattern[] = "(?:a|aa)+(?<!a)b",
                     text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
   pare_ctx ctx;
   unit_heap heap;
   pare_regex *regex;
   pare_matcher *matcher;
   size_t start, end;
   bool found;
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, pare_regex_create(&ctx, pattern, strlen(pattern), "t", &regex));
   assert_ok(&ctx, pare_matcher_create(&ctx, &matcher));
   assert_fails(&ctx, pare_regex_find(&ctx, regex, matcher, text, strlen(text), 0, &found, &start, &end),
                PARE_UNSUPPORTED, "fails on this text");
   pare_matcher_destroy(matcher);
   pare_regex_destroy(regex);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("text_regex", matches, refusals, endless_backtracking_ends)
