/* bench_report: see bench_report.h. A test is a row of named cells, which JSON and CSV print alike. */
#include "bin/bench_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "bin/load.h"

enum { MOST_CELLS = 32, NAME_SIZE = 96 };

typedef enum cell_kind { CELL_INT, CELL_NUMBER, CELL_TEXT } cell_kind;

typedef struct cell {
   const char *name;
   cell_kind kind;
   int64_t whole;
   double number;
   const char *text;
} cell;

typedef struct row {
   cell cells[MOST_CELLS];
   size_t n;
} row;

/* What all tests share. */
typedef struct host {
   pare_ctx *ctx;
   const pare_model *model;
   pare_model_totals totals;
   char cpu[128], isa[64], model_type[NAME_SIZE];
   const char *cache_type;
   double *sorted; /* [repeats] */
} host;

typedef struct spread {
   double mean, deviation, median;
} spread;

/* ---- figures ---- */

static double rate_of(const pare_bench_test *test, int64_t i)
{
   return (double)pare_bench_tokens(test) / test->seconds[i];
}

static double nanoseconds_of(const pare_bench_test *test, int64_t i)
{
   return floor(test->seconds[i] * 1e9);
}

static int ascending(const void *a, const void *b)
{
   double x = *(const double *)a, y = *(const double *)b;
   return x < y ? -1 : x > y;
}

static spread spread_of(const host *h, const pare_bench_test *test,
                        double (*figure)(const pare_bench_test *, int64_t))
{
   int64_t n = test->repeats;
   double sum = 0, squares = 0;
   for (int64_t i = 0; i < n; i++) sum += h->sorted[i] = figure(test, i);
   double mean = sum / (double)n;
   for (int64_t i = 0; i < n; i++) squares += (h->sorted[i] - mean) * (h->sorted[i] - mean);
   qsort(h->sorted, (size_t)n, sizeof *h->sorted, ascending);
   return (spread){ .mean = mean,
                    .deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0,
                    .median = (h->sorted[(n - 1) / 2] + h->sorted[n / 2]) / 2 };
}

/* ---- what all tests share ---- */

/* The encoding that most of the bytes have. */
static const char *main_encoding(const pare_graph *graph)
{
   uint64_t bytes[PARE_ENC_COUNT] = { 0 };
   int best = 0;
   for (size_t i = 0; i < graph->n_weights; i++)
      bytes[graph->weights[i]->encoding.kind] += pare_buffer_size(graph->weights[i]->data);
   for (int kind = 1; kind < PARE_ENC_COUNT; kind++)
      if (bytes[kind] > bytes[best]) best = kind;
   return pare_encoding_name((pare_encoding_kind)best);
}

/* The type of the first key/value cache. */
static const char *cache_type(const pare_graph *graph)
{
   for (size_t i = 0; i < graph->n_values; i++)
      if (graph->values[i]->kind == PARE_VALUE_STATE) return pare_dtype_name(graph->values[i]->type.dtype);
   return NULL;
}

static pare_status describe_host(pare_app *app, const pare_model *model, int64_t repeats, host *h)
{
   char params[32];
   *h = (host){ .ctx = app->ctx, .model = model, .totals = pare_model_count(model) };
   pare_cpu_name(h->cpu, sizeof h->cpu);
   pare_cpu_describe(app->ctx->cpu, h->isa, sizeof h->isa);
   pare_human_count((double)h->totals.params, params);
   snprintf(h->model_type, sizeof h->model_type, "%s %s %s", model->arch, params,
            main_encoding(model->graph));
   h->cache_type = cache_type(model->graph);
   h->sorted = pare_arena_array(app->ctx, app->arena, (size_t)repeats, sizeof *h->sorted);
   return h->sorted ? PARE_OK : PARE_RESOURCE;
}

/* ---- a row ---- */

static void add_text(row *r, const char *name, const char *text)
{
   r->cells[r->n++] = (cell){ .name = name, .kind = CELL_TEXT, .text = text };
}

static void add_int(row *r, const char *name, int64_t whole)
{
   r->cells[r->n++] = (cell){ .name = name, .kind = CELL_INT, .whole = whole };
}

static void add_number(row *r, const char *name, double number)
{
   r->cells[r->n++] = (cell){ .name = name, .kind = CELL_NUMBER, .number = number };
}

static void add_host(row *r, const host *h)
{
   add_text(r, "build_version", PARE_VERSION);
   add_text(r, "cpu_info", h->cpu);
   add_text(r, "isa", h->isa);
   add_text(r, "backends", "CPU");
   add_text(r, "model_filename", h->model->path);
   add_text(r, "model_type", h->model_type);
   add_int(r, "model_size", (int64_t)h->totals.tensor_bytes);
   add_int(r, "model_n_params", h->totals.params);
   add_text(r, "type_k", h->cache_type);
   add_text(r, "type_v", h->cache_type);
}

static row row_of(const host *h, const pare_bench_test *test)
{
   row r = { .n = 0 };
   spread rate = spread_of(h, test, rate_of), time = spread_of(h, test, nanoseconds_of);
   add_host(&r, h);
   add_int(&r, "n_batch", test->n_batch);
   add_int(&r, "n_ubatch", test->n_batch);
   add_int(&r, "n_threads", test->threads);
   add_int(&r, "n_prompt", test->n_prompt);
   add_int(&r, "n_gen", test->n_gen);
   add_int(&r, "n_depth", test->n_depth);
   add_int(&r, "n_seqs", test->n_seqs);
   add_text(&r, "test_time", test->time);
   add_int(&r, "avg_ns", (int64_t)time.mean);
   add_int(&r, "stddev_ns", (int64_t)time.deviation);
   add_number(&r, "avg_ts", rate.mean);
   add_number(&r, "stddev_ts", rate.deviation);
   add_number(&r, "median_ts", rate.median);
   return r;
}

/* ---- JSON ---- */

static void put_cell(pare_json_writer *json, const cell *c)
{
   if (c->kind == CELL_INT) pare_json_put_int(json, c->name, c->whole);
   else if (c->kind == CELL_NUMBER) pare_json_put_number(json, c->name, c->number);
   else pare_json_put_string(json, c->name, c->text);
}

static void put_test(pare_json_writer *json, const host *h, const pare_bench_test *test)
{
   row r = row_of(h, test);
   pare_json_open_object(json, NULL);
   for (size_t i = 0; i < r.n; i++) put_cell(json, &r.cells[i]);
   pare_json_open_array(json, "samples_ns");
   for (int64_t i = 0; i < test->repeats; i++)
      pare_json_put_int(json, NULL, (int64_t)nanoseconds_of(test, i));
   pare_json_close_array(json);
   pare_json_open_array(json, "samples_ts");
   for (int64_t i = 0; i < test->repeats; i++) pare_json_put_number(json, NULL, rate_of(test, i));
   pare_json_close_array(json);
   pare_json_close_object(json);
}

static void put_tests(pare_json_writer *json, const char *name, const host *h, const pare_bench_test *tests,
                      size_t n)
{
   pare_json_open_array(json, name);
   for (size_t i = 0; i < n; i++) put_test(json, h, &tests[i]);
   pare_json_close_array(json);
}

static pare_status print_json(pare_ctx *ctx, const host *h, const pare_bench_test *tests, size_t n,
                              pare_str *out)
{
   pare_json_writer json;
   pare_json_begin(&json, ctx, out, true);
   put_tests(&json, NULL, h, tests, n);
   return json.status != PARE_OK ? json.status : pare_str_puts(ctx, out, "\n");
}

/* ---- CSV (RFC 4180) ---- */

static pare_status print_quoted(pare_ctx *ctx, const char *text, pare_str *out)
{
   PARE_TRY(pare_str_puts(ctx, out, "\""));
   for (const char *at = text ? text : ""; *at; at++)
      PARE_TRY(pare_str_printf(ctx, out, *at == '"' ? "\"%c" : "%c", *at));
   return pare_str_puts(ctx, out, "\"");
}

static pare_status print_cell(pare_ctx *ctx, const cell *c, pare_str *out)
{
   if (c->kind == CELL_INT) return pare_str_printf(ctx, out, "%lld", (long long)c->whole);
   if (c->kind == CELL_NUMBER) return pare_str_printf(ctx, out, "%.6f", c->number);
   return print_quoted(ctx, c->text, out);
}

static pare_status print_csv(pare_ctx *ctx, const host *h, const pare_bench_test *tests, size_t n,
                             pare_str *out)
{
   row head = row_of(h, &tests[0]);
   for (size_t i = 0; i < head.n; i++)
      PARE_TRY(pare_str_printf(ctx, out, "%s%s", i ? "," : "", head.cells[i].name));
   for (size_t t = 0; t < n; t++) {
      row r = row_of(h, &tests[t]);
      for (size_t i = 0; i < r.n; i++) {
         PARE_TRY(pare_str_puts(ctx, out, i ? "," : "\n"));
         PARE_TRY(print_cell(ctx, &r.cells[i], out));
      }
   }
   return pare_str_puts(ctx, out, "\n");
}

/* ---- tables ---- */

/* "pp512", "tg128 @ d4096 x 8", "pp512+tg128" */
static void name_test(const pare_bench_test *test, char out[NAME_SIZE])
{
   int n = 0;
   if (test->n_prompt) n += snprintf(out, NAME_SIZE, "pp%lld", (long long)test->n_prompt);
   if (test->n_gen)
      n += snprintf(out + n, (size_t)(NAME_SIZE - n), "%stg%lld", n ? "+" : "", (long long)test->n_gen);
   if (test->n_depth) n += snprintf(out + n, (size_t)(NAME_SIZE - n), " @ d%lld", (long long)test->n_depth);
   if (test->n_seqs > 1) snprintf(out + n, (size_t)(NAME_SIZE - n), " x %lld", (long long)test->n_seqs);
}

static pare_status print_row(pare_ctx *ctx, const host *h, const pare_bench_test *test, const char *format,
                             pare_str *out)
{
   char name[NAME_SIZE], size[32];
   spread rate = spread_of(h, test, rate_of);
   name_test(test, name);
   pare_human_bytes((double)h->totals.tensor_bytes, size);
   return pare_str_printf(ctx, out, format, h->model->path, size, h->isa, test->threads, name, rate.mean,
                          rate.deviation, rate.median);
}

static pare_status print_table(pare_ctx *ctx, const host *h, const pare_bench_test *tests, size_t n,
                               bool markdown, pare_str *out)
{
   static const char *const heads[] = { "model                               size  isa            threads  "
                                        "test                    avg t/s   stddev   median\n",
                                        "| model | size | isa | threads | test | t/s | median |\n"
                                        "|---|---:|---|---:|---|---:|---:|\n" };
   static const char *const rows[] = { "%-30s %9s  %-13s %8d  %-20s %10.2f %8.2f %8.2f\n",
                                       "| %s | %s | %s | %d | %s | %.2f ± %.2f | %.2f |\n" };
   PARE_TRY(pare_str_puts(ctx, out, heads[markdown]));
   for (size_t i = 0; i < n; i++) PARE_TRY(print_row(ctx, h, &tests[i], rows[markdown], out));
   return PARE_OK;
}

pare_status pare_bench_report(pare_app *app, const pare_model *model, const pare_bench_test *tests, size_t n,
                              pare_bench_format format)
{
   host h;
   PARE_TRY(describe_host(app, model, tests[0].repeats, &h));
   put_tests(&app->body, "tests", &h, tests, n);
   if (format == PARE_BENCH_JSON) return print_json(app->ctx, &h, tests, n, &app->text);
   if (format == PARE_BENCH_CSV) return print_csv(app->ctx, &h, tests, n, &app->text);
   return print_table(app->ctx, &h, tests, n, format == PARE_BENCH_MD, &app->text);
}
