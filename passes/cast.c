/* cast: store float weights in another float type.
 *
 * Before:  weights of type f32, f16 or bf16.    After: those the targets name have the type asked for,
 *          rounded to nearest even; one that changed type is stored row by row, transposed before or not.
 * Leaves:  integer-encoded weights; weights that have the type already, transposed ones too; a weight with a
 *          value too large for the type, with a fallback that says so. */
#include "passes/passes.h"

typedef struct options {
   int type;
} options;

static const char *const type_names[] = { "f32", "f16", "bf16", NULL };
static const pare_encoding_kind kinds[] = { PARE_ENC_F32, PARE_ENC_F16, PARE_ENC_BF16 };
static const char *const default_targets[] = { "*", NULL };

static const pare_field fields[] = {
   { .name = "type", .kind = PARE_FIELD_ENUM, .offset = offsetof(options, type), .initial = 1,
     .choices = type_names,
     .help = "type the weights are stored in" },
   PARE_FIELDS_END
};

static bool is_candidate(const pare_pass_run *run, const pare_weight_note *note)
{
   const options *o = run->options;
   if (note->dropped || !pare_encoding_is_float(note->encoding.kind)) return false;
   return note->encoding.kind != kinds[o->type] && pare_pass_wants(run, note->weight);
}

static pare_status plan(pare_ctx *ctx, pare_pass_run *run)
{
   (void)ctx;
   const options *o = run->options;
   for (size_t i = 0; i < run->notes->count; i++) {
      const pare_weight_note *note = &run->notes->items[i];
      if (is_candidate(run, note))
         pare_pass_plan(run, note->weight, (pare_encoding){ .kind = kinds[o->type] });
   }
   return PARE_OK;
}

static pare_status cast(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight)
{
   const options *o = run->options;
   pare_encode_error error;
   if (!is_candidate(run, pare_pass_note(run, weight))) return PARE_OK;
   PARE_TRY(
      pare_weight_edit(ctx, weight, kinds[o->type], pare_pass_outfile(run, weight), NULL, NULL, &error));
   if (error.overflows == 0) return pare_pass_record(ctx, run, weight, &error);
   return pare_pass_fallback(ctx, run, weight->name, type_names[o->type],
                             pare_encoding_name(weight->encoding.kind),
                             "holds values too large for the type");
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   for (size_t i = 0; i < graph->n_weights; i++) {
      if (i + 1 < graph->n_weights) pare_weight_prefetch(graph->weights[i + 1]);
      PARE_TRY(cast(ctx, run, graph->weights[i]));
   }
   return PARE_OK;
}

const pare_pass pare_pass_cast = {
   .name = "cast", .help = "store float weights in another float type", .fields = fields,
   .options_size = sizeof(options), .targets = default_targets, .lossy = true, .plan = plan, .run = run_pass
};
