#include "drive/schedule.h"

#include <math.h>

/* Where an exponential ramp begins: it would never leave 0. */
static const double RAMP_BEGIN_FRAC = 0.01;
/* Longer than any run; far from where a double becomes no int64_t. */
static const double LATEST_S = 1e9;

/* Marsaglia and Tsang 2000, "A Simple Method for Generating Gamma Variables", ACM TOMS 26:
 * the cube of a shifted normal, rejected by their exact condition; below 1, shape + 1 and
 * U^(1/shape) (their section 6). */
double ifm_schedule_gamma(ifm_random *random, double shape)
{
    if (shape < 1) {
        const double u = 1 - ifm_random_unit(random); /* never 0 */
        return ifm_schedule_gamma(random, shape + 1) * pow(u, 1 / shape);
    }
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = ifm_random_normal(random);
        const double t = 1 + c * x;
        if (t <= 0)
            continue;
        const double v = t * t * t, u = 1 - ifm_random_unit(random);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

/* The gap before the next request, in units: of mean 1. */
static double gap(ifm_schedule *self)
{
    const ifm_schedule_options *o = &self->options;
    switch (o->arrival) {
    case IFM_ARRIVAL_CONSTANT:
        return 1;
    case IFM_ARRIVAL_POISSON:
        return -log(1 - ifm_random_unit(&self->random));
    case IFM_ARRIVAL_GAMMA:
        return ifm_schedule_gamma(&self->random, o->burstiness) / o->burstiness;
    default:
        return 0;
    }
}

/* The moment, in seconds, until which the rate comes to `demand` requests. */
static double time_of(const ifm_schedule_options *o, double demand)
{
    const double rate = o->rate, s = o->ramp_s;
    if (s <= 0)
        return demand / rate;
    if (o->ramp == IFM_RAMP_LINEAR) {
        const double ramped = rate * s / 2;
        return demand <= ramped ? sqrt(2 * s * demand / rate)
                                : s + (demand - ramped) / rate;
    }
    const double first = rate * RAMP_BEGIN_FRAC, grows = -log(RAMP_BEGIN_FRAC) / s;
    const double ramped = (rate - first) / grows;
    return demand <= ramped ? log1p(demand * grows / first) / grows
                            : s + (demand - ramped) / rate;
}

static int64_t ns_of(double seconds)
{
    return (int64_t)llround(fmin(seconds, LATEST_S) * 1e9);
}

static int64_t traced(const ifm_schedule *self)
{
    const ifm_schedule_options *o = &self->options;
    if ((uint64_t)self->index >= o->n_times)
        return INT64_MAX;
    return ns_of((double)(o->times[self->index] - o->times[0]) / o->speed / 1e9);
}

static int64_t due(const ifm_schedule *self)
{
    switch (self->options.arrival) {
    case IFM_ARRIVAL_CLOSED:
    case IFM_ARRIVAL_BURST:
        return 0;
    case IFM_ARRIVAL_TRACE:
        return traced(self);
    default:
        return ns_of(time_of(&self->options, self->demand));
    }
}

void ifm_schedule_init(ifm_schedule *self, const ifm_schedule_options *options)
{
    *self = (ifm_schedule){.options = *options};
    ifm_random_init(&self->random, options->seed);
    self->due_ns = due(self);
}

void ifm_schedule_advance(ifm_schedule *self)
{
    self->index++;
    self->demand += gap(self);
    self->due_ns = due(self);
}

int64_t ifm_schedule_place_opens(const ifm_schedule_options *o, int64_t place)
{
    if (o->places > 0 && place >= o->places)
        return INT64_MAX;
    /* Under a rate it is the rate that rises. */
    if (o->arrival != IFM_ARRIVAL_CLOSED || o->ramp_s <= 0 || place <= 0)
        return 0;
    const double share = o->ramp == IFM_RAMP_LINEAR
                             ? (double)place / (double)(o->places - 1)
                             : log((double)place + 1) / log((double)o->places);
    return ns_of(o->ramp_s * share);
}
