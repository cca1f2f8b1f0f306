/* Speculation: greedy text and looked-up text are those of plain decoding, whatever is guessed; sampled text
 * has the target's distribution. */
#include "base/memory.h"
#include "run/generate.h"
#include "test_run_models.h"

enum { PROMPT = 30, MOST = 160 };

typedef struct made {
   uint32_t tokens[MOST + 1];
   int64_t n;
   pare_generate_result result;
} made;

typedef struct rig {
   pare_ctx ctx;
   unit_heap heap;
   tiny m;
   pare_model *model, *draft; /* random weights both, so they rarely agree */
   pare_session *session;
   uint32_t prompt[PROMPT];
} rig;

static pare_status take(pare_ctx *ctx, void *user, uint32_t token)
{
   (void)ctx;
   made *m = user;
   ck_assert_int_le(m->n, MOST);
   m->tokens[m->n++] = token;
   return PARE_OK;
}

static void rig_start(rig *r, tiny m, int layers_of_draft)
{
   unit_heap_init(&r->ctx, &r->heap);
   r->m = m;
   tiny_tokens(&m, 9, r->prompt, PROMPT);
   memcpy(r->prompt + PROMPT / 2, r->prompt, PROMPT / 2 * sizeof *r->prompt);
   r->model = tiny_model(&r->ctx, &m);
   m.layers = layers_of_draft;
   r->draft = tiny_model(&r->ctx, &m);
   pare_session_options limits = { .slots = 1, .tokens = 24, .rows = 16 };
   assert_ok(&r->ctx, pare_session_create(&r->ctx, r->model, &limits, &r->session));
}

static void rig_end(rig *r)
{
   pare_session_destroy(&r->ctx, r->session);
   pare_model_destroy(&r->ctx, r->model);
   pare_model_destroy(&r->ctx, r->draft);
   pare_ctx_finish(&r->ctx);
   ck_assert_int_eq(r->heap.blocks, 0);
}

static tiny long_llama(bool i8)
{
   tiny m = tiny_llama();
   m.context = 120;
   m.i8 = i8;
   m.cache = i8 ? "i8" : "f16";
   return m;
}

static pare_sampler_options greedy(void)
{
   return (pare_sampler_options){ .top_p = 1, .repeat_penalty = 1 };
}

static pare_sampler_options shaped(int64_t seed)
{
   return (pare_sampler_options){ .temperature = 0.4,
                                  .top_k = 20,
                                  .top_p = 0.95,
                                  .min_p = 0.01,
                                  .repeat_penalty = 1.1,
                                  .repeat_window = 16,
                                  .seed = seed };
}

static void generate(rig *r, const pare_sampler_options *sampling, pare_speculator *speculator, int64_t most,
                     made *m)
{
   pare_sampler *sampler;
   pare_generate_options options = {
      .max_tokens = most, .on_token = take, .user = m, .speculator = speculator
   };
   m->n = 0;
   assert_ok(&r->ctx, pare_sampler_create(&r->ctx, sampling, r->m.vocab, &sampler));
   assert_ok(&r->ctx,
             pare_generate(&r->ctx, r->model, r->session, sampler, r->prompt, PROMPT, &options, &m->result));
   ck_assert_int_eq(m->result.tokens, m->n);
   pare_sampler_destroy(&r->ctx, sampler);
}

static void assert_same_text(const made *a, const made *b)
{
   ck_assert_int_eq(a->n, b->n);
   ck_assert_int_eq(a->result.finish, b->result.finish);
   for (int64_t i = 0; i < a->n; i++) ck_assert_uint_eq(a->tokens[i], b->tokens[i]);
}

static pare_speculator *lookup_of(rig *r, int64_t tokens, int64_t ngram)
{
   pare_speculator *speculator;
   pare_speculate_options options = { .tokens = tokens, .ngram = ngram };
   assert_ok(&r->ctx, pare_speculator_create_lookup(&r->ctx, &options, r->m.context, &speculator));
   return speculator;
}

static pare_speculator *draft_of(rig *r, const pare_model *draft, int64_t tokens,
                                 const pare_sampler_options *sampling)
{
   pare_speculator *speculator;
   pare_speculate_options options = { .tokens = tokens, .ngram = 1 };
   assert_ok(&r->ctx, pare_speculator_create_draft(&r->ctx, r->model, draft, &options, sampling, r->m.context,
                                                   &speculator));
   return speculator;
}

/* ---- the same text ---- */

START_TEST(look_up_changes_no_text)
{
   static const int64_t tokens[] = { 1, 3, 15, 40 }, ngrams[] = { 1, 2, 3, 8 };
   int64_t accepted = 0, refused = 0;
   for (int kind = 0; kind < 4; kind++) {
      rig r;
      made plain, guessed;
      rig_start(&r, long_llama(kind % 2), 1);
      pare_sampler_options sampling = kind / 2 ? shaped(kind) : greedy();
      generate(&r, &sampling, NULL, 80, &plain);
      ck_assert_int_eq(plain.result.steps, 80);
      for (int i = 0; i < 16; i++) {
         pare_speculator *speculator = lookup_of(&r, tokens[i % 4], ngrams[i / 4]);
         for (int again = 0; again < 2; again++) {
            generate(&r, &sampling, speculator, 80, &guessed);
            assert_same_text(&guessed, &plain);
            ck_assert_int_eq(guessed.result.steps + guessed.result.accepted, 80);
            accepted += guessed.result.accepted;
            refused += guessed.result.guessed - guessed.result.accepted;
         }
         pare_speculator_destroy(&r.ctx, speculator);
      }
      rig_end(&r);
   }
   ck_assert_int_gt(accepted, 100);
   ck_assert_int_gt(refused, 100);
}
END_TEST

START_TEST(drafts_change_no_greedy_text)
{
   for (int i8 = 0; i8 < 2; i8++) {
      rig r;
      made plain, guessed;
      pare_sampler_options sampling = greedy();
      sampling.repeat_penalty = 1.3;
      sampling.repeat_window = 20;
      rig_start(&r, long_llama(i8), 1);
      generate(&r, &sampling, NULL, 60, &plain);
      for (int64_t tokens = 1; tokens <= 20; tokens += 6) {
         pare_speculator *other = draft_of(&r, r.draft, tokens, &sampling);
         pare_speculator *same = draft_of(&r, r.model, tokens, &sampling);
         generate(&r, &sampling, other, 60, &guessed);
         assert_same_text(&guessed, &plain);
         ck_assert_int_gt(guessed.result.guessed, guessed.result.accepted);
         generate(&r, &sampling, same, 60, &guessed);
         assert_same_text(&guessed, &plain);
         ck_assert_int_eq(guessed.result.guessed, guessed.result.accepted);
         pare_speculator_destroy(&r.ctx, other);
         pare_speculator_destroy(&r.ctx, same);
      }
      rig_end(&r);
   }
}
END_TEST

/* Every length, an end token at every place, and a full context fall inside drafts that come true. */
START_TEST(ends_as_without)
{
   rig r;
   made plain, guessed, all;
   pare_sampler_options sampling = greedy();
   rig_start(&r, long_llama(true), 1);
   pare_speculator *speculators[] = { lookup_of(&r, 8, 3), draft_of(&r, r.model, 8, &sampling) };
   generate(&r, &sampling, NULL, 1000, &all);
   ck_assert_int_eq(all.result.finish, PARE_FINISH_CONTEXT);
   for (int i = 0; i < 2; i++) {
      generate(&r, &sampling, speculators[i], 1000, &guessed);
      assert_same_text(&guessed, &all);
      for (int64_t most = 0; most < 24; most++) {
         generate(&r, &sampling, NULL, most, &plain);
         generate(&r, &sampling, speculators[i], most, &guessed);
         assert_same_text(&guessed, &plain);
         r.model->n_end = 1;
         r.model->end[0] = all.tokens[most];
         generate(&r, &sampling, NULL, 60, &plain);
         generate(&r, &sampling, speculators[i], 60, &guessed);
         assert_same_text(&guessed, &plain);
         ck_assert_int_eq(plain.result.finish, PARE_FINISH_END_TOKEN);
         r.model->n_end = 0;
      }
      pare_speculator_destroy(&r.ctx, speculators[i]);
   }
   rig_end(&r);
}
END_TEST

/* A draft with a shorter context guesses only within it. */
START_TEST(drafts_of_short_context)
{
   rig r;
   made plain, guessed;
   pare_sampler_options sampling = greedy();
   rig_start(&r, long_llama(false), 2);
   r.draft->context = 50;
   pare_speculator *speculator = draft_of(&r, r.draft, 8, &sampling);
   generate(&r, &sampling, NULL, 80, &plain);
   generate(&r, &sampling, speculator, 80, &guessed);
   assert_same_text(&guessed, &plain);
   ck_assert_int_ge(guessed.result.accepted, 10);
   ck_assert_int_le(guessed.result.guessed, 50 - PROMPT + 1);
   pare_speculator_destroy(&r.ctx, speculator);
   rig_end(&r);
}
END_TEST

START_TEST(prompts_are_not_fed_twice)
{
   rig r;
   made first, second;
   pare_sampler_options sampling = greedy();
   rig_start(&r, long_llama(true), 1);
   generate(&r, &sampling, NULL, 20, &first);
   ck_assert_int_eq(first.result.reused, 0);
   generate(&r, &sampling, NULL, 20, &second);
   ck_assert_int_eq(second.result.reused, PROMPT - 1);
   assert_same_text(&first, &second);
   r.prompt[10] ^= 1;
   generate(&r, &sampling, NULL, 20, &second);
   ck_assert_int_eq(second.result.reused, 10);
   rig_end(&r);
}
END_TEST

/* ---- the same distribution ---- */

/* Chi-square of counts against n * expected; cells of less than 5 are taken together. Five standard
 * deviations of the statistic are allowed. */
static void assert_distributed(const int *counts, const double *expected, int cells, int n)
{
   double chi = 0, rest = 0, rest_count = 0;
   int degrees = -1;
   for (int i = 0; i < cells; i++) {
      double e = expected[i] * n, d = counts[i] - e;
      if (e < 5) {
         rest += e;
         rest_count += counts[i];
         continue;
      }
      chi += d * d / e;
      degrees++;
   }
   if (rest >= 5) {
      chi += (rest_count - rest) * (rest_count - rest) / rest;
      degrees++;
   } else {
      ck_assert_double_le(rest_count, rest + 5 * sqrt(rest) + 5);
   }
   ck_assert_int_gt(degrees, 3);
   ck_assert_msg(chi <= degrees + 5 * sqrt(2.0 * degrees), "chi-square %g of %d degrees", chi, degrees);
}

enum { WORDS = 7, CELLS = WORDS * WORDS * WORDS };

/* Probability of each triple of next tokens, from the target alone. */
static void exact_triples(rig *r, const pare_sampler_options *sampling, double *out)
{
   pare_sampler *sampler;
   uint32_t text[PROMPT + 3], token;
   const float *logits;
   double p[3][WORDS];
   memcpy(text, r->prompt, sizeof r->prompt);
   assert_ok(&r->ctx, pare_sampler_create(&r->ctx, sampling, WORDS, &sampler));
   for (int cell = 0; cell < CELLS; cell++) {
      const int word[3] = { cell / WORDS / WORDS, cell / WORDS % WORDS, cell % WORDS };
      out[cell] = 1;
      for (int i = 0; i < 3; i++) {
         size_t n = (size_t)(PROMPT + i);
         assert_ok(&r->ctx, pare_session_prefill(&r->ctx, r->session, 0, text, 0, (int64_t)n, &logits));
         assert_ok(&r->ctx, pare_sampler_next(&r->ctx, sampler, logits, text, n, &token));
         pare_sampler_distribution(sampler, p[i]);
         text[n] = (uint32_t)word[i];
         out[cell] *= p[i][word[i]];
      }
   }
   pare_sampler_destroy(&r->ctx, sampler);
}

static pare_speculator *speculator_of(rig *r, int kind, const pare_sampler_options *sampling)
{
   return kind == 0 ? lookup_of(r, 4, 1) : draft_of(r, r->draft, 4, sampling);
}

/* The first of four tokens has no guess before it, the second and third do. */
static void check_triples(int kind, pare_sampler_options sampling, int runs)
{
   rig r;
   tiny m = tiny_llama();
   static int counts[CELLS];
   static double expected[CELLS];
   int64_t guessed = 0, accepted = 0;
   m.vocab = WORDS;
   rig_start(&r, m, 1);
   exact_triples(&r, &sampling, expected);
   memset(counts, 0, sizeof counts);
   for (int i = 0; i < runs; i++) {
      made text;
      sampling.seed = 1000 + 2 * i; /* a draft's own seed is the even one's neighbour */
      pare_speculator *speculator = speculator_of(&r, kind, &sampling);
      generate(&r, &sampling, speculator, 4, &text);
      counts[(text.tokens[0] * WORDS + text.tokens[1]) * WORDS + text.tokens[2]]++;
      guessed += text.result.guessed;
      accepted += text.result.accepted;
      pare_speculator_destroy(&r.ctx, speculator);
   }
   ck_assert_int_gt(accepted, guessed / 20);
   ck_assert_int_lt(accepted, guessed * 19 / 20);
   assert_distributed(counts, expected, CELLS, runs);
   rig_end(&r);
}

START_TEST(sampled_text_has_the_targets_distribution)
{
   const pare_sampler_options plain = { .temperature = 1, .top_p = 1, .repeat_penalty = 1 };
   pare_sampler_options cut = {
      .temperature = 1.5, .top_k = 5, .top_p = 0.95, .min_p = 0.02, .repeat_penalty = 1.5, .repeat_window = 3
   };
   check_triples(0, plain, 2000);
   check_triples(1, plain, 3000);
   check_triples(1, cut, 3000);
}
END_TEST

START_TEST(seeds_repeat_with_a_draft)
{
   rig r;
   made a, b, c;
   pare_sampler_options sampling = shaped(3);
   rig_start(&r, long_llama(true), 1);
   for (int i = 0; i < 3; i++) {
      sampling.seed = i < 2 ? 3 : 4;
      pare_speculator *speculator = draft_of(&r, r.draft, 5, &sampling);
      generate(&r, &sampling, speculator, 40, i == 0 ? &a : i == 1 ? &b : &c);
      pare_speculator_destroy(&r.ctx, speculator);
   }
   assert_same_text(&a, &b);
   ck_assert_int_ne(memcmp(a.tokens, c.tokens, 40 * sizeof *a.tokens), 0);
   rig_end(&r);
}
END_TEST

/* ---- one verification ---- */

static const float logits_p[WORDS] = { 0, 1, 2, 1.5f, -1, NAN, 0.5f };
static const double q[WORDS] = { 0.4, 0, 0.1, 0.1, 0.2, 0.1, 0.1 };

static uint32_t draw_from(pare_rng *rng, const double *p)
{
   double left = pare_rng_unit(rng);
   uint32_t i = 0;
   while (i < WORDS - 1 && (left -= p[i]) >= 0) i++;
   return i;
}

START_TEST(verified_guesses_have_the_samplers_distribution)
{
   enum { DRAWS = 40000 };
   for (int cuts = 0; cuts < 2; cuts++) {
      pare_ctx ctx;
      pare_sampler *sampler;
      pare_rng rng;
      pare_sampler_options options = {
         .temperature = 0.8, .top_p = 1, .repeat_penalty = 1, .top_k = cuts * 3
      };
      uint32_t token;
      double p[WORDS], overlap = 0;
      int counts[WORDS] = { 0 }, kept = 0;
      pare_ctx_init(&ctx);
      pare_rng_seed(&rng, 77);
      assert_ok(&ctx, pare_sampler_create(&ctx, &options, WORDS, &sampler));
      assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits_p, NULL, 0, &token));
      pare_sampler_distribution(sampler, p);
      for (int i = 0; i < WORDS; i++) overlap += p[i] < q[i] ? p[i] : q[i];
      for (int i = 0; i < DRAWS; i++) {
         uint32_t guess = draw_from(&rng, q);
         assert_ok(&ctx, pare_sampler_verify(&ctx, sampler, logits_p, NULL, 0, guess, q, &token));
         counts[token]++;
         kept += token == guess;
      }
      for (int i = 0; i < WORDS; i++)
         ck_assert_double_le(fabs(counts[i] - p[i] * DRAWS), 5 * sqrt(p[i] * (1 - p[i]) * DRAWS));
      ck_assert_double_le(fabs(kept - overlap * DRAWS), 5 * sqrt(overlap * (1 - overlap) * DRAWS));
      pare_sampler_destroy(&ctx, sampler);
   }
}
END_TEST

START_TEST(distributions_are_what_is_drawn_from)
{
   pare_ctx ctx;
   pare_sampler *sampler;
   uint32_t token;
   double p[WORDS], sum = 0, total = 0;
   pare_sampler_options options = greedy();
   pare_ctx_init(&ctx);
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, WORDS, &sampler));
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits_p, NULL, 0, &token));
   pare_sampler_distribution(sampler, p);
   for (int i = 0; i < WORDS; i++) ck_assert_double_eq(p[i], i == 2);
   assert_ok(&ctx, pare_sampler_verify(&ctx, sampler, logits_p, NULL, 0, 0, q, &token));
   ck_assert_uint_eq(token, 2);
   pare_sampler_destroy(&ctx, sampler);
   options.temperature = 1;
   assert_ok(&ctx, pare_sampler_create(&ctx, &options, WORDS, &sampler));
   assert_ok(&ctx, pare_sampler_next(&ctx, sampler, logits_p, NULL, 0, &token));
   pare_sampler_distribution(sampler, p);
   for (int i = 0; i < WORDS; i++) total += i == 5 ? 0 : exp((double)logits_p[i]);
   for (int i = 0; i < WORDS; i++) {
      ck_assert_double_eq_tol(p[i], i == 5 ? 0 : exp((double)logits_p[i]) / total, 1e-12);
      sum += p[i];
   }
   ck_assert_double_eq_tol(sum, 1, 1e-12);
   pare_sampler_destroy(&ctx, sampler);
}
END_TEST

/* ---- failures ---- */

START_TEST(refuses)
{
   rig r;
   pare_speculator *speculator;
   pare_sampler_options sampling = shaped(1);
   pare_speculate_options options = { .tokens = 0, .ngram = 3 };
   rig_start(&r, long_llama(true), 1);
   assert_fails(&r.ctx, pare_speculator_create_lookup(&r.ctx, &options, 40, &speculator), PARE_USAGE,
                "drafts of 0 tokens, expected 1 to 256");
   options = (pare_speculate_options){ .tokens = 4, .ngram = 0 };
   assert_fails(&r.ctx, pare_speculator_create_lookup(&r.ctx, &options, 40, &speculator), PARE_USAGE,
                "look-up of 0 tokens");
   r.draft->vocab++;
   assert_fails(&r.ctx,
                pare_speculator_create_draft(&r.ctx, r.model, r.draft, &options, &sampling, 40, &speculator),
                PARE_INPUT, "51 tokens in its vocabulary, the model has 50");
   r.draft->vocab--;
   size_t reserved = r.ctx.reserved;
   r.ctx.reserved = (size_t)pare_memory_limit(); /* as if the model's own session were so large */
   assert_fails(&r.ctx,
                pare_speculator_create_draft(&r.ctx, r.model, r.draft, &options, &sampling, 40, &speculator),
                PARE_RESOURCE, "that others hold");
   r.ctx.reserved = reserved;
   tiny m = r.m;
   m.table = 20;
   pare_model *narrow = tiny_model(&r.ctx, &m);
   assert_fails(&r.ctx,
                pare_speculator_create_draft(&r.ctx, r.model, narrow, &options, &sampling, 40, &speculator),
                PARE_INPUT, "rows for 20 tokens only, the vocabulary has 50");
   pare_model_destroy(&r.ctx, narrow);
   pare_speculator_destroy(&r.ctx, NULL);
   rig_end(&r);
}
END_TEST

START_TEST(survives_lack_of_memory)
{
   for (int kind = 0; kind < 2; kind++) {
      rig r;
      pare_speculator *speculator;
      pare_sampler_options sampling = shaped(1);
      pare_speculate_options options = { .tokens = 4, .ngram = 3 };
      pare_status status = PARE_RESOURCE;
      rig_start(&r, long_llama(true), 1);
      long blocks = r.heap.blocks, fail;
      for (fail = 1; status != PARE_OK; fail++) {
         r.heap.calls = 0;
         r.heap.fail_at = fail;
         if (kind == 0) status = pare_speculator_create_lookup(&r.ctx, &options, 40, &speculator);
         else
            status =
               pare_speculator_create_draft(&r.ctx, r.model, r.draft, &options, &sampling, 40, &speculator);
         if (status == PARE_OK) break;
         ck_assert_int_eq(status, PARE_RESOURCE);
         ck_assert_int_eq(r.heap.blocks, blocks);
         pare_ctx_clear(&r.ctx);
      }
      ck_assert_int_gt(fail, 3);
      r.heap.fail_at = 0;
      pare_speculator_destroy(&r.ctx, speculator);
      rig_end(&r);
   }
}
END_TEST

UNIT_MAIN("speculate", look_up_changes_no_text, drafts_change_no_greedy_text, ends_as_without,
          drafts_of_short_context, prompts_are_not_fed_twice, sampled_text_has_the_targets_distribution,
          seeds_repeat_with_a_draft, verified_guesses_have_the_samplers_distribution,
          distributions_are_what_is_drawn_from, refuses, survives_lack_of_memory)
