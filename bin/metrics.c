/* metrics: see metrics.h. */
#include "bin/metrics.h"

#include <math.h>

void pare_metrics_add(pare_metrics *metrics, const char *name, double value, double stderr_)
{
   metrics->items[metrics->count++] = (pare_metric){ name, value, stderr_ };
}

static void add_estimate(pare_metrics *metrics, const char *name, pare_estimate x)
{
   pare_metrics_add(metrics, name, x.value, x.stderr_);
}

void pare_metrics_add_eval(pare_metrics *metrics, const pare_eval_result *r)
{
   add_estimate(metrics, "nll", r->nll);
   add_estimate(metrics, "ppl", r->ppl);
   add_estimate(metrics, "bits_per_byte", r->bits_per_byte);
   if (!r->compared) return;
   add_estimate(metrics, "reference.nll", r->reference_nll);
   add_estimate(metrics, "reference.ppl", r->reference_ppl);
   add_estimate(metrics, "ppl.ratio", r->ppl_ratio);
   add_estimate(metrics, "kl.mean", r->kl);
   pare_metrics_add(metrics, "kl.p50", r->kl_p50, 0);
   pare_metrics_add(metrics, "kl.p95", r->kl_p95, 0);
   pare_metrics_add(metrics, "kl.p99", r->kl_p99, 0);
   pare_metrics_add(metrics, "kl.max", r->kl_max, 0);
   add_estimate(metrics, "top1", r->top1);
}

static void put_estimate(pare_json_writer *json, const char *name, pare_estimate x)
{
   pare_json_open_object(json, name);
   pare_json_put_number(json, "value", x.value);
   pare_json_put_number(json, "stderr", x.stderr_);
   pare_json_close_object(json);
}

static void put_comparison(pare_json_writer *json, const pare_eval_result *r)
{
   put_estimate(json, "reference_ppl", r->reference_ppl);
   put_estimate(json, "reference_nll", r->reference_nll);
   put_estimate(json, "ppl_ratio", r->ppl_ratio);
   pare_json_open_object(json, "kl");
   pare_json_put_number(json, "mean", r->kl.value);
   pare_json_put_number(json, "stderr", r->kl.stderr_);
   pare_json_put_number(json, "p50", r->kl_p50);
   pare_json_put_number(json, "p95", r->kl_p95);
   pare_json_put_number(json, "p99", r->kl_p99);
   pare_json_put_number(json, "max", r->kl_max);
   pare_json_close_object(json);
   put_estimate(json, "top1", r->top1);
}

void pare_put_eval(pare_json_writer *json, const pare_eval_result *r, const pare_corpus *corpus)
{
   pare_json_open_object(json, "data");
   pare_json_put_string(json, "path", corpus->path);
   pare_json_put_string(json, "sha256", corpus->path ? corpus->sha256 : NULL);
   pare_json_put_int(json, "tokens", r->tokens);
   pare_json_put_int(json, "scored", r->scored);
   pare_json_close_object(json);
   pare_json_open_object(json, "protocol");
   pare_json_put_int(json, "window", r->protocol.window);
   pare_json_put_int(json, "stride", r->protocol.stride);
   pare_json_put_int(json, "score_from", r->protocol.score_from);
   pare_json_put_int(json, "score_to", r->protocol.window - 2);
   pare_json_put_bool(json, "bos", r->protocol.bos);
   pare_json_put_bool(json, "documents", r->documents);
   pare_json_put_int(json, "windows", r->windows);
   pare_json_close_object(json);
   pare_json_open_object(json, "metrics");
   put_estimate(json, "ppl", r->ppl);
   put_estimate(json, "nll", r->nll);
   put_estimate(json, "bits_per_byte", r->bits_per_byte);
   if (r->compared) put_comparison(json, r);
   pare_json_close_object(json);
}

static pare_status print_protocol(pare_ctx *ctx, const pare_eval_result *r, const pare_corpus *corpus,
                                  pare_str *out)
{
   const char *source = corpus->path ? corpus->path : "text sampled from the original";
   if (r->documents)
      return pare_str_printf(ctx, out, "%s: %lld documents, %lld tokens scored\n", source,
                             (long long)r->windows, (long long)r->scored);
   return pare_str_printf(
      ctx, out, "%s: %lld windows of %lld tokens, positions %lld..%lld scored, %lld in all\n", source,
      (long long)r->windows, (long long)r->protocol.window, (long long)r->protocol.score_from,
      (long long)r->protocol.window - 2, (long long)r->scored);
}

static pare_status print_estimate(pare_ctx *ctx, pare_str *out, const char *name, pare_estimate x, int digits)
{
   if (isnan(x.stderr_)) return pare_str_printf(ctx, out, "  %-22s %.*f\n", name, digits, x.value);
   return pare_str_printf(ctx, out, "  %-22s %.*f +- %.*f\n", name, digits, x.value, digits, x.stderr_);
}

pare_status pare_print_eval(pare_ctx *ctx, const pare_eval_result *r, const pare_corpus *corpus,
                            pare_str *out)
{
   PARE_TRY(print_protocol(ctx, r, corpus, out));
   PARE_TRY(print_estimate(ctx, out, "perplexity", r->ppl, 3));
   PARE_TRY(print_estimate(ctx, out, "nats per token", r->nll, 4));
   if (!isnan(r->bits_per_byte.value))
      PARE_TRY(print_estimate(ctx, out, "bits per byte", r->bits_per_byte, 4));
   if (!r->compared) return PARE_OK;
   PARE_TRY(print_estimate(ctx, out, "original's perplexity", r->reference_ppl, 3));
   PARE_TRY(print_estimate(ctx, out, "KL from the original", r->kl, 6));
   PARE_TRY(pare_str_printf(ctx, out, "  %-22s %.6f %.6f %.6f %.6f\n", "KL p50 p95 p99 max", r->kl_p50,
                            r->kl_p95, r->kl_p99, r->kl_max));
   pare_estimate percent = { 100 * r->top1.value, 100 * r->top1.stderr_ };
   return print_estimate(ctx, out, "same top token, %", percent, 2);
}

pare_status pare_gates_parse(pare_app *app, const pare_list *texts, const char *const *known, pare_gates *out)
{
   out->count = texts->count;
   out->items = pare_arena_array(app->ctx, app->arena, texts->count + 1, sizeof *out->items);
   if (!out->items) return PARE_RESOURCE;
   for (size_t i = 0; i < texts->count; i++) {
      PARE_TRY(pare_gate_parse(app->ctx, texts->items[i], &out->items[i]));
      PARE_TRY(pare_gate_check(app->ctx, &out->items[i], known));
   }
   return PARE_OK;
}

pare_status pare_gates_judge(pare_app *app, pare_gates *gates, const pare_metrics *metrics, double confidence)
{
   const pare_gate *failed = NULL;
   pare_json_open_array(&app->body, "gates");
   for (size_t i = 0; i < gates->count; i++) {
      pare_gate *gate = &gates->items[i];
      pare_gate_judge(gate, metrics->items, metrics->count, confidence);
      pare_gate_print(gate, &app->body);
      if (!gate->passed && !failed) failed = gate;
   }
   pare_json_close_array(&app->body);
   for (size_t i = 0; i < gates->count; i++) {
      const pare_gate *gate = &gates->items[i];
      PARE_TRY(pare_str_printf(app->ctx, &app->text, "gate %s %s: %g, bound %g at confidence %g\n",
                               gate->text, gate->passed ? "passed" : "FAILED", gate->value, gate->bound,
                               confidence));
   }
   if (!failed) return PARE_OK;
   bool unsure = isnan(failed->bound) && !isnan(failed->value);
   pare_fail(app->ctx, PARE_DIFFERS, "gates", "%s failed: %g, bound %g", failed->text, failed->value,
             failed->bound);
   if (unsure) pare_hint(app->ctx, "one window gives no standard error: use more data");
   return PARE_DIFFERS;
}
