/* sampler: see sampler.h.
 *
 * Candidates are the tokens whose logit is a number above -Inf, each with its weight exp(x - largest x) in
 * double by our own exp, x = logit / temperature. They stand in a heap (larger logit first, lower id first
 * among equals) from which only as many are taken in order as the cuts need. Without any cut they stay in
 * id order. */
#include "run/sampler.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "kernels/mathd.h"

typedef struct candidate {
   float logit;
   uint32_t id;
   double weight;
} candidate;

struct pare_sampler {
   pare_sampler_options options;
   int64_t vocab;
   pare_rng rng;
   float *logits;          /* [vocab] after the repeat penalty */
   bool *repeated;         /* [vocab] all false between calls */
   candidate *candidates;  /* [vocab] */
   candidate *kept;        /* [n_kept] of the candidates: those that may be drawn */
   int64_t n_kept;
   bool certain;           /* one candidate, which takes no draw */
};

#define OWN(field) offsetof(pare_sampler_options, field)
static const pare_field fields[] = { PARE_SAMPLER_FIELDS(OWN), PARE_FIELDS_END };

/* ---- making ---- */

pare_status pare_sampler_check(pare_ctx *ctx, const pare_sampler_options *options)
{
   for (const pare_field *field = fields; field->name; field++) {
      const char *at = (const char *)options + field->offset;
      double value = field->kind == PARE_FIELD_INT ? (double)*(const int64_t *)(const void *)at
                                                   : *(const double *)(const void *)at;
      if (value >= field->min && value <= field->max) continue;
      return pare_fail(ctx, PARE_USAGE, field->name, "%g, expected %g to %g", value, field->min, field->max);
   }
   return PARE_OK;
}

pare_status pare_sampler_create(pare_ctx *ctx, const pare_sampler_options *options, int64_t vocab,
                                pare_sampler **out)
{
   PARE_TRY(pare_sampler_check(ctx, options));
   if (vocab < 1 || vocab > INT32_MAX)
      return pare_fail(ctx, PARE_USAGE, NULL, "a vocabulary of %lld tokens", (long long)vocab);
   pare_sampler *s = pare_alloc(ctx, sizeof *s);
   if (!s) return PARE_RESOURCE;
   s->options = *options;
   s->vocab = vocab;
   s->logits = pare_alloc_array(ctx, (size_t)vocab, sizeof *s->logits);
   s->repeated = pare_alloc_array(ctx, (size_t)vocab, sizeof *s->repeated);
   s->candidates = pare_alloc_array(ctx, (size_t)vocab, sizeof *s->candidates);
   if (!s->logits || !s->repeated || !s->candidates) {
      pare_sampler_destroy(ctx, s);
      return PARE_RESOURCE;
   }
   pare_rng_seed(&s->rng, (uint64_t)options->seed);
   *out = s;
   return PARE_OK;
}

void pare_sampler_destroy(pare_ctx *ctx, pare_sampler *s)
{
   if (!s) return;
   pare_free(ctx, s->logits);
   pare_free(ctx, s->repeated);
   pare_free(ctx, s->candidates);
   pare_free(ctx, s);
}

/* ---- choosing ---- */

/* Each token of the window once, however often it is there. */
static void penalize(pare_sampler *s, const uint32_t *history, size_t n)
{
   size_t window = (size_t)s->options.repeat_window < n ? (size_t)s->options.repeat_window : n;
   float penalty = (float)s->options.repeat_penalty;
   const uint32_t *recent = n ? history + (n - window) : NULL;
   for (size_t i = 0; i < window; i++) {
      if (recent[i] >= s->vocab || s->repeated[recent[i]]) continue;
      s->repeated[recent[i]] = true;
      float *logit = &s->logits[recent[i]];
      *logit = *logit > 0 ? *logit / penalty : *logit * penalty;
   }
   for (size_t i = 0; i < window; i++) {
      if (recent[i] < s->vocab) s->repeated[recent[i]] = false;
   }
}

/* The lowest id of the largest logit; -1 when all are NaN. */
static int64_t most_likely(const pare_sampler *s)
{
   int64_t best = -1;
   for (int64_t i = 0; i < s->vocab; i++) {
      if (isnan(s->logits[i]) || (best >= 0 && !(s->logits[i] > s->logits[best]))) continue;
      best = i;
   }
   return best;
}

static bool before(const candidate *a, const candidate *b)
{
   return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void sift(candidate *heap, int64_t n, int64_t at)
{
   candidate item = heap[at];
   for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
      if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
      if (!before(&heap[child], &item)) break;
      heap[at] = heap[child];
      at = child;
   }
   heap[at] = item;
}

/* Moves the first of the n to place n - 1. */
static void pop(candidate *heap, int64_t n)
{
   candidate first = heap[0];
   heap[0] = heap[n - 1];
   sift(heap, n - 1, 0);
   heap[n - 1] = first;
}

static int64_t collect(pare_sampler *s, float largest)
{
   int64_t n = 0;
   for (int64_t i = 0; i < s->vocab; i++) {
      float logit = s->logits[i];
      if (isnan(logit) || logit == -INFINITY) continue;
      double weight = pare_exp(((double)logit - (double)largest) / s->options.temperature);
      s->candidates[n++] = (candidate){ .logit = logit, .id = (uint32_t)i, .weight = weight };
   }
   return n;
}

static double weight_of(const candidate *items, int64_t n)
{
   double sum = 0;
   for (int64_t i = 0; i < n; i++) sum += items[i].weight;
   return sum;
}

/* The cuts. n candidates in a heap become a run that ends at candidates[n - 1], most likely last; returns
 * its length. */
static int64_t cut(pare_sampler *s, int64_t n)
{
   const pare_sampler_options *options = &s->options;
   candidate *items = s->candidates;
   int64_t most = options->top_k > 0 && options->top_k < n ? options->top_k : n, taken = 0, kept = 0;
   double total = weight_of(items, n), sum = 0;
   for (int64_t i = n / 2 - 1; i >= 0; i--) sift(items, n, i);
   if (most < n) {
      for (; taken < most; taken++) pop(items, n - taken);
      total = weight_of(items + n - most, most);
   }
   while (kept < most) {
      if (taken == kept) pop(items, n - taken++);
      double weight = items[n - 1 - kept].weight;
      if (kept > 0 && (weight < options->min_p || sum >= options->top_p * total)) break;
      sum += weight;
      kept++;
   }
   return kept;
}

static uint32_t draw(pare_sampler *s)
{
   const candidate *items = s->kept;
   if (s->certain) return items[0].id;
   double left = pare_rng_unit(&s->rng) * weight_of(items, s->n_kept);
   for (int64_t i = 0; i < s->n_kept - 1; i++) {
      left -= items[i].weight;
      if (left < 0) return items[i].id;
   }
   return items[s->n_kept - 1].id;
}

/* Fills kept from the logits: what a draw chooses among. Fails when all logits are NaN. */
static pare_status shape(pare_ctx *ctx, pare_sampler *s, const float *logits, const uint32_t *history,
                         size_t n)
{
   memcpy(s->logits, logits, (size_t)s->vocab * sizeof *logits);
   if (s->options.repeat_penalty > 1) penalize(s, history, n);
   int64_t best = most_likely(s);
   if (best < 0) return pare_fail(ctx, PARE_INPUT, NULL, "all logits are NaN");
   s->certain = s->options.temperature <= 0 || isinf(s->logits[best]);
   s->kept = s->candidates;
   s->n_kept = 1;
   s->kept[0] = (candidate){ .logit = s->logits[best], .id = (uint32_t)best, .weight = 1 };
   if (s->certain) return PARE_OK;
   int64_t all = collect(s, s->logits[best]);
   bool cuts = s->options.top_k > 0 || s->options.top_p < 1 || s->options.min_p > 0;
   s->n_kept = cuts ? cut(s, all) : all;
   s->kept = s->candidates + all - s->n_kept;
   return PARE_OK;
}

pare_status pare_sampler_next(pare_ctx *ctx, pare_sampler *s, const float *logits, const uint32_t *history,
                              size_t n, uint32_t *out)
{
   unsigned modes = pare_fp_pin();
   pare_status status = shape(ctx, s, logits, history, n);
   if (status == PARE_OK) *out = draw(s);
   pare_fp_restore(modes);
   return status;
}

/* ---- verifying a draft ---- */

void pare_sampler_distribution(const pare_sampler *s, double *probabilities)
{
   unsigned modes = pare_fp_pin();
   double total = weight_of(s->kept, s->n_kept);
   memset(probabilities, 0, (size_t)s->vocab * sizeof *probabilities);
   for (int64_t i = 0; i < s->n_kept; i++) probabilities[s->kept[i].id] = s->kept[i].weight / total;
   pare_fp_restore(modes);
}

static double probability_of(const pare_sampler *s, uint32_t id)
{
   for (int64_t i = 0; i < s->n_kept; i++)
      if (s->kept[i].id == id) return s->kept[i].weight / weight_of(s->kept, s->n_kept);
   return 0;
}

/* Keeps (p - q)+ of each candidate; all of p when rounding leaves nothing. */
static void keep_residual(pare_sampler *s, const double *q)
{
   double total = weight_of(s->kept, s->n_kept);
   int64_t left = 0;
   for (int64_t i = 0; i < s->n_kept; i++) left += s->kept[i].weight / total > q[s->kept[i].id];
   if (left == 0) return;
   int64_t n = 0;
   for (int64_t i = 0; i < s->n_kept; i++) {
      candidate item = s->kept[i];
      item.weight = item.weight / total - q[item.id];
      if (item.weight > 0) s->kept[n++] = item;
   }
   s->n_kept = n;
}

pare_status pare_sampler_verify(pare_ctx *ctx, pare_sampler *s, const float *logits, const uint32_t *history,
                                size_t n, uint32_t guess, const double *q, uint32_t *out)
{
   unsigned modes = pare_fp_pin();
   pare_status status = shape(ctx, s, logits, history, n);
   bool accepted = status == PARE_OK && pare_rng_unit(&s->rng) * q[guess] < probability_of(s, guess);
   if (accepted) *out = guess;
   if (status == PARE_OK && !accepted) {
      keep_residual(s, q);
      *out = draw(s);
   }
   pare_fp_restore(modes);
   return status;
}
