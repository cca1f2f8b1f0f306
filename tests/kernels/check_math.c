/* check_math: error of mathf and mathd in units of the last place, against the C library in wider precision.
 * */
#include <math.h>
#include <stdio.h>

#include "base/half.h"
#include "kernels/mathd.h"
#include "kernels/mathf.h"
#include "tests/kernels/kernel_check.h"

/* |got - want| in units of the last place of want as f32; denormals count in the smallest one. */
static double error_f32(float got, double want)
{
   if (isnan(want) || fabs(want) > 0x1.fffffefp+127) {
      return (isnan(want) && isnan(got)) || (float)want == got ? 0.0 : 1e9;
   }
   int exponent = want == 0.0 ? -126 : ilogb(want);
   return fabs((double)got - want) / ldexp(1.0, (exponent < -126 ? -126 : exponent) - 23);
}

static void accuracy_f32(check *c, const char *name, float (*f)(float), double (*ref)(double),
                         double limit, bool all)
{
   double worst = 0.0;
   float where = 0.0f;
   uint64_t step = all ? 1 : 1021;
   for (uint64_t bits = 0; bits < 0x100000000ull; bits += step) {
      float x = pare_f32_from_bits((uint32_t)bits);
      double e = error_f32(f(x), ref((double)x));
      if (e > worst) {
         worst = e;
         where = x;
      }
   }
   printf("%-12s max error %.3f ulp at %a\n", name, worst, (double)where);
   check_true(c, name, worst <= limit);
}

static double error_f64(double got, long double want)
{
   int exponent = want == 0.0L ? -1022 : ilogbl(want);
   return (double)(fabsl((long double)got - want) / ldexpl(1.0L, (exponent < -1022 ? -1022 : exponent) - 52));
}

static double uniform(check *c, double low, double high)
{
   return low + (high - low) * ((double)(check_random(c) >> 11) * 0x1p-53);
}

static void accuracy_f64(check *c, const char *name, double (*f)(double), long double (*ref)(long double),
                         double low, double high, double limit)
{
   double worst = 0.0;
   for (int i = 0; i < 400000; i++) {
      double x = uniform(c, low, high);
      worst = fmax(worst, error_f64(f(x), ref((long double)x)));
   }
   printf("%-12s max error %.3f ulp on [%g, %g]\n", name, worst, low, high);
   check_true(c, name, worst <= limit);
}

static void accuracy_pow(check *c, double y_max, double limit)
{
   double worst = 0.0;
   for (int i = 0; i < 400000; i++) {
      double x = exp2(uniform(c, -30, 30)), y = uniform(c, -y_max, y_max);
      worst = fmax(worst, error_f64(pare_pow(x, y), powl((long double)x, (long double)y)));
   }
   printf("%-12s max error %.3f ulp, exponents to %g\n", "pare_pow", worst, y_max);
   check_true(c, "pare_pow", worst <= limit);
}

static float exp2_of_less(float x)
{
   return pare_exp2_downf(-fabsf(x));
}

static double exp2_of_less_ref(double x)
{
   return exp2(-fabs(x));
}

static void check_special(check *c)
{
   check_true(c, "exp(0) is 1", pare_expf(0.0f) == 1.0f && pare_exp(0.0) == 1.0 && pare_exp2(3.0) == 8.0);
   check_true(c, "exp of Inf", pare_expf(-INFINITY) == 0.0f && isinf(pare_expf(INFINITY)));
   check_true(c, "exp2 of 0, -Inf, NaN",
              pare_exp2_downf(0.0f) == 1.0f && pare_exp2_downf(-INFINITY) == 0.0f && isnan(pare_exp2_downf(NAN)));
   check_true(c, "exp of NaN", isnan(pare_expf(NAN)) && isnan(pare_exp((double)NAN)));
   check_true(c, "log of 0, < 0", isinf(pare_ln(0.0)) && isnan(pare_ln(-1.0)) && pare_log2(8.0) == 3.0);
   check_true(c, "pow", pare_pow(0.0, 0.0) == 1.0 && pare_pow(0.0, 2.0) == 0.0);
   check_true(c, "pow of 2", pare_pow(2.0, -3.0) == 0.125 && isnan(pare_pow(-2.0, 3.0)));
   check_true(c, "sin, cos of 0", pare_sin(0.0) == 0.0 && pare_cos(0.0) == 1.0);
   check_true(c, "sin of NaN, Inf", isnan(pare_sin(NAN)) && isnan(pare_sin(INFINITY)));
   check_true(c, "overflow", isinf(pare_exp(1e9)) && pare_exp(-1e9) == 0.0 && isinf(pare_pow(1e300, 1e300)));
}

void check_accuracy(check *c, bool all)
{
   accuracy_f32(c, "exp f32", pare_expf, exp, 1.1, all);
   accuracy_f32(c, "exp2 f32", exp2_of_less, exp2_of_less_ref, 2.1, all);
   accuracy_f32(c, "tanh f32", pare_tanhf, tanh, 2.0, all);
   accuracy_f32(c, "erf f32", pare_erff, erf, 2.0, all);
   accuracy_f64(c, "pare_sin", pare_sin, sinl, -1e6, 1e6, 1.0);
   accuracy_f64(c, "pare_sin", pare_sin, sinl, -4, 4, 1.0);
   accuracy_f64(c, "pare_cos", pare_cos, cosl, -1e6, 1e6, 1.0);
   accuracy_f64(c, "pare_cos", pare_cos, cosl, -4, 4, 1.0);
   accuracy_f64(c, "pare_exp", pare_exp, expl, -740, 709, 2.0);
   accuracy_f64(c, "pare_exp", pare_exp, expl, -1, 1, 2.0);
   accuracy_f64(c, "pare_exp2", pare_exp2, exp2l, -1070, 1023, 2.0);
   accuracy_f64(c, "pare_ln", pare_ln, logl, 1e-300, 10, 1.0);
   accuracy_f64(c, "pare_log2", pare_log2, log2l, 0.5, 2, 1.0);
   accuracy_pow(c, 1.0, 2.0);
   accuracy_pow(c, 30.0, 2.0);
   check_special(c);
}
