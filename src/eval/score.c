/* score: see score.h. */
#include "eval/score.h"

#include <math.h>

/* log of the sum of exp over a row, and its most likely token. */
static double log_sum_exp(const float *x, int64_t n, int64_t *best)
{
   double max = -INFINITY, sum = 0;
   *best = 0;
   for (int64_t i = 0; i < n; i++) {
      if (isnan(x[i])) return NAN;
      if (x[i] > max) {
         max = x[i];
         *best = i;
      }
   }
   for (int64_t i = 0; i < n; i++) sum += exp(x[i] - max);
   return max + log(sum);
}

pare_score pare_score_row(const float *logits, const float *reference, int64_t vocab, uint32_t target)
{
   pare_score score = { 0 };
   int64_t best, reference_best;
   double lse = log_sum_exp(logits, vocab, &best);
   score.nll = lse - logits[target];
   if (!reference) return score;
   double reference_lse = log_sum_exp(reference, vocab, &reference_best);
   score.reference_nll = reference_lse - reference[target];
   score.agree = best == reference_best;
   for (int64_t i = 0; i < vocab; i++) {
      double log_p = reference[i] - reference_lse;
      score.kl += exp(log_p) * (log_p - (logits[i] - lse));
   }
   return score;
}
