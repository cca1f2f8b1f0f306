/* continuation: see continuation.h. */
#include "bin/continuation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A template that closes a document (<EOS>) closes nothing here: the prompt is to be continued. */
static pare_status encode(pare_ctx *ctx, const pare_runner *r, const char *text, size_t size, pare_ids *out)
{
   const pare_model *model = r->model;
   pare_ids bare = { 0 };
   PARE_TRY(pare_tokenizer_encode(ctx, r->tokenizer, text, size, r->options->special, out));
   pare_status status = pare_tokenizer_encode(ctx, r->tokenizer, text, size, false, &bare);
   if (status == PARE_OK && out->size > bare.size && pare_is_end_token(model, out->data[out->size - 1]))
      out->size--;
   bool templated = out->size > bare.size;
   pare_ids_finish(ctx, &bare);
   PARE_TRY(status);
   bool wants_start =
      r->options->special && !templated && model->bos >= 0 && (model->add_bos || out->size == 0);
   if (!wants_start) return PARE_OK;
   PARE_TRY(pare_ids_push(ctx, out, 0));
   memmove(out->data + 1, out->data, (out->size - 1) * sizeof *out->data);
   out->data[0] = (uint32_t)model->bos;
   return PARE_OK;
}

pare_status pare_continuation_start(pare_ctx *ctx, const pare_runner *r, const char *text, size_t size,
                                    const char *where, size_t line, pare_continuation *out)
{
   if (r->options->ids) return pare_ids_parse(ctx, text, size, where, line, r->model->vocab, &out->prompt);
   PARE_TRY(pare_detokenizer_create(ctx, r->tokenizer, true, &out->detokenizer));
   pare_status status = encode(ctx, r, text, size, &out->prompt);
   if (status != PARE_INPUT) return status;
   pare_error found = ctx->error;
   return pare_fail_again(ctx, status, where, "%s", found.message);
}

pare_status pare_continuation_push(pare_ctx *ctx, pare_continuation *c, uint32_t token)
{
   PARE_TRY(pare_ids_push(ctx, &c->made, token));
   if (c->detokenizer) return pare_detokenizer_push(ctx, c->detokenizer, token, &c->text);
   return pare_str_printf(ctx, &c->text, "%s%u", c->made.size > 1 ? " " : "", token);
}

pare_status pare_continuation_end(pare_ctx *ctx, pare_continuation *c)
{
   return c->detokenizer ? pare_detokenizer_finish(ctx, c->detokenizer, &c->text) : PARE_OK;
}

void pare_continuation_finish(pare_ctx *ctx, pare_continuation *c)
{
   pare_str_finish(ctx, &c->text);
   pare_ids_finish(ctx, &c->made);
   pare_ids_finish(ctx, &c->prompt);
   pare_detokenizer_destroy(ctx, c->detokenizer);
   c->detokenizer = NULL;
}

int64_t pare_continuation_most(const pare_runner *r)
{
   int64_t most = r->model->context, given = r->options->context;
   return given > 0 && given < most ? given : most;
}

int64_t pare_continuation_context(const pare_runner *r, const pare_continuation *c, int64_t max_tokens)
{
   int64_t wanted = (int64_t)c->prompt.size + max_tokens;
   if (r->options->context > 0) return r->options->context;
   return wanted < r->model->context ? wanted : r->model->context;
}

void pare_put_continuation(pare_json_writer *json, const pare_continuation *c, const pare_generate_result *r)
{
   static const char *const finishes[] = { "length", "end_token", "context" };
   pare_json_put_text(json, "text", c->text.size ? c->text.data : "", c->text.size);
   pare_json_open_array(json, "ids");
   for (size_t i = 0; i < c->made.size; i++) pare_json_put_int(json, NULL, c->made.data[i]);
   pare_json_close_array(json);
   pare_json_put_string(json, "finish", finishes[r->finish]);
   pare_json_put_int(json, "prompt_tokens", r->prompt_tokens);
   pare_json_put_int(json, "reused_tokens", r->reused);
   pare_json_put_int(json, "tokens", r->tokens);
   pare_json_put_number(json, "prompt_seconds", r->prompt_seconds);
   pare_json_put_number(json, "generate_seconds", r->seconds);
}

static double share(int64_t part, int64_t all)
{
   return all > 0 ? (double)part / (double)all : 0;
}

void pare_put_speculation(pare_json_writer *json, const pare_run_options *o, const pare_generate_result *r)
{
   pare_json_open_object(json, "speculation");
   pare_json_put_string(json, "kind", o->lookup ? "lookup" : "draft");
   pare_json_put_int(json, "guessed", r->guessed);
   pare_json_put_int(json, "accepted", r->accepted);
   pare_json_put_number(json, "acceptance", share(r->accepted, r->guessed));
   pare_json_put_number(json, "tokens_per_step", share(r->tokens, r->steps));
   pare_json_close_object(json);
}

pare_status pare_print_speculation(pare_ctx *ctx, const pare_generate_result *r, pare_str *out)
{
   return pare_str_printf(ctx, out, "; %lld of %lld guesses accepted (%.0f%%), %.2f tokens a step",
                          (long long)r->accepted, (long long)r->guessed, 100 * share(r->accepted, r->guessed),
                          share(r->tokens, r->steps));
}

pare_status pare_print_now(pare_app *app, const char *bytes, size_t count)
{
   if (app->common.json || count == 0) return PARE_OK;
   if (fwrite(bytes, 1, count, stdout) == count && fflush(stdout) == 0) return PARE_OK;
   return pare_fail(app->ctx, PARE_RESOURCE, "stdout", "cannot write: %s", strerror(errno));
}
