/* checkkernels: test and benchmark of every kernel of every tier this machine has, against the scalar oracle.
 *
 *    checkkernels              all checks
 *    checkkernels --all        accuracy of mathf over every float (minutes)
 *    checkkernels --bench [tier [seconds]]     of one kernel, 0.5; 0: once
 * */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/half.h"
#include "kernels/tiers.h"
#include "tests/kernels/kernel_check.h"

enum { GUARD = 128, PATTERN = 0xa5 };

/* Digest of every output of every check. It pins the results themselves, so that all machines and compilers
 * are compared; a change of the checks or of a kernel's specification changes it, nothing else may. */
#define EXPECTED_DIGEST 0xcd239df8ac26d622ull

uint64_t check_random(check *c)
{
   c->rng += 0x9e3779b97f4a7c15ull;
   uint64_t z = c->rng;
   z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
   z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
   return z ^ (z >> 31);
}

int64_t check_range(check *c, int64_t low, int64_t high)
{
   return low + (int64_t)(check_random(c) % (uint64_t)(high - low + 1));
}

float check_gauss(check *c)
{
   float sum = 0.0f;
   for (int i = 0; i < 4; i++) {
      sum += (float)(check_random(c) >> 40) * 0x1p-24f - 0.5f;
   }
   return sum * 1.7320508f;
}

static void *own(check *c, size_t bytes)
{
   void *p = NULL;
   if (c->owned_count == 64 || posix_memalign(&p, 64, bytes ? bytes : 1) != 0) {
      fprintf(stderr, "out of memory\n");
      exit(4);
   }
   c->owned[c->owned_count++] = p;
   return p;
}

void *check_input(check *c, size_t bytes)
{
   return own(c, bytes);
}

check_out check_output(check *c, size_t bytes)
{
   check_out out = { .raw = own(c, bytes + 2 * GUARD), .bytes = bytes };
   memset(out.raw, PATTERN, bytes + 2 * GUARD);
   out.data = out.raw + GUARD;
   return out;
}

void check_reset(check *c)
{
   while (c->owned_count > 0) {
      free(c->owned[--c->owned_count]);
   }
}

float *check_floats(check *c, int64_t n, int kind)
{
   float *x = check_input(c, (size_t)n * sizeof *x);
   for (int64_t i = 0; i < n; i++) {
      x[i] = check_gauss(c);
      if (kind == 1 && check_range(c, 0, 3) == 0) {
         x[i] = check_range(c, 0, 1) ? -0.0f : x[i] * 0x1p-130f;
      }
      if (kind == 2) {
         x[i] = ldexpf(x[i], (int)check_range(c, -60, 60));
      }
   }
   if (n > 0 && kind >= 3) {
      x[check_range(c, 0, n - 1)] = kind == 3 ? -INFINITY : NAN;
   }
   return x;
}

int8_t *check_codes(check *c, int64_t n, int low)
{
   int8_t *q = check_input(c, (size_t)n);
   for (int64_t i = 0; i < n; i++) {
      q[i] = (int8_t)check_range(c, low, 127);
   }
   return q;
}

void check_true(check *c, const char *what, bool holds)
{
   c->cases++;
   if (!holds && c->failures++ < 20) {
      fprintf(stderr, "%s: %s differs or does not hold\n", c->tier, what);
   }
}

static uint64_t mix(uint64_t digest, uint32_t word)
{
   return (digest ^ word) * 0x100000001b3ull;
}

static void add_to_digest(check *c, check_out out, bool floats)
{
   for (size_t i = 0; floats && i < out.bytes / sizeof(float); i++) {
      float x = ((float *)out.data)[i];
      c->digest = mix(c->digest, x != x ? 0x7fc00000u : pare_f32_bits(x));
   }
   for (size_t i = 0; !floats && i < out.bytes; i++) {
      c->digest = mix(c->digest, ((unsigned char *)out.data)[i]);
   }
}

static bool same_floats(check_out a, check_out b)
{
   for (size_t i = 0; i < a.bytes / sizeof(float); i++) {
      float x = ((float *)a.data)[i], y = ((float *)b.data)[i];
      if (pare_f32_bits(x) != pare_f32_bits(y) && !(x != x && y != y)) {
         return false;
      }
   }
   size_t after = GUARD + a.bytes;
   return memcmp(a.raw, b.raw, GUARD) == 0 && memcmp(a.raw + after, b.raw + after, GUARD) == 0;
}

static bool same_bytes(check_out a, check_out b)
{
   return memcmp(a.raw, b.raw, a.bytes + 2 * GUARD) == 0;
}

void check_same(check *c, const char *what, check_out a, check_out b, bool floats)
{
   check_true(c, what, floats ? same_floats(a, b) : same_bytes(a, b));
   add_to_digest(c, a, floats);
   for (int i = 0; i < GUARD; i++) {
      if (a.raw[i] != PATTERN || a.raw[GUARD + a.bytes + (size_t)i] != PATTERN) {
         check_true(c, "guard zone", false);
         return;
      }
   }
}

void check_told(check *c, const char *what, check_out want, void (*run)(check *c, void *out, void *of), void *of)
{
   static const pare_cache_sizes sizes[] = { { 48 << 10, 2 << 20 }, { 24 << 10, 256 << 10 }, { 4 << 10, 16 << 10 },
      { 1, 1 }, { 1 << 20, 1 << 30 } };
   const pare_cache_sizes own = c->k->caches;
   for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      check_out got = check_output(c, want.bytes);
      c->k->caches = sizes[i];
      run(c, got.data, of);
      check_true(c, what, same_bytes(got, want));
   }
   c->k->caches = own;
}

pare_linear_i8 check_in_place(const pare_linear_i8 *product, int64_t first, float *out)
{
   pare_linear_i8 p = *product;
   for (int64_t r = 0; r < p.m; r++) {
      for (int64_t i = 16 * first; i < p.n; i++) out[r * p.ldo + i] = p.add[r * p.ld_add + i];
   }
   p.add = p.out = out;
   p.ld_add = p.ldo;
   return p;
}

static void run_checks(check *c)
{
   check_int8(c);
   check_quant(c);
   check_gemm(c);
   check_rows(c);
   check_attention(c);
   check_attention_i8(c);
   check_norm_quant(c);
   check_groups(c);
   const uint64_t digest = c->digest;
   check_true(c, "digest of all outputs", digest == EXPECTED_DIGEST);
   check_int8_blocks(c);   /* later, so not in the digest */
   check_attention_rows(c);
   printf("%-12s %lld cases, %d failures, digest %016llx\n", c->tier, (long long)c->cases, c->failures,
          (unsigned long long)digest);
}

static const struct {
   const char *name;
   unsigned needs;
} tiers[] = { { "scalar", 0 }, { "avx2", PARE_CPU_AVX2 }, { "avxvnni", PARE_CPU_AVXVNNI },
   { "avx512", PARE_CPU_AVX512 }, { "amx", PARE_CPU_AMX }, { "neon", PARE_CPU_NEON_DOT } };

static int check_tiers(bool all)
{
   int failures = 0;
   pare_kernels ref, k;
   pare_kernels_init(&ref, 0);
   pare_scalar_fill(&ref);
   for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
      unsigned mask;
      if (!pare_cpu_parse(tiers[i].name, pare_cpu_detect(), &mask)) {
         printf("%-12s SKIP: not on this machine\n", tiers[i].name);
         continue;
      }
      pare_kernels_init(&k, mask);
      check c = { .ref = &ref, .k = &k, .tier = tiers[i].name, .rng = 1 };
      run_checks(&c);
      failures += c.failures;
   }
   check c = { .ref = &ref, .k = &ref, .tier = "accuracy" };
   check_true(&c, "sizes of caches", ref.caches.l1 > 0 && ref.caches.l2 > 0);
   check_accuracy(&c, all);
   return failures + c.failures;
}

static int bench_tiers(const char *only, double seconds)
{
   for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
      unsigned mask;
      pare_kernels k;
      bool wanted = !only || strcmp(only, tiers[i].name) == 0;
      if (!wanted || !pare_cpu_parse(tiers[i].name, pare_cpu_detect(), &mask)) {
         continue;
      }
      pare_kernels_init(&k, mask);
      bench_kernels(&k, tiers[i].name, seconds);
   }
   return 0;
}

int main(int argc, char **argv)
{
   char name[64], isa[32];
   pare_cpu_name(name, sizeof name);
   pare_cpu_describe(pare_cpu_detect(), isa, sizeof isa);
   pare_cache_sizes caches = pare_cpu_cache_sizes();
   printf("%s, %s, caches %lld and %lld KiB\n", name, isa, (long long)caches.l1 >> 10, (long long)caches.l2 >> 10);
   unsigned fp = pare_fp_pin();
   int failures;
   if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
      failures = bench_tiers(argc > 2 ? argv[2] : NULL, argc > 3 ? strtod(argv[3], NULL) : 0.5);
   } else {
      failures = check_tiers(argc > 1 && strcmp(argv[1], "--all") == 0);
   }
   pare_fp_restore(fp);
   return failures ? 1 : 0;
}
