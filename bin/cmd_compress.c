/* cmd_compress: a model and a recipe to an artifact, with a comparison with the original and gates.
 *
 * Nothing is published before everything is known: the artifact is written to a temporary file, judged, and
 * only then renamed into place. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/outfile.h"
#include "bin/compress_report.h"
#include "bin/load.h"
#include "bin/metrics.h"
#include "bin/provenance.h"
#include "eval/self_text.h"
#include "formats/format.h"
#include "formats/pare.h"
#include "pipeline/pipeline.h"

typedef struct compress_options {
   const char *output, *type, *recipe, *print_after, *stop_after;
   bool deflate, dry_run, check, keep_failed;
   pare_data_options data;
   pare_protocol protocol;
   pare_list gates;
   double confidence;
   int64_t seed;
} compress_options;

static const pare_field fields[] = {
   { .name = "output",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(compress_options, output),
     .letter = 'o',
     .value_name = "FILE",
     .help = "the artifact to write; required. It appears whole or not at all" },
   { .name = "type",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(compress_options, type),
     .value_name = "TYPE",
     .help = "how weights are stored, for those who need no recipe: i8, i4, i3, i2, f16, bf16 or f32" },
   { .name = "recipe",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(compress_options, recipe),
     .letter = 'r',
     .value_name = "FILE",
     .help = "a JSON list of passes, instead of --type; pare passes shows what they take" },
   { .name = "deflate",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(compress_options, deflate),
     .help = "store sections deflated where that is smaller: less disk, slower start" },
   { .name = "dry-run",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(compress_options, dry_run),
     .help = "print the plan and the estimate of bytes, memory and disk, and touch nothing" },
   { .name = "check",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(compress_options, check),
     .initial = 1,
     .help = "compare the result with the original at the end, on --data or on text sampled from the "
             "original; --no-check "
             "skips it" },
   { .name = "gate",
     .kind = PARE_FIELD_LIST,
     .offset = offsetof(compress_options, gates),
     .letter = 'g',
     .value_name = "GATE",
     .help = "a bound such as 'kl.mean<=0.002' or 'output.bytes<=300e6' that must hold, else nothing is "
             "written; may be "
             "repeated" },
   { .name = "confidence",
     .kind = PARE_FIELD_FLOAT,
     .offset = offsetof(compress_options, confidence),
     .min = 0.5,
     .max = 0.9999,
     .initial = 0.95,
     .value_name = "P",
     .help = "gates hold for the one-sided confidence bound of this probability" },
   { .name = "keep-failed",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(compress_options, keep_failed),
     .help = "write the artifact even when a gate failed" },
   { .name = "data",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(compress_options, data.path),
     .letter = 'd',
     .value_name = "FILE",
     .help = "text or token ids for the comparison" },
   { .name = "data-format",
     .kind = PARE_FIELD_ENUM,
     .offset = offsetof(compress_options, data.format),
     .choices = pare_corpus_formats,
     .help = "as in pare eval" },
   { .name = "seed",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(compress_options, seed),
     .max = 9e15,
     .letter = 's',
     .value_name = "N",
     .help = "of the sampled text, and of passes that draw" },
   { .name = "print-after",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(compress_options, print_after),
     .value_name = "PASS",
     .help = "print the graph after this pass, or after every one with \"all\"" },
   { .name = "stop-after",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(compress_options, stop_after),
     .value_name = "PASS",
     .help = "run no pass after this one" },
   PARE_PROTOCOL_FIELDS(compress_options, protocol),
   PARE_FIELDS_END
};

/* Those of the comparison, then those of the sizes, which are known without it. */
enum { FIRST_SIZE_METRIC = 12 };
/* clang-format off */
static const char *const metric_names[] = {
   "nll", "ppl", "bits_per_byte", "reference.nll", "reference.ppl", "ppl.ratio",
   "kl.mean", "kl.p50", "kl.p95", "kl.p99", "kl.max", "top1",
   "output.bytes", "output.tensor_bytes", "output.bits_per_weight", "output.ratio", NULL
};
/* clang-format on */

/* One compression. */
typedef struct job {
   pare_app *app;
   const compress_options *options;
   pare_recipe *recipe;
   pare_gates gates;
   pare_model *original, *model; /* model: the clone that is changed */
   pare_corpus corpus;           /* of --data; empty without */
   pare_outfile *file;
   pare_pipeline_report *report;
   pare_pipeline_estimate estimate;
   pare_str provenance;
   pare_metrics metrics;
   uint64_t output_bytes;
   char folder[PATH_MAX]; /* of the target */
} job;

/* ---- recipe and plan ---- */

static pare_status load_recipe(job *j)
{
   pare_ctx *ctx = j->app->ctx;
   const compress_options *o = j->options;
   if (o->type && o->recipe)
      return pare_fail(ctx, PARE_USAGE, "--recipe", "expected either --type or --recipe");
   if (!o->type && !o->recipe) {
      pare_fail(ctx, PARE_USAGE, "compress", "nothing says what to do to the model");
      pare_hint(ctx, "add --type i8 or --recipe FILE");
      return PARE_USAGE;
   }
   if (o->type) return pare_recipe_for_type(ctx, o->type, &j->recipe);
   pare_buffer *text;
   PARE_TRY(pare_read_file(ctx, o->recipe, 1 << 24, &text));
   pare_status status = pare_recipe_parse(ctx, (const char *)pare_buffer_data(text), pare_buffer_size(text),
                                          o->recipe, &j->recipe);
   pare_buffer_unref(ctx, text);
   return status;
}

/* Scratch space lies beside the target: the file system that must hold the result anyway. */
static pare_status find_folder(job *j)
{
   const char *output = j->options->output;
   struct stat target;
   if (snprintf(j->folder, sizeof j->folder, "%s", output) >= (int)sizeof j->folder)
      return pare_fail(j->app->ctx, PARE_USAGE, "--output", "the path is too long");
   if (!*output || output[strlen(output) - 1] == '/')
      return pare_fail(j->app->ctx, PARE_USAGE, "--output", "\"%.200s\" is no name of a file", output);
   if (lstat(output, &target) == 0 && !S_ISREG(target.st_mode))
      return pare_fail(j->app->ctx, PARE_USAGE, "--output", "%.200s exists and is not a regular file",
                       output);
   char *slash = strrchr(j->folder, '/');
   if (slash) slash[slash == j->folder] = 0;
   else strcpy(j->folder, ".");
   return PARE_OK;
}

static bool same_file(const char *a, const char *b)
{
   struct stat x, y;
   return a && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* An artifact may be compressed onto itself; a checkpoint, a recipe or a text is not thrown away. */
static pare_status check_inputs_stay(job *j)
{
   const compress_options *o = j->options;
   char path[PATH_MAX];
   bool clash = same_file(o->recipe, o->output) || same_file(o->data.path, o->output);
   for (size_t i = 0; strcmp(j->original->format, "pare") != 0 && i < j->original->n_sources; i++) {
      snprintf(path, sizeof path, "%s/%s", j->original->path, j->original->sources[i].name);
      clash |= same_file(path, o->output);
   }
   if (!clash) return PARE_OK;
   return pare_fail(j->app->ctx, PARE_USAGE, "--output", "%s is an input of this command", o->output);
}

static pare_status check_folder(job *j)
{
   struct stat folder;
   if (stat(j->folder, &folder) == 0 && S_ISDIR(folder.st_mode)) return PARE_OK;
   return pare_fail(j->app->ctx, PARE_RESOURCE, j->options->output, "there is no folder %.200s", j->folder);
}

static pare_status check_disk(job *j)
{
   struct statvfs disk;
   char need[32], have[32];
   if (statvfs(j->folder, &disk) != 0) return PARE_OK;
   double free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
   /* A deflated artifact is written beside the results that it is made from. */
   double wanted = (double)j->estimate.scratch_bytes;
   if (j->recipe->deflate || wanted < (double)j->estimate.output_bytes)
      wanted += (double)j->estimate.output_bytes;
   if (free_bytes >= wanted) return PARE_OK;
   return pare_fail(j->app->ctx, PARE_RESOURCE, j->options->output, "not enough disk: %s needed, %s free",
                    pare_human_bytes(wanted, need), pare_human_bytes(free_bytes, have));
}

/* ---- work ---- */

static pare_status print_graph(pare_ctx *ctx, void *user, const char *pass, const char *text, size_t size)
{
   pare_app *app = user;
   PARE_TRY(pare_str_printf(ctx, &app->text, "after %s:\n", pass));
   return pare_str_append(ctx, &app->text, text, size);
}

static pare_status run_passes(job *j)
{
   pare_ctx *ctx = j->app->ctx;
   pare_pipeline_options options = { .result = j->file,
                                     .scratch_dir = j->folder,
                                     .print_after = j->options->print_after,
                                     .stop_after = j->options->stop_after,
                                     .print = print_graph,
                                     .user = j->app };
   pare_source_hash hash;
   pare_source_hash_start(ctx, j->original, &hash);
   pare_status status = pare_pipeline_run(ctx, j->recipe, j->model, &options, &j->report);
   if (status == PARE_OK) status = pare_source_hash_wait(ctx, &hash);
   pare_source_hash_abandon(&hash);
   return status;
}

/* Judges what was written, read back from the disk: a fault of the writer would not pass either. */
static pare_status compare(job *j)
{
   pare_ctx *ctx = j->app->ctx;
   pare_model *written = NULL;
   pare_eval_result result;
   pare_status status = PARE_OK;
   if (j->corpus.documents == 0) status = pare_self_text(ctx, j->original, &j->corpus);
   if (status == PARE_OK) status = pare_artifact_load(ctx, pare_outfile_path(j->file), &written);
   if (status == PARE_OK) status = pare_pipeline_fuse(ctx, j->original);
   if (status == PARE_OK)
      status = pare_eval(ctx, written, j->original, &j->corpus, &j->options->protocol, &result);
   if (status == PARE_OK) {
      pare_json_open_object(&j->app->body, "eval");
      pare_put_eval(&j->app->body, &result, &j->corpus);
      pare_json_close_object(&j->app->body);
      pare_metrics_add_eval(&j->metrics, &result);
      status = pare_print_eval(ctx, &result, &j->corpus, &j->app->text);
   }
   pare_model_destroy(ctx, written);
   return status;
}

static pare_status report_sizes(job *j)
{
   pare_model_totals before = pare_model_count(j->original), after = pare_model_count(j->model);
   char in[32], out[32];
   double bits = 8.0 * (double)after.tensor_bytes / (double)after.params;
   double ratio = (double)j->output_bytes / (double)pare_model_file_bytes(j->original);
   PARE_TRY(pare_put_model(j->app, "input", j->original));
   pare_json_open_object(&j->app->body, "output");
   pare_json_put_string(&j->app->body, "path", j->options->output);
   pare_json_put_string(&j->app->body, "format", "pare");
   pare_json_put_string(&j->app->body, "arch", j->original->arch);
   pare_json_put_int(&j->app->body, "params", after.params);
   pare_json_put_int(&j->app->body, "bytes", (int64_t)j->output_bytes);
   pare_json_put_int(&j->app->body, "tensor_bytes", (int64_t)after.tensor_bytes);
   pare_json_put_number(&j->app->body, "bits_per_weight", bits);
   pare_json_close_object(&j->app->body);
   pare_metrics_add(&j->metrics, "output.bytes", (double)j->output_bytes, 0);
   pare_metrics_add(&j->metrics, "output.tensor_bytes", (double)after.tensor_bytes, 0);
   pare_metrics_add(&j->metrics, "output.bits_per_weight", bits, 0);
   pare_metrics_add(&j->metrics, "output.ratio", ratio, 0);
   return pare_str_printf(j->app->ctx, &j->app->text, "%s: tensors %s -> %s (%.2f%%), %.2f bits a weight\n",
                          j->options->output, pare_human_bytes((double)before.tensor_bytes, in),
                          pare_human_bytes((double)after.tensor_bytes, out),
                          100.0 * (double)after.tensor_bytes / (double)before.tensor_bytes, bits);
}

static pare_status write_artifact(job *j)
{
   pare_ctx *ctx = j->app->ctx;
   PARE_TRY(pare_provenance_print(ctx, j->original, j->recipe, j->report->n_passes, &j->provenance));
   pare_artifact_options options = { j->recipe->deflate, j->provenance.data };
   PARE_TRY(pare_artifact_finish(ctx, j->model, &options, &j->file));
   j->output_bytes = pare_outfile_size(j->file);
   PARE_TRY(pare_report_passes(j->app, j->report));
   PARE_TRY(report_sizes(j));
   pare_recipe run = *j->recipe;
   run.n_steps = j->report->n_passes;
   PARE_TRY(pare_recipe_print(ctx, &run, &j->app->body, "recipe"));
   pare_json_put_null(&j->app->body, "calibration");
   if (j->options->check) PARE_TRY(compare(j));
   pare_status gates = pare_gates_judge(j->app, &j->gates, &j->metrics, j->options->confidence);
   if (gates != PARE_OK && !(gates == PARE_DIFFERS && j->options->keep_failed)) return gates;
   PARE_TRY(pare_outfile_commit(ctx, j->file));
   return gates;
}

static pare_status prepare(job *j)
{
   pare_ctx *ctx = j->app->ctx;
   const compress_options *o = j->options;
   if (!o->output) return pare_fail(ctx, PARE_USAGE, "--output", "missing: say where the artifact goes");
   PARE_TRY(find_folder(j));
   PARE_TRY(load_recipe(j));
   j->recipe->deflate |= o->deflate;
   PARE_TRY(pare_gates_parse(j->app, &o->gates, o->check ? metric_names : metric_names + FIRST_SIZE_METRIC,
                             &j->gates));
   PARE_TRY(pare_model_load(ctx, j->app->args[0], &j->original));
   PARE_TRY(check_inputs_stay(j));
   PARE_TRY(check_folder(j));
   if (o->check && o->data.path) PARE_TRY(pare_load_corpus(j->app, j->original, &o->data, &j->corpus));
   return pare_pipeline_check(ctx, j->recipe, j->original, &j->estimate);
}

static pare_status work(job *j)
{
   pare_ctx *ctx = j->app->ctx;
   PARE_TRY(check_disk(j));
   PARE_TRY(pare_model_clone(ctx, j->original, &j->model));
   PARE_TRY(pare_artifact_start(ctx, j->options->output, &j->file));
   PARE_TRY(run_passes(j));
   return write_artifact(j);
}

static pare_status run(pare_app *app, const void *given)
{
   job j = { .app = app, .options = given };
   app->ctx->seed = (uint64_t)j.options->seed;
   pare_status status = prepare(&j);
   if (status == PARE_OK)
      status = j.options->dry_run ? pare_print_plan(app, j.recipe, &j.estimate) : work(&j);
   pare_corpus_finish(app->ctx, &j.corpus);
   pare_pipeline_report_destroy(app->ctx, j.report);
   pare_model_destroy(app->ctx, j.model);
   pare_model_destroy(app->ctx, j.original);
   pare_outfile_destroy(app->ctx, j.file);
   pare_recipe_destroy(app->ctx, j.recipe);
   pare_str_finish(app->ctx, &j.provenance);
   return status;
}

const pare_command pare_command_compress = {
   .name = "compress",
   .summary = "pare a model down to an artifact",
   .usage = "MODEL -o FILE.pare (--type TYPE | --recipe FILE) [options]",
   .description = "Runs the passes of a recipe over the model and writes one artifact with weights, graph, "
                  "tokenizer and provenance.\n"
                  "Ends with a comparison with the original; a gate that fails exits 1 and leaves no file. "
                  "The same inputs give\n"
                  "the same bytes at any thread count and instruction set.\n",
   .examples =
      "  pare compress model/ -o story.pare --type i8 --gate 'kl.mean<=0.002'\n"
      "  pare compress model/ -o story.pare --recipe examples/recipes/prune50-int8.json --data valid.txt\n"
      "  pare compress model/ -o story.pare --type i8 --dry-run\n",
   .fields = fields,
   .options_size = sizeof(compress_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
