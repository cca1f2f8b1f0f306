/* pass_check: see pass_check.h. */
#include "pipeline/pass_check.h"

#include <string.h>

#include "pipeline/reference_check.h"

static const pare_buffer *bytes_of(const pare_weight_note *note)
{
   return note->dropped ? NULL : note->weight->data;
}

static pare_status take(pare_ctx *ctx, const pare_pass_run *run, pare_pass_check *check)
{
   const pare_notes *notes = run->notes;
   check->buffers = pare_alloc_array(ctx, notes->count + 1, sizeof *check->buffers);
   if (!check->buffers) return PARE_RESOURCE;
   check->count = notes->count;
   for (size_t i = 0; i < notes->count; i++) {
      notes->items[i].recorded = false;
      check->buffers[i] = bytes_of(&notes->items[i]);
   }
   PARE_TRY(pare_graph_print(ctx, run->model->graph, &check->text));
   if (run->pass->lossy || run->trusted || !pare_reference_can_check(run->model->graph)) return PARE_OK;
   return pare_graph_clone(ctx, run->model->graph, &check->original);
}

pare_status pare_pass_check_begin(pare_ctx *ctx, const pare_pass_run *run, pare_pass_check *check)
{
   *check = (pare_pass_check){ 0 };
   pare_status status = take(ctx, run, check);
   if (status != PARE_OK) pare_pass_check_finish(ctx, check);
   return status;
}

void pare_pass_check_finish(pare_ctx *ctx, pare_pass_check *check)
{
   pare_str_finish(ctx, &check->text);
   pare_free(ctx, check->buffers);
   pare_graph_destroy(ctx, check->original);
   *check = (pare_pass_check){ 0 };
}

static pare_status same_text(pare_ctx *ctx, const pare_graph *graph, const pare_str *before, bool *same)
{
   pare_str after = { 0 };
   pare_status status = pare_graph_print(ctx, graph, &after);
   if (status == PARE_OK)
      *same = before->size == after.size && memcmp(before->data, after.data, after.size) == 0;
   pare_str_finish(ctx, &after);
   return status;
}

/* Whether a weight has other bytes than before, or is gone. */
static bool bytes_differ(const pare_notes *notes, const pare_pass_check *check)
{
   for (size_t i = 0; i < check->count; i++)
      if (bytes_of(&notes->items[i]) != check->buffers[i]) return true;
   return false;
}

static pare_status check_changed(pare_ctx *ctx, const pare_pass_run *run, const pare_pass_check *check)
{
   bool same;
   PARE_TRY(same_text(ctx, run->model->graph, &check->text, &same));
   bool changed = !same || bytes_differ(run->notes, check);
   if (changed == run->changed) return PARE_OK;
   return pare_fail(ctx, PARE_INTERNAL, run->path, "%s says it changed %s, which is not so", run->pass->name,
                    run->changed ? "something" : "nothing");
}

/* Zeros, errors and encodings are known from what is recorded alone. Weights that the pass added come after those
 * there were. */
static pare_status check_recorded(pare_ctx *ctx, const pare_pass_run *run, const pare_pass_check *check)
{
   for (size_t i = 0; i < check->count; i++) {
      const pare_weight_note *note = &run->notes->items[i];
      if (note->dropped || note->recorded || note->weight->data == check->buffers[i]) continue;
      return pare_fail(ctx, PARE_INTERNAL, note->weight->name, "%s rewrote it and did not record that",
                       run->pass->name);
   }
   return PARE_OK;
}

pare_status pare_pass_check_end(pare_ctx *ctx, const pare_pass_run *run, const pare_pass_check *check)
{
   PARE_TRY(pare_graph_validate(ctx, run->model->graph, PARE_INTERNAL));
   PARE_TRY(check_changed(ctx, run, check));
   PARE_TRY(check_recorded(ctx, run, check));
   if (!check->original || !run->changed) return PARE_OK;
   return pare_reference_check(ctx, run->pass, check->original, run->model->graph);
}
