/*
 * Seeded random numbers: xoshiro256++ (Blackman and Vigna 2019), seeded through splitmix64
 * so that every seed, 0 included, gives a good state. The same seed gives the same numbers
 * on every machine.
 */
#ifndef IFM_BASE_RANDOM_H
#define IFM_BASE_RANDOM_H

#include <stdint.h>

typedef struct ifm_random {
    uint64_t s[4];
} ifm_random;

void ifm_random_init(ifm_random *self, uint64_t seed);
uint64_t ifm_random_u64(ifm_random *self);
/* Uniform in [0, 1), 53 bits. */
double ifm_random_unit(ifm_random *self);
/* Standard normal (Marsaglia and Bray's polar method). */
double ifm_random_normal(ifm_random *self);
/* Uniform in 0 … n-1 without bias; n ≥ 1. */
uint64_t ifm_random_below(ifm_random *self, uint64_t n);

#endif
