/*
 * Buckets are linear within a power of two: the first six bits after a duration's leading one
 * choose one of 64, so that finding a bucket takes a shift and no logarithm.
 *
 *     duration     1   b6 b5 b4 b3 b2 b1   …        bucket = 64 × exponent + (b6 … b1)
 *                  └─ 2^exponent
 *
 * A bucket is at most 1/64 of its lower bound wide, and its middle, which stands for all of
 * it, at most 1/128 off: 0.8%. Durations below 128 ns have a bucket each.
 */
#include "load/totals.h"

#include <math.h>

enum { SUB_BITS = 6, SUBS = 1 << SUB_BITS };

_Static_assert(IFM_HISTOGRAM_BUCKETS % SUBS == 0, "whole powers of two");

static size_t bucket_of(int64_t ns)
{
    if (ns < 1)
        return 0;
    const uint64_t x = (uint64_t)ns;
    const int exponent = 63 - __builtin_clzll(x);
    const uint64_t sub =
        exponent >= SUB_BITS ? x >> (exponent - SUB_BITS) : x << (SUB_BITS - exponent);
    const size_t bucket = (size_t)exponent * SUBS + (size_t)(sub & (SUBS - 1));
    return bucket < IFM_HISTOGRAM_BUCKETS ? bucket : IFM_HISTOGRAM_BUCKETS - 1;
}

/* What a bucket's durations are taken for: its middle. Nothing takes no time: the first is 0 rather than 1 ns. */
static double value_of(size_t bucket)
{
    if (bucket == 0)
        return 0;
    const int exponent = (int)(bucket / SUBS);
    const double lower = ldexp((double)(SUBS + bucket % SUBS), exponent - SUB_BITS);
    const double last = exponent > SUB_BITS ? ldexp(1, exponent - SUB_BITS) - 1 : 0;
    return lower + last / 2;
}

void ifm_histogram_add(ifm_histogram *self, int64_t ns)
{
    uint32_t *count = &self->counts[bucket_of(ns)];
    if (*count == UINT32_MAX)
        return;
    (*count)++;
    self->n++;
}

/* The k-th smallest, k from 0. */
static double order_statistic(const ifm_histogram *self, uint64_t k)
{
    size_t bucket = 0;
    for (uint64_t seen = 0; bucket + 1 < IFM_HISTOGRAM_BUCKETS; bucket++) {
        seen += self->counts[bucket];
        if (seen > k)
            break;
    }
    return value_of(bucket);
}

double ifm_histogram_quantile(const ifm_histogram *self, double p)
{
    if (self->n == 0)
        return NAN;
    const double at = p * (double)(self->n - 1);
    const uint64_t k = (uint64_t)at;
    const double low = order_statistic(self, k), part = at - (double)k;
    return part > 0 ? low + part * (order_statistic(self, k + 1) - low) : low;
}

static void add_histogram(ifm_histogram *total, const ifm_histogram *part)
{
    for (size_t i = 0; i < IFM_HISTOGRAM_BUCKETS; i++) {
        const uint32_t room = UINT32_MAX - total->counts[i];
        const uint32_t more = part->counts[i] < room ? part->counts[i] : room;
        total->counts[i] += more;
        total->n += more;
    }
}

void ifm_totals_add(ifm_totals *total, const ifm_totals *part)
{
    if (part->t_ns > total->t_ns)
        total->t_ns = part->t_ns;
    total->due += part->due;
    total->started += part->started;
    total->in_flight += part->in_flight;
    total->waiting += part->waiting;
    for (size_t i = 0; i < IFM_OUTCOME_COUNT; i++)
        total->outcome[i] += part->outcome[i];
    total->output_tokens += part->output_tokens;
    total->events += part->events;
    total->body_bytes += part->body_bytes;
    add_histogram(&total->ttft, &part->ttft);
    add_histogram(&total->itl, &part->itl);
    add_histogram(&total->lag, &part->lag);
}

int64_t ifm_totals_failed(const ifm_totals *self)
{
    int64_t failed = 0;
    for (size_t i = 0; i < IFM_OUTCOME_COUNT; i++)
        failed += i != IFM_OUTCOME_OK ? self->outcome[i] : 0;
    return failed;
}
