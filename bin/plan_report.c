/* plan_report: see plan_report.h. */
#include "bin/plan_report.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/pool.h"
#include "bin/load.h"
#include "run/plan.h"

typedef struct view {
   pare_ctx *ctx;
   const pare_model *model;
   const pare_plan *plan;
   pare_session_memory memory;
   pare_plan_proof proof;
   size_t unshared; /* bytes of all regions, had each its own place */
   int threads;
   char isa[64];
} view;

static bool is_linear(const pare_step *step)
{
   return step->kind == PARE_STEP_LINEAR_I8 || step->kind == PARE_STEP_LINEAR_F32;
}

/* By the type of the cache. */
static const char *const attention_names[] = {
   [PARE_F32] = "attention_f32", [PARE_F16] = "attention", [PARE_I8] = "attention_i8"
};
static const char *const store_names[] = {
   [PARE_F32] = "kv_store_f32", [PARE_F16] = "kv_store", [PARE_I8] = "kv_store_i8"
};

/* The entry of the kernel table that does the work. */
static const char *kernel_of(const pare_step *step)
{
   switch (step->kind) {
   case PARE_STEP_QUANTIZE: return step->out->codes == 2 ? "quant_row_i16" : "quant_row";
   case PARE_STEP_ROTATE: return "hadamard";
   case PARE_STEP_LINEAR_I8:
      return step->linear.parts[0].weight->encoding.group ? "linear_groups" : "linear_i8";
   case PARE_STEP_LINEAR_F32: return "gemm_f32";
   case PARE_STEP_ATTENTION: return attention_names[step->attention.cache->dtype];
   case PARE_STEP_KV_STORE: return store_names[step->attention.cache->dtype];
   default: return pare_step_name(step->kind);
   }
}

/* ---- JSON ---- */

static void put_memory(pare_json_writer *json, const view *v)
{
   const pare_session_memory *m = &v->memory;
   pare_json_open_object(json, "memory");
   pare_json_put_int(json, "activation_bytes", (int64_t)m->activation_bytes);
   pare_json_put_int(json, "scratch_bytes", (int64_t)m->scratch_bytes);
   pare_json_put_int(json, "cache_bytes", (int64_t)m->cache_bytes);
   pare_json_put_int(json, "table_bytes", (int64_t)m->table_bytes);
   pare_json_put_int(json, "vector_bytes", (int64_t)m->vector_bytes);
   pare_json_put_int(json, "schedule_bytes", (int64_t)m->schedule_bytes);
   pare_json_put_int(json, "total_bytes", (int64_t)m->total_bytes);
   pare_json_put_int(json, "unshared_activation_bytes", (int64_t)v->unshared);
   pare_json_close_object(json);
}

static void put_numbers(pare_json_writer *json, const char *name, const pare_step *step, bool outputs)
{
   size_t n = outputs ? pare_step_outputs(step) : sizeof step->in / sizeof *step->in;
   pare_json_open_array(json, name);
   for (size_t i = 0; i < n; i++) {
      const pare_region *region = outputs ? pare_step_output(step, i) : step->in[i];
      if (region) pare_json_put_int(json, NULL, (int64_t)region->number);
   }
   pare_json_close_array(json);
}

static void put_weights(pare_json_writer *json, const pare_step *step)
{
   pare_json_open_array(json, "weights");
   for (size_t i = 0; is_linear(step) && i < step->linear.n_parts; i++)
      pare_json_put_string(json, NULL, step->linear.parts[i].weight->name);
   pare_json_close_array(json);
}

static void put_step(pare_json_writer *json, const pare_step *step)
{
   pare_json_open_object(json, NULL);
   pare_json_put_string(json, "kind", pare_step_name(step->kind));
   pare_json_put_string(json, "kernel", kernel_of(step));
   pare_json_put_string(json, "node", step->node->name);
   put_numbers(json, "reads", step, false);
   put_numbers(json, "writes", step, true);
   put_weights(json, step);
   if (step->kind == PARE_STEP_ATTENTION)
      pare_json_put_bool(json, "stays_rotated", step->attention.stays_rotated);
   pare_json_close_object(json);
}

static void put_stage(pare_json_writer *json, const pare_stage *stage)
{
   pare_json_open_object(json, NULL);
   pare_json_put_string(json, "cut", pare_step_by_rows(stage->steps) ? "rows" : "items");
   pare_json_put_string(json, "over", stage->of_rows ? "rows" : "tokens");
   pare_json_open_array(json, "steps");
   for (size_t i = 0; i < stage->n_steps; i++) put_step(json, &stage->steps[i]);
   pare_json_close_array(json);
   pare_json_close_object(json);
}

/* What a region holds, by its rows of codes a row. */
static const char *const held[] = { "f32", "i8", "i16" };

static void put_region(pare_json_writer *json, const view *v, const pare_region *region)
{
   pare_json_open_object(json, NULL);
   pare_json_put_int(json, "width", region->width);
   pare_json_put_int(json, "rows", pare_region_rows(v->plan, region));
   pare_json_put_string(json, "holds", held[region->codes]);
   pare_json_put_int(json, "row_stride_bytes", region->stride);
   pare_json_put_int(json, "bytes", (int64_t)region->bytes);
   pare_json_put_int(json, "offset", (int64_t)region->offset);
   pare_json_put_int(json, "first_stage", (int64_t)region->first_stage);
   pare_json_put_int(json, "last_stage", (int64_t)region->last_stage);
   if (region->same_as) pare_json_put_int(json, "in_place_of", (int64_t)region->same_as->number);
   else pare_json_put_null(json, "in_place_of");
   pare_json_close_object(json);
}

static void put_limits(pare_json_writer *json, const view *v)
{
   pare_json_put_int(json, "tokens", v->plan->limits.tokens);
   pare_json_put_int(json, "rows", v->plan->limits.rows);
   pare_json_put_int(json, "context", v->plan->limits.context);
   pare_json_put_int(json, "sequences", v->plan->limits.slots);
   pare_json_put_int(json, "threads", v->threads);
   pare_json_put_string(json, "isa", v->isa);
}

static void put_plan(pare_json_writer *json, const view *v)
{
   pare_json_open_object(json, "plan");
   put_limits(json, v);
   put_memory(json, v);
   pare_json_open_object(json, "proof");
   pare_json_put_int(json, "pairs_apart", (int64_t)v->proof.pairs);
   pare_json_put_int(json, "pairs_in_place", (int64_t)v->proof.in_place);
   pare_json_close_object(json);
   pare_json_open_array(json, "stages");
   for (size_t i = 0; i < v->plan->n_stages; i++) put_stage(json, &v->plan->stages[i]);
   pare_json_close_array(json);
   pare_json_open_array(json, "regions");
   for (size_t i = 0; i < v->plan->n_regions; i++) put_region(json, v, v->plan->regions[i]);
   pare_json_close_array(json);
   pare_json_close_object(json);
}

/* ---- text ---- */

static pare_status print_bytes(const view *v, const char *what, size_t bytes, const char *note, pare_str *out)
{
   char human[32];
   return pare_str_printf(v->ctx, out, "  %-22s %14zu  %10s%s\n", what, bytes,
                          pare_human_bytes((double)bytes, human), note);
}

static pare_status print_memory(const view *v, pare_str *out)
{
   char note[96], human[32];
   snprintf(note, sizeof note, "  of %s without sharing", pare_human_bytes((double)v->unshared, human));
   PARE_TRY(print_bytes(v, "activations", v->memory.activation_bytes, note, out));
   PARE_TRY(print_bytes(v, "scratch of the workers", v->memory.scratch_bytes, "", out));
   PARE_TRY(print_bytes(v, "key/value cache", v->memory.cache_bytes, "", out));
   PARE_TRY(print_bytes(v, "rotary tables", v->memory.table_bytes, "", out));
   PARE_TRY(print_bytes(v, "vectors as f32", v->memory.vector_bytes, "", out));
   PARE_TRY(print_bytes(v, "schedule and lists", v->memory.schedule_bytes, "", out));
   return print_bytes(v, "planned peak", v->memory.total_bytes, "", out);
}

static pare_status print_head(const view *v, pare_str *out)
{
   const pare_session_options *limits = &v->plan->limits;
   PARE_TRY(
      pare_str_printf(v->ctx, out,
                      "%s: batches of %lld tokens, %lld rows of logits, %lld sequences of %lld positions, %d "
                      "threads, %s\n",
                      v->model->path, (long long)limits->tokens, (long long)limits->rows,
                      (long long)limits->slots, (long long)limits->context, v->threads, v->isa));
   PARE_TRY(print_memory(v, out));
   return pare_str_printf(
      v->ctx, out,
      "no two regions that live at the same time overlap: %zu pairs apart, %zu in place\n",
      v->proof.pairs, v->proof.in_place);
}

static pare_status print_step(const view *v, const pare_step *step, pare_str *out)
{
   PARE_TRY(pare_str_printf(v->ctx, out, "     %-14s", kernel_of(step)));
   for (size_t i = 0; i < sizeof step->in / sizeof *step->in; i++)
      if (step->in[i])
         PARE_TRY(pare_str_printf(v->ctx, out, "%s r%zu", i && is_linear(step) ? " +" : "", step->in[i]->number));
   if (pare_step_outputs(step)) PARE_TRY(pare_str_puts(v->ctx, out, " ->"));
   for (size_t i = 0; i < pare_step_outputs(step); i++)
      PARE_TRY(pare_str_printf(v->ctx, out, " r%zu", pare_step_output(step, i)->number));
   bool rotated = step->kind == PARE_STEP_ATTENTION && step->attention.stays_rotated;
   if (!is_linear(step))
      return pare_str_printf(v->ctx, out, "   %s%s\n", step->node->name, rotated ? " (stays rotated)" : "");
   for (size_t i = 0; i < step->linear.n_parts; i++) {
      const pare_weight *weight = step->linear.parts[i].weight;
      PARE_TRY(pare_str_printf(v->ctx, out, "%s%s (%s)", i ? ", " : "   ", weight->name,
                               pare_encoding_name(weight->encoding.kind)));
   }
   return pare_str_puts(v->ctx, out, "\n");
}

static pare_status print_stages(const view *v, pare_str *out)
{
   for (size_t s = 0; s < v->plan->n_stages; s++) {
      const pare_stage *stage = &v->plan->stages[s];
      PARE_TRY(pare_str_printf(v->ctx, out, "stage %zu, %s\n", s,
                               pare_step_by_rows(stage->steps) ? "row by row" : "in items"));
      for (size_t i = 0; i < stage->n_steps; i++) PARE_TRY(print_step(v, &stage->steps[i], out));
   }
   return PARE_OK;
}

static pare_status print_regions(const view *v, pare_str *out)
{
   PARE_TRY(pare_str_puts(
      v->ctx, out, "region      width     rows holds        bytes       offset  stages     in place of\n"));
   for (size_t i = 0; i < v->plan->n_regions; i++) {
      const pare_region *r = v->plan->regions[i];
      PARE_TRY(pare_str_printf(v->ctx, out, "r%-6zu %9lld %8lld %-5s %12zu %12zu  %zu..%zu", r->number,
                               (long long)r->width, (long long)pare_region_rows(v->plan, r), held[r->codes],
                               r->bytes, r->offset, r->first_stage, r->last_stage));
      if (r->same_as) PARE_TRY(pare_str_printf(v->ctx, out, "  r%zu", r->same_as->number));
      PARE_TRY(pare_str_puts(v->ctx, out, "\n"));
   }
   return PARE_OK;
}

static pare_status report(pare_app *app, view *v)
{
   PARE_TRY(pare_plan_check(app->ctx, v->plan, &v->proof));
   for (size_t i = 0; i < v->plan->n_regions; i++) v->unshared += v->plan->regions[i]->bytes;
   pare_cpu_describe(app->ctx->cpu, v->isa, sizeof v->isa);
   put_plan(&app->body, v);
   PARE_TRY(print_head(v, &app->text));
   PARE_TRY(print_stages(v, &app->text));
   return print_regions(v, &app->text);
}

pare_status pare_plan_report(pare_app *app, const pare_model *model, const pare_session_options *options)
{
   pare_plan *plan;
   view v = { .ctx = app->ctx, .model = model, .threads = pare_pool_width(app->ctx) };
   PARE_TRY(pare_session_plan(app->ctx, model, options, &plan, &v.memory));
   v.plan = plan;
   pare_status status = report(app, &v);
   pare_plan_destroy(app->ctx, plan);
   return status;
}
