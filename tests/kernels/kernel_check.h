/* kernel_check: what the kernel checks share. Every check runs one kernel of the tier under test and of the
 * scalar table on the same random inputs, and compares whole output buffers, guard zones around them
 * included.
 *
 * Buffers of a case come from check_input / check_output and live until check_reset. */
#ifndef PARE_TESTS_KERNELS_KERNEL_CHECK_H
#define PARE_TESTS_KERNELS_KERNEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

typedef struct check {
   const pare_kernels *ref;
   pare_kernels *k;
   const char *tier;
   uint64_t rng;
   int64_t cases;
   int failures;
   uint64_t digest;   /* of all outputs compared, NaN made uniform: the same on every machine */
   void *owned[64];
   int owned_count;
} check;

/* An output in a buffer with guard zones on both sides. */
typedef struct check_out {
   unsigned char *raw;   /* guard, data, guard */
   size_t bytes;         /* of the data */
   void *data;           /* 64-byte aligned */
} check_out;

uint64_t check_random(check *c);
int64_t check_range(check *c, int64_t low, int64_t high);   /* both included */
float check_gauss(check *c);
void *check_input(check *c, size_t bytes);                  /* exact size, so that overreads are seen */
check_out check_output(check *c, size_t bytes);             /* filled with a pattern */
void check_reset(check *c);                                 /* frees all buffers of the case */

/* Floats of many kinds: kind 0 normal, 1 with zeros and denormals, 2 wide exponents, 3 with one Inf, 4 with
 * one NaN. */
enum { CHECK_KINDS = 5 };
float *check_floats(check *c, int64_t n, int kind);
int8_t *check_codes(check *c, int64_t n, int low);

/* Equal bytes; floats: NaN equals NaN. Counts and reports. */
void check_same(check *c, const char *what, check_out a, check_out b, bool floats);
void check_true(check *c, const char *what, bool holds);

/* The bytes of `want` again where the tier is told other sizes of caches: run writes them to `out`. */
void check_told(check *c, const char *what, check_out want, void (*run)(check *c, void *out, void *of), void *of);

/* The product with what it adds at `out`, where its results go; blocks before `first` are left as they are. */
pare_linear_i8 check_in_place(const pare_linear_i8 *product, int64_t first, float *out);

void check_int8(check *c);
void check_int8_blocks(check *c);   /* more blocks, rows and inputs than a kernel takes at a time */
void check_groups(check *c);
void check_quant(check *c);
void check_norm_quant(check *c);
void check_gemm(check *c);
void check_rows(check *c);
void check_attention(check *c);
void check_attention_i8(check *c);
void check_attention_rows(check *c);   /* many rows a call over f16 and f32 */

/* Against the C library; independent of tier. all: every float instead of a sample. */
void check_accuracy(check *c, bool all);

/* seconds: of one kernel. */
void bench_kernels(const pare_kernels *k, const char *tier, double seconds);

#endif
