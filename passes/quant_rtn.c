/* quant_rtn: quantize weights by rounding to nearest, one scale per output channel and, below 8 bits, a
 * multiplier per group of inputs.
 *
 * Before:  float weights.    After: the matrices of linear and embed nodes in the integer encoding, and the
 *          linear nodes that use them quantize their activations, or with "act": "f32" leave them.
 * Targets: all by default, embedding and head too. A weight with several users (a tied embedding) is
 *          quantized once and stays tied. It is quantized when the targets name it or any of its users, no
 *          skip names it or any of them, and every user is a linear or an embed node; so one user's target
 *          decides for all, and one user's skip too.
 * Leaves:  norms, biases, everything of rank 1; tables of learned positions unless "positions" is set: they
 *          are small, and their error enters every token.
 * Rotation: rows are multiplied by Walsh-Hadamard blocks of the largest size of 128, 64, 32 that divides K,
 *          which spreads outliers. "auto" rotates where that can be done; weights that a pass of the recipe
 *          pruned are not rotated, because their zeros would be lost, and a fallback says so. "on" refuses
 *          such a recipe. Where no size divides K there is no rotation, and a fallback says so.
 * Types:   i8; i4, i3, i2: codes of so many bits times an integer multiplier -15..15 of each group of inputs,
 *          scales and multipliers searched for the least squared error.
 * Source:  round to nearest, kernels/round.h, quant/group_search.h; rotation: QuaRot, arXiv 2404.00456, section 4. */
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/passes.h"

enum { ROTATE_AUTO, ROTATE_ON, ROTATE_OFF };

typedef struct options {
   int type, rotate, act;
   int64_t group;
   bool positions;
} options;

static const char *const type_names[] = { "i8", "i4", "i3", "i2", NULL };
static const pare_encoding_kind type_kinds[] = { PARE_ENC_I8, PARE_ENC_I4, PARE_ENC_I3, PARE_ENC_I2 };
static const char *const act_names[] = { "i8", "i16", "f32", NULL };
static const int acts[] = { PARE_ACT_I8, PARE_ACT_I16, PARE_ACT_F32 };
static const char *const rotate_names[] = { "auto", "on", "off", NULL };
static const char *const default_targets[] = { "*", NULL };

static const pare_field fields[] = {
   { .name = "type",
     .kind = PARE_FIELD_ENUM,
     .offset = offsetof(options, type),
     .choices = type_names,
     .help = "encoding of the weights" },
   { .name = "group",
     .kind = PARE_FIELD_INT,
     .offset = offsetof(options, group),
     .min = 32,
     .max = 128,
     .initial = 32,
     .help = "inputs that share a multiplier: 32, 64 or 128 (i4, i3, i2)" },
   { .name = "rotate",
     .kind = PARE_FIELD_ENUM,
     .offset = offsetof(options, rotate),
     .choices = rotate_names,
     .help =
        "rotate rows before rounding; auto leaves out weights that were pruned, so that their zeros stay" },
   { .name = "act",
     .kind = PARE_FIELD_ENUM,
     .offset = offsetof(options, act),
     .choices = act_names,
     .help = "activations of quantized linear layers: i8 fastest, i16 nearly exact, f32 slow" },
   { .name = "positions",
     .kind = PARE_FIELD_BOOL,
     .offset = offsetof(options, positions),
     .help = "quantize tables of learned positions too" },
   PARE_FIELDS_END
};

/* What becomes of a weight, and why not what was wished. */
typedef struct decision {
   bool quantize;
   int rotation;
   const char *got, *reason; /* a fallback when reason is not NULL */
} decision;

static bool is_positions(const pare_weight_note *note)
{
   for (size_t i = 0; i < note->n_users; i++) {
      const pare_node *user = note->users[i];
      if (user->op != PARE_OP_embed || !user->input[0]->name) continue;
      if (strcmp(user->input[0]->name, "positions") == 0) return true;
   }
   return false;
}

static bool has_matrix_user(const pare_weight_note *note)
{
   for (size_t i = 0; i < note->n_users; i++) {
      const pare_node *user = note->users[i];
      if (user->op == PARE_OP_linear || user->op == PARE_OP_embed) return true;
   }
   return false;
}

static bool is_candidate(const pare_pass_run *run, const pare_weight_note *note)
{
   const options *o = run->options;
   if (note->dropped || note->weight->rank != 2 || !pare_encoding_is_float(note->encoding.kind)) return false;
   if (!has_matrix_user(note) || (is_positions(note) && !o->positions)) return false;
   return pare_pass_wants(run, note->weight);
}

static pare_encoding encoding_of(const options *o, int rotation)
{
   pare_encoding encoding = { .kind = type_kinds[o->type], .rotation = rotation };
   if (pare_encoding_is_grouped(encoding.kind)) encoding.group = (int)o->group;
   return encoding;
}

/* The matrices of one product have one kind of activations: NULL when all others of this one's products are or
 * become integers too, else why it cannot. *pruned: one of them is. */
static const char *check_partners(const pare_pass_run *run, const pare_weight_note *note, bool *pruned)
{
   for (size_t i = 0; i < note->n_users; i++) {
      const pare_node *user = note->users[i];
      for (size_t w = 0; w < user->n_weights; w++) {
         const pare_weight_note *other = pare_pass_note(run, user->weight[w]);
         if (user->op != PARE_OP_linear || other->weight->rank != 2) continue;
         *pruned |= other->pruned;
         if (pare_encoding_is_float(other->encoding.kind) && !is_candidate(run, other))
            return "another matrix of its product stays as it is";
      }
   }
   return NULL;
}

static decision decide(const pare_pass_run *run, const pare_weight_note *note)
{
   const options *o = run->options;
   decision d = { .quantize = true, .got = pare_encoding_name(note->encoding.kind) };
   pare_encoding plain = encoding_of(o, 0);
   bool pruned = note->pruned;
   const char *partners = check_partners(run, note, &pruned);
   if (!pare_note_is_matrix(note)) d.reason = "a node other than linear and embed uses it too";
   else if (!pare_encoding_fits(&plain, note->weight->rank, note->weight->dim))
      d.reason = "more than 65536 inputs";
   else if (partners) d.reason = partners;
   d.quantize = !d.reason;
   if (!d.quantize || o->rotate == ROTATE_OFF) return d;
   d.got = type_names[o->type];
   d.rotation = pruned ? 0 : pare_rotation_for(note->weight->dim[1]);
   if (pruned) d.reason = "pruned values stay zero only without rotation";
   else if (d.rotation == 0) d.reason = "the number of inputs is not a multiple of 32";
   return d;
}

static pare_status plan(pare_ctx *ctx, pare_pass_run *run)
{
   const options *o = run->options;
   for (size_t i = 0; i < run->notes->count; i++) {
      const pare_weight_note *note = &run->notes->items[i];
      if (!is_candidate(run, note)) continue;
      decision d = decide(run, note);
      if (d.quantize && note->pruned && o->rotate == ROTATE_ON)
         return pare_fail(
            ctx, PARE_USAGE, run->path,
            "\"rotate\": \"on\" would lose the zeros that an earlier pass prunes in %s, expected \"auto\" "
            "or \"off\"",
            note->weight->name);
      if (d.quantize) pare_pass_plan(run, note->weight, encoding_of(o, d.rotation));
   }
   return PARE_OK;
}

static void set_activations(const options *o, const pare_weight_note *note)
{
   for (size_t i = 0; i < note->n_users; i++) {
      pare_node *user = note->users[i];
      if (user->op == PARE_OP_linear) ((pare_linear_attrs *)user->attrs)->act = acts[o->act];
   }
}

static pare_status encode(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight, int rotation,
                          pare_encode_error *error)
{
   pare_encoding encoding = encoding_of(run->options, rotation);
   pare_outfile *file = pare_pass_outfile(run, weight);
   if (encoding.kind == PARE_ENC_I8) return pare_encode_i8(ctx, weight, rotation, file, error);
   return pare_encode_groups(ctx, weight, &encoding, file, error);
}

static pare_status report_fallback(pare_ctx *ctx, pare_pass_run *run, const pare_weight *weight,
                                   const decision *d)
{
   const options *o = run->options;
   char wanted[16];
   snprintf(wanted, sizeof wanted, "%s%s", type_names[o->type], d->quantize ? " rotated" : "");
   return pare_pass_fallback(ctx, run, weight->name, wanted, d->got, d->reason);
}

static pare_status quantize(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight)
{
   const pare_weight_note *note = pare_pass_note(run, weight);
   pare_encode_error error;
   if (!is_candidate(run, note)) return PARE_OK;
   decision d = decide(run, note);
   if (d.reason) PARE_TRY(report_fallback(ctx, run, weight, &d));
   if (!d.quantize) return PARE_OK;
   PARE_TRY(encode(ctx, run, weight, d.rotation, &error));
   set_activations(run->options, note);
   return pare_pass_record(ctx, run, weight, &error);
}

static pare_status check(pare_ctx *ctx, const void *chosen, const char *path)
{
   const options *o = chosen;
   if (o->group == 32 || o->group == 64 || o->group == 128) return PARE_OK;
   return pare_fail(ctx, PARE_USAGE, path, "\"group\" is %lld, expected 32, 64 or 128", (long long)o->group);
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   for (size_t i = 0; i < graph->n_weights; i++) {
      if (i + 1 < graph->n_weights) pare_weight_prefetch(graph->weights[i + 1]);
      PARE_TRY(quantize(ctx, run, graph->weights[i]));
   }
   return PARE_OK;
}

const pare_pass pare_pass_quant_rtn = {
   .name = "quant_rtn", .help = "quantize weights by rounding to nearest, one scale per output channel",
   .fields = fields, .options_size = sizeof(options), .targets = default_targets, .check = check,
   .requires = PARE_HAS_FLOAT_MATRICES,
   .ensures = PARE_IS_QUANTIZED, .lossy = true, .plan = plan, .run = run_pass
};
