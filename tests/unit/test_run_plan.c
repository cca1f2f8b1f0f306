/* The plan: steps, stages, lifetimes and places in memory; the rotary table. */
#include "run/plan.h"
#include "test_run_models.h"

static pare_plan *make_plan(pare_ctx *ctx, const pare_model *model, pare_kernels *kernels)
{
   pare_plan *plan;
   pare_session_options limits = { .slots = 2, .context = 40, .tokens = 24, .rows = 3 };
   pare_kernels_init(kernels, ctx->cpu);
   assert_ok(ctx, pare_plan_create(ctx, model->graph, kernels, &limits, &plan));
   return plan;
}

static bool lives_meet(const pare_region *a, const pare_region *b)
{
   return a->first_stage <= b->last_stage && b->first_stage <= a->last_stage;
}

static bool bytes_meet(const pare_region *a, const pare_region *b)
{
   return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static const pare_region *root(const pare_region *region)
{
   while (region->same_as) region = region->same_as;
   return region;
}

/* No two regions alive at once share a byte, but those computed in place of each other. */
static void check_places(const pare_plan *plan)
{
   size_t sum = 0;
   for (size_t i = 0; i < plan->n_regions; i++) {
      const pare_region *a = plan->regions[i];
      ck_assert_uint_eq(a->offset % 64, 0);
      ck_assert_uint_le(a->offset + a->bytes, plan->memory_bytes);
      sum += a->bytes;
      for (size_t j = 0; j < i; j++) {
         const pare_region *b = plan->regions[j];
         bool apart = !lives_meet(a, b) || !bytes_meet(a, b) || root(a) == root(b);
         ck_assert_msg(apart, "regions %zu and %zu overlap", j, i);
      }
   }
   ck_assert_uint_lt(plan->memory_bytes, sum / 3);
}

/* Lives are told again from the steps alone: what a step reads was last written by the step that made it. */
static void check_reads(const pare_plan *plan)
{
   const pare_region **owner = calloc(plan->memory_bytes / 64 + 1, sizeof *owner);
   for (size_t s = 0; s < plan->n_stages; s++) {
      const pare_stage *stage = &plan->stages[s];
      for (size_t i = 0; i < stage->n_steps; i++) {
         const pare_step *step = &stage->steps[i];
         ck_assert_int_eq(step->of_rows, stage->of_rows);
         ck_assert(stage->n_steps == 1 || pare_step_by_rows(step));
         for (int in = 0; in < 2 && step->in[in]; in++) {
            const pare_region *region = step->in[in];
            for (size_t at = 0; at < region->bytes; at += 64)
               ck_assert_ptr_eq(owner[(region->offset + at) / 64], region);
         }
         for (size_t out = 0; out < pare_step_outputs(step); out++) {
            const pare_region *region = pare_step_output(step, out);
            for (size_t at = 0; at < region->bytes; at += 64) owner[(region->offset + at) / 64] = region;
         }
      }
   }
   for (size_t at = 0; at < plan->logits->bytes; at += 64)
      ck_assert_ptr_eq(owner[(plan->logits->offset + at) / 64], plan->logits);
   free(owner);
}

START_TEST(memory_is_shared_safely)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 4; i++) {
      tiny m = i % 2 ? tiny_gpt2() : tiny_llama();
      pare_kernels kernels;
      m.i8 = i / 2;
      m.layers = 4;
      pare_model *model = tiny_model(&ctx, &m);
      pare_plan *plan = make_plan(&ctx, model, &kernels);
      check_places(plan);
      check_reads(plan);
      pare_plan_destroy(&ctx, plan);
      pare_model_destroy(&ctx, model);
   }
   pare_plan_destroy(&ctx, NULL);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

static size_t count_steps(const pare_plan *plan, pare_step_kind kind)
{
   size_t count = 0;
   for (size_t i = 0; i < plan->n_steps; i++) count += plan->steps[i].kind == kind;
   return count;
}

/* A layer: query, key and value share an input; gate and up too; output and down stand alone. */
START_TEST(layers_with_one_input_share_a_step)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i8 = 0; i8 < 2; i8++) {
      tiny m = tiny_llama();
      pare_kernels kernels;
      m.i8 = i8;
      pare_model *model = tiny_model(&ctx, &m);
      pare_plan *plan = make_plan(&ctx, model, &kernels);
      size_t linear = 4 * (size_t)m.layers + 1;
      ck_assert_uint_eq(count_steps(plan, PARE_STEP_LINEAR_I8), i8 ? linear : 0);
      ck_assert_uint_eq(count_steps(plan, PARE_STEP_LINEAR_F32), i8 ? 0 : linear);
      ck_assert_uint_eq(count_steps(plan, PARE_STEP_QUANTIZE), i8 ? linear : 0);
      /* row by row, qkv, row by row, attention, (quantize) o, row by row, gate and up, row by row, down */
      ck_assert_uint_eq(plan->n_stages, (i8 ? 10 : 9) * (size_t)m.layers + 3);
      ck_assert_int_eq(plan->vocab, m.vocab);
      ck_assert_int_eq(plan->token_ids, m.vocab);
      pare_plan_destroy(&ctx, plan);
      pare_model_destroy(&ctx, model);
   }
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(rope_table_is_exact)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   pare_arena *arena = pare_arena_create(&ctx);
   pare_rope_tables tables = { 0 };
   const pare_rope_table *table, *again, *other;
   pare_rope_attrs attrs, half;
   assert_ok(&ctx, pare_fields_init(&ctx, pare_op_rope.fields, arena, &attrs));
   attrs.theta = 1e6;
   half = attrs;
   half.rot_dim = 32;
   assert_ok(&ctx, pare_rope_table_of(&ctx, arena, &tables, &attrs, 3000, &table));
   assert_ok(&ctx, pare_rope_table_of(&ctx, arena, &tables, &half, 3000, &other));
   assert_ok(&ctx, pare_rope_table_of(&ctx, arena, &tables, &attrs, 3000, &again));
   ck_assert_ptr_eq(table, again);
   ck_assert_ptr_ne(table, other);
   for (int64_t pos = 0; pos < 3000; pos += 37) {
      for (int64_t i = 0; i < 32; i++) {
         float angle = (float)pos * pare_rope_frequency(&attrs, pos, i);
         ck_assert_float_eq_tol(table->cosines[pos * 32 + i], (float)cos((double)angle), 1e-7f);
         ck_assert_float_eq_tol(table->sines[pos * 32 + i], (float)sin((double)angle), 1e-7f);
      }
   }
   pare_arena_destroy(&ctx, arena);
   pare_ctx_finish(&ctx);
}
END_TEST

UNIT_MAIN("plan", memory_is_shared_safely, layers_with_one_input_share_a_step, rope_table_is_exact)
