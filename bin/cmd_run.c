/* cmd_run: generate text, printed as it comes. */
#include <stdio.h>
#include <string.h>

#include "bin/continuation.h"
#include "bin/load.h"

#define AT(field)       offsetof(pare_run_options, field)
#define SAMPLING(field) AT(sampling.field)

static const pare_field fields[] = {
   { .name = "prompt",
     .kind = PARE_FIELD_TEXT,
     .offset = AT(prompt),
     .letter = 'p',
     .value_name = "TEXT",
     .help = "what to continue; without one the model starts from its start token" },
   { .name = "file",
     .kind = PARE_FIELD_TEXT,
     .offset = AT(file),
     .letter = 'f',
     .value_name = "FILE",
     .help = "read the prompt from a file" },
   { .name = "prompts",
     .kind = PARE_FIELD_TEXT,
     .offset = AT(prompts),
     .value_name = "FILE",
     .help =
        "continue each prompt of a file, one a line, side by side. Lines of a *.jsonl file are objects with "
        "\"prompt\" and, for that prompt alone, \"tokens\" and the sampling options by their names here" },
   { .name = "parallel",
     .kind = PARE_FIELD_INT,
     .offset = AT(parallel),
     .max = 4096,
     .value_name = "N",
     .needs = "prompts",
     .help = "how many of --prompts are generated at once; 0 is all, at most 8" },
   { .name = "ids",
     .kind = PARE_FIELD_BOOL,
     .offset = AT(ids),
     .help = "the prompt is decimal token ids, and ids are printed" },
   { .name = "tokens",
     .kind = PARE_FIELD_INT,
     .offset = AT(max_tokens),
     .max = 1e9,
     .initial = 128,
     .letter = 'n',
     .value_name = "N",
     .help = "most tokens to generate" },
   { .name = "context",
     .kind = PARE_FIELD_INT,
     .offset = AT(context),
     .max = 1e9,
     .letter = 'c',
     .value_name = "N",
     .help = "positions to make room for; 0 is prompt and tokens, within the model's own" },
   { .name = "special",
     .kind = PARE_FIELD_BOOL,
     .offset = AT(special),
     .initial = 1,
     .help = "start the prompt with the tokenizer's start token; --no-special leaves it out" },
   { .name = "ignore-end",
     .kind = PARE_FIELD_BOOL,
     .offset = AT(ignore_end),
     .help = "go on after an end token" },
   PARE_FUSE_FIELD(pare_run_options, fuse),
   { .name = "lookup",
     .kind = PARE_FIELD_BOOL,
     .offset = AT(lookup),
     .help =
        "guess the next tokens from what followed the last ones earlier in the text, and verify them in one "
        "batch. Fast where text repeats (summaries, edits, code); the output stays the same" },
   { .name = "ngram",
     .kind = PARE_FIELD_INT,
     .offset = AT(speculation.ngram),
     .min = 1,
     .max = 64,
     .initial = 8,
     .value_name = "N",
     .needs = "lookup",
     .help = "most last tokens that --lookup compares" },
   { .name = "draft",
     .kind = PARE_FIELD_TEXT,
     .offset = AT(draft),
     .value_name = "MODEL",
     .help = "guess the next tokens of one prompt with this smaller model of the same vocabulary. Greedy "
             "output stays the same, "
             "sampled output keeps its distribution" },
   { .name = "draft-tokens",
     .kind = PARE_FIELD_INT,
     .offset = AT(speculation.tokens),
     .min = 1,
     .max = PARE_MOST_GUESSES,
     .initial = 15,
     .value_name = "N",
     .needs = "lookup draft",
     .help = "most tokens guessed at once by --lookup and --draft; fewer after wrong guesses" },
   PARE_SAMPLER_FIELDS(SAMPLING),
   PARE_FIELDS_END
};

/* A run of one prompt. */
typedef struct generation {
   const pare_runner *runner;
   pare_continuation c;
   size_t printed; /* bytes of its text */
   pare_model *draft;
   pare_speculator *speculator;
} generation;

static pare_status print_new(generation *g)
{
   size_t from = g->printed;
   g->printed = g->c.text.size;
   return pare_print_now(g->runner->app, g->c.text.data + from, g->c.text.size - from);
}

static pare_status on_token(pare_ctx *ctx, void *user, uint32_t token)
{
   generation *g = user;
   PARE_TRY(pare_continuation_push(ctx, &g->c, token));
   return print_new(g);
}

/* ---- the prompt ---- */

static pare_status read_prompt(pare_ctx *ctx, generation *g)
{
   const pare_run_options *o = g->runner->options;
   const char *text = o->prompt ? o->prompt : "";
   if (!o->file) return pare_continuation_start(ctx, g->runner, text, strlen(text), "prompt", 1, &g->c);
   pare_buffer *file;
   PARE_TRY(pare_read_file(ctx, o->file, (size_t)1 << 30, &file));
   pare_status status = pare_continuation_start(ctx, g->runner, (const char *)pare_buffer_data(file),
                                                pare_buffer_size(file), "prompt", 1, &g->c);
   pare_buffer_unref(ctx, file);
   return status;
}

static pare_status check_prompt(pare_ctx *ctx, const generation *g)
{
   size_t n = g->c.prompt.size;
   int64_t most = pare_continuation_most(g->runner);
   if (n == 0)
      return pare_fail(ctx, PARE_USAGE, "--prompt",
                       "empty, and the model states no start token to begin from");
   if ((int64_t)n > most)
      return pare_fail(ctx, PARE_USAGE, "--prompt", "%zu tokens, the context is %lld", n, (long long)most);
   return PARE_OK;
}

/* ---- guesses ---- */

/* The sizes of the vocabularies are the same; the words must be too. */
static pare_status compare_words(pare_ctx *ctx, const pare_tokenizer *model, const pare_tokenizer *draft,
                                 const char *where)
{
   size_t a = pare_tokenizer_size(model), b = pare_tokenizer_size(draft), n = a > b ? a : b;
   for (size_t id = 0; id < n; id++) {
      const char *ours = id < a ? pare_tokenizer_token(model, (uint32_t)id) : NULL;
      const char *theirs = id < b ? pare_tokenizer_token(draft, (uint32_t)id) : NULL;
      if (ours == theirs || (ours && theirs && strcmp(ours, theirs) == 0)) continue;
      return pare_fail(ctx, PARE_INPUT, where, "token %zu is \"%.80s\", the model has \"%.80s\"", id,
                       theirs ? theirs : "", ours ? ours : "");
   }
   return PARE_OK;
}

static pare_status check_draft(const generation *g)
{
   pare_app *app = g->runner->app;
   pare_tokenizer *draft;
   if (!g->runner->tokenizer || !g->draft->tokenizer) return PARE_OK;
   PARE_TRY(pare_load_tokenizer(app, g->draft, &draft));
   pare_status status = compare_words(app->ctx, g->runner->tokenizer, draft, g->runner->options->draft);
   pare_tokenizer_destroy(app->ctx, draft);
   return status;
}

static pare_status prepare_guesses(pare_ctx *ctx, generation *g, int64_t context)
{
   const pare_run_options *o = g->runner->options;
   if (o->lookup) return pare_speculator_create_lookup(ctx, &o->speculation, context, &g->speculator);
   if (!o->draft) return PARE_OK;
   PARE_TRY(pare_load_to_run(g->runner->app, o->draft, o->fuse, &g->draft));
   pare_status status = pare_speculator_create_draft(ctx, g->runner->model, g->draft, &o->speculation,
                                                     &o->sampling, context, &g->speculator);
   if (status == PARE_OK) status = check_draft(g);
   if (status == PARE_INPUT) pare_hint(ctx, "a draft needs the vocabulary of the model that it guesses for");
   return status;
}

/* ---- the run ---- */

static pare_status log_speed(pare_ctx *ctx, const generation *g, const pare_generate_result *r)
{
   pare_str line = { 0 };
   pare_status status =
      pare_str_printf(ctx, &line, "prompt %lld tokens, %.0f tokens/s; generated %lld, %.0f tokens/s",
                      (long long)r->prompt_tokens, (double)r->prompt_tokens / (r->prompt_seconds + 1e-9),
                      (long long)r->tokens, (double)r->tokens / (r->seconds + 1e-9));
   if (status == PARE_OK && g->speculator) status = pare_print_speculation(ctx, r, &line);
   if (status == PARE_OK) pare_log(ctx, PARE_INFO, "speed", NULL, "%s", line.data);
   pare_str_finish(ctx, &line);
   return status;
}

static pare_status report(pare_ctx *ctx, generation *g, const pare_generate_result *r)
{
   pare_app *app = g->runner->app;
   PARE_TRY(pare_continuation_end(ctx, &g->c));
   PARE_TRY(print_new(g));
   PARE_TRY(pare_print_now(app, "\n", 1));
   pare_put_continuation(&app->body, &g->c, r);
   pare_json_put_int(&app->body, "steps", r->steps);
   if (g->speculator) pare_put_speculation(&app->body, g->runner->options, r);
   return log_speed(ctx, g, r);
}

static pare_status generate(pare_ctx *ctx, generation *g)
{
   const pare_runner *runner = g->runner;
   const pare_run_options *o = runner->options;
   int64_t context = pare_continuation_context(runner, &g->c, o->max_tokens);
   bool guesses = o->lookup || o->draft;
   pare_session_options limits = { .slots = 1,
                                   .context = context,
                                   .rows = guesses ? o->speculation.tokens + 1 : 1 };
   pare_generate_options options = { o->max_tokens, o->ignore_end, on_token, g, NULL };
   pare_session *session = NULL;
   pare_sampler *sampler = NULL;
   pare_generate_result result;
   pare_status status = pare_session_create(ctx, runner->model, &limits, &session);
   if (status == PARE_OK) status = pare_sampler_create(ctx, &o->sampling, runner->model->vocab, &sampler);
   if (status == PARE_OK) status = prepare_guesses(ctx, g, context);
   options.speculator = g->speculator;
   if (status == PARE_OK)
      status = pare_generate(ctx, runner->model, session, sampler, g->c.prompt.data, g->c.prompt.size,
                             &options, &result);
   if (status == PARE_OK) status = report(ctx, g, &result);
   pare_speculator_destroy(ctx, g->speculator);
   pare_model_destroy(ctx, g->draft);
   pare_sampler_destroy(ctx, sampler);
   pare_session_destroy(ctx, session);
   return status;
}

static pare_status run_prompt(const pare_runner *runner)
{
   pare_ctx *ctx = runner->app->ctx;
   generation g = { .runner = runner };
   pare_status status = read_prompt(ctx, &g);
   if (status == PARE_OK) status = check_prompt(ctx, &g);
   if (status == PARE_OK) status = generate(ctx, &g);
   pare_continuation_finish(ctx, &g.c);
   return status;
}

static pare_status check_options(pare_ctx *ctx, const pare_run_options *o)
{
   if (o->prompt && o->file)
      return pare_fail(ctx, PARE_USAGE, "--file", "expected either --prompt or --file");
   if (o->prompts && (o->prompt || o->file))
      return pare_fail(ctx, PARE_USAGE, "--prompts", "expected without --prompt and --file");
   if (o->lookup && o->draft)
      return pare_fail(ctx, PARE_USAGE, "--draft", "expected either --draft or --lookup");
   if (o->prompts && o->draft)
      return pare_fail(ctx, PARE_USAGE, "--draft", "guesses for one prompt, expected without --prompts");
   return PARE_OK;
}

static pare_status run(pare_app *app, const void *given)
{
   pare_ctx *ctx = app->ctx;
   pare_runner runner = { .app = app, .options = given };
   PARE_TRY(check_options(ctx, runner.options));
   pare_status status = pare_load_to_run(app, app->args[0], runner.options->fuse, &runner.model);
   if (status == PARE_OK && !runner.options->ids)
      status = pare_load_tokenizer(app, runner.model, &runner.tokenizer);
   if (status == PARE_OK) status = runner.options->prompts ? pare_run_prompts(&runner) : run_prompt(&runner);
   pare_tokenizer_destroy(ctx, runner.tokenizer);
   pare_model_destroy(ctx, runner.model);
   return status;
}

const pare_command pare_command_run = {
   .name = "run",
   .summary = "continue a prompt with a model or an artifact",
   .usage = "MODEL [-p TEXT | -f FILE | --prompts FILE] [-n N] [options]",
   .description =
      "Prints the continuation as it is generated; stops after N tokens, at any of the model's end tokens, "
      "or\n"
      "when its context is full. Greedy unless a temperature is given. Sampling goes: repeat penalty,\n"
      "temperature, top-k, top-p, min-p.\n\n"
      "Many prompts (--prompts) share the model: each step computes a token of every one that is under way.\n"
      "What prompts begin with alike is computed once. They are printed in the order of the file under\n"
      "headings, each as if it had been run alone; with --json they are in \"results\".\n\n"
      "Guessing (--lookup, --draft) computes several tokens a step where the guesses are right. The closing\n"
      "line tells the share of right ones and the tokens a step; with --json they are in \"speculation\".\n",
   .examples = "  pare run story.pare -p \"Once upon a time\" -n 100\n"
               "  pare run story.pare -p \"The fox\" --temperature 0.8 --top-p 0.95 --seed 7\n"
               "  pare run molecules.pare --ids -p 13 -n 60 --json\n"
               "  pare run chat.pare -f edit-this.txt -n 500 --lookup\n"
               "  pare run large.pare -p \"The fox\" --draft small.pare\n"
               "  pare run chat.pare --prompts questions.jsonl --parallel 8 --json\n",
   .fields = fields,
   .options_size = sizeof(pare_run_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
