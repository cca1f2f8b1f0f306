/* cmd_inspect: what is inside a model: sizes, encodings, sparsity, outliers, cost. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bin/load.h"
#include "bin/plan_report.h"
#include "pipeline/pipeline.h"
#include "formats/format.h"
#include "ir/op.h"
#include "quant/weight_io.h"

typedef struct inspect_options {
   const char *tensor;
   bool tensors, graph, measure, plan, fuse;
   pare_session_options limits; /* of --plan */
} inspect_options;

static const pare_field fields[] = {
   { .name = "tensors",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(inspect_options, tensors),
     .help = "a line a tensor instead of a line a layer" },
   { .name = "tensor",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(inspect_options, tensor),
     .value_name = "NAME",
     .help = "one tensor (a glob matches several): its range, root mean square and a histogram" },
   { .name = "graph",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(inspect_options, graph),
     .help = "the text of the graph instead of the tables" },
   { .name = "measure",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(inspect_options, measure),
     .initial = 1,
     .help = "read every weight for sparsity and outliers; --no-measure answers at once" },
   { .name = "plan",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(inspect_options, plan),
     .help = "how a session would run it: stages, steps, memory regions with their lifetimes, and the planned "
             "peak in bytes" },
   { .name = "tokens",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(inspect_options, limits.tokens),
     .max = 1 << 24,
     .value_name = "N",
     .needs = "plan",
     .help = "with --plan: largest batch; 0 is 512, or the context when that is shorter" },
   { .name = "context",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(inspect_options, limits.context),
     .max = INT32_MAX,
     .value_name = "N",
     .needs = "plan",
     .help = "with --plan: positions of a sequence; 0 is what the model was made for" },
   { .name = "sequences",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(inspect_options, limits.slots),
     .min = 1,
     .max = 4096,
     .initial = 1,
     .value_name = "N",
     .needs = "plan",
     .help = "with --plan: sequences held at once" },
   { .name = "fuse",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(inspect_options, fuse),
     .initial = 1,
     .needs = "plan",
     .help = "with --plan: fuse operations first, as before running; --no-fuse plans the graph as it is" },
   PARE_FIELDS_END
};

/* Sums over the tensors of one layer, or of the whole model. */
typedef struct row {
   char name[128], encodings[64];
   int64_t tensors, params, zeros;
   uint64_t bytes;
   double macs, outlier;
} row;

typedef struct inspection {
   pare_app *app;
   const inspect_options *options;
   pare_model *model;
   pare_weight_stats *stats; /* [n_weights]; all zero without --measure */
   row total;
} inspection;

/* "layers.3.self_attn.q_proj" is of layer "layers.3"; whatever is outside the layers stands for itself. */
static void layer_of(const pare_graph *graph, const pare_weight *weight, char out[128])
{
   const pare_node *user = pare_weight_next_user(graph, weight, NULL);
   snprintf(out, 128, "%s", user ? user->name : weight->name);
   if (strncmp(out, "layers.", 7) != 0) return;
   char *dot = strchr(out + 7, '.');
   if (dot) *dot = 0;
}

static void add_encoding(row *r, const char *name)
{
   if (strstr(r->encodings, name)) return;
   size_t used = strlen(r->encodings);
   snprintf(r->encodings + used, sizeof r->encodings - used, "%s%s", used ? "+" : "", name);
}

static void add_weight(row *r, const pare_weight *weight, const pare_weight_stats *stats)
{
   r->tensors++;
   r->params += pare_weight_count(weight);
   r->bytes += pare_buffer_size(weight->data);
   r->zeros += stats->zeros;
   if (stats->outlier > r->outlier) r->outlier = stats->outlier;
   add_encoding(r, pare_encoding_name(weight->encoding.kind));
}

static pare_status measure(inspection *in)
{
   pare_ctx *ctx = in->app->ctx;
   const pare_graph *graph = in->model->graph;
   in->stats = pare_arena_array(ctx, in->app->arena, graph->n_weights + 1, sizeof *in->stats);
   if (!in->stats) return PARE_RESOURCE;
   for (size_t i = 0; i < graph->n_weights; i++) {
      const pare_weight *weight = graph->weights[i];
      bool wanted = !in->options->tensor || pare_name_matches(weight->name, &in->options->tensor, 1);
      in->stats[i].bad_at = -1;
      if (in->options->measure && wanted) PARE_TRY(pare_weight_measure(ctx, weight, &in->stats[i]));
      if (in->stats[i].bad_at >= 0)
         pare_log(ctx, PARE_WARNING, "not_finite", weight->name, "element %lld is NaN or infinite",
                  (long long)in->stats[i].bad_at);
      add_weight(&in->total, weight, &in->stats[i]);
      pare_report_progress(ctx, "inspect", "tensors", (double)i + 1, (double)graph->n_weights);
   }
   return PARE_OK;
}

/* ---- JSON ---- */

static void put_tensor(inspection *in, size_t i)
{
   const pare_weight *weight = in->model->graph->weights[i];
   const pare_weight_stats *s = &in->stats[i];
   pare_json_writer *json = &in->app->body;
   pare_json_open_object(json, NULL);
   pare_json_put_string(json, "name", weight->name);
   pare_json_open_array(json, "shape");
   for (int d = 0; d < weight->rank; d++) pare_json_put_int(json, NULL, weight->dim[d]);
   pare_json_close_array(json);
   pare_json_put_string(json, "encoding", pare_encoding_name(weight->encoding.kind));
   pare_json_put_int(json, "rotation", weight->encoding.rotation);
   pare_json_put_int(json, "group", weight->encoding.group);
   pare_json_put_int(json, "params", pare_weight_count(weight));
   pare_json_put_int(json, "bytes", (int64_t)pare_buffer_size(weight->data));
   if (in->options->measure) {
      pare_json_put_int(json, "zeros", s->zeros);
      pare_json_put_number(json, "min", s->min);
      pare_json_put_number(json, "max", s->max);
      pare_json_put_number(json, "rms", s->rms);
      pare_json_put_number(json, "outlier", s->outlier);
   }
   pare_json_close_object(json);
}

static void put_encodings(inspection *in)
{
   pare_json_open_object(&in->app->body, "encodings");
   for (int kind = 0; kind < PARE_ENC_COUNT; kind++) {
      row sum = { .tensors = 0 };
      for (size_t i = 0; i < in->model->graph->n_weights; i++)
         if (in->model->graph->weights[i]->encoding.kind == (pare_encoding_kind)kind)
            add_weight(&sum, in->model->graph->weights[i], &in->stats[i]);
      if (!sum.tensors) continue;
      pare_json_open_object(&in->app->body, pare_encoding_name((pare_encoding_kind)kind));
      pare_json_put_int(&in->app->body, "tensors", sum.tensors);
      pare_json_put_int(&in->app->body, "params", sum.params);
      pare_json_put_int(&in->app->body, "bytes", (int64_t)sum.bytes);
      pare_json_close_object(&in->app->body);
   }
   pare_json_close_object(&in->app->body);
}

static pare_status put_provenance(inspection *in)
{
   pare_json *value;
   if (!in->model->provenance) {
      pare_json_put_null(&in->app->body, "provenance");
      return PARE_OK;
   }
   PARE_TRY(pare_json_parse(in->app->ctx, in->model->provenance, strlen(in->model->provenance), "provenance",
                            &value));
   pare_json_put_value(&in->app->body, "provenance", value);
   pare_json_free(value);
   return PARE_OK;
}

static pare_status describe_tokenizer(inspection *in, pare_str *out)
{
   pare_tokenizer *tokenizer = NULL;
   if (!in->model->tokenizer) return pare_str_puts(in->app->ctx, out, "none");
   pare_status status = pare_load_tokenizer(in->app, in->model, &tokenizer);
   if (status == PARE_OK) status = pare_tokenizer_describe(in->app->ctx, tokenizer, out);
   pare_tokenizer_destroy(in->app->ctx, tokenizer);
   if (status != PARE_UNSUPPORTED) return status;
   pare_ctx_clear(in->app->ctx);
   return pare_str_puts(in->app->ctx, out, "of a kind pare does not read");
}

static pare_status put_report(inspection *in, const char *tokenizer)
{
   pare_json_writer *json = &in->app->body;
   pare_model_totals totals = pare_model_count(in->model);
   PARE_TRY(pare_put_model(in->app, "model", in->model));
   pare_json_open_object(json, "totals");
   pare_json_put_int(json, "params", totals.params);
   pare_json_put_int(json, "bytes", (int64_t)totals.tensor_bytes);
   if (in->options->measure) pare_json_put_int(json, "zeros", in->total.zeros);
   pare_json_put_number(json, "macs_per_token", totals.macs_per_token);
   pare_json_put_int(json, "kv_bytes_per_token", totals.kv_bytes_per_token);
   pare_json_close_object(json);
   pare_json_put_int(json, "context", in->model->context);
   pare_json_put_int(json, "vocab", in->model->vocab);
   put_encodings(in);
   pare_json_open_array(json, "tensors");
   for (size_t i = 0; i < in->model->graph->n_weights; i++)
      if (!in->options->tensor ||
          pare_name_matches(in->model->graph->weights[i]->name, &in->options->tensor, 1))
         put_tensor(in, i);
   pare_json_close_array(json);
   pare_json_put_string(json, "tokenizer", tokenizer);
   pare_json_put_string(json, "licence", in->model->licence);
   pare_json_put_string(json, "base_model", in->model->base_model);
   return put_provenance(in);
}

/* ---- text ---- */

static pare_status print_head(inspection *in, const char *tokenizer)
{
   pare_model_totals totals = pare_model_count(in->model);
   char params[32], bytes[32], macs[32];
   return pare_str_printf(in->app->ctx, &in->app->text,
                          "%s: %s, %s\n  %s parameters, %s of tensors, %.2f bits a weight\n  %s MACs a "
                          "token, %lld bytes of KV cache a token, "
                          "context %lld, vocabulary %lld\n  tokenizer: %s\n",
                          in->model->path, in->model->format, in->model->arch,
                          pare_human_count((double)totals.params, params),
                          pare_human_bytes((double)totals.tensor_bytes, bytes),
                          8.0 * (double)totals.tensor_bytes / (double)totals.params,
                          pare_human_count(totals.macs_per_token, macs), (long long)totals.kv_bytes_per_token,
                          (long long)in->model->context, (long long)in->model->vocab, tokenizer);
}

static pare_status print_row(inspection *in, const row *r)
{
   char bytes[32], params[32], macs[32];
   PARE_TRY(pare_str_printf(in->app->ctx, &in->app->text, "%-44s %-10s %9s %10s", r->name, r->encodings,
                            pare_human_count((double)r->params, params),
                            pare_human_bytes((double)r->bytes, bytes)));
   if (!in->options->tensors)
      PARE_TRY(pare_str_printf(in->app->ctx, &in->app->text, " %10s", pare_human_count(r->macs, macs)));
   if (!in->options->measure) return pare_str_puts(in->app->ctx, &in->app->text, "\n");
   return pare_str_printf(in->app->ctx, &in->app->text, " %7.2f%% %8.2f\n",
                          100.0 * (double)r->zeros / (double)r->params, r->outlier);
}

static double layer_macs(const pare_graph *graph, const char *layer)
{
   size_t length = strlen(layer);
   double macs = 0;
   for (const pare_node *node = graph->first; node; node = node->next)
      if (strncmp(node->name, layer, length) == 0 && (node->name[length] == 0 || node->name[length] == '.'))
         macs += pare_ops[node->op]->macs(node, 0);
   return macs;
}

static pare_status print_layers(inspection *in)
{
   const pare_graph *graph = in->model->graph;
   row *rows = pare_arena_array(in->app->ctx, in->app->arena, graph->n_weights + 1, sizeof *rows);
   size_t n = 0;
   if (!rows) return PARE_RESOURCE;
   for (size_t i = 0; i < graph->n_weights; i++) {
      char name[128];
      size_t at = 0;
      if (in->options->tensors) snprintf(name, sizeof name, "%s", graph->weights[i]->name);
      else layer_of(graph, graph->weights[i], name);
      while (at < n && strcmp(rows[at].name, name) != 0) at++;
      if (at == n) memcpy(rows[n++].name, name, sizeof name);
      add_weight(&rows[at], graph->weights[i], &in->stats[i]);
   }
   PARE_TRY(pare_str_printf(in->app->ctx, &in->app->text, "%-44s %-10s %9s %10s%s%s\n",
                            in->options->tensors ? "tensor" : "layer", "encoding", "params", "bytes",
                            in->options->tensors ? "" : " MACs/token",
                            in->options->measure ? "    zeros  max/rms" : ""));
   for (size_t i = 0; i < n; i++) {
      rows[i].macs = layer_macs(graph, rows[i].name);
      PARE_TRY(print_row(in, &rows[i]));
   }
   snprintf(in->total.name, sizeof in->total.name, "total");
   in->total.macs = pare_model_count(in->model).macs_per_token;
   return print_row(in, &in->total);
}

/* Counts of |w| / rms in octaves. */
static pare_status print_histogram(inspection *in, const pare_weight *weight, const pare_weight_stats *stats)
{
   enum { BINS = 8 };
   static const char *const labels[BINS] = { "zero", "to 1/4", "to 1/2", "to 1",
                                             "to 2", "to 4",   "to 8",   "above" };
   pare_ctx *ctx = in->app->ctx;
   int64_t counts[BINS] = { 0 }, k = weight->rank == 2 ? weight->dim[1] : 1;
   float *values = pare_arena_array(ctx, in->app->arena, (size_t)k, sizeof *values);
   if (!values) return PARE_RESOURCE;
   for (int64_t r = 0; r < weight->dim[0]; r++) {
      PARE_TRY(pare_weight_read(ctx, weight, r, 1, values));
      for (int64_t i = 0; i < k; i++) {
         double x = fabs((double)values[i]) / stats->rms;
         int bin = x == 0 ? 0 : 1;
         for (double edge = 0.25; bin && bin < BINS - 1 && x > edge; edge *= 2) bin++;
         counts[bin]++;
      }
   }
   for (int b = 0; b < BINS; b++)
      PARE_TRY(pare_str_printf(ctx, &in->app->text, "  |w|/rms %-7s %7.3f%%\n", labels[b],
                               100.0 * (double)counts[b] / (double)stats->count));
   return PARE_OK;
}

static pare_status print_tensors(inspection *in)
{
   const pare_graph *graph = in->model->graph;
   size_t found = 0;
   for (size_t i = 0; i < graph->n_weights; i++) {
      const pare_weight *weight = graph->weights[i];
      const pare_weight_stats *s = &in->stats[i];
      if (!pare_name_matches(weight->name, &in->options->tensor, 1)) continue;
      found++;
      PARE_TRY(pare_str_printf(in->app->ctx, &in->app->text, "%s [%lld, %lld] %s, rotation %d, group %d\n",
                               weight->name, (long long)weight->dim[0],
                               (long long)(weight->rank == 2 ? weight->dim[1] : 1),
                               pare_encoding_name(weight->encoding.kind), weight->encoding.rotation,
                               weight->encoding.group));
      if (!in->options->measure) continue;
      PARE_TRY(
         pare_str_printf(in->app->ctx, &in->app->text,
                         "  min %g, max %g, rms %g, zeros %lld of %lld, largest max/rms of a channel %.2f\n",
                         s->min, s->max, s->rms, (long long)s->zeros, (long long)s->count, s->outlier));
      PARE_TRY(print_histogram(in, weight, s));
   }
   if (found) return PARE_OK;
   pare_fail(in->app->ctx, PARE_USAGE, in->options->tensor, "no tensor of that name");
   pare_hint(in->app->ctx, "pare inspect %s --tensors lists them", in->app->args[0]);
   return PARE_USAGE;
}

static pare_status inspect(inspection *in)
{
   pare_str tokenizer = { 0 };
   if (in->options->graph) {
      PARE_TRY(pare_graph_print(in->app->ctx, in->model->graph, &in->app->text));
      pare_json_put_string(&in->app->body, "graph", in->app->text.data);
      return PARE_OK;
   }
   if (in->options->plan && in->options->fuse) PARE_TRY(pare_pipeline_fuse(in->app->ctx, in->model));
   if (in->options->plan) return pare_plan_report(in->app, in->model, &in->options->limits);
   PARE_TRY(measure(in));
   if (in->options->tensor) PARE_TRY(print_tensors(in));
   pare_status status = describe_tokenizer(in, &tokenizer);
   if (status == PARE_OK) status = put_report(in, tokenizer.data);
   if (status == PARE_OK && !in->options->tensor) status = print_head(in, tokenizer.data);
   if (status == PARE_OK && !in->options->tensor) status = print_layers(in);
   pare_str_finish(in->app->ctx, &tokenizer);
   return status;
}

static pare_status check_options(pare_ctx *ctx, const inspect_options *o)
{
   if (o->tensors + (o->tensor != NULL) + o->graph + o->plan <= 1) return PARE_OK;
   return pare_fail(ctx, PARE_USAGE, NULL, "expected at most one of --tensors, --tensor, --graph and --plan");
}

static pare_status run(pare_app *app, const void *options)
{
   inspection in = { .app = app, .options = options };
   PARE_TRY(check_options(app->ctx, in.options));
   PARE_TRY(pare_model_load(app->ctx, app->args[0], &in.model));
   pare_status status = inspect(&in);
   pare_model_destroy(app->ctx, in.model);
   return status;
}

const pare_command pare_command_inspect = {
   .name = "inspect",
   .summary = "show what is inside a model or an artifact",
   .usage = "MODEL [--tensors | --tensor NAME | --graph | --plan] [options]",
   .description = "Parameters, bytes, encodings, share of zeros and the outlier measure (largest |w| over "
                  "root mean square of its output\n"
                  "channel) per layer and in total; multiply-accumulates and KV-cache bytes per token.\n",
   .examples = "  pare inspect story.pare\n  pare inspect model/ --tensors --json\n  pare inspect story.pare "
               "--tensor '*down_proj*'\n  pare inspect story.pare --plan --context 2048 --sequences 8\n",
   .fields = fields,
   .options_size = sizeof(inspect_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
