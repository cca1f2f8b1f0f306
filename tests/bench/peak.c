/* peak: int8 operations a second that this machine can do, to hold prefill against.
 *
 *    peak [SECONDS]     seconds a figure (default 0.3)
 *
 * Counts multiplications and additions of int8 operands, best of the runs, for each instruction set that the
 * processor has: from registers alone, and for AMX also with both operands loaded from panels that stay in the
 * second-level cache. Each line ends with the figure, so that scripts can take the last word. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>

#define WINDOW_SECONDS 5e-3 /* of one run: short, since other work on the machine only slows it down */
enum { MAX_THREADS = 64, INNER = 4096, PANEL = 256 << 10, TILE = 1024 };

/* Runs INNER steps and returns operations done; `memory` is the thread's own, PANEL bytes. */
typedef double work(const unsigned char *memory);

typedef struct tile_config {
   uint8_t palette, start_row, pad[14];
   uint16_t columns[16];
   uint8_t rows[16];
} tile_config;

static double now(void)
{
   struct timespec t;
   clock_gettime(CLOCK_MONOTONIC, &t);
   return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve sums in registers, each by one chain of instructions written out, so that no compiler leaves any away. */
#define SUMS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
enum { N_SUMS = 12 };

#define ZERO_YMM(i) __m256i s##i = _mm256_setzero_si256();
#define MADDUBS(i)                                                                                           \
   __asm__ volatile("vpmaddubsw %2, %2, %1\n vpmaddwd %3, %1, %1\n vpaddd %1, %0, %0"                        \
                    : "+x"(s##i), "=&x"(t)                                                                   \
                    : "x"(a), "x"(ones));
#define VNNI_YMM(i) __asm__ volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(s##i) : "x"(a));
#define ZERO_ZMM(i) __m512i s##i = _mm512_setzero_si512();
#define VNNI_ZMM(i) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(s##i) : "v"(a));

__attribute__((target("avx2"))) static double avx2_maddubs(const unsigned char *memory)
{
   __m256i a = _mm256_loadu_si256((const void *)memory), ones = _mm256_set1_epi16(1), t;
   SUMS(ZERO_YMM)
   for (int n = 0; n < INNER; n++) {
      SUMS(MADDUBS)
   }
   return 2.0 * 32 * N_SUMS * INNER;
}

__attribute__((target("avx2"))) static double avx_vnni(const unsigned char *memory)
{
   __m256i a = _mm256_loadu_si256((const void *)memory);
   SUMS(ZERO_YMM)
   for (int n = 0; n < INNER; n++) {
      SUMS(VNNI_YMM)
   }
   return 2.0 * 32 * N_SUMS * INNER;
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static double avx512_vnni(const unsigned char *memory)
{
   __m512i a = _mm512_loadu_si512(memory);
   SUMS(ZERO_ZMM)
   for (int n = 0; n < INNER; n++) {
      SUMS(VNNI_ZMM)
   }
   return 2.0 * 64 * N_SUMS * INNER;
}

__attribute__((target("amx-tile,amx-int8"))) static void configure(void)
{
   tile_config config = { .palette = 1 };
   for (int i = 0; i < 8; i++) config.columns[i] = 64, config.rows[i] = 16;
   __asm__ volatile("" : : "r"(&config) : "memory"); /* gcc 12 drops stores that _tile_loadconfig reads */
   _tile_loadconfig(&config);
   _tile_zero(0);
   _tile_zero(1);
   _tile_zero(2);
   _tile_zero(3);
}

__attribute__((target("amx-tile,amx-int8"))) static double amx_registers(const unsigned char *memory)
{
   configure();
   _tile_loadd(4, memory, 64);
   _tile_loadd(5, memory, 64);
   for (int n = 0; n < INNER; n++) {
      _tile_dpbusd(0, 4, 5);
      _tile_dpbusd(1, 4, 5);
      _tile_dpbusd(2, 4, 5);
      _tile_dpbusd(3, 4, 5);
   }
   _tile_release();
   return 2.0 * 16 * 16 * 64 * 4 * INNER;
}

/* Two by two tiles: four loads, four products. */
__attribute__((target("amx-tile,amx-int8"))) static double amx_panels(const unsigned char *memory)
{
   configure();
   size_t half = PANEL / 2;
   for (int n = 0; n < INNER; n++) {
      size_t at = (size_t)n * 2 * TILE % half;
      _tile_loadd(4, memory + at, 64);
      _tile_loadd(5, memory + at + TILE, 64);
      _tile_loadd(6, memory + half + at, 64);
      _tile_loadd(7, memory + half + at + TILE, 64);
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
   }
   _tile_release();
   return 2.0 * 16 * 16 * 64 * 4 * INNER;
}

typedef struct runner {
   work *run;
   double seconds, operations;
   unsigned char *memory;
} runner;

static void *repeat(void *arg)
{
   runner *r = arg;
   double start = now();
   while (now() - start < r->seconds) r->operations += r->run(r->memory);
   r->operations /= now() - start;
   return NULL;
}

static double rate(work *run, int threads, double seconds, unsigned char *memory)
{
   pthread_t thread[MAX_THREADS];
   runner part[MAX_THREADS];
   double sum = 0;
   for (int i = 0; i < threads; i++) {
      part[i] = (runner){ run, seconds, 0, memory + (size_t)i * PANEL };
      if (pthread_create(&thread[i], NULL, repeat, &part[i])) exit(4);
   }
   for (int i = 0; i < threads; i++) {
      pthread_join(thread[i], NULL);
      sum += part[i].operations;
   }
   return sum;
}

static void report(const char *what, work *run, double seconds, unsigned char *memory)
{
   long processors = sysconf(_SC_NPROCESSORS_ONLN);
   for (int threads = 1; threads <= processors && threads <= MAX_THREADS; threads *= 2) {
      double best = 0;
      for (double end = now() + seconds; now() < end;) {
         double found = rate(run, threads, WINDOW_SECONDS, memory);
         if (found > best) best = found;
      }
      printf("%s, %d thread%s, T op/s: %.3f\n", what, threads, threads > 1 ? "s" : "", best * 1e-12);
   }
}

static int has_flag(const char *flag)
{
   FILE *file = fopen("/proc/cpuinfo", "r");
   static char line[1 << 14];
   int found = 0;
   while (file && !found && fgets(line, sizeof line, file))
      found = !strncmp(line, "flags", 5) && strstr(line, flag);
   if (file) fclose(file);
   return found;
}

static int has_amx(void)
{
   enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
   return has_flag(" amx_int8") && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

int main(int argc, char **argv)
{
   double seconds = argc > 1 ? atof(argv[1]) : 0.3;
   size_t size = (size_t)MAX_THREADS * PANEL;
   unsigned char *memory = aligned_alloc(64, size);
   if (!memory) return 4;
   memset(memory, 1, size);
   if (has_flag(" avx2")) report("AVX2 maddubs", avx2_maddubs, seconds, memory);
   if (has_flag(" avx_vnni")) report("AVX-VNNI", avx_vnni, seconds, memory);
   if (has_flag(" avx512_vnni")) report("AVX-512 VNNI", avx512_vnni, seconds, memory);
   if (has_amx()) {
      report("AMX from registers", amx_registers, seconds, memory);
      report("AMX from L2 panels", amx_panels, seconds, memory);
   }
   free(memory);
   return 0;
}
#else
int main(void)
{
   puts("SKIP: peaks are measured on x86-64 only");
   return 0;
}
#endif
