/* run_prompts: the prompts of a file, side by side. See continuation.h. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "bin/continuation.h"
#include "run/scheduler.h"

enum { USUAL_PARALLEL = 8, USUAL_TOKENS = 512 };

/* What a line of JSON may say of its own request; the rest is as on the command line. */
typedef struct line_options {
   const char *prompt;
   int64_t max_tokens;
   pare_sampler_options sampling;
} line_options;

#define SAMPLING(field) offsetof(line_options, sampling.field)

static const pare_field line_fields[] = { { .name = "prompt",
                                            .kind = PARE_FIELD_TEXT,
                                            .offset = offsetof(line_options, prompt),
                                            .help = "what to continue" },
                                          { .name = "tokens",
                                            .kind = PARE_FIELD_INT,
                                            .offset = offsetof(line_options, max_tokens),
                                            .max = 1e9,
                                            .help = "most tokens to generate" },
                                          PARE_SAMPLER_FIELDS(SAMPLING),
                                          PARE_FIELDS_END };

struct many;

typedef struct job {
   struct many *many;
   size_t line;
   line_options options;
   pare_continuation c;
   pare_generate_result result;
   bool ended;
} job;

typedef struct many {
   const pare_runner *runner;
   pare_ctx *ctx;
   job *jobs;
   size_t n, capacity;
   size_t printed; /* jobs of the beginning that are on stdout */
   int64_t context, parallel;
} many;

/* ---- the file ---- */

static pare_status read_json(many *m, const char *text, size_t size, const char *where, line_options *out)
{
   pare_json *root;
   PARE_TRY(pare_json_parse(m->ctx, text, size, where, &root));
   pare_status status =
      pare_fields_from_json(m->ctx, line_fields, root, where, NULL, m->runner->app->arena, out, PARE_INPUT);
   pare_json_free(root);
   if (status == PARE_OK && !out->prompt) return pare_fail(m->ctx, PARE_INPUT, where, "no \"prompt\"");
   return status;
}

static pare_status check_prompt(many *m, const job *j, const char *where)
{
   int64_t most = pare_continuation_most(m->runner);
   if (j->c.prompt.size == 0)
      return pare_fail(m->ctx, PARE_INPUT, where,
                       "an empty prompt, and the model states no start token to begin from");
   if ((int64_t)j->c.prompt.size > most)
      return pare_fail(m->ctx, PARE_INPUT, where, "%zu tokens, the context is %lld", j->c.prompt.size,
                       (long long)most);
   return PARE_OK;
}

static pare_status add_line(many *m, const char *text, size_t size, size_t line)
{
   const pare_run_options *o = m->runner->options;
   char where[240];
   snprintf(where, sizeof where, "%.200s:%zu", o->prompts, line);
   PARE_TRY(pare_grow(m->ctx, (void **)&m->jobs, &m->capacity, m->n + 1, sizeof *m->jobs));
   job *j = &m->jobs[m->n++];
   *j = (job){ .many = m, .line = line, .options = { NULL, o->max_tokens, o->sampling } };
   if (pare_ends_with(o->prompts, ".jsonl")) {
      PARE_TRY(read_json(m, text, size, where, &j->options));
      text = j->options.prompt;
      size = strlen(text);
   }
   PARE_TRY(pare_continuation_start(m->ctx, m->runner, text, size, where, line, &j->c));
   PARE_TRY(check_prompt(m, j, where));
   int64_t context = pare_continuation_context(m->runner, &j->c, j->options.max_tokens);
   if (context > m->context) m->context = context;
   return PARE_OK;
}

static bool is_blank(const char *text, size_t size)
{
   while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) size--;
   return size == 0;
}

static pare_status read_lines(many *m, const char *text, size_t size)
{
   size_t line = 1;
   for (const char *at = text, *end = text + size; at < end; line++) {
      const char *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;
      if (!stop) stop = end;
      if (stop > at && stop[-1] == '\r') stop--;
      if (!is_blank(at, (size_t)(stop - at))) PARE_TRY(add_line(m, at, (size_t)(stop - at), line));
      at = next;
   }
   if (m->n > 0) return PARE_OK;
   return pare_fail(m->ctx, PARE_INPUT, m->runner->options->prompts, "no prompts, expected one a line");
}

static pare_status read_prompts(many *m)
{
   pare_buffer *file;
   PARE_TRY(pare_read_file(m->ctx, m->runner->options->prompts, (size_t)1 << 30, &file));
   pare_status status = read_lines(m, (const char *)pare_buffer_data(file), pare_buffer_size(file));
   pare_buffer_unref(m->ctx, file);
   return status;
}

/* ---- output ---- */

/* Headings as of head(1) over several files. */
static pare_status print_job(many *m, const job *j)
{
   pare_app *app = m->runner->app;
   pare_str out = { 0 };
   pare_status status = pare_str_printf(m->ctx, &out, "%s==> %s:%zu <==\n", m->printed > 0 ? "\n" : "",
                                        m->runner->options->prompts, j->line);
   if (status == PARE_OK) status = pare_str_append(m->ctx, &out, j->c.text.data, j->c.text.size);
   if (status == PARE_OK) status = pare_str_puts(m->ctx, &out, "\n");
   if (status == PARE_OK) status = pare_print_now(app, out.data, out.size);
   pare_str_finish(m->ctx, &out);
   return status;
}

static pare_status on_token(pare_ctx *ctx, void *user, uint32_t token)
{
   job *j = user;
   return pare_continuation_push(ctx, &j->c, token);
}

static pare_status on_finish(pare_ctx *ctx, void *user, const pare_generate_result *result)
{
   job *j = user;
   many *m = j->many;
   j->result = *result;
   j->ended = true;
   PARE_TRY(pare_continuation_end(ctx, &j->c));
   for (; m->printed < m->n && m->jobs[m->printed].ended; m->printed++)
      PARE_TRY(print_job(m, &m->jobs[m->printed]));
   return PARE_OK;
}

static pare_generate_result sum_of(const many *m)
{
   pare_generate_result sum = { 0 };
   for (size_t i = 0; i < m->n; i++) {
      const pare_generate_result *r = &m->jobs[i].result;
      sum.prompt_tokens += r->prompt_tokens;
      sum.tokens += r->tokens;
      sum.reused += r->reused;
      sum.steps += r->steps;
      sum.guessed += r->guessed;
      sum.accepted += r->accepted;
   }
   return sum;
}

static void put_results(many *m, const pare_generate_result *sum, int64_t steps, double seconds)
{
   pare_json_writer *json = &m->runner->app->body;
   pare_json_open_array(json, "results");
   for (size_t i = 0; i < m->n; i++) {
      pare_json_open_object(json, NULL);
      pare_json_put_int(json, "line", (int64_t)m->jobs[i].line);
      pare_put_continuation(json, &m->jobs[i].c, &m->jobs[i].result);
      pare_json_close_object(json);
   }
   pare_json_close_array(json);
   pare_json_put_int(json, "parallel", m->parallel);
   pare_json_put_int(json, "steps", steps);
   pare_json_put_int(json, "prompt_tokens", sum->prompt_tokens);
   pare_json_put_int(json, "reused_tokens", sum->reused);
   pare_json_put_int(json, "tokens", sum->tokens);
   pare_json_put_number(json, "generate_seconds", seconds);
   if (m->runner->options->lookup) pare_put_speculation(json, m->runner->options, sum);
}

static pare_status report(many *m, int64_t steps, double seconds)
{
   pare_generate_result sum = sum_of(m);
   pare_str line = { 0 };
   put_results(m, &sum, steps, seconds);
   pare_status status = pare_str_printf(
      m->ctx, &line,
      "%zu prompts, %lld at once: prompt %lld tokens, %lld reused; generated %lld, %.0f tokens/s", m->n,
      (long long)m->parallel, (long long)sum.prompt_tokens, (long long)sum.reused, (long long)sum.tokens,
      (double)sum.tokens / (seconds + 1e-9));
   if (status == PARE_OK && m->runner->options->lookup) status = pare_print_speculation(m->ctx, &sum, &line);
   if (status == PARE_OK) pare_log(m->ctx, PARE_INFO, "speed", NULL, "%s", line.data);
   pare_str_finish(m->ctx, &line);
   return status;
}

/* ---- the run ---- */

static pare_status add_requests(many *m, pare_scheduler *scheduler)
{
   for (size_t i = 0; i < m->n; i++) {
      job *j = &m->jobs[i];
      pare_request request = {
         .prompt = j->c.prompt.data,
         .n = j->c.prompt.size,
         .sampling = j->options.sampling,
         .options = { .max_tokens = j->options.max_tokens,
                      .ignore_end_tokens = m->runner->options->ignore_end,
                      .on_token = on_token,
                      .user = j },
         .on_finish = on_finish,
      };
      PARE_TRY(pare_scheduler_add(m->ctx, scheduler, &request));
   }
   return PARE_OK;
}

static pare_status generate(many *m)
{
   const pare_run_options *o = m->runner->options;
   int64_t rows = m->parallel * (o->lookup ? o->speculation.tokens + 1 : 1);
   pare_scheduler_options options = { .lookup = o->lookup ? &o->speculation : NULL };
   pare_session_options limits = { .slots = m->parallel, .context = m->context };
   limits.tokens = m->parallel > USUAL_TOKENS ? m->parallel : USUAL_TOKENS;
   limits.rows = rows < limits.tokens ? rows : limits.tokens;
   pare_session *session = NULL;
   pare_scheduler *scheduler = NULL;
   double start = pare_now();
   pare_status status = pare_session_create(m->ctx, m->runner->model, &limits, &session);
   if (status == PARE_OK)
      status = pare_scheduler_create(m->ctx, m->runner->model, session, &options, &scheduler);
   if (status == PARE_OK) status = add_requests(m, scheduler);
   for (bool busy = true; busy && status == PARE_OK;) status = pare_scheduler_step(m->ctx, scheduler, &busy);
   if (status == PARE_OK) status = report(m, pare_scheduler_done(scheduler).steps, pare_now() - start);
   pare_scheduler_destroy(m->ctx, scheduler);
   pare_session_destroy(m->ctx, session);
   return status;
}

pare_status pare_run_prompts(const pare_runner *runner)
{
   many m = { .runner = runner, .ctx = runner->app->ctx };
   pare_status status = read_prompts(&m);
   int64_t wanted = runner->options->parallel ? runner->options->parallel : USUAL_PARALLEL;
   m.parallel = (int64_t)m.n < wanted ? (int64_t)m.n : wanted;
   if (status == PARE_OK) status = generate(&m);
   for (size_t i = 0; i < m.n; i++) pare_continuation_finish(m.ctx, &m.jobs[i].c);
   pare_free(m.ctx, m.jobs);
   return status;
}
