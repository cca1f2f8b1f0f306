/* eval: runs the spans through one or two sessions in the same batches and adds up what score.h says of
 * each row.
 *
 * Spans go through in groups, each span in a slot of its own, so that short documents share batches; the
 * sums of a span are kept apart for the standard errors. */
#define _GNU_SOURCE
#include "eval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "eval/score.h"
#include "eval/spans.h"
#include "run/session.h"

enum { SLOTS = 16, MAX_BATCH = 128, DEFAULT_WINDOW = 512 };

/* Sums over the scored tokens of one span. */
typedef struct span_sums {
   double n, nll, reference_nll, worse, kl, agree; /* worse: nll - reference_nll */
} span_sums;

typedef struct evaluation {
   const pare_model *model;
   const pare_corpus *corpus;
   const pare_protocol *protocol;
   pare_session *session, *reference; /* reference: NULL when there is none */
   pare_span *spans;
   size_t n_spans;
   size_t slots_used; /* documents share batches; a window fills batches of its own */
   span_sums *sums;   /* [n_spans] */
   double *kls;       /* [scored so far] */
   size_t n_kls, kls_capacity;
   /* The batch being filled, and who its rows belong to. */
   uint32_t tokens[MAX_BATCH];
   int32_t positions[MAX_BATCH], slots[MAX_BATCH], rows[MAX_BATCH];
   size_t row_span[MAX_BATCH];
   uint32_t row_target[MAX_BATCH];
   int64_t n_tokens, n_rows;
   const float *logits, *reference_logits; /* of the batch just run */
   pare_score scores[MAX_BATCH];
} evaluation;

static void score_item(void *arg, int64_t row, int worker)
{
   (void)worker;
   evaluation *e = arg;
   int64_t vocab = e->model->vocab;
   e->scores[row] =
      pare_score_row(e->logits + row * vocab, e->reference ? e->reference_logits + row * vocab : NULL, vocab,
                     e->row_target[row]);
}

static pare_status add_scores(pare_ctx *ctx, evaluation *e)
{
   PARE_TRY(pare_grow(ctx, (void **)&e->kls, &e->kls_capacity, e->n_kls + (size_t)e->n_rows, sizeof *e->kls));
   for (int64_t i = 0; i < e->n_rows; i++) {
      const pare_score *s = &e->scores[i];
      span_sums *sum = &e->sums[e->row_span[i]];
      sum->n += 1;
      sum->nll += s->nll;
      sum->reference_nll += s->reference_nll;
      sum->worse += s->nll - s->reference_nll;
      sum->kl += s->kl;
      sum->agree += s->agree;
      e->kls[e->n_kls++] = s->kl;
   }
   return PARE_OK;
}

static pare_status run_batch(pare_ctx *ctx, evaluation *e)
{
   if (e->n_tokens == 0) return PARE_OK;
   pare_batch batch = { e->n_tokens, e->tokens, e->positions, e->slots, e->n_rows, e->rows };
   PARE_TRY(pare_session_step(ctx, e->session, &batch, &e->logits));
   if (e->reference) PARE_TRY(pare_session_step(ctx, e->reference, &batch, &e->reference_logits));
   pare_pool_run(ctx, e->n_rows, score_item, e);
   PARE_TRY(add_scores(ctx, e));
   e->n_tokens = e->n_rows = 0;
   return pare_check_stop(ctx);
}

/* Adds one token; target < 0 when its prediction is not scored. */
static pare_status feed(pare_ctx *ctx, evaluation *e, uint32_t token, int64_t position, size_t span,
                        int64_t target)
{
   const pare_session_options *limits = pare_session_limits(e->session);
   if (e->n_tokens == limits->tokens || e->n_rows == limits->rows) PARE_TRY(run_batch(ctx, e));
   if (target >= 0) {
      e->rows[e->n_rows] = (int32_t)e->n_tokens;
      e->row_span[e->n_rows] = span;
      e->row_target[e->n_rows++] = (uint32_t)target;
   }
   e->tokens[e->n_tokens] = token;
   e->positions[e->n_tokens] = (int32_t)position;
   e->slots[e->n_tokens++] = (int32_t)(span % e->slots_used);
   return PARE_OK;
}

static pare_status feed_span(pare_ctx *ctx, evaluation *e, size_t index)
{
   const pare_span *span = &e->spans[index];
   const uint32_t *ids = e->corpus->ids.data + span->start;
   int64_t shift = e->protocol->bos ? 1 : 0;
   if (shift) PARE_TRY(feed(ctx, e, (uint32_t)e->model->bos, 0, index, -1));
   for (int64_t i = 0; i < span->length - 1; i++)
      PARE_TRY(feed(ctx, e, ids[i], i + shift, index, i >= span->score_from ? (int64_t)ids[i + 1] : -1));
   return PARE_OK;
}

/* Spans in flight must have different slots: a batch is run before a slot is used again. */
static pare_status run_spans(pare_ctx *ctx, evaluation *e)
{
   for (size_t i = 0; i < e->n_spans; i++) {
      if (i % e->slots_used == 0) PARE_TRY(run_batch(ctx, e));
      PARE_TRY(feed_span(ctx, e, i));
      pare_report_progress(ctx, "eval", "windows", (double)(i + 1), (double)e->n_spans);
   }
   return run_batch(ctx, e);
}

/* ---- estimates ---- */

static double field_of(const span_sums *sums, size_t field)
{
   double value;
   memcpy(&value, (const char *)sums + field, sizeof value);
   return value;
}

/* Ratio of sums with its standard error over spans. */
static pare_estimate estimate(const evaluation *e, size_t field)
{
   double total = 0, n = 0, squares = 0, spans = (double)e->n_spans;
   for (size_t i = 0; i < e->n_spans; i++) {
      total += field_of(&e->sums[i], field);
      n += e->sums[i].n;
   }
   pare_estimate result = { total / n, NAN };
   if (e->n_spans < 2) return result;
   for (size_t i = 0; i < e->n_spans; i++) {
      double off = field_of(&e->sums[i], field) - result.value * e->sums[i].n;
      squares += off * off;
   }
   result.stderr_ = sqrt(squares * spans / (spans - 1)) / n;
   return result;
}

static pare_estimate scaled(pare_estimate x, double factor)
{
   return (pare_estimate){ x.value * factor, x.stderr_ * factor };
}

static pare_estimate exponential(pare_estimate x)
{
   return (pare_estimate){ exp(x.value), exp(x.value) * x.stderr_ };
}

static int by_value(const void *a, const void *b)
{
   double x = *(const double *)a, y = *(const double *)b;
   return x < y ? -1 : x > y;
}

/* Of n sorted values: at rank share * (n - 1), counted from 0, interpolated. */
static double percentile(const double *sorted, size_t n, double share)
{
   double rank = share * (double)(n - 1);
   size_t below = (size_t)rank, above = below + 1 < n ? below + 1 : below;
   return sorted[below] + (rank - (double)below) * (sorted[above] - sorted[below]);
}

static void fill_comparison(evaluation *e, pare_eval_result *out)
{
   out->compared = true;
   out->reference_nll = estimate(e, offsetof(span_sums, reference_nll));
   out->reference_ppl = exponential(out->reference_nll);
   out->ppl_ratio = exponential(estimate(e, offsetof(span_sums, worse)));
   out->kl = estimate(e, offsetof(span_sums, kl));
   out->top1 = estimate(e, offsetof(span_sums, agree));
   out->kl_p50 = out->kl_p95 = out->kl_p99 = out->kl_max = NAN;
   if (isnan(out->kl.value)) return;
   qsort(e->kls, e->n_kls, sizeof *e->kls, by_value);
   out->kl_p50 = percentile(e->kls, e->n_kls, 0.50);
   out->kl_p95 = percentile(e->kls, e->n_kls, 0.95);
   out->kl_p99 = percentile(e->kls, e->n_kls, 0.99);
   out->kl_max = e->kls[e->n_kls - 1];
}

static void fill_result(evaluation *e, pare_eval_result *out)
{
   *out = (pare_eval_result){ .protocol = *e->protocol,
                              .documents = e->corpus->lines,
                              .windows = (int64_t)e->n_spans,
                              .scored = (int64_t)e->n_kls };
   for (size_t i = 0; i < e->n_spans; i++) out->tokens += e->spans[i].length;
   out->nll = estimate(e, offsetof(span_sums, nll));
   out->ppl = exponential(out->nll);
   double bytes = (double)e->corpus->text_bytes;
   out->bits_per_byte = scaled(out->nll, bytes > 0 ? (double)e->corpus->ids.size / bytes / M_LN2 : NAN);
   if (e->reference) fill_comparison(e, out);
}

/* ---- set-up ---- */

static pare_status settle(pare_ctx *ctx, const pare_model *model, const pare_corpus *corpus, pare_protocol *p)
{
   int64_t room = model->context - (p->bos ? 1 : 0);
   if (p->bos && model->bos < 0)
      return pare_fail(ctx, PARE_USAGE, model->path, "bos: the model states no start token");
   if (p->window == 0) p->window = DEFAULT_WINDOW < room ? DEFAULT_WINDOW : room;
   if (p->window < 2 || p->window > room)
      return pare_fail(ctx, PARE_USAGE, model->path, "window: %lld tokens, expected 2 to %lld",
                       (long long)p->window, (long long)room);
   if (p->stride == 0) p->stride = p->window;
   if (p->score_from < 0) p->score_from = corpus->lines ? 0 : p->window / 2;
   if (p->score_from > p->window - 2)
      return pare_fail(ctx, PARE_USAGE, NULL,
                       "score-from: %lld leaves nothing to score in a window of %lld tokens",
                       (long long)p->score_from, (long long)p->window);
   return PARE_OK;
}

static pare_status check_corpus(pare_ctx *ctx, const evaluation *e)
{
   const pare_corpus *corpus = e->corpus;
   for (size_t i = 0; i < corpus->ids.size; i++)
      if (corpus->ids.data[i] >= (uint64_t)e->model->vocab)
         return pare_fail(ctx, PARE_INPUT, corpus->path, "token %zu is %u, the model has %lld", i,
                          corpus->ids.data[i], (long long)e->model->vocab);
   if (e->n_spans == 0)
      return pare_fail(ctx, PARE_INPUT, corpus->path, "%zu tokens, too few for one window of %lld",
                       corpus->ids.size, (long long)e->protocol->window);
   return PARE_OK;
}

static pare_status open_sessions(pare_ctx *ctx, evaluation *e, const pare_model *reference)
{
   int64_t context = e->protocol->window + (e->protocol->bos ? 1 : 0);
   pare_session_options options = {
      .slots = (int64_t)e->slots_used, .context = context, .tokens = MAX_BATCH, .rows = MAX_BATCH / 2
   };
   PARE_TRY(pare_session_create(ctx, e->model, &options, &e->session));
   return reference ? pare_session_create(ctx, reference, &options, &e->reference) : PARE_OK;
}

static pare_status evaluate(pare_ctx *ctx, evaluation *e, const pare_model *reference, pare_eval_result *out)
{
   PARE_TRY(pare_spans_make(ctx, e->corpus, e->protocol, &e->spans, &e->n_spans));
   PARE_TRY(check_corpus(ctx, e));
   e->slots_used = e->corpus->lines ? SLOTS : 1;
   e->sums = pare_alloc_array(ctx, e->n_spans, sizeof *e->sums);
   if (!e->sums) return PARE_RESOURCE;
   PARE_TRY(open_sessions(ctx, e, reference));
   PARE_TRY(run_spans(ctx, e));
   fill_result(e, out);
   return PARE_OK;
}

pare_status pare_eval(pare_ctx *ctx, const pare_model *model, const pare_model *reference,
                      const pare_corpus *corpus, const pare_protocol *protocol, pare_eval_result *out)
{
   pare_protocol settled = *protocol;
   if (reference && reference->vocab != model->vocab)
      return pare_fail(ctx, PARE_USAGE, reference->path, "vocabulary of %lld, the compared model has %lld",
                       (long long)reference->vocab, (long long)model->vocab);
   PARE_TRY(settle(ctx, model, corpus, &settled));
   evaluation *e = pare_alloc(ctx, sizeof *e);
   if (!e) return PARE_RESOURCE;
   e->model = model;
   e->corpus = corpus;
   e->protocol = &settled;
   pare_status status = evaluate(ctx, e, reference, out);
   pare_session_destroy(ctx, e->session);
   pare_session_destroy(ctx, e->reference);
   pare_free(ctx, e->spans);
   pare_free(ctx, e->sums);
   pare_free(ctx, e->kls);
   pare_free(ctx, e);
   return status;
}
