/* Look-up: the longest and then the latest match, in texts of all kinds, against a search of the whole text. */
#include <string.h>

#include "base/rng.h"
#include "run/lookup.h"
#include "unit.h"

enum { CONTEXT = 4096 };

typedef struct rig {
   pare_ctx ctx;
   unit_heap heap;
   pare_lookup *lookup;
   uint32_t text[CONTEXT];
} rig;

static void rig_start(rig *r, int64_t longest)
{
   unit_heap_init(&r->ctx, &r->heap);
   assert_ok(&r->ctx, pare_lookup_create(&r->ctx, longest, CONTEXT, &r->lookup));
}

static void rig_end(rig *r)
{
   pare_lookup_destroy(&r->ctx, r->lookup);
   pare_ctx_finish(&r->ctx);
   ck_assert_int_eq(r->heap.blocks, 0);
}

/* Words of one letter each: the guesses that follow a text. */
static void assert_guess(const char *text, int64_t longest, int64_t least, const char *expected)
{
   rig r;
   int64_t n = (int64_t)strlen(text), most = 4, wanted = (int64_t)strlen(expected);
   rig_start(&r, longest);
   for (int64_t i = 0; i < n; i++) r.text[i] = (uint32_t)text[i];
   int64_t count = pare_lookup_guess(r.lookup, r.text, n, least, most);
   ck_assert_int_eq(count, wanted);
   for (int64_t i = 0; i < count; i++) ck_assert_uint_eq(r.text[n + i], (uint32_t)expected[i]);
   rig_end(&r);
}

START_TEST(finds_the_longest_then_the_latest)
{
   assert_guess("abcdefghab", 4, 1, "cdef");
   assert_guess("abcXabdYab", 4, 1, "dYab");    /* two matches of ab */
   assert_guess("zabcXyabdYzab", 4, 1, "cXya"); /* zab is longer */
   assert_guess("abab", 4, 1, "abab");          /* runs on into itself */
   assert_guess("aaa", 4, 1, "aaaa");
   assert_guess("abcd", 4, 1, "");
   assert_guess("a", 4, 1, "");
   assert_guess("abcda", 4, 1, "");     /* one token is too little evidence */
   assert_guess("abcda", 1, 1, "bcda"); /* unless no more is compared */
   assert_guess("abcXab", 4, 3, "");
   assert_guess("abcXYabc", 4, 3, "XYab");
}
END_TEST

/* The longest match of at least two tokens, the latest of equals, by trying every place. */
static int64_t slow_find(const uint32_t *text, int64_t n, int64_t longest)
{
   int64_t best = -1, length = 1;
   for (int64_t end = n - 1; end >= 2; end--) {
      int64_t same = 0;
      while (same < longest && same < end && text[end - 1 - same] == text[n - 1 - same]) same++;
      if (same <= length) continue;
      length = same;
      best = end;
   }
   return best;
}

START_TEST(agrees_with_a_search_of_the_whole_text)
{
   rig r;
   pare_rng rng;
   int found = 0;
   pare_rng_seed(&rng, 5);
   rig_start(&r, 5);
   for (int round = 0; round < 2; round++) {
      pare_lookup_start(r.lookup);
      for (int64_t n = 1; n < 600; n++) {
         r.text[n - 1] = (uint32_t)pare_rng_below(&rng, 9);
         int64_t expected = slow_find(r.text, n, 5);
         int64_t count = pare_lookup_guess(r.lookup, r.text, n, 1, 1);
         ck_assert_int_eq(count, expected >= 0);
         if (expected >= 0) ck_assert_uint_eq(r.text[n], r.text[expected]);
         found += expected >= 0;
      }
   }
   ck_assert_int_gt(found, 800);
   rig_end(&r);
}
END_TEST

/* The text fills its context, and is as hard on the chains as can be. */
START_TEST(full_texts)
{
   rig r;
   rig_start(&r, 64);
   for (int64_t n = 1; n < CONTEXT; n++) {
      r.text[n - 1] = 7;
      ck_assert_int_eq(pare_lookup_guess(r.lookup, r.text, n, 1, 1), n >= 3);
   }
   ck_assert_int_eq(pare_lookup_guess(r.lookup, r.text, CONTEXT, 1, 0), 0);
   ck_assert_int_eq(pare_lookup_guess(r.lookup, r.text, CONTEXT + 1, 1, 1), 0);
   rig_end(&r);
}
END_TEST

START_TEST(refuses)
{
   rig r;
   pare_lookup *lookup;
   rig_start(&r, 64);
   assert_fails(&r.ctx, pare_lookup_create(&r.ctx, 0, 10, &lookup), PARE_USAGE, "expected 1 to 64");
   assert_fails(&r.ctx, pare_lookup_create(&r.ctx, 65, 10, &lookup), PARE_USAGE, "expected 1 to 64");
   assert_fails(&r.ctx, pare_lookup_create(&r.ctx, 3, 0, &lookup), PARE_USAGE, "in 0");
   for (long fail = 1; fail <= 3; fail++) {
      r.heap.calls = 0;
      r.heap.fail_at = fail;
      assert_fails(&r.ctx, pare_lookup_create(&r.ctx, 3, 10, &lookup), PARE_RESOURCE, "out of memory");
   }
   r.heap.fail_at = 0;
   pare_lookup_destroy(&r.ctx, NULL);
   rig_end(&r);
}
END_TEST

UNIT_MAIN("lookup", finds_the_longest_then_the_latest, agrees_with_a_search_of_the_whole_text, full_texts,
          refuses)
