/* cmd_bench: tokens per second of prefill and decode, with llama-bench's options and field names.
 *
 * Each test has a session of its own, made for its lengths. What fills the context before it is run once: a
 * sequence may go back, so every sample starts at the same position again. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"
#include "base/rng.h"
#include "bin/bench_report.h"
#include "bin/load.h"
#include "bin/terminal.h"
#include "run/session.h"

enum {
   MOST_REPEATS = 1000,
   MOST_TOKENS = 1000000,
   MOST_SEQS = 512,
   MOST_THREADS = 1024,
   LARGEST_BATCH = 512
};

typedef struct bench_options {
   pare_list n_prompt, n_gen, pg, n_depth, n_seqs, threads; /* of whole numbers */
   int64_t repeats;
   int format;
   bool fuse;
} bench_options;

static const char *const formats[] = { "table", "json", "csv", "md", NULL };

static const pare_field fields[] = {
   { .name = "n-prompt",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(bench_options, n_prompt),
     .initial_text = "512",
     .letter = 'p',
     .value_name = "N,...",
     .help = "tokens of the prompt tests; 0 leaves them out" },
   { .name = "n-gen",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(bench_options, n_gen),
     .initial_text = "128",
     .letter = 'n',
     .value_name = "N,...",
     .help = "tokens of the generation tests; 0 leaves them out" },
   { .name = "pg",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(bench_options, pg),
     .value_name = "P,N",
     .help = "a prompt of P tokens and N generated ones as one test" },
   { .name = "n-depth",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(bench_options, n_depth),
     .initial_text = "0",
     .letter = 'd',
     .value_name = "N,...",
     .help = "tokens in the context before a test starts" },
   { .name = "sequences",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(bench_options, n_seqs),
     .initial_text = "1",
     .letter = 'b',
     .value_name = "N,...",
     .help = "sequences that generate side by side, at most 512; prompt tests have one" },
   { .name = "threads",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(bench_options, threads),
     .initial_text = "0",
     .letter = 't',
     .value_name = "N,...",
     .help = "worker threads; 0 takes every processor this process may use" },
   { .name = "repeats",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(bench_options, repeats),
     .min = 1,
     .max = MOST_REPEATS,
     .initial = 5,
     .letter = 'r',
     .value_name = "N",
     .help = "samples of each test, after one that does not count" },
   { .name = "output",
     .kind = PARE_FIELD_ENUM,
     .offset = offsetof(bench_options, format),
     .choices = formats,
     .letter = 'o',
     .help =
        "csv and md print a bare table, json a bare array; --json wraps the same in the usual document" },
   PARE_FUSE_FIELD(bench_options, fuse),
   PARE_FIELDS_END
};

typedef struct numbers {
   int64_t *items;
   size_t count;
} numbers;

typedef struct bench {
   pare_app *app;
   const bench_options *options;
   numbers n_prompt, n_gen, pg, n_depth, n_seqs, threads;
   pare_model *model;
   pare_bench_test *tests;
   size_t n_tests, capacity;
   uint32_t *tokens; /* [longest prompt or depth] */
   double done;      /* samples so far */
} bench;

/* ---- the list of tests ---- */

static pare_status read_numbers(pare_ctx *ctx, pare_arena *arena, const pare_list *texts, const char *option,
                                int64_t min, int64_t max, numbers *out)
{
   out->items = pare_arena_array(ctx, arena, texts->count + 1, sizeof *out->items);
   if (!out->items) return PARE_RESOURCE;
   for (size_t i = 0; i < texts->count; i++) {
      const char *text = texts->items[i];
      double x = pare_number_parse(text, strlen(text));
      if (!(x >= (double)min && x <= (double)max && x == trunc(x)))
         return pare_fail(ctx, PARE_USAGE, option, "\"%.40s\", expected whole numbers in [%lld, %lld]", text,
                          (long long)min, (long long)max);
      out->items[out->count++] = (int64_t)x;
   }
   return PARE_OK;
}

static bool any_above_0(const numbers *list)
{
   for (size_t i = 0; i < list->count; i++)
      if (list->items[i] > 0) return true;
   return false;
}

static pare_status read_lists(pare_ctx *ctx, bench *b)
{
   const bench_options *o = b->options;
   const struct {
      const pare_list *texts;
      const char *option;
      int64_t min, max;
      numbers *out;
   } lists[] = { { &o->n_prompt, "--n-prompt", 0, MOST_TOKENS, &b->n_prompt },
                 { &o->n_gen, "--n-gen", 0, MOST_TOKENS, &b->n_gen },
                 { &o->pg, "--pg", 1, MOST_TOKENS, &b->pg },
                 { &o->n_depth, "--n-depth", 0, MOST_TOKENS, &b->n_depth },
                 { &o->n_seqs, "--sequences", 1, MOST_SEQS, &b->n_seqs },
                 { &o->threads, "--threads", 0, MOST_THREADS, &b->threads } };
   for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
      PARE_TRY(read_numbers(ctx, b->app->arena, lists[i].texts, lists[i].option, lists[i].min, lists[i].max,
                            lists[i].out));
   if (b->pg.count % 2)
      return pare_fail(ctx, PARE_USAGE, "--pg", "%zu numbers, expected pairs: prompt,generated", b->pg.count);
   if (b->pg.count || any_above_0(&b->n_prompt) || any_above_0(&b->n_gen)) return PARE_OK;
   return pare_fail(ctx, PARE_USAGE, "--n-gen", "nothing to measure: all tests have 0 tokens");
}

/* Tests longer than the model's context are cut to it: the defaults are meant for every model. */
static int64_t cut(bench *b, const char *option, int64_t room, int64_t length)
{
   if (length <= room) return length;
   pare_log(b->app->ctx, PARE_WARNING, "cut", option, "%lld tokens cut to %lld, the model's context",
            (long long)length, (long long)room);
   return room;
}

/* A test of nothing is left out. */
static pare_status add_test(bench *b, int64_t n_prompt, int64_t n_gen, int64_t n_depth, int64_t n_seqs)
{
   int64_t length = n_depth + n_prompt + n_gen;
   if (n_prompt + n_gen == 0) return PARE_OK;
   PARE_TRY(pare_grow(b->app->ctx, (void **)&b->tests, &b->capacity, b->n_tests + 1, sizeof *b->tests));
   int64_t batch = length < LARGEST_BATCH ? length : LARGEST_BATCH;
   b->tests[b->n_tests++] = (pare_bench_test){ .n_prompt = n_prompt,
                                               .n_gen = n_gen,
                                               .n_depth = n_depth,
                                               .n_seqs = n_seqs,
                                               .n_batch = batch > n_seqs ? batch : n_seqs,
                                               .repeats = b->options->repeats };
   return PARE_OK;
}

static pare_status add_generation(bench *b, int64_t n_prompt, int64_t n_gen, int64_t n_depth)
{
   for (size_t i = 0; i < b->n_seqs.count; i++)
      PARE_TRY(add_test(b, n_prompt, n_gen, n_depth, b->n_seqs.items[i]));
   return PARE_OK;
}

static pare_status add_at_depth(bench *b, int64_t depth)
{
   int64_t room = b->model->context - depth;
   if (room <= 0)
      return pare_fail(b->app->ctx, PARE_USAGE, "--n-depth",
                       "%lld leaves no room in the model's context of %lld", (long long)depth,
                       (long long)b->model->context);
   for (size_t i = 0; i < b->n_prompt.count; i++)
      PARE_TRY(add_test(b, cut(b, "--n-prompt", room, b->n_prompt.items[i]), 0, depth, 1));
   for (size_t i = 0; i < b->n_gen.count; i++)
      PARE_TRY(add_generation(b, 0, cut(b, "--n-gen", room, b->n_gen.items[i]), depth));
   for (size_t i = 0; i + 1 < b->pg.count; i += 2) {
      int64_t prompt = cut(b, "--pg", room, b->pg.items[i]);
      PARE_TRY(add_generation(b, prompt, cut(b, "--pg", room - prompt, b->pg.items[i + 1]), depth));
   }
   return PARE_OK;
}

/* The tests of one thread count, then the same for the others. */
static pare_status repeat_for_threads(bench *b)
{
   pare_ctx *ctx = b->app->ctx;
   const numbers *threads = &b->threads;
   size_t each = b->n_tests, all = each * threads->count;
   PARE_TRY(pare_grow(ctx, (void **)&b->tests, &b->capacity, all, sizeof *b->tests));
   for (size_t i = 0; i < all; i++) {
      int64_t count = threads->items[i / each];
      b->tests[i] = b->tests[i % each];
      b->tests[i].threads = count ? (int)count : pare_pool_processors();
      b->tests[i].seconds = pare_arena_array(ctx, b->app->arena, (size_t)b->options->repeats, sizeof(double));
      if (!b->tests[i].seconds) return PARE_RESOURCE;
   }
   b->n_tests = all;
   return PARE_OK;
}

static pare_status list_tests(bench *b)
{
   for (size_t i = 0; i < b->n_depth.count; i++) PARE_TRY(add_at_depth(b, b->n_depth.items[i]));
   return repeat_for_threads(b);
}

static pare_status make_tokens(pare_ctx *ctx, bench *b)
{
   int64_t count = 1;
   pare_rng rng;
   for (size_t i = 0; i < b->n_tests; i++) {
      const pare_bench_test *test = &b->tests[i];
      int64_t longest = test->n_prompt > test->n_depth ? test->n_prompt : test->n_depth;
      if (longest > count) count = longest;
   }
   b->tokens = pare_arena_array(ctx, b->app->arena, (size_t)count, sizeof *b->tokens);
   if (!b->tokens) return PARE_RESOURCE;
   pare_rng_seed(&rng, 1);
   for (int64_t i = 0; i < count; i++)
      b->tokens[i] = (uint32_t)pare_rng_below(&rng, (uint64_t)b->model->vocab);
   return PARE_OK;
}

/* ---- running ---- */

static pare_status feed(pare_ctx *ctx, const bench *b, const pare_bench_test *test, pare_session *session,
                        int64_t from, int64_t count)
{
   const float *logits;
   for (int64_t slot = 0; count > 0 && slot < test->n_seqs; slot++)
      PARE_TRY(pare_session_prefill(ctx, session, slot, b->tokens, from, count, &logits));
   return PARE_OK;
}

static pare_status generate(pare_ctx *ctx, const bench *b, const pare_bench_test *test, pare_session *session)
{
   uint32_t tokens[MOST_SEQS];
   int32_t positions[MOST_SEQS], slots[MOST_SEQS];
   int64_t n = test->n_seqs, from = test->n_depth + test->n_prompt;
   const float *logits;
   for (int64_t i = 0; i < test->n_gen; i++) {
      for (int64_t s = 0; s < n; s++) {
         tokens[s] = (uint32_t)((uint64_t)(i * n + s) * 2654435761u % (uint64_t)b->model->vocab);
         positions[s] = (int32_t)(from + i);
         slots[s] = (int32_t)s;
      }
      pare_batch batch = { n, tokens, positions, slots, n, slots };
      PARE_TRY(pare_session_step(ctx, session, &batch, &logits));
   }
   return PARE_OK;
}

static pare_status run_once(pare_ctx *ctx, const bench *b, const pare_bench_test *test, pare_session *session,
                            double *seconds)
{
   double start = pare_now();
   PARE_TRY(feed(ctx, b, test, session, test->n_depth, test->n_prompt));
   PARE_TRY(generate(ctx, b, test, session));
   *seconds = pare_now() - start;
   return pare_check_stop(ctx);
}

static void note_time(pare_bench_test *test)
{
   struct tm parts;
   time_t now = time(NULL);
   gmtime_r(&now, &parts);
   strftime(test->time, sizeof test->time, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static pare_status take_samples(pare_ctx *ctx, bench *b, pare_bench_test *test, pare_session *session)
{
   double warm_up, all = (double)b->n_tests * (double)test->repeats;
   PARE_TRY(feed(ctx, b, test, session, 0, test->n_depth));
   PARE_TRY(run_once(ctx, b, test, session, &warm_up));
   note_time(test);
   for (int64_t i = 0; i < test->repeats; i++) {
      PARE_TRY(run_once(ctx, b, test, session, &test->seconds[i]));
      pare_report_progress(ctx, "bench", "runs", ++b->done, all);
   }
   return PARE_OK;
}

static pare_status run_test(pare_ctx *ctx, bench *b, pare_bench_test *test)
{
   pare_session *session;
   pare_session_options limits = { .slots = test->n_seqs,
                                   .context = test->n_depth + test->n_prompt + test->n_gen,
                                   .tokens = test->n_batch,
                                   .rows = test->n_seqs };
   ctx->threads = test->threads;
   PARE_TRY(pare_session_create(ctx, b->model, &limits, &session));
   pare_status status = take_samples(ctx, b, test, session);
   pare_session_destroy(ctx, session);
   return status;
}

static pare_status run_tests(pare_ctx *ctx, bench *b)
{
   PARE_TRY(list_tests(b));
   PARE_TRY(make_tokens(ctx, b));
   for (size_t i = 0; i < b->n_tests; i++) PARE_TRY(run_test(ctx, b, &b->tests[i]));
   return pare_bench_report(b->app, b->model, b->tests, b->n_tests, (pare_bench_format)b->options->format);
}

static pare_status run(pare_app *app, const void *options)
{
   pare_ctx *ctx = app->ctx;
   bench b = { .app = app, .options = options };
   int threads = ctx->threads;
   PARE_TRY(read_lists(ctx, &b));
   pare_status status = pare_load_to_run(app, app->args[0], b.options->fuse, &b.model);
   if (status == PARE_OK) status = run_tests(ctx, &b);
   ctx->threads = threads;
   pare_free(ctx, b.tests);
   pare_model_destroy(ctx, b.model);
   return status;
}

const pare_command pare_command_bench = {
   .name = "bench",
   .summary = "measure prefill and decode speed",
   .usage = "MODEL [-p N,...] [-n N,...] [--pg P,N] [-d N,...] [-b N,...] [-t N,...] [-r N] [-o FORMAT]",
   .description =
      "Runs prompts of random tokens and generation of single tokens, every combination of the lengths, "
      "depths, sequences\n"
      "and threads given, one warm-up and N samples each. Field names are llama-bench's: avg_ts and "
      "stddev_ts are tokens\n"
      "per second over samples_ts, avg_ns and stddev_ns nanoseconds over samples_ns.\n",
   .examples = "  pare bench story.pare\n  pare bench story.pare -p 512 -n 0 -t 1,2 -r 10 -o md\n"
               "  pare bench story.pare -p 0 -n 128 -b 1,8 -d 0,4096 --cpu avx2\n",
   .fields = fields,
   .options_size = sizeof(bench_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
