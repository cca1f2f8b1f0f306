/* cpu: which instruction sets may be used, how large the caches are, what the machine is called, and the
 * floating-point modes of a thread.
 *
 *    unsigned have = pare_cpu_detect(), use;
 *    if (!pare_cpu_parse("avx512", have, &use)) ...       the --cpu option
 *    unsigned fp = pare_fp_pin();  ... compute ...  pare_fp_restore(fp);
 * */
#ifndef PARE_BASE_CPU_H
#define PARE_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Feature bits. Each counts only if the operating system saves its registers too. */
enum {
   PARE_CPU_AVX2 = 1,      /* AVX2, FMA, F16C */
   PARE_CPU_AVXVNNI = 2,   /* 256-bit VNNI without AVX-512 */
   PARE_CPU_AVX512 = 4,    /* F, BW, DQ, VL, VNNI */
   PARE_CPU_VBMI = 8,      /* AVX-512 VBMI */
   PARE_CPU_AMX = 16,      /* AMX TILE and INT8 */
   PARE_CPU_NEON_DOT = 32, /* Armv8.2 dot product */
   PARE_CPU_I8MM = 64      /* Arm int8 matrix product */
};

/* Features of this machine. */
unsigned pare_cpu_detect(void);

/* Mask for a tier by name: "scalar", "avx2", "avxvnni", "avx512", "amx", "neon" (each with all below it that was
 * detected) or "native" (all detected). False if the name is unknown (*mask is then 0) or the machine lacks a
 * feature that the tier needs (*mask then holds the missing ones). */
bool pare_cpu_parse(const char *name, unsigned detected, unsigned *mask);

/* The names that pare_cpu_parse knows, for messages and help. */
#define PARE_CPU_NAMES "scalar, avx2, avxvnni, avx512, amx, neon, native"

/* Short name of the best tier of a mask: "avx512+vbmi", "scalar". Always terminated, cut to n bytes. */
void pare_cpu_describe(unsigned mask, char *buf, size_t n);

/* Bytes of the caches of a core: of the first level for data, of the second. */
typedef struct pare_cache_sizes {
   int64_t l1, l2;
} pare_cache_sizes;

/* Those of this machine; 32 KiB and 512 KiB where the system does not tell. */
pare_cache_sizes pare_cpu_cache_sizes(void);

/* The processor's own name ("AMD EPYC ..."), "unknown" if it has none. Always terminated, cut to n bytes. */
void pare_cpu_name(char *buf, size_t n);

/* Pin this thread to rounding to nearest even with denormals honoured and no traps; returns the state to
 * restore. */
unsigned pare_fp_pin(void);
void pare_fp_restore(unsigned state);

#endif
