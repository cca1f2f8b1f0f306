/* Products that add the residual in its place: over many structures of sums, the bits are those of the same graph in
 * which no product can add, since its results have one reader more. */
#include "base/cpu.h"
#include "run/plan.h"
#include "test_run_models.h"

enum { N = 24, SEEDS = 64, RUNS = 4 };
/* The graph as it is drawn, fused, and with a reader more of the results of each product. */
enum { PLAIN, FUSED, READERS, KINDS };

/* Sums that products make, and that are steps of their own. */
typedef struct tally { size_t adding, apart; } tally;

typedef struct drawing {
   tiny_text text;
   const tiny *m;
   pare_rng *rng;
   const char *rows; /* of the nodes that are drawn: "tokens" or "rows" */
   int next;         /* number of a name */
} drawing;

static int below(pare_rng *rng, int n)
{
   return (int)pare_rng_below(rng, (uint64_t)n);
}

static int normed(drawing *d, int x)
{
   return tiny_norm(&d->text, d->m, "normed", d->next++, x, d->m->dim, d->m->dim, d->rows);
}

static int product(drawing *d, int x)
{
   return tiny_linear(&d->text, d->m, "product", d->next++, x, d->m->dim, d->m->dim, below(d->rng, 2), d->rows);
}

static int sum(drawing *d, int a, int b)
{
   bool turned = below(d->rng, 2);
   TINY_TEXT(inputs, "%%%d, %%%d", turned ? b : a, turned ? a : b);
   return tiny_node(&d->text, "add", "sum", d->next++, inputs, "", "", d->rows, d->m->dim);
}

static int active(drawing *d, int x)
{
   TINY_TEXT(input, "%%%d", x);
   return tiny_node(&d->text, "activation", "active", d->next++, input, "", "{\"kind\":\"silu\"}", d->rows, d->m->dim);
}

static int gated(drawing *d, int x)
{
   int gate = active(d, product(d, x)), up = product(d, x);
   return tiny_pair(&d->text, "mul", "gated", d->next++, gate, up, d->m->dim);
}

/* x and what is added to it: a, and results p of a product; `old` is x of some layers ago. */
static int residual(drawing *d, int x, int old, int a, int p)
{
   switch (below(d->rng, 10)) {
   case 0: return sum(d, sum(d, x, a), p);
   case 1: return sum(d, x, sum(d, a, p));
   case 2: return sum(d, sum(d, x, p), p);
   case 3: return sum(d, x, active(d, product(d, a)));
   case 4: return sum(d, x, gated(d, a));
   case 5: x = sum(d, x, a); return sum(d, x, sum(d, p, old));
   case 6: p = sum(d, p, p); return sum(d, p, product(d, x));
   case 7: return sum(d, sum(d, x, p), x);
   case 8: x = sum(d, x, a); return sum(d, x, product(d, x));
   default: x = sum(d, x, a); return sum(d, x, product(d, normed(d, x)));
   }
}

static int selected(drawing *d, int x)
{
   TINY_TEXT(inputs, "%%%d, %%rows", x);
   d->rows = "rows";
   return tiny_node(&d->text, "select", "selected", d->next++, inputs, "", "", d->rows, d->m->dim);
}

/* Sums of rows; where there are as many logits as x is wide they may be a sum, or be read by one. */
static int head(drawing *d, int x, int old)
{
   x = selected(d, x);
   if (below(d->rng, 2)) x = sum(d, x, product(d, normed(d, x)));
   if (below(d->rng, 2)) x = sum(d, x, product(d, selected(d, old)));
   TINY_TEXT(input, "%%%d", normed(d, x));
   int logits = tiny_node(&d->text, "linear", "head", 0, input, "\"embed.0\"", "", d->rows, d->m->vocab);
   int kind = d->m->vocab == d->m->dim ? below(d->rng, 4) : 3;
   if (kind == 1 || kind == 2) sum(d, logits, kind == 1 ? x : product(d, x));
   return kind == 0 ? sum(d, logits, x) : logits;
}

static int body(drawing *d)
{
   tiny_weight(&d->text, "embed", 0, d->m->vocab, d->m->dim, d->m->weights);
   int x = tiny_node(&d->text, "embed", "embed", 0, "%tokens", "\"embed.0\"", "", d->rows, d->m->dim), old = x;
   for (int layer = 0; layer < d->m->layers; layer++) {
      int input = normed(d, x), before = x, a = tiny_attention(&d->text, d->m, layer, input);
      int p = below(d->rng, 2) ? tiny_mlp(&d->text, d->m, layer, input) : product(d, input);
      x = residual(d, x, old, a, p);
      if (below(d->rng, 2)) old = before;
   }
   return head(d, x, old);
}

static tiny variant(pare_rng *rng)
{
   static const char *const caches[] = { "f32", "f16", "i8" }, *const acts[] = { NULL, "i16" };
   tiny m = below(rng, 2) ? tiny_gpt2() : tiny_llama();
   m.i8 = true;
   m.bits = below(rng, 2) ? 4 : 0;
   m.act = acts[below(rng, 2)];
   m.cache = caches[below(rng, 3)];
   m.layers = 1 + below(rng, 3);
   if (!m.gpt2 && below(rng, 3) == 0) m.dim = 256;
   if (below(rng, 2)) m.vocab = m.dim;
   return m;
}

/* Nobody uses what the new readers of products give. */
static void add_readers(pare_ctx *ctx, pare_graph *graph)
{
   for (pare_node *node = graph->first; node; node = node->next) {
      TINY_TEXT(name, "%s.reader", node->name);
      pare_node_spec spec = { .op = PARE_OP_activation, .name = name, .n_inputs = 1, .input = { node->output[0] },
                              .attrs = &(pare_activation_attrs){ PARE_ACTIVATION_RELU } };
      pare_value *unused;
      if (node->op == PARE_OP_linear) assert_ok(ctx, pare_graph_add_node(ctx, graph, &spec, NULL, &unused));
   }
}

/* Where products add, it is in place, but that the logits lie without gaps. */
static void check_plan(pare_ctx *ctx, const pare_model *model, tally *sums)
{
   pare_plan *plan;
   pare_session_memory memory;
   pare_plan_proof proof;
   assert_ok(ctx, pare_session_plan(ctx, model, &(pare_session_options){ .slots = 1 }, &plan, &memory));
   assert_ok(ctx, pare_plan_check(ctx, plan, &proof));
   for (size_t i = 0; i < plan->n_steps; i++) {
      const pare_step *step = &plan->steps[i];
      sums->apart += step->kind == PARE_STEP_ADD || step->kind == PARE_STEP_RESIDUAL_NORM;
      if (step->kind != PARE_STEP_LINEAR_I8 || !step->in[1]) continue;
      const pare_region *out = step->linear.parts[0].out;
      ck_assert(step->in[1]->offset == out->offset || (out == plan->logits && out->stride != step->in[1]->stride));
      sums->adding++;
   }
   pare_plan_destroy(ctx, plan);
}

static pare_model *draw(pare_ctx *ctx, tiny m, int kind, pare_rng rng, tally *sums)
{
   drawing d = { .text = { .ctx = ctx }, .m = &m, .rng = &rng, .rows = "tokens" };
   int logits = body(&d);
   m.fused = kind == FUSED;
   pare_model *model = tiny_model_of(ctx, &m, &d.text, logits);
   if (kind == READERS) add_readers(ctx, model->graph);
   check_plan(ctx, model, sums);
   return model;
}

static void check_bits(pare_ctx *ctx, int seed, tally sums[KINDS])
{
   pare_rng rng;
   pare_model *models[KINDS];
   uint32_t tokens[N];
   pare_rng_seed(&rng, (uint64_t)seed);
   tiny m = variant(&rng);
   tiny_tokens(&m, (uint64_t)seed, tokens, N);
   for (int kind = 0; kind < KINDS; kind++) models[kind] = draw(ctx, m, kind, rng, &sums[kind]);
   ctx->threads = 1;
   ctx->cpu = 0;
   float *want = tiny_run(ctx, models[READERS], tokens, N, N, 0);
   for (int i = 0; i < RUNS; i++) {
      ctx->threads = 1 + below(&rng, 3);
      ctx->cpu = below(&rng, 2) ? pare_cpu_detect() : 0;
      float *found = tiny_run(ctx, models[i % 2 ? FUSED : PLAIN], tokens, N, 1 + below(&rng, N), i);
      ck_assert_msg(memcmp(found, want, (size_t)(N * m.vocab) * sizeof *want) == 0, "seed %d, run %d", seed, i);
      free(found);
   }
   free(want);
   for (int kind = 0; kind < KINDS; kind++) pare_model_destroy(ctx, models[kind]);
}

START_TEST(sums_of_products_have_the_same_bits)
{
   pare_ctx ctx;
   unit_heap heap;
   unit_heap_init(&ctx, &heap);
   tally sums[KINDS] = { 0 };
   for (int seed = 0; seed < SEEDS; seed++) check_bits(&ctx, seed, sums);
   for (int kind = PLAIN; kind <= FUSED; kind++) ck_assert(sums[kind].adding > 0 && sums[kind].apart > 0);
   ck_assert_uint_eq(sums[READERS].adding, 0);
   pare_ctx_finish(&ctx);
   ck_assert_int_eq(heap.blocks, 0);
}
END_TEST

UNIT_MAIN("residual", sums_of_products_have_the_same_bits)
