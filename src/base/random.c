#include "base/random.h"

#include <math.h>

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void ifm_random_init(ifm_random *self, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        self->s[i] = z ^ (z >> 31);
    }
}

uint64_t ifm_random_u64(ifm_random *self)
{
    uint64_t *s = self->s;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double ifm_random_unit(ifm_random *self)
{
    return (double)(ifm_random_u64(self) >> 11) * 0x1p-53;
}

double ifm_random_normal(ifm_random *self)
{
    double x, y, r;
    do {
        x = 2.0 * ifm_random_unit(self) - 1.0;
        y = 2.0 * ifm_random_unit(self) - 1.0;
        r = x * x + y * y;
    } while (r >= 1.0 || r == 0.0);
    return x * sqrt(-2.0 * log(r) / r);
}

uint64_t ifm_random_below(ifm_random *self, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t x;
    do
        x = ifm_random_u64(self);
    while (x >= limit);
    return x % n;
}
