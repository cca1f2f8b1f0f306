/* Readers, reference evaluator and executor against transformers: each directory of tests/reference/tiny holds
 * a small random model and, in expected.bin and expected.json, the logits that transformers computes in f32
 * and its greedy continuation (format: tests/reference/vectors.py). The real models of ../shared are checked
 * the same way, with tests/reference/real, and skipped when absent; so is the directory that
 * tests/reference/smollm2.py makes, when PARE_SMOLLM2 names it. */
#include <math.h>

#include "formats/format.h"
#include "formats_files.h"
#include "ops/evaluate.h"
#include "run/generate.h"

enum { MAX_STATES = 64, MAX_PATH = 1024, MAX_TEXT = 1 << 26 };

typedef struct expected {
   pare_buffer *bytes;
   int64_t ids, positions, vocab;
   int64_t prompt, greedy; /* the continuation of the first `prompt` ids */
   double range;           /* of the logits */
} expected;

/* A path beside this source file. */
static void here(char path[MAX_PATH], const char *rest)
{
   const char *slash = strrchr(__FILE__, '/');
   snprintf(path, MAX_PATH, "%.*s/%s", slash ? (int)(slash - __FILE__) : 1, slash ? __FILE__ : ".", rest);
}

static expected read_expected(pare_ctx *ctx, const char *stem)
{
   expected e;
   pare_json *about;
   char path[MAX_PATH + 8];
   snprintf(path, sizeof path, "%s.json", stem);
   assert_ok(ctx, pare_json_load(ctx, path, MAX_TEXT, &about));
   ck_assert(pare_json_int(pare_json_get(about, "ids"), 1, 4096, &e.ids));
   ck_assert(pare_json_int(pare_json_get(about, "positions"), 1, e.ids, &e.positions));
   ck_assert(pare_json_int(pare_json_get(about, "vocab"), 1, 1 << 20, &e.vocab));
   ck_assert(pare_json_int(pare_json_get(about, "prompt"), 1, e.ids, &e.prompt));
   ck_assert(pare_json_int(pare_json_get(about, "greedy"), 1, 4096, &e.greedy));
   e.range = pare_json_number(pare_json_get(about, "logit_max"), 0) -
             pare_json_number(pare_json_get(about, "logit_min"), 0);
   pare_json_free(about);
   snprintf(path, sizeof path, "%s.bin", stem);
   assert_ok(ctx, pare_read_file(ctx, path, MAX_TEXT, &e.bytes));
   ck_assert_uint_ge(pare_buffer_size(e.bytes), (size_t)(4 * (e.ids + e.positions * e.vocab + e.greedy)));
   return e;
}

/* Positions from 0, one sequence; only the last of the ids' rows that were asked for come out, in
 * `logits`. */
static void evaluate(pare_ctx *ctx, const pare_graph *graph, const expected *e, float *logits)
{
   int64_t n = e->ids, first = n - e->positions;
   int32_t *lists = pare_alloc_array(ctx, (size_t)(4 * n), sizeof *lists);
   int32_t *positions = lists + n, *sequences = positions + n, *rows = sequences + n;
   memcpy(lists, pare_buffer_data(e->bytes), (size_t)n * 4);
   for (int64_t i = 0; i < n; i++) positions[i] = (int32_t)i;
   for (int64_t i = 0; i < e->positions; i++) rows[i] = (int32_t)(first + i);
   pare_evaluation run = { .sizes = { n, e->positions, 1, n },
                           .decode = pare_decode_float,
                           .outputs = &logits };
   pare_binding bindings[4 + MAX_STATES] = {
      { "tokens", lists }, { "positions", positions }, { "sequences", sequences }, { "rows", rows } };
   run.bindings = bindings;
   run.n_bindings = 4;
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_value *v = graph->values[i];
      if (v->kind != PARE_VALUE_STATE) continue;
      ck_assert_uint_lt(run.n_bindings, 4 + MAX_STATES);
      bindings[run.n_bindings++] =
         (pare_binding){ v->name,
                         pare_alloc_array(ctx, pare_type_count(&v->type, &run.sizes), sizeof(float)) };
   }
   assert_ok(ctx, pare_evaluate(ctx, graph, &run));
   for (size_t i = 4; i < run.n_bindings; i++) pare_free(ctx, bindings[i].data);
   pare_free(ctx, lists);
}

/* The same by the executor, in one batch. */
static void execute(pare_ctx *ctx, const pare_model *model, const expected *e, float *logits)
{
   pare_session_options options = { .slots = 1, .context = e->ids, .tokens = e->ids, .rows = e->positions };
   pare_session *session;
   const float *found;
   int32_t *lists = pare_alloc_array(ctx, (size_t)(3 * e->ids), sizeof *lists);
   uint32_t *tokens = pare_alloc_array(ctx, (size_t)e->ids, sizeof *tokens);
   int32_t *slots = lists, *positions = lists + e->ids, *rows = positions + e->ids;
   memcpy(tokens, pare_buffer_data(e->bytes), (size_t)e->ids * 4);
   for (int64_t i = 0; i < e->ids; i++) positions[i] = (int32_t)i;
   for (int64_t i = 0; i < e->positions; i++) rows[i] = (int32_t)(e->ids - e->positions + i);
   assert_ok(ctx, pare_session_create(ctx, model, &options, &session));
   pare_batch batch = { e->ids, tokens, positions, slots, e->positions, rows };
   assert_ok(ctx, pare_session_step(ctx, session, &batch, &found));
   memcpy(logits, found, (size_t)(e->positions * e->vocab) * sizeof *logits);
   pare_session_destroy(ctx, session);
   pare_free(ctx, tokens);
   pare_free(ctx, lists);
}

typedef struct continuation {
   const expected *e;
   int64_t made;
} continuation;

static pare_status check_token(pare_ctx *ctx, void *user, uint32_t token)
{
   (void)ctx;
   continuation *c = user;
   uint32_t want;
   const uint8_t *greedy = pare_buffer_data(c->e->bytes) + 4 * (c->e->ids + c->e->positions * c->e->vocab);
   memcpy(&want, greedy + 4 * c->made, 4);
   ck_assert_msg(token == want, "greedy token %lld is %u, transformers has %u", (long long)c->made, token, want);
   c->made++;
   return PARE_OK;
}

static void check_greedy(pare_ctx *ctx, const pare_model *model, const expected *e)
{
   pare_session_options options = { .slots = 1, .context = e->prompt + e->greedy };
   pare_sampler_options greedy = { .temperature = 0, .top_p = 1, .repeat_penalty = 1 };
   continuation made = { e, 0 };
   pare_generate_options generate = { e->greedy, true, check_token, &made };
   pare_generate_result result;
   pare_session *session;
   pare_sampler *sampler;
   uint32_t *prompt = pare_alloc_array(ctx, (size_t)e->prompt, sizeof *prompt);
   memcpy(prompt, pare_buffer_data(e->bytes), (size_t)e->prompt * 4);
   assert_ok(ctx, pare_session_create(ctx, model, &options, &session));
   assert_ok(ctx, pare_sampler_create(ctx, &greedy, model->vocab, &sampler));
   assert_ok(ctx, pare_generate(ctx, model, session, sampler, prompt, (size_t)e->prompt, &generate, &result));
   ck_assert_int_eq(made.made, e->greedy);
   pare_sampler_destroy(ctx, sampler);
   pare_session_destroy(ctx, session);
   pare_free(ctx, prompt);
}

static double worst_difference(const expected *e, const float *logits)
{
   double worst = 0;
   for (int64_t i = 0; i < e->positions * e->vocab; i++) {
      float want;
      memcpy(&want, pare_buffer_data(e->bytes) + 4 * (e->ids + i), sizeof want);
      double difference = fabs((double)logits[i] - (double)want);
      worst = isnan(difference) || difference > worst ? difference : worst;
   }
   return worst;
}

static void compare(const char *dir, const char *stem)
{
   char notes[1024] = "";
   pare_ctx ctx;
   unit_heap heap;
   pare_model *model;
   unit_heap_init(&ctx, &heap);
   ctx.log = note_log;
   ctx.user = notes;
   assert_ok(&ctx, pare_model_load(&ctx, dir, &model));
   ck_assert_str_eq(notes, "");
   assert_ok(&ctx, pare_graph_validate(&ctx, model->graph, PARE_INTERNAL));
   expected e = read_expected(&ctx, stem);
   ck_assert_int_eq(model->vocab, e.vocab);
   float *logits = pare_alloc_array(&ctx, (size_t)(e.positions * e.vocab), sizeof *logits);
   evaluate(&ctx, model->graph, &e, logits);
   double reference = worst_difference(&e, logits) / e.range;
   ck_assert_msg(reference < 1e-5, "%s: the evaluator differs by %g of the logit range", dir, reference);
   execute(&ctx, model, &e, logits);
   double executor = worst_difference(&e, logits) / e.range;
   ck_assert_msg(executor < 1e-5, "%s: the executor differs by %g of the logit range", dir, executor);
   check_greedy(&ctx, model, &e);
   const char *name = strrchr(dir, '/');
   printf("%-28s evaluator %.1e, executor %.1e of the logit range; %lld greedy tokens equal\n",
          name ? name + 1 : dir, reference, executor, (long long)e.greedy);
   pare_free(&ctx, logits);
   pare_buffer_unref(&ctx, e.bytes);
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(tiny_models)
{
   char root[MAX_PATH], dir[MAX_PATH + 300], stem[MAX_PATH + 320];
   here(root, "../reference/tiny");
   DIR *list = opendir(root);
   if (!list) printf("SKIP: no %s\n", root);
   for (struct dirent *item; list && (item = readdir(list));) {
      if (item->d_name[0] == '.') continue;
      snprintf(dir, sizeof dir, "%s/%s", root, item->d_name);
      snprintf(stem, sizeof stem, "%s/expected.json", dir);
      if (access(stem, R_OK) != 0) continue;
      snprintf(stem, sizeof stem, "%s/expected", dir);
      compare(dir, stem);
   }
   if (list) closedir(list);
}
END_TEST

START_TEST(real_models)
{
   static const char *const names[] = { "tinystories-656k", "novels-8m", "chemts-gpt2_0.5m" };
   for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      char dir[MAX_PATH], stem[MAX_PATH], rest[200];
      snprintf(rest, sizeof rest, "../../../shared/models/%s", names[i]);
      here(dir, rest);
      snprintf(rest, sizeof rest, "../reference/real/%s", names[i]);
      here(stem, rest);
      if (access(dir, R_OK) == 0) compare(dir, stem);
      else printf("SKIP: no %s\n", dir);
   }
   char stem[MAX_PATH];
   const char *smollm2 = getenv("PARE_SMOLLM2");
   here(stem, "../reference/real/smollm2");
   if (smollm2) compare(smollm2, stem);
   else printf("SKIP: PARE_SMOLLM2 does not name the directory made by tests/reference/smollm2.py\n");
}
END_TEST

UNIT_MAIN("formats_reference", tiny_models, real_models)
