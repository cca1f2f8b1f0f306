/* Frequencies and tables of rotary positions: the evaluator's and the executor's against what transformers
 * 5.23 computes for settings of real models, and against each other. */
#include <math.h>

#include "ops/ops.h"
#include "run/rope_frequency.h"
#include "run/rope_table.h"
#include "unit.h"

enum { MAX_PAIRS = 64, MAX_POINTS = 8 };

static double short_factor[48], long_factor[48]; /* filled by each test */

typedef struct setting {
   pare_rope_attrs attrs;
   int64_t position;
   struct {
      int pair;
      double frequency;
   } at[MAX_POINTS]; /* ends at a frequency of 0 */
} setting;

#define SIZED(dim, base) .head_dim = (dim), .rot_dim = (dim), .theta = (base), .attention_factor = 1
#define DYNAMIC SIZED(128, 1e4), .scaling = PARE_ROPE_DYNAMIC, .factor = 2, .original_context = 4096
#define LONGROPE                                                                                           \
   SIZED(96, 1e4), .scaling = PARE_ROPE_LONGROPE, .original_context = 4096,                                \
      .short_factor = { short_factor, 48 }, .long_factor = { long_factor, 48 }

static const setting settings[] = {
   { { SIZED(128, 1e4), .scaling = PARE_ROPE_LINEAR, .factor = 2.5 }, 5,
     { { 0, 0.400000006 }, { 31, 0.00461912807 }, { 63, 4.61912787e-05 } } },
   { { DYNAMIC }, 0, { { 0, 1 }, { 31, 0.0115478197 }, { 63, 0.000115478193 } } },
   { { DYNAMIC }, 4095, { { 0, 1 }, { 31, 0.0115478197 }, { 63, 0.000115478193 } } },
   { { DYNAMIC }, 4096, { { 0, 1 }, { 31, 0.0115450462 }, { 63, 0.000115421848 } } },
   { { DYNAMIC }, 7999, { { 0, 1 }, { 31, 0.00683141686 }, { 63, 3.97344338e-05 } } },
   { { DYNAMIC }, 99999, { { 0, 1 }, { 31, 0.00172182557 }, { 63, 2.41444127e-06 } } },
   { { SIZED(128, 5e5), .scaling = PARE_ROPE_LLAMA3, .factor = 8, .original_context = 8192,
       .low_freq_factor = 1, .high_freq_factor = 4 }, 131071,
     { { 0, 1 }, { 20, 0.0165604409 }, { 29, 0.00216657063 }, { 30, 0.00137189368 }, { 33, 0.00031269365 },
       { 34, 0.000178507791 }, { 35, 9.55621217e-05 }, { 63, 3.06892588e-07 } } },
   { { SIZED(128, 1e6), .scaling = PARE_ROPE_YARN, .factor = 4, .original_context = 32768, .beta_fast = 32,
       .beta_slow = 1, .truncate = true }, 7,
     { { 0, 1 }, { 23, 0.00697830599 }, { 24, 0.00537532149 }, { 30, 0.00106436096 }, { 39, 6.4903943e-05 },
       { 40, 4.44569851e-05 }, { 63, 3.10234441e-07 } } },
   { { SIZED(64, 1e4), .scaling = PARE_ROPE_YARN, .factor = 40, .original_context = 4096, .beta_fast = 32,
       .beta_slow = 1 }, 7,
     { { 0, 1 }, { 10, 0.0562341288 }, { 15, 0.00844623521 }, { 20, 0.000722638157 }, { 23, 3.3338034e-05 },
       { 31, 3.33380353e-06 } } },
   { { LONGROPE }, 4095, { { 0, 1 }, { 7, 0.243939921 }, { 47, 8.24168383e-05 } } },
   { { LONGROPE }, 4096, { { 0, 1 }, { 7, 0.0580034927 }, { 47, 4.94501046e-06 } } },
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static void fill_factors(void)
{
   for (int i = 0; i < 48; i++) {
      short_factor[i] = 1 + 0.01 * i;
      long_factor[i] = 1 + 0.5 * i;
   }
}

START_TEST(frequencies_are_those_of_transformers)
{
   fill_factors();
   for (size_t i = 0; i < N_SETTINGS; i++) {
      const setting *s = &settings[i];
      float mine[MAX_PAIRS];
      pare_rope_frequencies(&s->attrs, s->position, mine);
      for (int p = 0; p < MAX_POINTS && s->at[p].frequency > 0; p++) {
         int pair = s->at[p].pair;
         double want = s->at[p].frequency, executor = (double)mine[pair];
         double evaluator = (double)pare_rope_frequency(&s->attrs, s->position, pair);
         ck_assert_msg(fabs(evaluator - want) <= 3e-7 * want, "evaluator, setting %zu, pair %d: %.9g", i, pair,
                       evaluator);
         ck_assert_msg(fabs(executor - want) <= 3e-7 * want, "executor, setting %zu, pair %d: %.9g", i, pair,
                       executor);
      }
   }
}
END_TEST

/* Every entry near the cosine and sine of the evaluator's angle. */
static void check_row(const pare_rope_table *table, int64_t position)
{
   const pare_rope_attrs *attrs = table->attrs;
   int64_t pairs = attrs->rot_dim / 2;
   for (int64_t i = 0; i < pairs; i++) {
      double angle = (double)((float)position * pare_rope_frequency(attrs, position, i));
      double near = 1e-7 + 4e-7 * angle, factor = attrs->attention_factor;
      double c = (double)table->cosines[position * pairs + i], s = (double)table->sines[position * pairs + i];
      ck_assert_double_eq_tol(c, factor * cos(angle), near * factor);
      ck_assert_double_eq_tol(s, factor * sin(angle), near * factor);
   }
}

START_TEST(tables_follow_the_evaluator)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   fill_factors();
   for (size_t i = 0; i < N_SETTINGS; i++) {
      pare_rope_tables tables = { 0 };
      const pare_rope_table *table, *again;
      pare_arena *arena = pare_arena_create(&ctx);
      pare_rope_attrs attrs = settings[i].attrs, copy;
      attrs.attention_factor = 1.25;
      if (attrs.original_context) attrs.original_context = 100;
      copy = attrs;
      assert_ok(&ctx, pare_fields_own_numbers(&ctx, pare_op_rope.fields, arena, &copy));
      assert_ok(&ctx, pare_rope_table_of(&ctx, arena, &tables, &attrs, 300, &table));
      for (int64_t position = 0; position < 300; position++) check_row(table, position);
      assert_ok(&ctx, pare_rope_table_of(&ctx, arena, &tables, &copy, 300, &again));
      ck_assert_ptr_eq(table, again);
      copy.attention_factor = 1;
      assert_ok(&ctx, pare_rope_table_of(&ctx, arena, &tables, &copy, 300, &again));
      ck_assert_ptr_ne(table, again);
      pare_arena_destroy(&ctx, arena);
   }
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("run_rope", frequencies_are_those_of_transformers, tables_follow_the_evaluator)
