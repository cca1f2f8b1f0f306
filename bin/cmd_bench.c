/* cmd_bench: tokens per second of prefill and decode, with llama-bench's field names. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "bin/load.h"
#include "bin/terminal.h"
#include "run/session.h"

typedef struct bench_options {
   int64_t n_prompt, n_gen, n_depth, n_seqs, repeats;
   int format;
   bool fuse;
} bench_options;

enum { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV, FORMAT_MD, MAX_REPEATS = 1000, LARGEST_BATCH = 512 };
static const char *const formats[] = { "table", "json", "csv", "md", NULL };

static const pare_field fields[] = {
   { .name = "n-prompt",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(bench_options, n_prompt),
     .max = 1e6,
     .initial = 512,
     .letter = 'p',
     .value_name = "N",
     .help = "tokens of the prompt test; 0 leaves it out" },
   { .name = "n-gen",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(bench_options, n_gen),
     .max = 1e6,
     .initial = 128,
     .letter = 'n',
     .value_name = "N",
     .help = "tokens of the generation test; 0 leaves it out" },
   { .name = "n-depth",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(bench_options, n_depth),
     .max = 1e6,
     .letter = 'd',
     .value_name = "N",
     .help = "tokens in the context before either test starts" },
   { .name = "sequences",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(bench_options, n_seqs),
     .min = 1,
     .max = 512,
     .initial = 1,
     .letter = 'b',
     .value_name = "N",
     .help = "sequences that generate side by side" },
   { .name = "repeats",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(bench_options, repeats),
     .min = 1,
     .max = MAX_REPEATS,
     .initial = 5,
     .letter = 'r',
     .value_name = "N",
     .help = "samples of each test" },
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

/* One test: n tokens, either as a prompt or one by one. */
typedef struct bench_test {
   int64_t n_prompt, n_gen;
   double avg_ts, stddev_ts, median_ts;
   double samples_ts[MAX_REPEATS];
} bench_test;

typedef struct bench {
   pare_app *app;
   bench_options *options; /* lengths cut to the model's context */
   pare_model *model;
   pare_session *session;
   uint32_t *tokens; /* [prompt or depth] */
} bench;

static void fill_tokens(bench *b, int64_t count)
{
   pare_rng rng;
   pare_rng_seed(&rng, 1);
   for (int64_t i = 0; i < count; i++)
      b->tokens[i] = (uint32_t)pare_rng_below(&rng, (uint64_t)b->model->vocab);
}

static pare_status fill_depth(pare_ctx *ctx, bench *b)
{
   const float *logits;
   for (int64_t slot = 0; b->options->n_depth && slot < b->options->n_seqs; slot++)
      PARE_TRY(pare_session_prefill(ctx, b->session, slot, b->tokens, 0, b->options->n_depth, &logits));
   return PARE_OK;
}

static pare_status decode(pare_ctx *ctx, bench *b, int64_t count)
{
   uint32_t tokens[512];
   int32_t positions[512], slots[512];
   int64_t n = b->options->n_seqs;
   const float *logits;
   for (int64_t i = 0; i < count; i++) {
      for (int64_t s = 0; s < n; s++) {
         tokens[s] = (uint32_t)((uint64_t)(i * n + s) * 2654435761u % (uint64_t)b->model->vocab);
         positions[s] = (int32_t)(b->options->n_depth + i);
         slots[s] = (int32_t)s;
      }
      pare_batch batch = { n, tokens, positions, slots, n, slots };
      PARE_TRY(pare_session_step(ctx, b->session, &batch, &logits));
   }
   return PARE_OK;
}

static pare_status run_once(pare_ctx *ctx, bench *b, const bench_test *test, double *rate)
{
   const float *logits;
   PARE_TRY(fill_depth(ctx, b));
   double start = pare_now();
   if (test->n_prompt)
      PARE_TRY(
         pare_session_prefill(ctx, b->session, 0, b->tokens, b->options->n_depth, test->n_prompt, &logits));
   else PARE_TRY(decode(ctx, b, test->n_gen));
   *rate =
      (double)(test->n_prompt ? test->n_prompt : test->n_gen * b->options->n_seqs) / (pare_now() - start);
   return pare_check_stop(ctx);
}

static void summarize(bench_test *test, int64_t n)
{
   double sorted[MAX_REPEATS], sum = 0, squares = 0;
   for (int64_t i = 0; i < n; i++) {
      int64_t at = i;
      for (; at > 0 && sorted[at - 1] > test->samples_ts[i]; at--) sorted[at] = sorted[at - 1];
      sorted[at] = test->samples_ts[i];
      sum += test->samples_ts[i];
   }
   test->avg_ts = sum / (double)n;
   for (int64_t i = 0; i < n; i++)
      squares += (test->samples_ts[i] - test->avg_ts) * (test->samples_ts[i] - test->avg_ts);
   test->stddev_ts = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
   test->median_ts = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static pare_status run_test(pare_ctx *ctx, bench *b, bench_test *test)
{
   double warm_up;
   PARE_TRY(run_once(ctx, b, test, &warm_up));
   for (int64_t i = 0; i < b->options->repeats; i++) {
      PARE_TRY(run_once(ctx, b, test, &test->samples_ts[i]));
      pare_report_progress(ctx, "bench", "runs", (double)i + 1, (double)b->options->repeats);
   }
   summarize(test, b->options->repeats);
   return PARE_OK;
}

/* ---- output ---- */

static void put_test(pare_json_writer *json, const bench *b, const bench_test *test)
{
   pare_model_totals totals = pare_model_count(b->model);
   pare_json_open_object(json, NULL);
   pare_json_put_string(json, "model_filename", b->model->path);
   pare_json_put_string(json, "model_type", b->model->arch);
   pare_json_put_int(json, "model_size", (int64_t)totals.tensor_bytes);
   pare_json_put_int(json, "model_n_params", totals.params);
   pare_json_put_int(json, "n_threads", b->app->ctx->threads);
   pare_json_put_int(json, "n_prompt", test->n_prompt);
   pare_json_put_int(json, "n_gen", test->n_gen);
   pare_json_put_int(json, "n_depth", b->options->n_depth);
   pare_json_put_int(json, "n_seqs", test->n_prompt ? 1 : b->options->n_seqs);
   pare_json_put_number(json, "avg_ts", test->avg_ts);
   pare_json_put_number(json, "stddev_ts", test->stddev_ts);
   pare_json_put_number(json, "median_ts", test->median_ts);
   pare_json_open_array(json, "samples_ts");
   for (int64_t i = 0; i < b->options->repeats; i++) pare_json_put_number(json, NULL, test->samples_ts[i]);
   pare_json_close_array(json);
   pare_json_close_object(json);
}

static pare_status print_row(pare_ctx *ctx, const bench *b, const bench_test *test, const char *format,
                             pare_str *out)
{
   char name[64], size[32];
   pare_model_totals totals = pare_model_count(b->model);
   snprintf(name, sizeof name, "%s%lld", test->n_prompt ? "pp" : "tg",
            (long long)(test->n_prompt + test->n_gen));
   if (b->options->n_depth) snprintf(name + strlen(name), 32, " @ d%lld", (long long)b->options->n_depth);
   if (!test->n_prompt && b->options->n_seqs > 1)
      snprintf(name + strlen(name), 32, " x %lld", (long long)b->options->n_seqs);
   pare_human_bytes((double)totals.tensor_bytes, size);
   return pare_str_printf(ctx, out, format, b->model->path, size, b->app->ctx->threads, name, test->avg_ts,
                          test->stddev_ts, test->median_ts);
}

static pare_status print_table(pare_ctx *ctx, const bench *b, const bench_test *tests, size_t n,
                               pare_str *out)
{
   static const char *const heads[] = {
      [FORMAT_TABLE] =
         "model                              size   threads  test          avg t/s   stddev   median\n",
      [FORMAT_CSV] = "model,size,n_threads,test,avg_ts,stddev_ts,median_ts\n",
      [FORMAT_MD] =
         "| model | size | threads | test | avg t/s | stddev | median |\n|---|---|---|---|---|---|---|\n"
   };
   static const char *const rows[] = { [FORMAT_TABLE] = "%-30s %9s %8d  %-10s %10.2f %8.2f %8.2f\n",
                                       [FORMAT_CSV] = "%s,%s,%d,%s,%.3f,%.3f,%.3f\n",
                                       [FORMAT_MD] = "| %s | %s | %d | %s | %.2f | %.2f | %.2f |\n" };
   PARE_TRY(pare_str_puts(ctx, out, heads[b->options->format]));
   for (size_t i = 0; i < n; i++) PARE_TRY(print_row(ctx, b, &tests[i], rows[b->options->format], out));
   return PARE_OK;
}

static pare_status report(pare_ctx *ctx, const bench *b, const bench_test *tests, size_t n)
{
   pare_json_open_array(&b->app->body, "tests");
   for (size_t i = 0; i < n; i++) put_test(&b->app->body, b, &tests[i]);
   pare_json_close_array(&b->app->body);
   if (b->options->format != FORMAT_JSON) return print_table(ctx, b, tests, n, &b->app->text);
   pare_json_writer json;
   pare_json_begin(&json, ctx, &b->app->text, true);
   pare_json_open_array(&json, NULL);
   for (size_t i = 0; i < n; i++) put_test(&json, b, &tests[i]);
   pare_json_close_array(&json);
   return json.status != PARE_OK ? json.status : pare_str_puts(ctx, &b->app->text, "\n");
}

/* Tests longer than the model's context are cut to it: the defaults are meant for every model. */
static void cut(pare_ctx *ctx, const char *option, int64_t room, int64_t *length)
{
   if (*length <= room) return;
   pare_log(ctx, PARE_WARNING, "cut", option, "%lld tokens cut to %lld, the model's context",
            (long long)*length, (long long)room);
   *length = room;
}

static pare_status open_session(pare_ctx *ctx, bench *b)
{
   bench_options *o = b->options;
   if (o->n_prompt == 0 && o->n_gen == 0)
      return pare_fail(ctx, PARE_USAGE, "--n-gen", "nothing to measure: both tests have 0 tokens");
   if (o->n_depth >= b->model->context)
      return pare_fail(ctx, PARE_USAGE, "--n-depth", "%lld leaves no room in the model's context of %lld",
                       (long long)o->n_depth, (long long)b->model->context);
   cut(ctx, "--n-prompt", b->model->context - o->n_depth, &o->n_prompt);
   cut(ctx, "--n-gen", b->model->context - o->n_depth, &o->n_gen);
   int64_t context = o->n_depth + (o->n_prompt > o->n_gen ? o->n_prompt : o->n_gen);
   int64_t batch = context < LARGEST_BATCH ? context : LARGEST_BATCH;
   if (batch < o->n_seqs) batch = o->n_seqs;
   pare_session_options limits = {
      .slots = o->n_seqs, .context = context, .tokens = batch, .rows = o->n_seqs
   };
   b->tokens = pare_arena_array(ctx, b->app->arena, (size_t)context, sizeof *b->tokens);
   if (!b->tokens) return PARE_RESOURCE;
   fill_tokens(b, context);
   return pare_session_create(ctx, b->model, &limits, &b->session);
}

static pare_status run_tests(pare_ctx *ctx, bench *b)
{
   size_t n = 0;
   bench_test *tests = pare_arena_array(ctx, b->app->arena, 2, sizeof *tests);
   if (!tests) return PARE_RESOURCE;
   if (b->options->n_prompt) tests[n++].n_prompt = b->options->n_prompt;
   if (b->options->n_gen) tests[n++].n_gen = b->options->n_gen;
   for (size_t i = 0; i < n; i++) PARE_TRY(run_test(ctx, b, &tests[i]));
   return report(ctx, b, tests, n);
}

static pare_status run(pare_app *app, const void *given)
{
   pare_ctx *ctx = app->ctx;
   bench_options options = *(const bench_options *)given;
   bench b = { .app = app, .options = &options };
   pare_status status = pare_load_to_run(app, app->args[0], options.fuse, &b.model);
   if (status == PARE_OK) status = open_session(ctx, &b);
   if (status == PARE_OK) status = run_tests(ctx, &b);
   pare_session_destroy(ctx, b.session);
   pare_model_destroy(ctx, b.model);
   return status;
}

const pare_command pare_command_bench = {
   .name = "bench",
   .summary = "measure prefill and decode speed",
   .usage = "MODEL [-p N] [-n N] [-d N] [-b N] [-r N] [-o FORMAT]",
   .description = "Runs a prompt of random tokens, then generation of single tokens, one warm-up and N "
                  "samples each. Field names are\n"
                  "llama-bench's: avg_ts and stddev_ts are tokens per second over samples_ts.\n",
   .examples = "  pare bench story.pare\n  pare bench story.pare -p 512 -n 0 -r 10 -o md\n",
   .fields = fields,
   .options_size = sizeof(bench_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
