/* mathd: elementary functions in double (see mathd.h).
 *
 * Sine and cosine: Cody and Waite reduction by pi/2 in three parts; the first step is exact with fma while
 * n < 2^20, the second keeps its error. Logarithm: atanh series in s = (m - 1) / (m + 1) with the leading
 * terms in double-double (Dekker 1971), so that pow keeps its digits; 2^f by its Taylor series, |f| <=
 * 1/2. */
#include "kernels/mathd.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define ROUND_MAGIC 0x1.8p52   /* adding and subtracting it rounds to an integer */

typedef struct dd {
   double hi, lo;   /* an unevaluated sum, |lo| <= ulp(hi) / 2 */
} dd;

static const dd two_over_ln2 = { 0x1.71547652b82fep+1, 0x1.777d0ffda0d24p-55 };
static const dd log2_of_e = { 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56 };
static const dd ln_of_2 = { 0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56 };
static const dd one_third = { 0x1.5555555555555p-2, 0x1.5555555555555p-56 };
static const double half_pi[3] = { 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110 };

/* (-1)^k / (2k + 1)!, k = 1 ..; (-1)^k / (2k)!, k = 2 ..; ln(2)^k / k!, k = 1 ..; 1 / (2k + 1), k = 2 .. */
static const double sin_terms[] = {
   -0x1.5555555555555p-3, 0x1.1111111111111p-7, -0x1.a01a01a01a01ap-13, 0x1.71de3a556c734p-19,
   -0x1.ae64567f544e4p-26, 0x1.6124613a86d09p-33, -0x1.ae7f3e733b81fp-41, 0x1.952c77030ad4ap-49
};
static const double cos_terms[] = {
   0x1.5555555555555p-5, -0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01ap-16, -0x1.27e4fb7789f5cp-22,
   0x1.1eed8eff8d898p-29, -0x1.93974a8c07c9dp-37, 0x1.ae7f3e733b81fp-45, -0x1.6827863b97d97p-53
};
static const double exp2_terms[] = {
   0x1.62e42fefa39efp-1, 0x1.ebfbdff82c58fp-3, 0x1.c6b08d704a0c0p-5, 0x1.3b2ab6fba4e77p-7,
   0x1.5d87fe78a6731p-10, 0x1.430912f86c787p-13, 0x1.ffcbfc588b0c7p-17, 0x1.62c0223a5c824p-20,
   0x1.b5253d395e7c4p-24, 0x1.e4cf5158b8ecap-28, 0x1.e8cac7351bb25p-32, 0x1.c3bd650fc2986p-36,
   0x1.816193166d0f9p-40, 0x1.314964d5878a9p-44
};
static const double atanh_terms[] = {
   0x1.999999999999ap-3, 0x1.2492492492492p-3, 0x1.c71c71c71c71cp-4, 0x1.745d1745d1746p-4,
   0x1.3b13b13b13b14p-4, 0x1.1111111111111p-4, 0x1.e1e1e1e1e1e1ep-5, 0x1.af286bca1af28p-5,
   0x1.8618618618618p-5, 0x1.642c8590b2164p-5, 0x1.47ae147ae147bp-5, 0x1.2f684bda12f68p-5,
   0x1.1a7b9611a7b96p-5
};

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* terms[0] + terms[1] x + .. */
static double horner(const double *terms, int count, double x)
{
   double p = terms[count - 1];
   for (int i = count - 2; i >= 0; i--) {
      p = __builtin_fma(p, x, terms[i]);
   }
   return p;
}

static dd two_sum(double a, double b)
{
   double s = a + b, t = s - a;
   return (dd){ s, (a - (s - t)) + (b - t) };
}

/* |a| >= |b| */
static dd quick_sum(double a, double b)
{
   double s = a + b;
   return (dd){ s, b - (s - a) };
}

static dd two_product(double a, double b)
{
   double p = a * b;
   return (dd){ p, __builtin_fma(a, b, -p) };
}

static dd dd_add(dd a, dd b)
{
   dd s = two_sum(a.hi, b.hi);
   return quick_sum(s.hi, s.lo + (a.lo + b.lo));
}

static dd dd_mul(dd a, dd b)
{
   dd p = two_product(a.hi, b.hi);
   return quick_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* 2^e, e in [-1022, 1023] */
static double power_of_two(int64_t e)
{
   uint64_t bits = (uint64_t)(e + 1023) << 52;
   double x;
   memcpy(&x, &bits, sizeof x);
   return x;
}

/* x = n * pi/2 + (hi + lo); returns n mod 4 */
static int reduce(double x, dd *rest)
{
   double n = __builtin_fma(x, 0x1.45f306dc9c883p-1, ROUND_MAGIC) - ROUND_MAGIC;
   double first = __builtin_fma(-n, half_pi[0], x);
   dd second = two_product(n, half_pi[1]);
   dd r = two_sum(first, -second.hi);
   *rest = (dd){ r.hi, r.lo - (second.lo + n * half_pi[2]) };
   return (int)((int64_t)n & 3);
}

static double sin_reduced(dd x)
{
   double z = x.hi * x.hi;
   double p = horner(sin_terms, COUNT(sin_terms), z);
   return x.hi + __builtin_fma(x.hi * z, p, x.lo * __builtin_fma(-0.5, z, 1.0));
}

static double cos_reduced(dd x)
{
   double z = x.hi * x.hi, half = 0.5 * z, w = 1.0 - half;
   double p = horner(cos_terms, COUNT(cos_terms), z);
   double rest = ((1.0 - w) - half) + __builtin_fma(z * z, p, -(x.hi * x.lo));
   return w + rest;
}

/* sin(x + quarters * pi/2) */
static double sin_shifted(double x, int quarters)
{
   if (!(fabs(x) < 0x1p52)) {
      return (double)NAN;
   }
   dd r;
   int quadrant = (reduce(x, &r) + quarters) & 3;
   double y = (quadrant & 1) ? cos_reduced(r) : sin_reduced(r);
   return (quadrant & 2) ? -y : y;
}

double pare_sin(double x)
{
   return x == 0.0 ? x : sin_shifted(x, 0);
}

double pare_cos(double x)
{
   return sin_shifted(x, 1);
}

/* 2^(x.hi + x.lo) */
static double exp2_dd(dd x)
{
   if (x.hi != x.hi) {
      return x.hi;
   }
   if (x.hi > 1025.0 || x.hi < -1080.0) {
      return x.hi > 0 ? (double)INFINITY : 0.0;
   }
   double n = (x.hi + ROUND_MAGIC) - ROUND_MAGIC, f = x.hi - n;
   double p = f * horner(exp2_terms, COUNT(exp2_terms), f);
   double y = 1.0 + __builtin_fma(x.lo, ln_of_2.hi * (1.0 + p), p);
   int64_t half = (int64_t)n / 2;
   return y * power_of_two(half) * power_of_two((int64_t)n - half);
}

/* log2(x) for finite x > 0 */
static dd log2_dd(double x)
{
   uint64_t bits;
   int64_t e = 0;
   if (x < 0x1p-1022) {
      x *= 0x1p54;
      e = -54;
   }
   memcpy(&bits, &x, sizeof bits);
   e += (int64_t)(bits >> 52) - 1023;
   bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
   double m;
   memcpy(&m, &bits, sizeof m);
   if (m > 0x1.6a09e667f3bcdp+0) {
      m *= 0.5;
      e++;
   }
   double num = m - 1.0;
   dd den = two_sum(m, 1.0);
   double q = num / den.hi;
   dd s = quick_sum(q, (__builtin_fma(-q, den.hi, num) - q * den.lo) / den.hi);
   dd z = dd_mul(s, s);
   double tail = z.hi * horner(atanh_terms, COUNT(atanh_terms), z.hi);
   dd series = dd_mul(z, dd_add(one_third, (dd){ tail, 0.0 }));
   dd atanh_s = dd_add(s, dd_mul(s, series));
   return dd_add((dd){ (double)e, 0.0 }, dd_mul(atanh_s, two_over_ln2));
}

/* The logarithm of 0, Inf, NaN and negative numbers; true if x is one of these. */
static int log_special(double x, double *y)
{
   if (x > 0.0 && x < (double)INFINITY) {
      return 0;
   }
   *y = x == 0.0 ? -(double)INFINITY : x > 0.0 ? x : (double)NAN;
   return 1;
}

double pare_log2(double x)
{
   double special;
   return log_special(x, &special) ? special : log2_dd(x).hi;
}

double pare_ln(double x)
{
   double special;
   return log_special(x, &special) ? special : dd_mul(log2_dd(x), ln_of_2).hi;
}

double pare_exp2(double x)
{
   return exp2_dd((dd){ x, 0.0 });
}

double pare_exp(double x)
{
   if (!(fabs(x) < 1000.0)) {
      return exp2_dd((dd){ x, 0.0 });
   }
   dd p = two_product(x, log2_of_e.hi);
   return exp2_dd(quick_sum(p.hi, p.lo + x * log2_of_e.lo));
}

double pare_pow(double x, double y)
{
   if (y == 0.0 || x == 1.0) {
      return 1.0;
   }
   double special;
   if (log_special(x, &special)) {
      return exp2_dd((dd){ special * y, 0.0 });
   }
   dd log = log2_dd(x);
   dd p = two_product(y, log.hi);
   if (!(fabs(p.hi) < 2000.0)) {
      return exp2_dd((dd){ p.hi, 0.0 });
   }
   return exp2_dd(quick_sum(p.hi, __builtin_fma(y, log.lo, p.lo)));
}
