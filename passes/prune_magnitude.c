/* prune_magnitude: zero the smallest weights.
 *
 * Before:  float matrices.    After: same shapes and encodings (a transposed one is stored row by row).
 *          "sparsity": of each tensor ("scope": "tensor") or of all targeted tensors together ("global")
 *          the floor(sparsity * n) smallest of the n blocks are zero; blocks that were zero before are among
 *          them, and more are zero only where more were. A block is "block" neighbours along K, the last of a
 *          row may be shorter; its score is the mean magnitude.
 *          "pattern": "2:4" keeps the 2 largest of every 4 neighbours along K; of a shorter last group of t
 *          weights ceil(t * 2 / 4).
 * Leaves:  biases, norms (rank 1), embeddings, the head; "targets" that name embeddings or the head prune
 *          them too.
 * Ties:    the lower index is pruned first, and the first tensor of the graph, so results are deterministic.
 * Shrinks nothing by itself: a zero takes the room of any other value. Zeros compress well where the recipe
 *          has the artifact's sections deflated.
 * Source:  Han et al. 2015, section 3; N:M: Zhou et al. 2021, arXiv 2102.04010. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/passes.h"
#include "quant/select.h"

enum { SCOPE_TENSOR, SCOPE_GLOBAL };
enum { MAX_GROUP = 64 };

typedef struct options {
   double sparsity;
   int scope;
   const char *pattern;
   int64_t block;
} options;

static const char *const scope_names[] = { "tensor", "global", NULL };
static const char *const default_targets[] = { "layers.*", NULL };

static const pare_field fields[] = {
   { .name = "sparsity", .kind = PARE_FIELD_FLOAT, .offset = offsetof(options, sparsity), .max = 0.99,
     .help = "share of the weights set to zero; not with pattern" },
   { .name = "scope", .kind = PARE_FIELD_ENUM, .offset = offsetof(options, scope), .choices = scope_names,
     .help = "the share is that of each tensor, or of all of them under one threshold" },
   { .name = "pattern", .kind = PARE_FIELD_TEXT, .offset = offsetof(options, pattern), .value_name = "N:M",
     .help = "keep the n largest of every m neighbours along the input, such as 2:4" },
   { .name = "block", .kind = PARE_FIELD_INT, .offset = offsetof(options, block), .min = 1, .max = 64,
     .initial = 1,
     .help = "weights along the input that are kept or dropped together" },
   PARE_FIELDS_END
};

/* "2:4": 1 <= keep < of <= 64 */
static bool parse_pattern(const char *text, int *keep, int *of)
{
   char *end;
   long n = strtol(text, &end, 10);
   if (end == text || *end != ':' || strspn(text, "0123456789:") != strlen(text)) return false;
   const char *second = end + 1;
   long m = strtol(second, &end, 10);
   if (end == second || *end || n < 1 || n >= m || m > MAX_GROUP) return false;
   *keep = (int)n;
   *of = (int)m;
   return true;
}

static pare_status check(pare_ctx *ctx, const void *opts, const char *path)
{
   const options *o = opts;
   int keep, of;
   if (!o->pattern && o->sparsity > 0) return PARE_OK;
   if (!o->pattern)
      return pare_fail(ctx, PARE_USAGE, path, "prunes nothing, expected a \"sparsity\" or a \"pattern\"");
   if (!parse_pattern(o->pattern, &keep, &of))
      return pare_fail(ctx, PARE_USAGE, path,
                       "pattern \"%.32s\", expected N:M with 1 <= N < M <= %d, such as 2:4", o->pattern,
                       MAX_GROUP);
   if (o->sparsity > 0)
      return pare_fail(ctx, PARE_USAGE, path,
                       "\"pattern\" and \"sparsity\" say the same thing, expected only one");
   if (o->block > 1 || o->scope == SCOPE_GLOBAL)
      return pare_fail(ctx, PARE_USAGE, path,
                       "\"pattern\" goes with neither \"block\" nor a global \"scope\"");
   return PARE_OK;
}

static bool is_candidate(const pare_pass_run *run, const pare_weight_note *note)
{
   if (note->dropped || !pare_encoding_is_float(note->encoding.kind) || !pare_note_is_matrix(note))
      return false;
   return pare_pass_wants(run, note->weight);
}

static pare_status plan(pare_ctx *ctx, pare_pass_run *run)
{
   (void)ctx;
   for (size_t i = 0; i < run->notes->count; i++) {
      const pare_weight_note *note = &run->notes->items[i];
      if (is_candidate(run, note))
         pare_pass_plan(run, note->weight, (pare_encoding){ .kind = note->encoding.kind });
   }
   return PARE_OK;
}

/* ---- N:M ---- */

typedef struct group_rule {
   int keep, of;
} group_rule;

/* A weight goes when fewer than `drop` of its group stand before it in the order of magnitude, then index. */
static void prune_group(float *values, int size, int drop)
{
   float magnitude[MAX_GROUP];
   for (int i = 0; i < size; i++) magnitude[i] = fabsf(values[i]);
   for (int i = 0; i < size; i++) {
      int before = 0;
      for (int j = 0; j < size; j++)
         before += magnitude[j] < magnitude[i] || (magnitude[j] == magnitude[i] && j < i);
      if (before < drop) values[i] = 0;
   }
}

static void prune_row_groups(void *user, int64_t row, int64_t k, float *values)
{
   (void)row;
   const group_rule *rule = user;
   for (int64_t at = 0; at < k; at += rule->of) {
      int size = k - at < rule->of ? (int)(k - at) : rule->of;
      int kept = (size * rule->keep + rule->of - 1) / rule->of;
      prune_group(values + at, size, size - kept);
   }
}

/* ---- a threshold ---- */

typedef struct threshold_rule {
   const pare_selection *selection;
   int64_t *ties; /* of this weight, a block of 16 rows each */
} threshold_rule;

static void prune_row_threshold(void *user, int64_t row, int64_t k, float *values)
{
   const threshold_rule *rule = user;
   pare_selection_apply(rule->selection, values, k, &rule->ties[row / PARE_BLOCK_N]);
}

static pare_status rewrite(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight, pare_row_edit edit,
                           void *user)
{
   pare_encode_error error;
   PARE_TRY(pare_weight_edit(ctx, weight, weight->encoding.kind, pare_pass_outfile(run, weight), edit, user,
                             &error));
   return pare_pass_record(ctx, run, weight, &error);
}

/* The smallest of all n weights together. */
static pare_status prune_together(pare_ctx *ctx, pare_pass_run *run, pare_weight *const *weights, size_t n)
{
   const options *o = run->options;
   pare_selection selection;
   PARE_TRY(pare_select_smallest(ctx, weights, n, o->block, o->sparsity, &selection));
   pare_status status = PARE_OK;
   for (size_t i = 0; i < n && status == PARE_OK; i++) {
      threshold_rule rule = { &selection, selection.ties + selection.first[i] };
      status = rewrite(ctx, run, weights[i], prune_row_threshold, &rule);
   }
   pare_selection_finish(ctx, &selection);
   return status;
}

static pare_status prune_one(pare_ctx *ctx, pare_pass_run *run, pare_weight *weight)
{
   const options *o = run->options;
   group_rule rule;
   if (!o->pattern) return prune_together(ctx, run, &weight, 1);
   parse_pattern(o->pattern, &rule.keep, &rule.of);
   return rewrite(ctx, run, weight, prune_row_groups, &rule);
}

static pare_status prune_all(pare_ctx *ctx, pare_pass_run *run, pare_weight *const *weights, size_t n)
{
   const options *o = run->options;
   if (n == 0) return PARE_OK;
   if (o->scope == SCOPE_GLOBAL) return prune_together(ctx, run, weights, n);
   for (size_t i = 0; i < n; i++) {
      if (i + 1 < n) pare_weight_prefetch(weights[i + 1]);
      PARE_TRY(prune_one(ctx, run, weights[i]));
   }
   return PARE_OK;
}

static pare_status run_pass(pare_ctx *ctx, pare_pass_run *run)
{
   pare_graph *graph = run->model->graph;
   size_t count = 0;
   pare_weight **weights = pare_alloc_array(ctx, graph->n_weights + 1, sizeof *weights);
   if (!weights) return PARE_RESOURCE;
   for (size_t i = 0; i < graph->n_weights; i++)
      if (is_candidate(run, pare_pass_note(run, graph->weights[i]))) weights[count++] = graph->weights[i];
   pare_status status = prune_all(ctx, run, weights, count);
   pare_free(ctx, weights);
   return status;
}

const pare_pass pare_pass_prune_magnitude = {
   .name = "prune_magnitude", .help = "set the smallest weights to zero", .fields = fields,
   .options_size = sizeof(options), .targets = default_targets, .requires = PARE_HAS_FLOAT_MATRICES,
   .ensures = PARE_IS_PRUNED, .lossy = true, .check = check, .plan = plan, .run = run_pass
};
