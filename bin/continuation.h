/* continuation: a prompt and what a model made of it; what `pare run` does for one prompt and for many. */
#ifndef PARE_BIN_CONTINUATION_H
#define PARE_BIN_CONTINUATION_H

#include "bin/command.h"
#include "run/generate.h"
#include "text/tokenizer.h"

typedef struct pare_run_options {
   const char *prompt, *file, *prompts, *draft;
   int64_t max_tokens, context, parallel;
   bool ids, special, ignore_end, lookup, fuse;
   pare_speculate_options speculation;
   pare_sampler_options sampling;
} pare_run_options;

/* What all prompts of one command share. */
typedef struct pare_runner {
   pare_app *app;
   const pare_run_options *options;
   pare_model *model;
   pare_tokenizer *tokenizer; /* NULL with --ids */
} pare_runner;

/* Zero-initialize to start, finish in the end. */
typedef struct pare_continuation {
   pare_detokenizer *detokenizer; /* NULL with --ids */
   pare_ids prompt, made;
   pare_str text; /* of what was made */
} pare_continuation;

/* Fills the prompt from text, or from decimal ids with --ids. `where` and `line` name it in messages. */
pare_status pare_continuation_start(pare_ctx *ctx, const pare_runner *runner, const char *text, size_t size,
                                    const char *where, size_t line, pare_continuation *out);
/* Adds one token. */
pare_status pare_continuation_push(pare_ctx *ctx, pare_continuation *c, uint32_t token);
/* Adds the text that waited for more tokens, once. */
pare_status pare_continuation_end(pare_ctx *ctx, pare_continuation *c);
void pare_continuation_finish(pare_ctx *ctx, pare_continuation *c);
/* The most tokens a prompt may have: what --context says, within the model's own. */
int64_t pare_continuation_most(const pare_runner *runner);
/* The positions that the prompt and the wanted tokens take, within --context or the model's own. */
int64_t pare_continuation_context(const pare_runner *runner, const pare_continuation *c, int64_t max_tokens);

/* "text", "ids", "finish", counts and seconds, into the open object. */
void pare_put_continuation(pare_json_writer *json, const pare_continuation *c, const pare_generate_result *r);
/* "speculation": its kind, the share of accepted guesses, tokens a step. Sums over all texts in `sum`. */
void pare_put_speculation(pare_json_writer *json, const pare_run_options *options,
                          const pare_generate_result *sum);
/* Appends "; 5 of 8 guesses accepted (62%), 1.09 tokens a step". */
pare_status pare_print_speculation(pare_ctx *ctx, const pare_generate_result *sum, pare_str *out);
/* Bytes to stdout, at once; nothing with --json. */
pare_status pare_print_now(pare_app *app, const char *bytes, size_t count);

/* `pare run --prompts`: all prompts of a file, side by side, printed in the file's order. */
pare_status pare_run_prompts(const pare_runner *runner);

#endif
