/* mathd: sine, cosine, powers and logarithms in double, as exact sequences of IEEE operations, so that tables
 * made at set-up (rotary embedding) and figures summed in evaluation have the same bits on every machine.
 * Not for inner loops. Errors in units of the last place are measured by tests/kernels (README.md). */
#ifndef PARE_KERNELS_MATHD_H
#define PARE_KERNELS_MATHD_H

/* |x| <= 1e6 (radians); beyond that the reduction loses digits; NaN and Inf give NaN. */
double pare_sin(double x);
double pare_cos(double x);

/* All x. Overflow gives Inf, underflow denormals and 0. */
double pare_exp(double x);
double pare_exp2(double x);

/* log(0) = -Inf, NaN for x < 0. */
double pare_ln(double x);
double pare_log2(double x);

/* x^y for x >= 0 (NaN for x < 0); x^0 = 1; 0^y = 0 for y > 0, Inf for y < 0. */
double pare_pow(double x, double y);

#endif
