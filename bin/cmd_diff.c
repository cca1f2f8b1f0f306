/* cmd_diff: two models tensor by tensor. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bin/load.h"
#include "formats/format.h"
#include "quant/weight_io.h"

typedef struct diff_options {
   double tolerance;
   bool all;
} diff_options;

static const pare_field fields[] = {
   { .name = "tolerance",
     .kind = PARE_FIELD_FLOAT,
     .offset = offsetof(diff_options, tolerance),
     .max = 1e30,
     .value_name = "X",
     .help = "largest relative error (root of squared error over squared value) that still counts as equal" },
   { .name = "all",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(diff_options, all),
     .letter = 'a',
     .help = "list equal tensors too" },
   PARE_FIELDS_END
};

enum { ROWS_AT_ONCE = 16 };

typedef struct comparison {
   pare_app *app;
   const diff_options *options;
   pare_model *a, *b;
   int64_t tensors, differing;
} comparison;

typedef struct distance {
   double squared_error, squared_value, largest;
} distance;

static pare_status measure(pare_ctx *ctx, const pare_weight *a, const pare_weight *b, float *x, float *y,
                           distance *out)
{
   int64_t k = a->rank == 2 ? a->dim[1] : 1;
   *out = (distance){ 0 };
   for (int64_t row = 0; row < a->dim[0]; row += ROWS_AT_ONCE) {
      int64_t rows = a->dim[0] - row < ROWS_AT_ONCE ? a->dim[0] - row : ROWS_AT_ONCE;
      PARE_TRY(pare_weight_read(ctx, a, row, rows, x));
      PARE_TRY(pare_weight_read(ctx, b, row, rows, y));
      for (int64_t i = 0; i < rows * k; i++) {
         double off = (double)y[i] - (double)x[i];
         out->squared_error += off * off;
         out->squared_value += (double)x[i] * (double)x[i];
         if (fabs(off) > out->largest || isnan(off)) out->largest = fabs(off);
      }
   }
   return pare_check_stop(ctx);
}

static pare_status put_line(comparison *c, const char *name, const char *what, const distance *d,
                            double relative)
{
   pare_json_open_object(&c->app->body, NULL);
   pare_json_put_string(&c->app->body, "name", name);
   pare_json_put_string(&c->app->body, "state", what);
   if (d) {
      pare_json_put_number(&c->app->body, "relative_error", relative);
      pare_json_put_number(&c->app->body, "max_abs_difference", d->largest);
   }
   pare_json_close_object(&c->app->body);
   if (!d) return pare_str_printf(c->app->ctx, &c->app->text, "%-48s %s\n", name, what);
   return pare_str_printf(c->app->ctx, &c->app->text,
                          "%-48s %-12s relative error %.6g, largest difference %.6g\n", name, what, relative,
                          d->largest);
}

static bool same_shape(const pare_weight *a, const pare_weight *b)
{
   return a->rank == b->rank && a->dim[0] == b->dim[0] && (a->rank == 1 || a->dim[1] == b->dim[1]);
}

static pare_status compare_values(comparison *c, const pare_weight *a, const pare_weight *b)
{
   pare_ctx *ctx = c->app->ctx;
   size_t k = a->rank == 2 ? (size_t)a->dim[1] : 1;
   distance d;
   float *x = pare_alloc_array(ctx, 2 * ROWS_AT_ONCE * k, sizeof *x);
   if (!x) return PARE_RESOURCE;
   pare_status status = measure(ctx, a, b, x, x + ROWS_AT_ONCE * k, &d);
   pare_free(ctx, x);
   PARE_TRY(status);
   double relative = d.squared_error == 0 ? 0 : sqrt(d.squared_error / d.squared_value);
   bool equal = relative <= c->options->tolerance; /* false for NaN */
   if (!equal) c->differing++;
   if (equal && !c->options->all) return PARE_OK;
   return put_line(c, a->name, equal ? "equal" : "differs", &d, relative);
}

static pare_status compare_weight(comparison *c, const pare_weight *a)
{
   const pare_weight *b = pare_graph_find_weight(c->b->graph, a->name);
   c->tensors++;
   if (b && same_shape(a, b)) return compare_values(c, a, b);
   c->differing++;
   return put_line(c, a->name, b ? "other shape" : "only in first", NULL, 0);
}

static pare_status compare_models(comparison *c)
{
   const pare_graph *a = c->a->graph, *b = c->b->graph;
   pare_json_open_array(&c->app->body, "tensors");
   for (size_t i = 0; i < a->n_weights; i++) {
      PARE_TRY(compare_weight(c, a->weights[i]));
      pare_report_progress(c->app->ctx, "diff", "tensors", (double)i + 1, (double)a->n_weights);
   }
   for (size_t i = 0; i < b->n_weights; i++) {
      if (pare_graph_find_weight(a, b->weights[i]->name)) continue;
      c->tensors++;
      c->differing++;
      PARE_TRY(put_line(c, b->weights[i]->name, "only in second", NULL, 0));
   }
   pare_json_close_array(&c->app->body);
   pare_json_put_int(&c->app->body, "compared", c->tensors);
   pare_json_put_int(&c->app->body, "differing", c->differing);
   PARE_TRY(pare_str_printf(c->app->ctx, &c->app->text, "%lld tensors, %lld differ\n", (long long)c->tensors,
                            (long long)c->differing));
   if (c->differing == 0) return PARE_OK;
   return pare_fail(c->app->ctx, PARE_DIFFERS, c->b->path, "%lld of %lld tensors differ from %s",
                    (long long)c->differing, (long long)c->tensors, c->a->path);
}

static pare_status run(pare_app *app, const void *options)
{
   comparison c = { .app = app, .options = options };
   pare_status status = pare_model_load(app->ctx, app->args[0], &c.a);
   if (status == PARE_OK) status = pare_model_load(app->ctx, app->args[1], &c.b);
   if (status == PARE_OK) status = compare_models(&c);
   pare_model_destroy(app->ctx, c.a);
   pare_model_destroy(app->ctx, c.b);
   return status;
}

const pare_command pare_command_diff = {
   .name = "diff",
   .summary = "compare two models tensor by tensor",
   .usage = "MODEL MODEL [options]",
   .description = "Decodes the tensors of both, whatever their encodings, and gives the error of the second "
                  "relative to the first. Exits 0\n"
                  "when all are equal within the tolerance, 1 when any differs or is missing.\n",
   .examples = "  pare diff model/ story.pare --tolerance 0.01\n  pare diff old.pare new.pare --json\n",
   .fields = fields,
   .options_size = sizeof(diff_options),
   .min_args = 2,
   .max_args = 2,
   .run = run,
};
