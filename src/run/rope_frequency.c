/* rope_frequency: see rope_frequency.h. First the wavelengths (over 2 pi) of all pairs, then one pass over
 * them that makes frequencies, by kind of scaling. */
#include "run/rope_frequency.h"

#include <math.h>

#include "kernels/mathd.h"

static const double two_pi = 6.283185307179586;

int64_t pare_rope_first_beyond(const pare_rope_attrs *attrs)
{
   bool by_length = attrs->scaling == PARE_ROPE_DYNAMIC || attrs->scaling == PARE_ROPE_LONGROPE;
   return by_length ? attrs->original_context : INT64_MAX;
}

static void wavelengths(const pare_rope_attrs *attrs, int64_t position, int64_t pairs, float *out)
{
   float theta = (float)attrs->theta, dim = (float)attrs->rot_dim;
   if (attrs->scaling == PARE_ROPE_DYNAMIC && position >= attrs->original_context) {
      float ratio = (float)attrs->factor * (float)(position + 1) / (float)attrs->original_context;
      float power = (float)((double)attrs->rot_dim / (double)(attrs->rot_dim - 2));
      theta *= (float)pare_pow((double)(ratio - (float)(attrs->factor - 1)), (double)power);
   }
   for (int64_t i = 0; i < pairs; i++)
      out[i] = (float)pare_pow((double)theta, (double)((float)(2 * i) / dim));
}

static void divide(int64_t pairs, float by, float *f)
{
   for (int64_t i = 0; i < pairs; i++) f[i] = 1.0f / f[i] / by;
}

static double yarn_bound(const pare_rope_attrs *attrs, double turns)
{
   double reached = (double)attrs->original_context / (turns * two_pi);
   return (double)attrs->rot_dim * pare_ln(reached) / (2 * pare_ln(attrs->theta));
}

static void yarn(const pare_rope_attrs *attrs, int64_t pairs, float *f)
{
   double from = yarn_bound(attrs, attrs->beta_fast), to = yarn_bound(attrs, attrs->beta_slow);
   double last = (double)attrs->rot_dim - 1;
   if (attrs->truncate) {
      from = floor(from);
      to = ceil(to);
   }
   from = from < 0 ? 0 : from;
   to = to > last ? last : to;
   float span = (float)(from == to ? to + 0.001 - from : to - from), factor = (float)attrs->factor;
   for (int64_t i = 0; i < pairs; i++) {
      float ramp = ((float)i - (float)from) / span;
      float keep = 1.0f - (ramp < 0 ? 0 : ramp > 1 ? 1 : ramp);
      f[i] = 1.0f / (factor * f[i]) * (1.0f - keep) + 1.0f / f[i] * keep;
   }
}

static void llama3(const pare_rope_attrs *attrs, int64_t pairs, float *f)
{
   double low = attrs->low_freq_factor, high = attrs->high_freq_factor;
   double context = (double)attrs->original_context;
   float longest = (float)(context / low), shortest = (float)(context / high), factor = (float)attrs->factor;
   for (int64_t i = 0; i < pairs; i++) {
      float plain = 1.0f / f[i], wavelength = (float)two_pi / plain;
      float s = ((float)context / wavelength - (float)low) / (float)(high - low);
      float between = (1.0f - s) * plain / factor + s * plain;
      f[i] = wavelength > longest ? plain / factor : wavelength < shortest ? plain : between;
   }
}

static void longrope(const double *factors, int64_t pairs, float *f)
{
   for (int64_t i = 0; i < pairs; i++) f[i] = 1.0f / ((float)factors[i] * f[i]);
}

void pare_rope_frequencies(const pare_rope_attrs *attrs, int64_t position, float *out)
{
   int64_t pairs = attrs->rot_dim / 2;
   bool beyond = position >= attrs->original_context;
   wavelengths(attrs, position, pairs, out);
   switch (attrs->scaling) {
   case PARE_ROPE_LINEAR: divide(pairs, (float)attrs->factor, out); break;
   case PARE_ROPE_YARN: yarn(attrs, pairs, out); break;
   case PARE_ROPE_LLAMA3: llama3(attrs, pairs, out); break;
   case PARE_ROPE_LONGROPE:
      longrope((beyond ? attrs->long_factor : attrs->short_factor).items, pairs, out);
      break;
   default: divide(pairs, 1, out); break;
   }
}
