/* cpu: feature detection by cpuid and xgetbv (x86) or the kernel's hardware capabilities (Arm), tier names,
 * floating-point control.
 *
 * A feature counts only if XCR0 says that the operating system saves its registers; for AMX, Linux must also
 * grant the tile data to the process, which is asked for here (arch_prctl, Linux 5.16). Intel SDM volume 1,
 * chapters 13 and 18; AMD APM volume 3, appendix E. */
#define _DEFAULT_SOURCE   /* syscall, sysconf's caches */
#include "base/cpu.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)

enum {
   XCR0_AVX = 0x6,       /* xmm, ymm */
   XCR0_AVX512 = 0xe6,   /* and opmask, zmm */
   XCR0_AMX = 0x60000    /* tile configuration, tile data */
};

typedef struct cpuid_regs {
   unsigned a, b, c, d;
} cpuid_regs;

static cpuid_regs cpuid_leaf(unsigned leaf, unsigned sub)
{
   cpuid_regs r = { 0, 0, 0, 0 };
   if (!__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d)) {
      r = (cpuid_regs){ 0, 0, 0, 0 };
   }
   return r;
}

static uint64_t read_xcr0(void)
{
   uint32_t low, high;
   __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
   return ((uint64_t)high << 32) | low;
}

static bool has_bits(uint64_t value, uint64_t bits)
{
   return (value & bits) == bits;
}

static bool amx_granted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
   enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_TILE_DATA = 18 };
   return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILE_DATA) == 0;
#else
   return false;
#endif
}

static unsigned detect_avx512(cpuid_regs l7, uint64_t xcr0)
{
   const unsigned f_dq_bw_vl = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
   if (!has_bits(xcr0, XCR0_AVX512) || !has_bits(l7.b, f_dq_bw_vl) || !(l7.c & bit_AVX512VNNI)) {
      return 0;
   }
   return PARE_CPU_AVX512 | ((l7.c & bit_AVX512VBMI) ? PARE_CPU_VBMI : 0u);
}

unsigned pare_cpu_detect(void)
{
   const unsigned avx_fma_f16c = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
   const unsigned amx = (1u << 24) | (1u << 25);   /* leaf 7 edx: AMX-TILE, AMX-INT8 */
   cpuid_regs l1 = cpuid_leaf(1, 0), l7 = cpuid_leaf(7, 0), l7_1 = cpuid_leaf(7, 1);
   if (!has_bits(l1.c, avx_fma_f16c) || !(l7.b & bit_AVX2)) {
      return 0;
   }
   uint64_t xcr0 = read_xcr0();
   if (!has_bits(xcr0, XCR0_AVX)) {
      return 0;
   }
   unsigned mask = PARE_CPU_AVX2 | detect_avx512(l7, xcr0);
   if (l7_1.a & (1u << 4)) {
      mask |= PARE_CPU_AVXVNNI;
   }
   if ((mask & PARE_CPU_AVX512) && has_bits(l7.d, amx) && has_bits(xcr0, XCR0_AMX) && amx_granted()) {
      mask |= PARE_CPU_AMX;
   }
   return mask;
}

void pare_cpu_name(char *buf, size_t n)
{
   uint32_t words[12];
   char brand[sizeof words + 1];
   for (unsigned i = 0; i < 3; i++) {
      cpuid_regs r = cpuid_leaf(0x80000002u + i, 0);
      words[4 * i] = r.a;
      words[4 * i + 1] = r.b;
      words[4 * i + 2] = r.c;
      words[4 * i + 3] = r.d;
   }
   memcpy(brand, words, sizeof words);
   brand[sizeof words] = 0;
   const char *start = brand + strspn(brand, " ");
   size_t len = strlen(start);
   while (len > 0 && start[len - 1] == ' ') {
      len--;
   }
   snprintf(buf, n, "%.*s", len ? (int)len : 7, len ? start : "unknown");
}

unsigned pare_fp_pin(void)
{
   unsigned old = _mm_getcsr();
   _mm_setcsr(0x1f80);   /* all exceptions masked, nearest even, no FTZ, no DAZ */
   return old;
}

void pare_fp_restore(unsigned state)
{
   _mm_setcsr(state);
}

#elif defined(__aarch64__)

unsigned pare_cpu_detect(void)
{
   unsigned mask = 0;
#if defined(__linux__)
   if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) {
      mask |= PARE_CPU_NEON_DOT;
   }
   if (getauxval(AT_HWCAP2) & HWCAP2_I8MM) {
      mask |= PARE_CPU_I8MM;
   }
#endif
   return mask;
}

void pare_cpu_name(char *buf, size_t n)
{
   snprintf(buf, n, "aarch64");
}

unsigned pare_fp_pin(void)
{
   uint64_t old;
   __asm__ volatile("mrs %0, fpcr" : "=r"(old));
   __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));   /* nearest even, no FZ, no traps */
   return (unsigned)old;
}

void pare_fp_restore(unsigned state)
{
   __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)state));
}

#else

unsigned pare_cpu_detect(void)
{
   return 0;
}

void pare_cpu_name(char *buf, size_t n)
{
   snprintf(buf, n, "unknown");
}

unsigned pare_fp_pin(void)
{
   return 0;
}

void pare_fp_restore(unsigned state)
{
   (void)state;
}

#endif

pare_cache_sizes pare_cpu_cache_sizes(void)
{
   long l1 = -1, l2 = -1;
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL2_CACHE_SIZE)
   l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
   l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
   return (pare_cache_sizes){ .l1 = l1 > 0 ? l1 : 32 << 10, .l2 = l2 > 0 ? l2 : 512 << 10 };
}

bool pare_cpu_parse(const char *name, unsigned detected, unsigned *mask)
{
   static const struct {
      const char *name;
      unsigned needs, may;
   } tiers[] = {
      { "scalar", 0, 0 },
      { "avx2", PARE_CPU_AVX2, 0 },
      { "avxvnni", PARE_CPU_AVX2 | PARE_CPU_AVXVNNI, 0 },
      { "avx512", PARE_CPU_AVX2 | PARE_CPU_AVX512, PARE_CPU_VBMI },
      { "amx", PARE_CPU_AVX2 | PARE_CPU_AVX512 | PARE_CPU_AMX, PARE_CPU_VBMI },
      { "neon", PARE_CPU_NEON_DOT, PARE_CPU_I8MM },
      { "native", 0, ~0u },
   };
   *mask = 0;
   for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
      if (strcmp(name, tiers[i].name) != 0) {
         continue;
      }
      unsigned missing = tiers[i].needs & ~detected;
      *mask = missing ? missing : (tiers[i].needs | tiers[i].may) & detected;
      return missing == 0;
   }
   return false;
}

void pare_cpu_describe(unsigned mask, char *buf, size_t n)
{
   const char *vbmi = (mask & PARE_CPU_VBMI) ? "+vbmi" : "";
   if (mask & PARE_CPU_AMX) {
      snprintf(buf, n, "amx%s", vbmi);
   } else if (mask & PARE_CPU_AVX512) {
      snprintf(buf, n, "avx512%s", vbmi);
   } else if (mask & PARE_CPU_AVX2) {
      snprintf(buf, n, "%s", (mask & PARE_CPU_AVXVNNI) ? "avxvnni" : "avx2");
   } else if (mask & PARE_CPU_NEON_DOT) {
      snprintf(buf, n, "neon%s", (mask & PARE_CPU_I8MM) ? "+i8mm" : "");
   } else {
      snprintf(buf, n, "scalar");
   }
}
