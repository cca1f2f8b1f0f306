/* run_golden: passes against expected text. Every file <folder>/<pass>/<case>.txt holds steps of a recipe, a
 * graph, and what comes of it; every pass has a folder.
 *
 *    run_golden tests/golden            compares; the first difference of each file is shown
 *    run_golden --bless tests/golden    rewrites what comes of it; review the diff
 *
 * A file:
 *    {"pass": "quant_rtn", "rotate": "off"}
 *    ---- input
 *    graph "g" { ... }                  weights get values drawn from their names, or told by them: "=0.5 half"
 *                                       (unit/pipeline_model.h)
 *    ---- output
 *    graph "g" { ... }                  then a line a weight: zeros and hash of the bytes; then the fallbacks
 *                                      and the patterns
 * or, when the recipe is refused, a line "error <status> <where>: <message>". */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../unit/pipeline_model.h"
#include "base/hash.h"
#include "passes/passes.h"

#define INPUT "---- input\n"
#define OUTPUT "---- output\n"

static pare_status put_weights(pare_ctx *ctx, const pare_graph *graph, pare_str *out)
{
   for (size_t i = 0; i < graph->n_weights; i++) {
      const pare_weight *w = graph->weights[i];
      pare_weight_stats stats;
      char hex[PARE_SHA256_HEX];
      pare_sha256_of(pare_buffer_data(w->data), pare_buffer_size(w->data), hex);
      PARE_TRY(pare_weight_measure(ctx, w, &stats));
      PARE_TRY(pare_str_printf(ctx, out, "%s: %lld of %lld zero, %.16s\n", w->name, (long long)stats.zeros,
                               (long long)stats.count, hex));
   }
   return PARE_OK;
}

static pare_status put_result(pare_ctx *ctx, const pare_model *model, const pare_pipeline_report *report,
                              pare_str *out)
{
   PARE_TRY(pare_graph_print(ctx, model->graph, out));
   PARE_TRY(put_weights(ctx, model->graph, out));
   for (size_t i = 0; i < report->n_passes; i++) {
      PARE_TRY(pare_str_puts(ctx, out, report->passes[i].fallbacks));
      PARE_TRY(pare_str_puts(ctx, out, report->passes[i].patterns));
   }
   return PARE_OK;
}

static pare_status apply(pare_ctx *ctx, const char *steps, const char *graph, pare_str *out)
{
   const pare_pipeline_options options = { 0 };
   pare_model *model = NULL;
   pare_recipe *recipe = NULL;
   pare_pipeline_report *report = NULL;
   pare_status status = model_from_text(ctx, graph, &model);
   if (status == PARE_OK) status = recipe_from_steps(ctx, steps, &recipe);
   if (status == PARE_OK) status = pare_pipeline_run(ctx, recipe, model, &options, &report);
   if (status == PARE_OK) status = put_result(ctx, model, report, out);
   pare_pipeline_report_destroy(ctx, report);
   pare_recipe_destroy(ctx, recipe);
   pare_model_destroy(ctx, model);
   return status;
}

/* What comes of the case in `text`, which is cut into pieces. */
static bool produce(pare_ctx *ctx, char *text, pare_str *out)
{
   char *input = strstr(text, INPUT), *output = strstr(text, OUTPUT);
   if (!input || !output || output < input) return false;
   *input = *output = 0;
   if (apply(ctx, text, input + strlen(INPUT), out) != PARE_OK) {
      pare_str_clear(out);
      pare_str_printf(ctx, out, "error %s %s: %s\n", pare_status_name(ctx->error.status), ctx->error.where,
                      ctx->error.message);
      pare_ctx_clear(ctx);
   }
   return true;
}

static void show_difference(const char *path, const char *expected, const char *found)
{
   size_t line = 1;
   while (*expected && *expected == *found) {
      line += *expected == '\n';
      expected++;
      found++;
   }
   fprintf(stderr, "%s: line %zu of the output: expected \"%.*s\", found \"%.*s\"\n", path, line,
           (int)strcspn(expected, "\n"), expected, (int)strcspn(found, "\n"), found);
}

static bool rewrite(const char *path, const char *head, const char *output)
{
   FILE *file = fopen(path, "w");
   if (!file) return false;
   fputs(head, file);
   fputs(OUTPUT, file);
   fputs(output, file);
   return fclose(file) == 0;
}

static bool run_case(pare_ctx *ctx, const char *path, bool bless)
{
   pare_buffer *bytes;
   pare_str text = { 0 }, head = { 0 }, found = { 0 };
   if (pare_read_file(ctx, path, 1 << 20, &bytes) != PARE_OK) return false;
   pare_str_append(ctx, &text, pare_buffer_data(bytes), pare_buffer_size(bytes));
   const char *output = strstr(text.data, OUTPUT);
   if (output) pare_str_append(ctx, &head, text.data, (size_t)(output - text.data));
   const char *expected = output ? output + strlen(OUTPUT) : "";
   bool good = produce(ctx, text.data, &found);
   if (!good) fprintf(stderr, "%s: no \"---- input\" or \"---- output\"\n", path);
   else if (strcmp(expected, found.data) == 0) good = true;
   else if (bless) good = rewrite(path, head.data, found.data);
   else {
      show_difference(path, expected, found.data);
      good = false;
   }
   pare_str_finish(ctx, &text);
   pare_str_finish(ctx, &head);
   pare_str_finish(ctx, &found);
   pare_buffer_unref(ctx, bytes);
   return good;
}

static int is_case(const struct dirent *entry)
{
   size_t size = strlen(entry->d_name);
   return size > 4 && strcmp(entry->d_name + size - 4, ".txt") == 0;
}

/* False when a case fails or there is none. */
static bool run_folder(pare_ctx *ctx, const char *folder, bool bless)
{
   struct dirent **entries;
   char path[1024];
   bool good = true;
   int count = scandir(folder, &entries, is_case, alphasort);
   if (count <= 0) {
      fprintf(stderr, "%s: no cases\n", folder);
      if (count == 0) free(entries);
      return false;
   }
   for (int i = 0; i < count; i++) {
      snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
      good &= run_case(ctx, path, bless);
      free(entries[i]);
   }
   free(entries);
   return good;
}

int main(int argc, char **argv)
{
   bool bless = argc == 3 && strcmp(argv[1], "--bless") == 0, good = true;
   char folder[512];
   pare_ctx ctx;
   if (argc != 2 + bless) {
      fprintf(stderr, "usage: run_golden [--bless] FOLDER\n");
      return 2;
   }
   pare_ctx_init(&ctx);
   for (size_t i = 0; pare_passes()[i]; i++) {
      snprintf(folder, sizeof folder, "%s/%s", argv[argc - 1], pare_passes()[i]->name);
      good &= run_folder(&ctx, folder, bless);
   }
   pare_ctx_finish(&ctx);
   return good ? 0 : 1;
}
