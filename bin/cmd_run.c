/* cmd_run: generate text, printed as it comes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bin/load.h"
#include "run/generate.h"

typedef struct run_options {
   const char *prompt, *file;
   int64_t max_tokens, context;
   bool ids, special, ignore_end, fuse;
   pare_sampler_options sampling;
} run_options;

#define SAMPLING(field) offsetof(run_options, sampling.field)

static const pare_field fields[] = {
   { .name = "prompt",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(run_options, prompt),
     .letter = 'p',
     .value_name = "TEXT",
     .help = "what to continue; without one the model starts from its start token" },
   { .name = "file",
     .kind = PARE_FIELD_TEXT,
     .offset = offsetof(run_options, file),
     .letter = 'f',
     .value_name = "FILE",
     .help = "read the prompt from a file" },
   { .name = "ids",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(run_options, ids),
     .help = "the prompt is decimal token ids, and ids are printed" },
   { .name = "tokens",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(run_options, max_tokens),
     .max = 1e9,
     .initial = 128,
     .letter = 'n',
     .value_name = "N",
     .help = "most tokens to generate" },
   { .name = "context",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(run_options, context),
     .max = 1e9,
     .letter = 'c',
     .value_name = "N",
     .help = "positions to make room for; 0 is prompt and tokens, within the model's own" },
   { .name = "special",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(run_options, special),
     .initial = 1,
     .help = "start the prompt with the tokenizer's start token; --no-special leaves it out" },
   { .name = "ignore-end",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(run_options, ignore_end),
     .help = "go on after an end token" },
   PARE_FUSE_FIELD(run_options, fuse),
   PARE_SAMPLER_FIELDS(SAMPLING),
   PARE_FIELDS_END
};

/* One run. */
typedef struct generation {
   pare_app *app;
   const run_options *options;
   pare_model *model;
   pare_tokenizer *tokenizer; /* NULL with --ids */
   pare_detokenizer *detokenizer;
   pare_ids prompt;
   pare_ids made;
   pare_str text; /* all of it */
   size_t printed;
} generation;

static pare_status print_new(pare_ctx *ctx, generation *g)
{
   size_t count = g->text.size - g->printed;
   bool wanted = !g->app->common.json && count > 0;
   if (wanted && (fwrite(g->text.data + g->printed, 1, count, stdout) != count || fflush(stdout) != 0))
      return pare_fail(ctx, PARE_RESOURCE, "stdout", "cannot write: %s", strerror(errno));
   g->printed = g->text.size;
   return PARE_OK;
}

static pare_status on_token(pare_ctx *ctx, void *user, uint32_t token)
{
   generation *g = user;
   PARE_TRY(pare_ids_push(ctx, &g->made, token));
   if (g->detokenizer) PARE_TRY(pare_detokenizer_push(ctx, g->detokenizer, token, &g->text));
   else PARE_TRY(pare_str_printf(ctx, &g->text, "%s%u", g->made.size > 1 ? " " : "", token));
   return print_new(ctx, g);
}

/* A template that closes a document (<EOS>) closes nothing here: the prompt is to be continued. */
static pare_status encode_prompt(pare_ctx *ctx, generation *g, const char *text, size_t size)
{
   const pare_model *model = g->model;
   if (g->options->ids) return pare_ids_parse(ctx, text, size, "prompt", 1, model->vocab, &g->prompt);
   PARE_TRY(pare_tokenizer_encode(ctx, g->tokenizer, text, size, g->options->special, &g->prompt));
   pare_ids bare = { 0 };
   pare_status status = pare_tokenizer_encode(ctx, g->tokenizer, text, size, false, &bare);
   if (status == PARE_OK && g->prompt.size > bare.size &&
       pare_is_end_token(model, g->prompt.data[g->prompt.size - 1]))
      g->prompt.size--;
   bool templated = g->prompt.size > bare.size;
   pare_ids_finish(ctx, &bare);
   PARE_TRY(status);
   bool wants_start =
      g->options->special && !templated && model->bos >= 0 && (model->add_bos || g->prompt.size == 0);
   if (!wants_start) return PARE_OK;
   PARE_TRY(pare_ids_push(ctx, &g->prompt, 0));
   memmove(g->prompt.data + 1, g->prompt.data, (g->prompt.size - 1) * sizeof *g->prompt.data);
   g->prompt.data[0] = (uint32_t)model->bos;
   return PARE_OK;
}

static pare_status read_prompt(pare_ctx *ctx, generation *g)
{
   const run_options *o = g->options;
   if (o->prompt && o->file)
      return pare_fail(ctx, PARE_USAGE, "--file", "expected either --prompt or --file");
   if (!o->file) return encode_prompt(ctx, g, o->prompt ? o->prompt : "", o->prompt ? strlen(o->prompt) : 0);
   pare_buffer *file;
   PARE_TRY(pare_read_file(ctx, o->file, (size_t)1 << 30, &file));
   pare_status status = encode_prompt(ctx, g, (const char *)pare_buffer_data(file), pare_buffer_size(file));
   pare_buffer_unref(ctx, file);
   return status;
}

static pare_status check_prompt(pare_ctx *ctx, const generation *g)
{
   if (g->prompt.size == 0)
      return pare_fail(ctx, PARE_USAGE, "--prompt",
                       "empty, and the model states no start token to begin from");
   if ((int64_t)g->prompt.size > g->model->context)
      return pare_fail(ctx, PARE_USAGE, "--prompt", "%zu tokens, the model's context is %lld", g->prompt.size,
                       (long long)g->model->context);
   return PARE_OK;
}

static void put_result(generation *g, const pare_generate_result *r)
{
   static const char *const finishes[] = { "length", "end_token", "context" };
   pare_json_writer *json = &g->app->body;
   pare_json_put_text(json, "text", g->text.size ? g->text.data : "", g->text.size);
   pare_json_open_array(json, "ids");
   for (size_t i = 0; i < g->made.size; i++) pare_json_put_int(json, NULL, g->made.data[i]);
   pare_json_close_array(json);
   pare_json_put_string(json, "finish", finishes[r->finish]);
   pare_json_put_int(json, "prompt_tokens", r->prompt_tokens);
   pare_json_put_int(json, "tokens", r->tokens);
   pare_json_put_number(json, "prompt_seconds", r->prompt_seconds);
   pare_json_put_number(json, "generate_seconds", r->seconds);
}

static pare_status report(pare_ctx *ctx, generation *g, const pare_generate_result *r)
{
   if (g->detokenizer) PARE_TRY(pare_detokenizer_finish(ctx, g->detokenizer, &g->text));
   PARE_TRY(print_new(ctx, g));
   if (!g->app->common.json) fputs("\n", stdout);
   put_result(g, r);
   pare_log(ctx, PARE_INFO, "speed", NULL, "prompt %lld tokens, %.0f tokens/s; generated %lld, %.0f tokens/s",
            (long long)r->prompt_tokens, (double)r->prompt_tokens / (r->prompt_seconds + 1e-9),
            (long long)r->tokens, (double)r->tokens / (r->seconds + 1e-9));
   return PARE_OK;
}

static pare_status generate(pare_ctx *ctx, generation *g)
{
   const run_options *o = g->options;
   int64_t wanted = (int64_t)g->prompt.size + o->max_tokens, context = o->context;
   if (context == 0) context = wanted < g->model->context ? wanted : g->model->context;
   pare_session_options limits = { .slots = 1, .context = context, .rows = 1 };
   pare_generate_options options = { o->max_tokens, o->ignore_end, on_token, g };
   pare_session *session = NULL;
   pare_sampler *sampler = NULL;
   pare_generate_result result;
   pare_status status = pare_session_create(ctx, g->model, &limits, &session);
   if (status == PARE_OK) status = pare_sampler_create(ctx, &o->sampling, g->model->vocab, &sampler);
   if (status == PARE_OK)
      status =
         pare_generate(ctx, g->model, session, sampler, g->prompt.data, g->prompt.size, &options, &result);
   if (status == PARE_OK) status = report(ctx, g, &result);
   pare_sampler_destroy(ctx, sampler);
   pare_session_destroy(ctx, session);
   return status;
}

static pare_status run(pare_app *app, const void *given)
{
   pare_ctx *ctx = app->ctx;
   generation g = { .app = app, .options = given };
   pare_status status = pare_load_to_run(app, app->args[0], g.options->fuse, &g.model);
   if (status == PARE_OK && !g.options->ids) status = pare_load_tokenizer(app, g.model, &g.tokenizer);
   if (status == PARE_OK && g.tokenizer)
      status = pare_detokenizer_create(ctx, g.tokenizer, true, &g.detokenizer);
   if (status == PARE_OK) status = read_prompt(ctx, &g);
   if (status == PARE_OK) status = check_prompt(ctx, &g);
   if (status == PARE_OK) status = generate(ctx, &g);
   pare_str_finish(ctx, &g.text);
   pare_ids_finish(ctx, &g.made);
   pare_ids_finish(ctx, &g.prompt);
   pare_detokenizer_destroy(ctx, g.detokenizer);
   pare_tokenizer_destroy(ctx, g.tokenizer);
   pare_model_destroy(ctx, g.model);
   return status;
}

const pare_command pare_command_run = {
   .name = "run",
   .summary = "continue a prompt with a model or an artifact",
   .usage = "MODEL [-p TEXT] [-n N] [options]",
   .description = "Prints the continuation as it is generated; stops after N tokens, at any of the model's "
                  "end tokens, or when its context\n"
                  "is full. Greedy unless a temperature is given. Sampling goes: repeat penalty, "
                  "temperature, top-k, top-p, min-p.\n",
   .examples = "  pare run story.pare -p \"Once upon a time\" -n 100\n"
               "  pare run story.pare -p \"The fox\" --temperature 0.8 --top-p 0.95 --seed 7\n"
               "  pare run molecules.pare --ids -p 13 -n 60 --json\n",
   .fields = fields,
   .options_size = sizeof(run_options),
   .min_args = 1,
   .max_args = 1,
   .run = run,
};
