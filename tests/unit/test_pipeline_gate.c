/* gates: parsing, known metrics, judging at a confidence. */
#include <math.h>
#include <string.h>

#include "pipeline/gate.h"
#include "unit.h"

static pare_gate judged(const char *text, double value, double error, double confidence)
{
   pare_ctx ctx;
   pare_gate gate;
   pare_ctx_init(&ctx);
   assert_ok(&ctx, pare_gate_parse(&ctx, text, &gate));
   pare_metric metrics[] = { { "other", 1, 0 }, { "kl.mean", value, error } };
   pare_gate_judge(&gate, metrics, 2, confidence);
   pare_ctx_finish(&ctx);
   return gate;
}

START_TEST(parses)
{
   const struct {
      const char *text, *metric;
      int relation;
      double limit;
   } cases[] = { { "kl.mean<=0.002", "kl.mean", PARE_GATE_LE, 0.002 },
                 { " output.bytes <= 300e6 ", "output.bytes", PARE_GATE_LE, 300e6 },
                 { "top1>.9", "top1", PARE_GATE_GT, 0.9 },
                 { "a_b>=-1", "a_b", PARE_GATE_GE, -1 },
                 { "x<1.25e-1", "x", PARE_GATE_LT, 0.125 } };
   for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      pare_gate gate = judged(cases[i].text, 0, 0, 0.95);
      ck_assert_str_eq(gate.metric, cases[i].metric);
      ck_assert_int_eq((int)gate.relation, cases[i].relation);
      ck_assert_double_eq(gate.limit, cases[i].limit);
   }
}
END_TEST

START_TEST(refuses)
{
   const char *const bad[] = { "",        "<=1",     "kl",     "kl=1",    "kl==1", "kl<",
                               "kl<=nan", "kl<=inf", "kl<=1x", "kl<=1 2", "kl!<1", "kl<=1e999",
                               "kl<0x1p-3", "kl<1.5.2" };
   pare_ctx ctx;
   pare_gate gate;
   pare_ctx_init(&ctx);
   for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
      assert_fails(&ctx, pare_gate_parse(&ctx, bad[i], &gate), PARE_USAGE, "");
   pare_ctx_finish(&ctx);
}
END_TEST

START_TEST(knows_metrics)
{
   const char *const known[] = { "kl.mean", "output.bytes", NULL };
   pare_ctx ctx;
   pare_gate gate;
   pare_ctx_init(&ctx);
   assert_ok(&ctx, pare_gate_parse(&ctx, "kl.mean<1", &gate));
   assert_ok(&ctx, pare_gate_check(&ctx, &gate, known));
   assert_ok(&ctx, pare_gate_parse(&ctx, "kl.maen<1", &gate));
   assert_fails(&ctx, pare_gate_check(&ctx, &gate, known), PARE_USAGE, "did you mean \"kl.mean\"?");
   assert_ok(&ctx, pare_gate_parse(&ctx, "speed<1", &gate));
   assert_fails(&ctx, pare_gate_check(&ctx, &gate, known), PARE_USAGE, "no metric \"speed\"");
   pare_ctx_finish(&ctx);
}
END_TEST

START_TEST(judges)
{
   ck_assert(judged("kl.mean<=1", 1, 0, 0.95).passed);
   ck_assert(!judged("kl.mean<1", 1, 0, 0.95).passed);
   ck_assert(judged("kl.mean>=1", 1, 0, 0.95).passed);
   ck_assert(!judged("kl.mean>1", 1, 0, 0.95).passed);
   ck_assert(!judged("kl.mean<=1", NAN, 0, 0.95).passed);
   ck_assert(!judged("kl.mean>=1", NAN, 0, 0.95).passed);
   ck_assert(!judged("kl.mean<=1", 0, NAN, 0.95).passed);
   ck_assert(!judged("absent<=1", 0, 0, 0.95).passed);
   ck_assert(!judged("kl.mean<=1", 0, 0.1, 1.5).passed);
}
END_TEST

/* Quantiles: NIST handbook, table 1.3.6.7.1, and R's qnorm. */
START_TEST(bounds_are_one_sided_normal)
{
   const double table[][2] = { { 0.5, 0 },
                               { 0.6, 0.2533471 },
                               { 0.9, 1.2815516 },
                               { 0.95, 1.6448536 },
                               { 0.975, 1.9599640 },
                               { 0.99, 2.3263479 },
                               { 0.9999, 3.7190165 },
                               { 0.05, -1.6448536 },
                               { 1 - 1e-9, 5.9978070 } };
   for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
      ck_assert_double_eq_tol(judged("kl.mean<=1", 10, 1, table[i][0]).bound, 10 + table[i][1], 2e-6);
      ck_assert_double_eq_tol(judged("kl.mean>1", 10, 1, table[i][0]).bound, 10 - table[i][1], 2e-6);
   }
   ck_assert(judged("kl.mean<=1.17", 1, 0.1, 0.95).passed);
   ck_assert(!judged("kl.mean<=1.16", 1, 0.1, 0.95).passed);
}
END_TEST

START_TEST(prints_one_object)
{
   pare_ctx ctx;
   pare_str text = { 0 };
   pare_json_writer writer;
   pare_gate gate = judged("kl.mean<=1", NAN, 0, 0.95);
   pare_ctx_init(&ctx);
   pare_json_begin(&writer, &ctx, &text, false);
   pare_gate_print(&gate, &writer);
   ck_assert_str_eq(text.data,
                    "{\"gate\":\"kl.mean<=1\",\"metric\":\"kl.mean\",\"value\":null,\"bound\":null,"
                    "\"limit\":1,\"passed\":false}");
   pare_str_finish(&ctx, &text);
   pare_ctx_finish(&ctx);
}
END_TEST

UNIT_MAIN("pipeline_gate", parses, refuses, knows_metrics, judges, bounds_are_one_sided_normal,
          prints_one_object)
