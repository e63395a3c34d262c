#include "mock/late.h"

/* Durations below 16 ns have a bucket each; above, the top five bits choose. */
static size_t bucket_of(uint64_t ns)
{
    if (ns < IFM_MOCK_LATE_STEPS)
        return (size_t)ns;
    const int shift = 59 - __builtin_clzll(ns); /* leaves 16 … 31 */
    const size_t i = (size_t)(shift + 1) * IFM_MOCK_LATE_STEPS + (size_t)(ns >> shift) -
                     IFM_MOCK_LATE_STEPS;
    return i < IFM_MOCK_LATE_BUCKETS ? i : IFM_MOCK_LATE_BUCKETS - 1;
}

static int64_t upper_end(size_t bucket)
{
    if (bucket < IFM_MOCK_LATE_STEPS)
        return (int64_t)bucket;
    const size_t shift = bucket / IFM_MOCK_LATE_STEPS - 1;
    const uint64_t top = IFM_MOCK_LATE_STEPS + bucket % IFM_MOCK_LATE_STEPS;
    return (int64_t)(((top + 1) << shift) - 1);
}

void ifm_mock_late_add(ifm_mock_late *self, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    self->n++;
    self->count[bucket_of((uint64_t)ns)]++;
    if (ns > self->max_ns)
        self->max_ns = ns;
}

int64_t ifm_mock_late_quantile_ns(const ifm_mock_late *self, double quantile)
{
    const double wanted = quantile * (double)self->n;
    uint64_t below = 0;
    for (size_t i = 0; i < IFM_MOCK_LATE_BUCKETS; i++) {
        below += self->count[i];
        if (below > 0 && (double)below >= wanted)
            return upper_end(i) < self->max_ns ? upper_end(i) : self->max_ns;
    }
    return -1;
}
