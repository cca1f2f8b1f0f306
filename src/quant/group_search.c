/* group_search: see group_search.h.
 *
 * An element is (step * r + shift) * M * scale with an integer r in [low, high]: step 1 and shift 0 for i4 and
 * i3, step 2 and shift 1 for i2 (codes -3, -1, 1, 3). A negative M is stored as magnitude and levels that
 * count down: with M = -a, r runs over [-high, -low] in units of a, one up. */
#include "quant/group_search.h"

#include <math.h>
#include <string.h>

enum { LANES = 4, MOST = 15, UP = 16, SCALES = 6, REPEATS = 2 };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t masks __attribute__((vector_size(LANES * sizeof(int32_t))));

typedef struct grid {
   float low, high;   /* of r */
   float step, shift;
   float top;         /* largest magnitude of a code */
   float least;       /* multipliers below this share of what the group's peak asks for are not tried */
   float first, each; /* scales tried, as shares of the one at which the row's peak has the multiplier 15 */
   bool both_signs;
} grid;

static const grid grids[] = {
   [2] = { -2, 1, 2, 1, 3, 0.5f, 0.6f, 0.08f, false },
   [3] = { -4, 3, 1, 0, 4, 0.7f, 0.75f, 0.06f, true },
   [4] = { -8, 7, 1, 0, 8, 0.85f, 0.85f, 0.06f, true },
};

static lanes splat(float x)
{
   return (lanes){ x, x, x, x };
}

static lanes choose(masks mask, lanes yes, lanes no)
{
   return (lanes)(((masks)yes & mask) | ((masks)no & ~mask));
}

/* To the nearest r in range, ties to even; the sum with 1.5 * 2^23 has no room for a fraction. */
static lanes round_lanes(lanes t, const grid *g)
{
   const lanes magic = splat(0x1.8p23f);
   t = choose(t < splat(g->low), splat(g->low), t);
   t = choose(t > splat(g->high), splat(g->high), t);
   return (t + magic) - magic;
}

static float round_one(float t, const grid *g)
{
   return round_lanes(splat(t), g)[0];
}

/* Squared distances of n values to the nearest r, in units of step * M * scale = 1 / inverse. */
static float distance(const float *x, int64_t n, float inverse, const grid *g)
{
   const lanes factor = splat(inverse), offset = splat(g->shift / g->step);
   lanes even = { 0 }, odd = { 0 }, v, w;
   int64_t i = 0;
   for (; i + 2 * LANES <= n; i += 2 * LANES) {
      memcpy(&v, x + i, sizeof v);
      memcpy(&w, x + i + LANES, sizeof w);
      v = v * factor - offset;
      w = w * factor - offset;
      v -= round_lanes(v, g);
      w -= round_lanes(w, g);
      even += v * v;
      odd += w * w;
   }
   even += odd;
   float sum = (even[0] + even[2]) + (even[1] + even[3]);
   for (; i < n; i++) {
      float t = x[i] * inverse - g->shift / g->step;
      t -= round_one(t, g);
      sum += t * t;
   }
   return sum;
}

static double squares(const float *x, int64_t n)
{
   double sum = 0;
   for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
   return sum;
}

static float peak_of(const float *x, int64_t n)
{
   float peak = 0;
   for (int64_t i = 0; i < n; i++) peak = fabsf(x[i]) > peak ? fabsf(x[i]) : peak;
   return peak;
}

static int64_t count_of(const pare_group_row *row)
{
   return (row->k + row->group - 1) / row->group;
}

static int64_t inputs_of(const pare_group_row *row, int64_t g)
{
   int64_t left = row->k - g * row->group;
   return left < row->group ? left : row->group;
}

static int signed_multiplier(uint8_t multiplier)
{
   int magnitude = multiplier & MOST;
   return multiplier & UP ? -magnitude : magnitude;
}

static double error_of(const float *x, int64_t n, float scale, int multiplier, const grid *g)
{
   if (multiplier == 0) return squares(x, n);
   float unit = scale * (float)multiplier * g->step;
   return (double)distance(x, n, 1.0f / unit, g) * (double)unit * (double)unit;
}

/* The best multiplier of a group at this scale; its error. */
static double search_group(const pare_group_row *row, int64_t group, float scale, const grid *g,
                           uint8_t *best)
{
   const float *x = row->x + group * row->group;
   int64_t n = inputs_of(row, group);
   float wanted = row->peaks[group] / (g->top * scale), other = g->both_signs ? g->top / (g->top - 1) : 1;
   int from = (int)ceilf(wanted * g->least), to = (int)(wanted * other) + 1;
   from = from < MOST ? from : MOST;
   to = to < MOST ? to : MOST;
   double least = INFINITY;
   for (int magnitude = from; magnitude <= to; magnitude++) {
      for (int up = 0; up <= (g->both_signs && magnitude > 0); up++) {
         double error = error_of(x, n, scale, up ? -magnitude : magnitude, g);
         if (error >= least) continue;
         least = error;
         *best = (uint8_t)(magnitude + UP * up);
      }
   }
   return least;
}

/* Multipliers of all groups at this scale, kept when they are the best so far. */
static void try_scale(const pare_group_row *row, float scale, const grid *g, pare_group_fit *fit)
{
   double error = 0;
   int64_t groups = count_of(row);
   for (int64_t i = 0; i < groups && error < fit->error; i++)
      error += search_group(row, i, scale, g, &row->trial[i]);
   if (error >= fit->error) return;
   fit->error = error;
   fit->scale = scale;
   memcpy(row->multipliers, row->trial, (size_t)groups);
}

/* Levels of a group; adds up what the scale that fits these codes best is made of. */
static void set_levels(const pare_group_row *row, int64_t group, float scale, const grid *g, double sums[2])
{
   const float *x = row->x + group * row->group;
   uint8_t *levels = row->levels + group * row->group;
   int multiplier = signed_multiplier(row->multipliers[group]);
   float inverse = multiplier ? 1.0f / (scale * (float)multiplier * g->step) : 0;
   int64_t n = inputs_of(row, group);
   memset(levels, 0, (size_t)row->group);
   for (int64_t i = 0; i < n; i++) {
      float r = round_one(x[i] * inverse - g->shift / g->step, g);
      double product = (double)((g->step * r + g->shift) * (float)multiplier);
      levels[i] = (uint8_t)(multiplier < 0 ? g->high - r : r - g->low);
      sums[0] += (double)x[i] * product;
      sums[1] += product * product;
   }
}

static float fit_scale(const pare_group_row *row, float scale, const grid *g)
{
   double sums[2] = { 0 };
   for (int64_t i = 0; i < count_of(row); i++) set_levels(row, i, scale, g, sums);
   return sums[1] > 0 ? (float)(sums[0] / sums[1]) : scale;
}

static int64_t count_zeros(const pare_group_row *row, const grid *g)
{
   int64_t zeros = 0;
   for (int64_t i = 0; i < count_of(row); i++) {
      int multiplier = signed_multiplier(row->multipliers[i]);
      const uint8_t *levels = row->levels + i * row->group;
      float zero = multiplier < 0 ? g->high : -g->low;
      for (int64_t j = 0; j < inputs_of(row, i); j++)
         zeros += multiplier == 0 || (g->shift == 0 && (float)levels[j] == zero);
   }
   return zeros;
}

static void search(const pare_group_row *row, const grid *g, pare_group_fit *fit)
{
   fit->error = INFINITY;
   for (int64_t i = 0; i < count_of(row); i++)
      row->peaks[i] = peak_of(row->x + i * row->group, inputs_of(row, i));
   for (int i = 0; i < SCALES; i++)
      try_scale(row, (g->first + g->each * (float)i) / (g->top * MOST), g, fit);
   for (int i = 0; i < REPEATS; i++) try_scale(row, fit_scale(row, fit->scale, g), g, fit);
   double sums[2] = { 0 };
   for (int64_t i = 0; i < count_of(row); i++) set_levels(row, i, fit->scale, g, sums);
   fit->zeros = count_zeros(row, g);
}

pare_group_fit pare_group_search(const pare_group_row *row)
{
   pare_group_fit fit = { 0 };
   float peak = peak_of(row->x, row->k);
   if (peak < 0x1p-100f) {
      memset(row->multipliers, 0, (size_t)count_of(row));
      memset(row->levels, 0, (size_t)(count_of(row) * row->group));
      fit.zeros = row->k;
      return fit;
   }
   float inverse = 1.0f / peak;
   for (int64_t i = 0; i < row->k; i++) row->x[i] *= inverse;
   search(row, &grids[row->bits], &fit);
   double unit = (double)peak * (double)peak;
   fit.value = squares(row->x, row->k) * unit;
   fit.error *= unit;
   fit.scale *= peak;
   return fit;
}
