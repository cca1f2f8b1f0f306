/* The plan: steps, stages, lifetimes and places in memory; the rotary table. */
#include "base/pool.h"
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

/* ---- the proof ---- */

static tiny variant(uint64_t seed)
{
   static const char *const floats[] = { "f32", "f16", "bf16" }, *const acts[] = { NULL, "i16", "f32" };
   static const char *const caches[] = { "f32", "f16", "i8" };
   pare_rng rng;
   pare_rng_seed(&rng, seed);
   tiny m = pare_rng_below(&rng, 2) ? tiny_gpt2() : tiny_llama();
   m.layers = 1 + (int)pare_rng_below(&rng, 5);
   m.i8 = pare_rng_below(&rng, 2);
   m.bits = pare_rng_below(&rng, 2) ? 2 + (int)pare_rng_below(&rng, 3) : 0;
   m.weights = floats[pare_rng_below(&rng, 3)];
   m.cache = caches[pare_rng_below(&rng, 3)];
   m.ffn = 32 + 4 * (int)pare_rng_below(&rng, 60);
   m.vocab = 5 + (int)pare_rng_below(&rng, 90);
   m.act = acts[pare_rng_below(&rng, 3)];
   return m;
}

static pare_plan *variant_plan(pare_ctx *ctx, uint64_t seed, const pare_model *model)
{
   pare_rng rng;
   pare_plan *plan;
   pare_session_memory memory;
   pare_rng_seed(&rng, seed + 1000);
   pare_session_options limits = { .slots = 1 + (int64_t)pare_rng_below(&rng, 4),
                                   .context = 1 + (int64_t)pare_rng_below(&rng, 40),
                                   .tokens = 1 + (int64_t)pare_rng_below(&rng, 70),
                                   .rows = 1 + (int64_t)pare_rng_below(&rng, 9) };
   assert_ok(ctx, pare_session_plan(ctx, model, &limits, &plan, &memory));
   return plan;
}

START_TEST(no_two_live_regions_overlap)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (uint64_t seed = 0; seed < 60; seed++) {
      tiny m = variant(seed);
      pare_model *model = tiny_model(&ctx, &m);
      pare_plan *plan = variant_plan(&ctx, seed, model);
      pare_plan_proof proof;
      assert_ok(&ctx, pare_plan_check(&ctx, plan, &proof));
      ck_assert_uint_gt(proof.pairs, 0);
      ck_assert_uint_gt(proof.in_place, 0);
      pare_plan_destroy(&ctx, plan);
      pare_model_destroy(&ctx, model);
   }
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* The planner gives the first of several regions in place of each other the life of them all. */
static bool stands_alone(const pare_plan *plan, const pare_region *region)
{
   for (size_t i = 0; i < plan->n_regions; i++)
      if (plan->regions[i]->same_as == region) return false;
   return !region->same_as;
}

/* Every region moved onto every other that lives at the same time, one at a time: the proof must fail. Rows of
 * one width may rightly go into each other when one life ends in the stage where the other begins. */
static size_t spoil_places(pare_ctx *ctx, pare_plan *plan)
{
   size_t spoilt = 0;
   pare_plan_proof proof;
   for (size_t i = 0; i < plan->n_regions; i++) {
      pare_region *a = plan->regions[i];
      size_t offset = a->offset;
      for (size_t j = 0; j < plan->n_regions; j++) {
         const pare_region *b = plan->regions[j];
         bool harmless = i == j || !lives_meet(a, b) || a->stride == b->stride || !stands_alone(plan, a) ||
                         !stands_alone(plan, b);
         a->offset = b->offset;
         if (harmless || a->offset + a->bytes > plan->memory_bytes) continue;
         assert_fails(ctx, pare_plan_check(ctx, plan, &proof), PARE_INTERNAL, "overlap");
         spoilt++;
      }
      a->offset = offset;
   }
   assert_ok(ctx, pare_plan_check(ctx, plan, &proof));
   return spoilt;
}

/* The last product that adds: what is added was overwritten before, or is read once more after. */
static size_t spoil_sums(pare_ctx *ctx, pare_plan *plan)
{
   pare_plan_proof proof;
   size_t at = plan->n_steps - 1;
   while (at > 0 && !(plan->steps[at].kind == PARE_STEP_LINEAR_I8 && plan->steps[at].in[1])) at--;
   if (at == 0) return 0;
   pare_step *product = &plan->steps[at], *after = product + 1, own = *product, own_after = *after;
   product->in[1] = own.in[1]->same_as;
   ck_assert_ptr_nonnull(product->in[1]);
   assert_fails(ctx, pare_plan_check(ctx, plan, &proof), PARE_INTERNAL, "overlap");
   *product = own;
   after->in[0] = own.in[1];
   assert_fails(ctx, pare_plan_check(ctx, plan, &proof), PARE_INTERNAL, "overlap");
   *after = own_after;
   assert_ok(ctx, pare_plan_check(ctx, plan, &proof));
   return 1;
}

START_TEST(the_proof_finds_what_is_wrong)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   pare_plan_proof proof;
   size_t sums = 0;
   for (uint64_t seed = 0; seed < 8; seed++) {
      tiny m = variant(seed);
      pare_model *model = tiny_model(&ctx, &m);
      pare_plan *plan = variant_plan(&ctx, seed, model);
      ck_assert_uint_gt(spoil_places(&ctx, plan), 10);
      sums += spoil_sums(&ctx, plan);
      pare_region *region = plan->regions[1];
      region->offset += 4;
      assert_fails(&ctx, pare_plan_check(&ctx, plan, &proof), PARE_INTERNAL, "is not aligned");
      region->offset += plan->memory_bytes - 4;
      assert_fails(&ctx, pare_plan_check(&ctx, plan, &proof), PARE_INTERNAL, "does not lie in");
      region->offset -= plan->memory_bytes;
      size_t bytes = region->bytes;
      region->bytes = 0;
      assert_fails(&ctx, pare_plan_check(&ctx, plan, &proof), PARE_INTERNAL, "does not hold its rows");
      region->bytes = bytes;
      for (size_t i = 0; i < plan->n_regions; i++) {
         region = plan->regions[i];
         int64_t stride = region->stride;
         region->stride = (region->codes ? (region->width + 3) / 4 * 4 : 4 * region->width) - 1;
         assert_fails(&ctx, pare_plan_check(&ctx, plan, &proof), PARE_INTERNAL, "has rows that overlap");
         region->stride = stride;
      }
      pare_step first = plan->steps[0];
      plan->steps[0].in[0] = plan->logits;
      assert_fails(&ctx, pare_plan_check(&ctx, plan, &proof), PARE_INTERNAL, "read before it is written");
      plan->steps[0] = first;
      heap.fail_at = heap.calls + 2;
      ck_assert_int_eq(pare_plan_check(&ctx, plan, &proof), PARE_RESOURCE);
      heap.fail_at = 0;
      pare_ctx_clear(&ctx);
      pare_plan_destroy(&ctx, plan);
      pare_model_destroy(&ctx, model);
   }
   ck_assert_uint_gt(sums, 1);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

START_TEST(every_kind_of_step_has_a_name)
{
   for (int kind = 0; kind < PARE_STEP_COUNT; kind++) ck_assert_ptr_nonnull(pare_step_name((pare_step_kind)kind));
}
END_TEST

/* ---- what a session holds ---- */

/* An allocator that knows the size of every block: what is in use, and the most that ever was. */
typedef struct scale {
   size_t bytes, peak;
} scale;

enum { SCALE_HEAD = 64 };

static void *scale_fn(void *user, void *ptr, size_t size)
{
   scale *s = user;
   char *block = ptr ? (char *)ptr - SCALE_HEAD : NULL;
   if (block) s->bytes -= *(size_t *)(void *)block;
   if (size == 0) {
      free(block);
      return NULL;
   }
   block = realloc(block, size + SCALE_HEAD);
   if (!block) return NULL;
   *(size_t *)(void *)block = size;
   s->bytes += size;
   if (s->bytes > s->peak) s->peak = s->bytes;
   return block + SCALE_HEAD;
}

static void weigh(pare_ctx *ctx, scale *s, const pare_model *model, const pare_session_options *options)
{
   pare_session *session;
   pare_plan *plan;
   pare_session_memory planned, used;
   const float *logits;
   uint32_t tokens[3] = { 1, 2, 3 };
   pare_pool_width(ctx); /* the pool is the context's */
   assert_ok(ctx, pare_session_plan(ctx, model, options, &plan, &planned));
   pare_plan_destroy(ctx, plan);
   size_t before = s->bytes;
   s->peak = before;
   assert_ok(ctx, pare_session_create(ctx, model, options, &session));
   used = pare_session_used(session);
   ck_assert_mem_eq(&used, &planned, sizeof used);
   ck_assert_uint_eq(s->bytes - before, planned.total_bytes);
   ck_assert_uint_eq(s->peak - before, planned.total_bytes);
   ck_assert_uint_eq(planned.total_bytes, planned.activation_bytes + planned.scratch_bytes + planned.cache_bytes +
                                             planned.table_bytes + planned.vector_bytes + planned.schedule_bytes);
   assert_ok(ctx, pare_session_prefill(ctx, session, 0, tokens, 0, 3, &logits));
   ck_assert_uint_eq(s->peak - before, planned.total_bytes);
   pare_session_destroy(ctx, session);
   ck_assert_uint_eq(s->bytes, before);
}

START_TEST(a_session_holds_what_was_planned)
{
   pare_ctx ctx;
   scale s = { 0 };
   pare_ctx_init(&ctx);
   ctx.alloc = (pare_allocator){ scale_fn, &s };
   for (uint64_t seed = 0; seed < 24; seed++) {
      tiny m = variant(seed);
      pare_model *model = tiny_model(&ctx, &m);
      ctx.threads = 1 + (int)seed % 3;
      weigh(&ctx, &s, model, &(pare_session_options){ .slots = 1 });
      weigh(&ctx, &s, model, &(pare_session_options){ .slots = 7, .context = 33, .tokens = 100, .rows = 5 });
      pare_model_destroy(&ctx, model);
   }
   pare_ctx_finish(&ctx);
   ck_assert_uint_eq(s.bytes, 0);
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
      /* norms quantize what they give; the results of attention and of gate and up have steps of their own */
      ck_assert_uint_eq(count_steps(plan, PARE_STEP_QUANTIZE), i8 ? 2 * (size_t)m.layers : 0);
      ck_assert_uint_eq(count_steps(plan, PARE_STEP_RESIDUAL_NORM), i8 ? 0 : 2 * (size_t)m.layers - 1);
      /* row by row, qkv, row by row, attention, (quantize) o, row by row, gate and up, (quantize) down; floats end
         with a sum */
      ck_assert_uint_eq(plan->n_stages, i8 ? 10 * (size_t)m.layers + 2 : 8 * (size_t)m.layers + 3);
      ck_assert_int_eq(plan->vocab, m.vocab);
      ck_assert_int_eq(plan->token_ids, m.vocab);
      pare_plan_destroy(&ctx, plan);
      pare_model_destroy(&ctx, model);
   }
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Products of integers add the residual themselves, fused or not; those of floats leave it to a step. */
START_TEST(products_add_the_residual)
{
   static const char *const acts[] = { NULL, "i16", "f32" };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (int i = 0; i < 12; i++) {
      tiny m = tiny_llama();
      m.i8 = true;
      m.act = acts[i / 4];
      m.bits = i % 2 ? 4 : 0;
      m.fused = i / 2 % 2;
      pare_kernels kernels;
      pare_model *model = tiny_model(&ctx, &m);
      pare_plan *plan = make_plan(&ctx, model, &kernels);
      pare_plan_proof proof;
      size_t adding = 0, apart = count_steps(plan, PARE_STEP_ADD) + count_steps(plan, PARE_STEP_RESIDUAL_NORM);
      for (size_t at = 0; at < plan->n_steps; at++) {
         const pare_step *step = &plan->steps[at];
         adding += step->kind == PARE_STEP_LINEAR_I8 && step->in[1];
      }
      ck_assert_uint_eq(adding, i < 8 ? 2 * (size_t)m.layers : 0);
      ck_assert_uint_eq(apart, i < 8 ? 0 : 2 * (size_t)m.layers);
      assert_ok(&ctx, pare_plan_check(&ctx, plan, &proof));
      pare_plan_destroy(&ctx, plan);
      pare_model_destroy(&ctx, model);
   }
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

/* Results of attention stay rotated where the next product would rotate them in the same blocks. With activations of
 * f32 nothing else is done to them, so products read them as they are. */
static void check_readers(const pare_plan *plan, const pare_region *region, bool of_floats, int64_t rotation)
{
   size_t readers = 0;
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      if (step->in[0] != region && step->in[1] != region) continue;
      readers++;
      ck_assert_int_eq(step->kind, of_floats ? PARE_STEP_LINEAR_F32 : PARE_STEP_QUANTIZE);
      if (!of_floats) ck_assert_int_eq(step->quantize.rotation, rotation);
   }
   ck_assert_uint_gt(readers, 0);
}

START_TEST(rotations_that_cancel_are_left_out)
{
   static const struct {
      const char *cache, *act;
      int heads, head_dim, bits;
      int64_t rotation; /* of what reads attention; 0 with stays */
      bool stays;
   } cases[] = {
      { "i8", NULL, 3, 64, 0, 0, true },     { "i8", NULL, 1, 128, 4, 0, true }, { "i8", "i16", 3, 64, 0, 0, true },
      { "i8", "f32", 3, 64, 0, 0, true },    { "i8", NULL, 2, 64, 0, 128, false }, { "f16", NULL, 3, 64, 0, 64, false },
      { "i8", NULL, 5, 16, 0, 0, false },
   };
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   for (size_t i = 0; i < 4 * sizeof cases / sizeof *cases; i++) {
      tiny m = tiny_llama();
      m.i8 = true;
      m.fused = i % 2;
      m.twice = i / 2 % 2;
      m.layers = 2;
      m.cache = cases[i / 4].cache;
      m.act = cases[i / 4].act;
      m.bits = cases[i / 4].bits;
      m.heads = m.kv_heads = cases[i / 4].heads;
      m.head_dim = cases[i / 4].head_dim;
      pare_kernels kernels;
      pare_model *model = tiny_model(&ctx, &m);
      pare_plan *plan = make_plan(&ctx, model, &kernels);
      pare_plan_proof proof;
      bool of_floats = m.act && strcmp(m.act, "f32") == 0;
      for (size_t at = 0; at < plan->n_steps; at++) {
         const pare_step *step = &plan->steps[at];
         if (step->kind == PARE_STEP_ROTATE) ck_assert_int_ne(step->quantize.rotation, 0);
         if (step->kind != PARE_STEP_ATTENTION) continue;
         ck_assert_msg(step->attention.stays_rotated == cases[i / 4].stays, "case %zu", i);
         check_readers(plan, step->out, of_floats, cases[i / 4].rotation);
      }
      for (size_t n = 0; n < plan->n_regions; n++) ck_assert_uint_eq(plan->regions[n]->number, n);
      assert_ok(&ctx, pare_plan_check(&ctx, plan, &proof));
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

UNIT_MAIN("plan", memory_is_shared_safely, no_two_live_regions_overlap, the_proof_finds_what_is_wrong,
          every_kind_of_step_has_a_name, a_session_holds_what_was_planned, layers_with_one_input_share_a_step,
          products_add_the_residual, rotations_that_cancel_are_left_out, rope_table_is_exact)
