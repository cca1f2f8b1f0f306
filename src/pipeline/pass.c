/* pass: what a pass asks and tells while it is planned and run; see pass.h. */
#include "pipeline/pass.h"

#include <stdio.h>

pare_weight_note *pare_pass_note(const pare_pass_run *run, const pare_weight *weight)
{
   return pare_name_index_find(&run->notes->by_name, weight->name);
}

static bool names(const pare_list *patterns, const pare_weight_note *note)
{
   if (pare_name_matches(note->weight->name, patterns->items, patterns->count)) return true;
   for (size_t i = 0; i < note->n_users; i++)
      if (pare_name_matches(note->users[i]->name, patterns->items, patterns->count)) return true;
   return false;
}

bool pare_pass_wants(const pare_pass_run *run, const pare_weight *weight)
{
   const pare_weight_note *note = pare_pass_note(run, weight);
   return !note->dropped && names(run->targets, note) && !names(run->skip, note);
}

bool pare_note_is_matrix(const pare_weight_note *note)
{
   for (size_t i = 0; i < note->n_users; i++) {
      const pare_node *user = note->users[i];
      if (user->op != PARE_OP_linear && user->op != PARE_OP_embed) return false;
   }
   return note->n_users > 0 && note->weight->rank == 2;
}

/* ---- planning ---- */

static size_t bytes_of(const pare_weight *weight, pare_encoding encoding)
{
   size_t bytes = 0;
   pare_encoding_bytes(&encoding, weight->rank, weight->dim, &bytes);
   return bytes;
}

void pare_pass_plan(pare_pass_run *run, const pare_weight *weight, pare_encoding encoding)
{
   pare_weight_note *note = pare_pass_note(run, weight);
   run->matched++;
   run->bytes_total += (double)bytes_of(weight, note->encoding);
   run->bytes_written += bytes_of(weight, encoding);
   note->encoding = encoding;
   note->last_step = run->step;
   if (run->pass->ensures & PARE_IS_PRUNED) note->pruned = true;
}

void pare_pass_plan_drop(pare_pass_run *run, const pare_weight *weight)
{
   run->matched++;
   pare_pass_note(run, weight)->dropped = true;
}

/* ---- running ---- */

pare_outfile *pare_pass_outfile(const pare_pass_run *run, const pare_weight *weight)
{
   return pare_pass_note(run, weight)->last_step <= run->step ? run->result : run->scratch;
}

static void count_zeros(pare_pass_run *run, pare_weight_note *note, const pare_encode_error *error)
{
   if (note->zeros < 0) {
      note->zeros = error->zeros_before;
      run->zeros_found += note->zeros;
   }
   run->zeros_delta += error->zeros - note->zeros;
   note->zeros = error->zeros;
}

static int64_t most(int64_t a, int64_t b)
{
   return a > b ? a : b;
}

pare_status pare_pass_record(pare_ctx *ctx, pare_pass_run *run, const pare_weight *weight,
                             const pare_encode_error *error)
{
   pare_weight_note *note = pare_pass_note(run, weight);
   if (note->pruned && (error->revived > 0 || error->zeros < note->zeros))
      return pare_fail(ctx, PARE_INTERNAL, weight->name, "%s gave values to %lld weights that were pruned",
                       run->pass->name, (long long)most(error->revived, note->zeros - error->zeros));
   note->recorded = true;
   run->changed = true;
   run->matched++;
   run->bytes_done += (double)bytes_of(weight, note->encoding);
   if (weight->rank == 2) count_zeros(run, note, error);
   pare_encode_error_add(&run->error, error);
   note->encoding = weight->encoding;
   if (run->pass->ensures & PARE_IS_PRUNED) note->pruned = true;
   pare_report_progress(ctx, run->pass->name, "bytes", run->bytes_done, run->bytes_total);
   return pare_check_stop(ctx);
}

void pare_pass_drop(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight)
{
   pare_weight_note *note = pare_pass_note(run, weight);
   if (note->zeros > 0) run->zeros_delta -= note->zeros;
   note->dropped = true;
   run->changed = true;
   run->matched++;
   pare_graph_remove_weight(ctx, run->model->graph, weight);
}

pare_status pare_pass_add_weight(pare_ctx *ctx, pare_pass_run *run, const char *name, int rank, const int64_t *dim,
                                 pare_encoding encoding, pare_buffer *data, pare_weight **out)
{
   PARE_TRY(pare_graph_add_weight(ctx, run->model->graph, name, rank, dim, encoding, data, out));
   run->changed = true;
   return pare_notes_add(ctx, run->notes, *out);
}

pare_status pare_pass_fallback(pare_ctx *ctx, pare_pass_run *run, const char *tensor, const char *wanted,
                               const char *got, const char *reason)
{
   if (!run->fallbacks) return PARE_OK;
   return pare_str_printf(ctx, run->fallbacks, "%s\t%s\t%s\t%s\n", tensor, wanted, got, reason);
}

/* ---- patterns ---- */

pare_status pare_pass_applied(pare_ctx *ctx, pare_pass_run *run, const char *pattern, const char *where)
{
   run->matched++;
   run->changed = true;
   return pare_str_printf(ctx, run->patterns, "%s\t%s\t\n", pattern, where);
}

pare_status pare_pass_declined(pare_ctx *ctx, pare_pass_run *run, const char *pattern, const char *where,
                               const char *fmt, ...)
{
   char reason[512];
   va_list args;
   va_start(args, fmt);
   vsnprintf(reason, sizeof reason, fmt, args);
   va_end(args);
   return pare_str_printf(ctx, run->patterns, "%s\t%s\t%s\n", pattern, where, reason);
}
