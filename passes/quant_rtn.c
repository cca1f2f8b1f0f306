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
 * Products of several matrices: with activations of i8 or i16 all are quantized or none, with f32 each by itself.
 *          All are rotated or none, since their input is one. A fallback says what became of a matrix for that.
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
   const char *reason; /* a fallback when not NULL */
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

/* ---- what becomes of each ---- */

/* Of a candidate, whatever becomes of others. */
static decision decide_alone(const options *o, const pare_weight_note *note)
{
   decision d = { 0 };
   pare_encoding plain = encoding_of(o, 0);
   if (!pare_note_is_matrix(note)) d.reason = "a node other than linear and embed uses it too";
   else if (!pare_encoding_fits(&plain, note->weight->rank, note->weight->dim))
      d.reason = "more than 65536 inputs";
   d.quantize = !d.reason;
   if (!d.quantize || o->rotate == ROTATE_OFF) return d;
   d.rotation = note->pruned ? 0 : pare_rotation_for(note->weight->dim[1]);
   if (note->pruned) d.reason = "pruned values stay zero only without rotation";
   else if (d.rotation == 0) d.reason = "the number of inputs is not a multiple of 32";
   return d;
}

/* The matrices of one product: whether one stays of floats, and whether one is not rotated. */
typedef struct partners {
   bool floats, plain;
} partners;

static size_t index_of(const pare_pass_run *run, const pare_weight *weight)
{
   return (size_t)(pare_pass_note(run, weight) - run->notes->items);
}

static partners find_partners(const pare_pass_run *run, const pare_linear_matrix *m, size_t n, const decision *all)
{
   partners p = { false, false };
   for (size_t i = 0; i < n; i++) {
      size_t at = index_of(run, m[i].weight);
      const pare_encoding *encoding = &run->notes->items[at].encoding;
      p.floats |= pare_encoding_is_float(encoding->kind) && !all[at].quantize;
      p.plain |= (all[at].quantize ? all[at].rotation : encoding->rotation) == 0;
   }
   return p;
}

/* Takes back what the partners do not bear; true when that was anything. */
static bool take_back(const options *o, const partners *p, decision *d)
{
   if (!d->quantize) return false;
   if (p->floats && acts[o->act] != PARE_ACT_F32) {
      *d = (decision){ .reason = "another matrix of its product stays as it is" };
      return true;
   }
   if (!p->plain || d->rotation == 0) return false;
   d->rotation = 0;
   d->reason = "another matrix of its product is not rotated";
   return true;
}

/* A product takes floats only with activations of f32, and its one input is rotated as all of its matrices. */
static bool settle(const pare_pass_run *run, const pare_node *node, decision *all)
{
   pare_linear_matrix m[PARE_MAX_OUTPUTS];
   size_t n = pare_linear_matrices(node, m, PARE_MAX_OUTPUTS);
   partners p = find_partners(run, m, n, all);
   bool changed = false;
   for (size_t i = 0; i < n; i++) changed |= take_back(run->options, &p, &all[index_of(run, m[i].weight)]);
   return changed;
}

/* A decision for each note. Products that share a matrix pass on what one of them does not bear. */
static pare_status decide(pare_ctx *ctx, const pare_pass_run *run, decision **out)
{
   decision *all = pare_alloc_array(ctx, run->notes->count + 1, sizeof *all);
   if (!all) return PARE_RESOURCE;
   for (size_t i = 0; i < run->notes->count; i++) {
      const pare_weight_note *note = &run->notes->items[i];
      if (is_candidate(run, note)) all[i] = decide_alone(run->options, note);
   }
   for (bool changed = true; changed;) {
      changed = false;
      for (const pare_node *node = run->model->graph->first; node; node = node->next)
         if (node->op == PARE_OP_linear) changed |= settle(run, node, all);
   }
   *out = all;
   return PARE_OK;
}

/* ---- plan ---- */

static pare_status plan_weight(pare_ctx *ctx, pare_pass_run *run, const pare_weight_note *note, const decision *d)
{
   const options *o = run->options;
   if (!d->quantize) return PARE_OK;
   if (note->pruned && o->rotate == ROTATE_ON)
      return pare_fail(ctx, PARE_USAGE, run->path,
                       "\"rotate\": \"on\" would lose the zeros that an earlier pass prunes in %s, expected \"auto\" "
                       "or \"off\"",
                       note->weight->name);
   pare_pass_plan(run, note->weight, encoding_of(o, d->rotation));
   return PARE_OK;
}

static pare_status plan(pare_ctx *ctx, pare_pass_run *run)
{
   decision *all;
   PARE_TRY(decide(ctx, run, &all));
   pare_status status = PARE_OK;
   for (size_t i = 0; i < run->notes->count && status == PARE_OK; i++)
      status = plan_weight(ctx, run, &run->notes->items[i], &all[i]);
   pare_free(ctx, all);
   return status;
}

/* ---- run ---- */

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

static pare_status report_fallback(pare_ctx *ctx, pare_pass_run *run, const pare_weight_note *note,
                                   const decision *d)
{
   const options *o = run->options;
   char wanted[16];
   snprintf(wanted, sizeof wanted, "%s%s", type_names[o->type], d->quantize ? " rotated" : "");
   const char *got = d->quantize ? type_names[o->type] : pare_encoding_name(note->encoding.kind);
   return pare_pass_fallback(ctx, run, note->weight->name, wanted, got, d->reason);
}

static pare_status quantize(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight, const decision *d)
{
   const pare_weight_note *note = pare_pass_note(run, weight);
   pare_encode_error error;
   if (d->reason) PARE_TRY(report_fallback(ctx, run, note, d));
   if (!d->quantize) return PARE_OK;
   PARE_TRY(encode(ctx, run, weight, d->rotation, &error));
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
   decision *all;
   PARE_TRY(decide(ctx, run, &all));
   pare_status status = PARE_OK;
   for (size_t i = 0; i < graph->n_weights && status == PARE_OK; i++) {
      if (i + 1 < graph->n_weights) pare_weight_prefetch(graph->weights[i + 1]);
      status = quantize(ctx, run, graph->weights[i], &all[index_of(run, graph->weights[i])]);
   }
   pare_free(ctx, all);
   return status;
}

const pare_pass pare_pass_quant_rtn = {
   .name = "quant_rtn", .help = "quantize weights by rounding to nearest, one scale per output channel",
   .fields = fields, .options_size = sizeof(options), .targets = default_targets, .check = check,
   .requires = PARE_HAS_FLOAT_MATRICES,
   .ensures = PARE_IS_QUANTIZED, .lossy = true, .plan = plan, .run = run_pass
};
