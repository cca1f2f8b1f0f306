/* rng: xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64. Same seed, same numbers, everywhere. */
#ifndef PARE_BASE_RNG_H
#define PARE_BASE_RNG_H

#include <stdint.h>

typedef struct pare_rng {
   uint64_t s[4];
} pare_rng;

static inline void pare_rng_seed(pare_rng *rng, uint64_t seed)
{
   for (int i = 0; i < 4; i++) {
      uint64_t z = seed += 0x9e3779b97f4a7c15u;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      rng->s[i] = z ^ (z >> 31);
   }
}

static inline uint64_t pare_rng_next(pare_rng *rng)
{
   uint64_t *s = rng->s, x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
   s[2] ^= s[0];
   s[3] ^= s[1];
   s[1] ^= s[2];
   s[0] ^= s[3];
   s[2] ^= t;
   s[3] = (s[3] << 45) | (s[3] >> 19);
   return result;
}

/* Uniform in [0, 1), 53 bits. */
static inline double pare_rng_unit(pare_rng *rng)
{
   return (double)(pare_rng_next(rng) >> 11) * 0x1p-53;
}

/* Uniform in [0, bound), bound > 0; the bias is below 2^-32 for bounds that fit 32 bits. */
static inline uint64_t pare_rng_below(pare_rng *rng, uint64_t bound)
{
   return (uint64_t)(((unsigned __int128)pare_rng_next(rng) * bound) >> 64);
}

#endif
