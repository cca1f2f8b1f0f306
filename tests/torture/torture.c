/* torture: fails every allocation in turn. What remains must be a clean error: PARE_RESOURCE with a message,
 * no block of memory left, no file left. An allocation that fails alone may also be made good (a second try,
 * a slower way): then the result is PARE_OK and no error is on record.
 *
 *    torture MODEL_DIR [TOKENIZER_JSON]
 *
 * Each scenario runs once to count its allocations and then again and again, with the n-th allocation
 * failing, alone and together with all that follow it. A scenario with more than MAX_RUNS allocations is
 * sampled evenly; the first ones, where most clean-up lies, are all taken. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/format.h"
#include "formats/pare.h"
#include "pipeline/pipeline.h"
#include "run/scheduler.h"
#include "text/tokenizer.h"

enum { MAX_RUNS = 700, ALL_UP_TO = 300 };

/* Counts blocks in use; the allocation numbered fail_at fails, and with `all` every later one too. Safe for
 * workers side by side. */
typedef struct heap {
   atomic_long blocks, calls;
   long fail_at;
   bool all;
   atomic_bool failed;
} heap;

static void *heap_fn(void *user, void *ptr, size_t size)
{
   heap *h = user;
   if (size == 0) {
      if (ptr) h->blocks--;
      free(ptr);
      return NULL;
   }
   long call = ++h->calls;
   if (h->fail_at && (call == h->fail_at || (h->all && call > h->fail_at))) {
      h->failed = true;
      return NULL;
   }
   void *grown = realloc(ptr, size);
   if (!ptr && grown) h->blocks++;
   return grown;
}

/* What the scenarios work on. */
typedef struct setting {
   const char *model_dir, *tokenizer;
   char folder[256], artifact[300], output[300];
} setting;

/* ---- scenarios: each takes a fresh context and leaves nothing but its status ---- */

static pare_status load_model(pare_ctx *ctx, const setting *s)
{
   pare_model *model = NULL, *clone = NULL;
   pare_status status = pare_model_load(ctx, s->model_dir, &model);
   if (status == PARE_OK) status = pare_model_clone(ctx, model, &clone);
   if (status == PARE_OK) status = pare_model_hash(ctx, clone);
   pare_model_destroy(ctx, clone);
   pare_model_destroy(ctx, model);
   return status;
}

static pare_status run_recipe(pare_ctx *ctx, const pare_recipe *recipe, pare_model *model,
                              pare_outfile **file, bool deflate)
{
   pare_pipeline_report *report = NULL;
   pare_pipeline_estimate estimate;
   pare_pipeline_options options = { .result = *file };
   pare_artifact_options artifact = { deflate, "{\"tool\":\"torture\"}" };
   pare_status status = pare_pipeline_check(ctx, recipe, model, &estimate);
   if (status == PARE_OK) status = pare_pipeline_run(ctx, recipe, model, &options, &report);
   if (status == PARE_OK) status = pare_artifact_finish(ctx, model, &artifact, file);
   if (status == PARE_OK) status = pare_outfile_commit(ctx, *file);
   pare_pipeline_report_destroy(ctx, report);
   return status;
}

static pare_status compress_with(pare_ctx *ctx, const setting *s, const char *text, const char *path,
                                 bool deflate)
{
   pare_recipe *recipe = NULL;
   pare_model *model = NULL;
   pare_outfile *file = NULL;
   pare_status status = pare_recipe_parse(ctx, text, strlen(text), "recipe", &recipe);
   if (status == PARE_OK) status = pare_model_load(ctx, s->model_dir, &model);
   if (status == PARE_OK) status = pare_artifact_start(ctx, path, &file);
   if (status == PARE_OK) status = run_recipe(ctx, recipe, model, &file, deflate);
   pare_outfile_destroy(ctx, file);
   pare_model_destroy(ctx, model);
   pare_recipe_destroy(ctx, recipe);
   return status;
}

static const char quantize[] =
   "{\"schema\":\"pare.recipe/1\",\"passes\":[{\"pass\":\"quant_rtn\"},{\"pass\":\"opt_dce\"}]}";
static const char prune[] =
   "{\"schema\":\"pare.recipe/1\",\"passes\":[{\"pass\":\"prune_magnitude\",\"sparsity\":0.5},"
   "{\"pass\":\"quant_rtn\"}]}";

static pare_status compress_raw(pare_ctx *ctx, const setting *s)
{
   return compress_with(ctx, s, quantize, s->output, false);
}

static pare_status compress_pruned_deflated(pare_ctx *ctx, const setting *s)
{
   return compress_with(ctx, s, prune, s->output, true);
}

static pare_status load_artifact(pare_ctx *ctx, const setting *s)
{
   pare_model *model = NULL;
   pare_str text = { 0 };
   uint64_t bytes;
   pare_status status = pare_model_load(ctx, s->artifact, &model);
   if (status == PARE_OK) status = pare_graph_print(ctx, model->graph, &text);
   if (status == PARE_OK) status = pare_artifact_verify(ctx, s->artifact, &bytes);
   pare_str_finish(ctx, &text);
   pare_model_destroy(ctx, model);
   return status;
}

static const pare_sampler_options sampled = {
   .temperature = 0.8, .top_k = 20, .top_p = 0.9, .repeat_penalty = 1.1, .repeat_window = 8, .seed = 1
};

static pare_status generate_with(pare_ctx *ctx, const pare_model *model)
{
   static const uint32_t prompt[] = { 5, 6, 7, 8, 9 };
   pare_session_options limits = { .slots = 1, .context = 32, .rows = 1 };
   pare_generate_options options = { .max_tokens = 4, .ignore_end_tokens = true };
   pare_generate_result result;
   pare_session *session = NULL;
   pare_sampler *sampler = NULL;
   pare_status status = pare_session_create(ctx, model, &limits, &session);
   if (status == PARE_OK) status = pare_sampler_create(ctx, &sampled, model->vocab, &sampler);
   if (status == PARE_OK) status = pare_generate(ctx, model, session, sampler, prompt, 5, &options, &result);
   pare_sampler_destroy(ctx, sampler);
   pare_session_destroy(ctx, session);
   return status;
}

static pare_status run_path(pare_ctx *ctx, const char *path)
{
   pare_model *model = NULL;
   pare_status status = pare_model_load(ctx, path, &model);
   if (status == PARE_OK) status = generate_with(ctx, model);
   pare_model_destroy(ctx, model);
   return status;
}

static pare_status run_artifact(pare_ctx *ctx, const setting *s)
{
   return run_path(ctx, s->artifact);
}

static pare_status run_floats(pare_ctx *ctx, const setting *s)
{
   return run_path(ctx, s->model_dir);
}

static pare_status generate_guessing(pare_ctx *ctx, const pare_model *model, pare_speculator *speculator)
{
   static const uint32_t prompt[] = { 5, 6, 7, 8, 5, 6 };
   pare_session_options limits = { .slots = 1, .context = 32, .rows = 4 };
   pare_generate_options options = { .max_tokens = 8, .ignore_end_tokens = true, .speculator = speculator };
   pare_generate_result result;
   pare_session *session = NULL;
   pare_sampler *sampler = NULL;
   pare_status status = pare_session_create(ctx, model, &limits, &session);
   if (status == PARE_OK) status = pare_sampler_create(ctx, &sampled, model->vocab, &sampler);
   if (status == PARE_OK) status = pare_generate(ctx, model, session, sampler, prompt, 6, &options, &result);
   pare_sampler_destroy(ctx, sampler);
   pare_session_destroy(ctx, session);
   return status;
}

static pare_status speculate(pare_ctx *ctx, const setting *s)
{
   const pare_speculate_options options = { .tokens = 3, .ngram = 4 };
   pare_model *model = NULL;
   pare_speculator *lookup = NULL, *draft = NULL;
   pare_status status = pare_model_load(ctx, s->artifact, &model);
   if (status == PARE_OK) status = pare_speculator_create_lookup(ctx, &options, 32, &lookup);
   if (status == PARE_OK)
      status = pare_speculator_create_draft(ctx, model, model, &options, &sampled, 32, &draft);
   if (status == PARE_OK) status = generate_guessing(ctx, model, lookup);
   if (status == PARE_OK) status = generate_guessing(ctx, model, draft);
   pare_speculator_destroy(ctx, lookup);
   pare_speculator_destroy(ctx, draft);
   pare_model_destroy(ctx, model);
   return status;
}

static pare_status schedule_three(pare_ctx *ctx, pare_scheduler *scheduler)
{
   static const uint32_t prompt[] = { 5, 6, 7, 8, 9 };
   pare_status status = PARE_OK;
   for (size_t i = 0; i < 3 && status == PARE_OK; i++) {
      pare_request request = { .prompt = prompt, .n = 3 + i, .sampling = sampled };
      request.options = (pare_generate_options){ .max_tokens = 3, .ignore_end_tokens = true };
      status = pare_scheduler_add(ctx, scheduler, &request);
   }
   for (bool busy = true; busy && status == PARE_OK;) status = pare_scheduler_step(ctx, scheduler, &busy);
   return status;
}

static pare_status schedule(pare_ctx *ctx, const setting *s)
{
   const pare_session_options limits = { .slots = 2, .context = 16 };
   const pare_speculate_options guesses = { .tokens = 2, .ngram = 2 };
   const pare_scheduler_options options = { .chunk = 2, .lookup = &guesses };
   pare_model *model = NULL;
   pare_session *session = NULL;
   pare_scheduler *scheduler = NULL;
   pare_status status = pare_model_load(ctx, s->artifact, &model);
   if (status == PARE_OK) status = pare_session_create(ctx, model, &limits, &session);
   if (status == PARE_OK) status = pare_scheduler_create(ctx, model, session, &options, &scheduler);
   if (status == PARE_OK) status = schedule_three(ctx, scheduler);
   pare_scheduler_destroy(ctx, scheduler);
   pare_session_destroy(ctx, session);
   pare_model_destroy(ctx, model);
   return status;
}

static pare_status tokenize_with(pare_ctx *ctx, const pare_buffer *json)
{
   static const char text[] = "Once upon a time, the f\xc3\xb6x <|endoftext|> said \"no\".\n";
   pare_tokenizer *tokenizer = NULL;
   pare_ids ids = { 0 };
   pare_str back = { 0 };
   pare_status status = pare_tokenizer_load(ctx, (const char *)pare_buffer_data(json), pare_buffer_size(json),
                                            "tokenizer.json", &tokenizer);
   if (status == PARE_OK) status = pare_tokenizer_encode(ctx, tokenizer, text, sizeof text - 1, true, &ids);
   if (status == PARE_OK) status = pare_tokenizer_decode(ctx, tokenizer, ids.data, ids.size, false, &back);
   pare_str_finish(ctx, &back);
   pare_ids_finish(ctx, &ids);
   pare_tokenizer_destroy(ctx, tokenizer);
   return status;
}

static pare_status tokenize(pare_ctx *ctx, const setting *s)
{
   pare_buffer *json;
   if (!s->tokenizer) return PARE_OK;
   PARE_TRY(pare_read_file(ctx, s->tokenizer, 1 << 24, &json));
   pare_status status = tokenize_with(ctx, json);
   pare_buffer_unref(ctx, json);
   return status;
}

typedef struct scenario {
   const char *name;
   pare_status (*run)(pare_ctx *ctx, const setting *s);
} scenario;

static const scenario scenarios[] = {
   { "load model", load_model },
   { "compress", compress_raw },
   { "compress pruned, deflated", compress_pruned_deflated },
   { "load artifact", load_artifact },
   { "run artifact", run_artifact },
   { "run floats", run_floats },
   { "speculate", speculate },
   { "schedule", schedule },
   { "tokenize", tokenize },
};

/* ---- the runs ---- */

static int count_files(const char *folder)
{
   int n = 0;
   DIR *dir = opendir(folder);
   for (struct dirent *entry; dir && (entry = readdir(dir));) n += entry->d_name[0] != '.';
   if (dir) closedir(dir);
   return n;
}

static pare_status run_once(const scenario *what, const setting *s, heap *h, pare_error *error)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   ctx.alloc = (pare_allocator){ heap_fn, h };
   pare_status status = what->run(&ctx, s);
   *error = ctx.error;
   pare_ctx_finish(&ctx);
   unlink(s->output);
   return status;
}

/* What is wrong with how a run with a failed allocation ended, or NULL. */
static const char *judge(const heap *h, pare_status status, const pare_error *error, const setting *s)
{
   if (h->blocks != 0) return "memory was left";
   if (count_files(s->folder) != 1) return "a file was left";
   if (!h->failed) return status == PARE_OK ? NULL : "failed without a failed allocation";
   if (status == PARE_OK && error->status == PARE_OK && !h->all) return NULL;
   if (status != PARE_RESOURCE) return "did not report that memory ran out";
   return error->status == status && error->message[0] ? NULL : "no message";
}

static int fail_nth(const scenario *what, const setting *s, long n, bool all)
{
   heap h = { .fail_at = n, .all = all };
   pare_error error;
   pare_status status = run_once(what, s, &h, &error);
   const char *wrong = judge(&h, status, &error, s);
   if (!wrong) return 0;
   printf("%s: allocation %ld%s failed: %s (status %s, %ld blocks, \"%s\")\n", what->name, n,
          all ? " and all later" : "", wrong, pare_status_name(status), h.blocks, error.message);
   return 1;
}

static int torture(const scenario *what, const setting *s)
{
   heap h = { 0 };
   pare_error error;
   pare_status status = run_once(what, s, &h, &error);
   if (status != PARE_OK || h.blocks != 0) {
      printf("%s: status %s, %ld blocks left, \"%s\"\n", what->name, pare_status_name(status), h.blocks,
             error.message);
      return 1;
   }
   int wrong = 0, runs = 0;
   long stride = h.calls > MAX_RUNS ? (h.calls - ALL_UP_TO) / (MAX_RUNS - ALL_UP_TO) + 1 : 1;
   for (long n = 1; n <= h.calls && wrong < 10; n += n < ALL_UP_TO ? 1 : stride, runs++)
      wrong += fail_nth(what, s, n, true) + fail_nth(what, s, n, false);
   printf("%s: %ld allocations, %d of them failed, %d wrong\n", what->name, h.calls, runs, wrong);
   fflush(stdout);
   return wrong;
}

static bool make_artifact(const setting *s)
{
   pare_ctx ctx;
   pare_ctx_init(&ctx);
   pare_status status = compress_with(&ctx, s, quantize, s->artifact, true);
   if (status != PARE_OK) printf("%s: %s\n", ctx.error.where, ctx.error.message);
   pare_ctx_finish(&ctx);
   return status == PARE_OK;
}

int main(int argc, char **argv)
{
   if (argc < 2) return 2;
   setting s = { .model_dir = argv[1], .tokenizer = argc > 2 ? argv[2] : NULL };
   const char *tmp = getenv("TMPDIR");
   snprintf(s.folder, sizeof s.folder, "%.200s/pare-torture-XXXXXX", tmp ? tmp : "/tmp");
   if (!mkdtemp(s.folder)) return 4;
   snprintf(s.artifact, sizeof s.artifact, "%s/made.pare", s.folder);
   snprintf(s.output, sizeof s.output, "%s/out.pare", s.folder);
   int wrong = make_artifact(&s) ? 0 : 1;
   bool ready = wrong == 0;
   for (size_t i = 0; ready && i < sizeof scenarios / sizeof *scenarios; i++)
      wrong += torture(&scenarios[i], &s);
   unlink(s.artifact);
   rmdir(s.folder);
   return wrong ? 1 : 0;
}
