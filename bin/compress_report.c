/* compress_report: see compress_report.h. */
#define _GNU_SOURCE
#include "bin/compress_report.h"

#include <stdio.h>
#include <string.h>

#include "bin/load.h"
#include "bin/pattern_report.h"

pare_status pare_print_plan(pare_app *app, const pare_recipe *recipe, const pare_pipeline_estimate *e)
{
   char input[32], output[32], scratch[32], memory[32];
   pare_ctx *ctx = app->ctx;
   pare_json_open_object(&app->body, "estimate");
   pare_json_put_int(&app->body, "input_bytes", (int64_t)e->input_bytes);
   pare_json_put_int(&app->body, "output_bytes", (int64_t)e->output_bytes);
   pare_json_put_int(&app->body, "scratch_bytes", (int64_t)e->scratch_bytes);
   pare_json_put_int(&app->body, "memory_bytes", (int64_t)e->memory_bytes);
   pare_json_close_object(&app->body);
   PARE_TRY(pare_recipe_print(ctx, recipe, &app->body, "recipe"));
   PARE_TRY(pare_str_printf(ctx, &app->text, "plan for %s, nothing was written\n", app->args[0]));
   for (size_t i = 0; i < recipe->n_steps; i++)
      PARE_TRY(pare_str_printf(ctx, &app->text, "  %zu. %s: %s\n", i + 1, recipe->steps[i].pass->name,
                               recipe->steps[i].pass->help));
   return pare_str_printf(
      ctx, &app->text, "tensors %s -> about %s; disk %s; memory %s\n",
      pare_human_bytes((double)e->input_bytes, input), pare_human_bytes((double)e->output_bytes, output),
      pare_human_bytes((double)e->scratch_bytes, scratch), pare_human_bytes((double)e->memory_bytes, memory));
}

static void put_measure(pare_json_writer *json, const char *name, const pare_pass_measure *m)
{
   pare_json_open_object(json, name);
   pare_json_put_int(json, "params", m->params);
   pare_json_put_int(json, "bytes", (int64_t)m->bytes);
   pare_json_put_int(json, "zeros", m->zeros);
   pare_json_put_number(json, "macs", m->macs);
   pare_json_close_object(json);
}

static void put_fallbacks(pare_json_writer *json, const pare_pipeline_report *report)
{
   pare_json_open_array(json, "fallbacks");
   for (size_t i = 0; i < report->n_passes; i++) {
      static const char *const names[] = { "tensor", "wanted", "got", "reason" };
      char line[1024];
      for (const char *at = report->passes[i].fallbacks; at && *at;) {
         size_t length = strcspn(at, "\n");
         snprintf(line, sizeof line, "%.*s", (int)length, at);
         at += length + (at[length] == '\n');
         char *rest = line;
         pare_json_open_object(json, NULL);
         for (int k = 0; k < 4; k++) pare_json_put_string(json, names[k], strsep(&rest, "\t"));
         pare_json_close_object(json);
      }
   }
   pare_json_close_array(json);
}

pare_status pare_report_passes(pare_app *app, const pare_pipeline_report *report)
{
   pare_ctx *ctx = app->ctx;
   pare_json_open_array(&app->body, "passes");
   for (size_t i = 0; i < report->n_passes; i++) {
      const pare_pass_report *p = &report->passes[i];
      char before[32], after[32];
      pare_json_open_object(&app->body, NULL);
      pare_json_put_string(&app->body, "name", p->pass->name);
      pare_json_put_number(&app->body, "seconds", p->seconds);
      put_measure(&app->body, "before", &p->before);
      put_measure(&app->body, "after", &p->after);
      pare_json_put_number(&app->body, "error", p->relative_error);
      pare_json_put_int(&app->body, "matched", p->matched);
      pare_json_put_bool(&app->body, "skipped", p->skipped);
      pare_put_patterns(&app->body, p->patterns);
      pare_json_close_object(&app->body);
      PARE_TRY(pare_str_printf(
         ctx, &app->text, "%-16s %4lld matched  %9s -> %9s  relative error %.5f  %.2f s\n", p->pass->name,
         (long long)p->matched, pare_human_bytes((double)p->before.bytes, before),
         pare_human_bytes((double)p->after.bytes, after), p->relative_error, p->seconds));
      PARE_TRY(pare_print_patterns(ctx, p->patterns, &app->text));
   }
   pare_json_close_array(&app->body);
   put_fallbacks(&app->body, report);
   return PARE_OK;
}
