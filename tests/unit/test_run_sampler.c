/* The sampler: order of its cuts, ties, statistics, repetition of the draws. */
#include <math.h>
#include <string.h>

#include "run/sampler.h"
#include "unit.h"

enum { VOCAB = 8 };

static pare_sampler_options plain(void)
{
   return (pare_sampler_options){ .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 42 };
}

/* Draws n times; counts[VOCAB]. */
static void draw(const pare_sampler_options *options, const float *logits, int n, int *counts)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_sampler *sampler;
   unit_heap_init(&ctx, &heap);
   memset(counts, 0, VOCAB * sizeof *counts);
   assert_ok(&ctx, pare_sampler_create(&ctx, options, VOCAB, &sampler));
   for (int i = 0; i < n; i++) {
      uint32_t token;
      assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits, NULL, 0, &token));
      ck_assert_uint_lt(token, VOCAB);
      counts[token]++;
   }
   pare_sampler_destroy(&ctx, sampler);
   ck_assert_int_eq(heap.blocks, 0);
}

static const float powers[VOCAB] = { 0, 1, 2, 3, 3, -INFINITY, NAN, 2.5f };

START_TEST(greedy_takes_the_lowest_of_equals)
{
   pare_sampler_options options = plain();
   int counts[VOCAB];
   options.temperature = 0;
   draw(&options, powers, 5, counts);
   ck_assert_int_eq(counts[3], 5);
   const float none[VOCAB] = { NAN, -INFINITY, NAN, -INFINITY };
   draw(&options, none, 1, counts);
   ck_assert_int_eq(counts[4], 1);
   options.temperature = 1;
   const float infinite[VOCAB] = { 1, 2, INFINITY, 3, INFINITY };
   draw(&options, infinite, 3, counts);
   ck_assert_int_eq(counts[2], 3);
}
END_TEST

/* Within five standard deviations of the softmax. */
START_TEST(frequencies_are_those_of_the_softmax)
{
   enum { DRAWS = 40000 };
   for (int cut = 0; cut < 2; cut++) {
      pare_sampler_options options = plain();
      int counts[VOCAB];
      double total = 0;
      options.temperature = 0.7;
      options.top_k = cut ? VOCAB - 1 : 0;
      draw(&options, powers, DRAWS, counts);
      for (int i = 0; i < VOCAB; i++) total += i == 5 || i == 6 ? 0 : exp((double)powers[i] / 0.7);
      for (int i = 0; i < VOCAB; i++) {
         double p = i == 5 || i == 6 ? 0 : exp((double)powers[i] / 0.7) / total;
         ck_assert_double_le(fabs(counts[i] - p * DRAWS), 5 * sqrt(p * (1 - p) * DRAWS));
      }
   }
}
END_TEST

START_TEST(cuts_keep_the_most_likely)
{
   pare_sampler_options options = plain();
   int counts[VOCAB];
   options.top_k = 2;
   draw(&options, powers, 2000, counts);
   ck_assert_int_eq(counts[3] + counts[4], 2000);
   ck_assert_int_gt(counts[4], 800);
   options.top_k = 1;
   draw(&options, powers, 50, counts);
   ck_assert_int_eq(counts[3], 50);
   options = plain();
   options.top_p = 0.6; /* 3 and 4 have 0.325 each, 7 has 0.197 */
   draw(&options, powers, 2000, counts);
   ck_assert_int_eq(counts[3] + counts[4], 2000);
   options.top_p = 0.66;
   draw(&options, powers, 2000, counts);
   ck_assert_int_eq(counts[3] + counts[4] + counts[7], 2000);
   ck_assert_int_gt(counts[7], 300);
   options.top_p = 1e-9;
   draw(&options, powers, 50, counts);
   ck_assert_int_eq(counts[3], 50);
   options = plain();
   options.min_p = 0.5; /* e^-0.5 is 0.61, e^-1 is 0.37 */
   draw(&options, powers, 2000, counts);
   ck_assert_int_eq(counts[3] + counts[4] + counts[7], 2000);
   options.top_k = 2; /* of the two, shares are 0.5 each: the first alone has 0.4 */
   options.min_p = 0;
   options.top_p = 0.4;
   draw(&options, powers, 50, counts);
   ck_assert_int_eq(counts[3], 50);
}
END_TEST

START_TEST(penalty_counts_a_token_once)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_sampler *sampler;
   uint32_t token;
   unit_heap_init(&ctx, &heap);
   pare_sampler_options options = plain();
   options.temperature = 0;
   options.repeat_penalty = 2;
   options.repeat_window = 3;
   const float logits[VOCAB] = { 4, 3, 1.5f, -1, -1, -1, -1, -1 };
   const uint32_t once[] = { 1, 0, 7, 6 }, all[] = { 0, 0, 0, 900 }, long_ago[] = { 0, 0, 7, 7, 7 };
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler));
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits, once, 4, &token));
   ck_assert_uint_eq(token, 1);
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits, all, 4, &token));
   ck_assert_uint_eq(token, 1);
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits, long_ago, 5, &token));
   ck_assert_uint_eq(token, 0);
   const uint32_t both[] = { 0, 1 };
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits, both, 2, &token));
   ck_assert_uint_eq(token, 0);
   const float negative[VOCAB] = { -1, -1.5f, -9, -9, -9, -9, -9, -9 };
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, negative, all, 4, &token));
   ck_assert_uint_eq(token, 1);
   pare_sampler_destroy(&ctx, sampler);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(seeds_repeat)
{
   pare_ctx ctx;
   pare_sampler *a, *b, *c;
   int differ = 0;
   pare_ctx_init(&ctx);
   pare_sampler_options options = plain();
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &a));
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &b));
   options.seed = 43;
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &c));
   for (int i = 0; i < 100; i++) {
      uint32_t x, y, z;
      assert_ok(&ctx, pare_sampler_next(&ctx, a, powers, NULL, 0, &x));
      assert_ok(&ctx, pare_sampler_next(&ctx, b, powers, NULL, 0, &y));
      assert_ok(&ctx, pare_sampler_next(&ctx, c, powers, NULL, 0, &z));
      ck_assert_uint_eq(x, y);
      differ += x != z;
   }
   ck_assert_int_gt(differ, 20);
   pare_sampler_destroy(&ctx, a);
   pare_sampler_destroy(&ctx, b);
   pare_sampler_destroy(&ctx, c);
}
END_TEST

START_TEST(refuses)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_sampler *sampler;
   uint32_t token;
   unit_heap_init(&ctx, &heap);
   pare_sampler_options options = plain();
   for (long fail = 1; fail <= 4; fail++) {
      heap.calls = 0;
      heap.fail_at = fail;
      assert_fails(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler), PARE_RESOURCE,
                   "out of memory");
      ck_assert_int_eq(heap.blocks, 0);
   }
   heap.fail_at = 0;
   options.top_p = 0;
   assert_fails(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler), PARE_USAGE,
                "0, expected 1e-09 to 1");
   options.top_p = NAN;
   assert_fails(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler), PARE_USAGE, "expected");
   options = plain();
   options.top_k = -1;
   assert_fails(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler), PARE_USAGE, "-1, expected 0");
   options = plain();
   assert_fails(&ctx, pare_sampler_create(&ctx, &options, 0, &sampler), PARE_USAGE, "vocabulary");
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler));
   const float bad[VOCAB] = { NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN };
   assert_fails(&ctx, pare_sampler_next(&ctx, sampler, bad, NULL, 0, &token), PARE_INPUT,
                "all logits are NaN");
   pare_sampler_destroy(&ctx, sampler);
   pare_sampler_destroy(&ctx, NULL);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

#define OWN(field) offsetof(pare_sampler_options, field)

START_TEST(defaults_are_in_range)
{
   static const pare_field fields[] = { PARE_SAMPLER_FIELDS(OWN), PARE_FIELDS_END };
   pare_ctx ctx;
   pare_sampler *sampler;
   pare_sampler_options options;
   pare_ctx_init(&ctx);
   assert_ok(&ctx, pare_fields_init(&ctx, fields, NULL, &options));
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, VOCAB, &sampler));
   pare_sampler_destroy(&ctx, sampler);
}
END_TEST

UNIT_MAIN("sampler", greedy_takes_the_lowest_of_equals, frequencies_are_those_of_the_softmax,
          cuts_keep_the_most_likely, penalty_counts_a_token_once, seeds_repeat, refuses,
          defaults_are_in_range)
