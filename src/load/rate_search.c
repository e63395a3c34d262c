#include "load/rate_search.h"

#include <math.h>

#include "measure/statistics.h"

const char *ifm_rate_verdict_name(ifm_rate_verdict verdict)
{
    static const char *const names[] = {"kept", "broken", "cannot tell",
                                        "client too slow"};
    return (unsigned)verdict <= IFM_RATE_SPOILED ? names[verdict] : "unknown";
}

ifm_rate_options ifm_rate_options_usual(void)
{
    return (ifm_rate_options){
        .guess = 1,
        .least = 0.001,
        .most = 1e6,
        .precision = 0.05,
        .share = 0.95,
        .confidence = 0.95,
        .first_n = 400,
        .first_s = 10,
        .looks = 4,
    };
}

void ifm_rate_search_init(ifm_rate_search *self, const ifm_rate_options *options)
{
    *self = (ifm_rate_search){.options = *options, .low = NAN, .high = NAN};
    self->options.guess = fmin(fmax(options->guess, options->least), options->most);
}

/* Whether the bracket is as narrow as asked. */
static bool is_narrow(const ifm_rate_search *s)
{
    return s->high / s->low <= 1 + s->options.precision;
}

static double next_rate(const ifm_rate_search *s)
{
    if (s->n_steps == 0)
        return s->options.guess;
    if (isnan(s->high))
        return fmin(2 * s->low, s->options.most);
    if (isnan(s->low))
        return fmax(s->high / 2, s->options.least);
    return sqrt(s->low * s->high);
}

bool ifm_rate_search_next(const ifm_rate_search *self, double *rate, int64_t *n)
{
    const ifm_rate_options *o = &self->options;
    if (self->done)
        return false;
    if (self->open) {
        const ifm_rate_step *step = &self->steps[self->n_steps - 1];
        *rate = step->rate;
        *n = step->n;
        return true;
    }
    *rate = next_rate(self);
    *n = (int64_t)fmax((double)o->first_n, ceil(*rate * o->first_s));
    return true;
}

/* What one decision may err, so that all that could be made err no more than was asked. */
static double decision_confidence(const ifm_rate_options *o)
{
    return 1 - (1 - o->confidence) / (IFM_RATE_STEPS_MAX * (double)o->looks);
}

static void judge(const ifm_rate_search *s, ifm_rate_step *step)
{
    const double share = step->n > 0 ? (double)step->n_good / (double)step->n : 0;
    ifm_share_interval(share * step->n_effective, step->n_effective,
                       decision_confidence(&s->options), step->bounds);
    step->verdict = step->bounds[0] > s->options.share   ? IFM_RATE_KEPT
                    : step->bounds[1] < s->options.share ? IFM_RATE_BROKEN
                                                         : IFM_RATE_UNDECIDED;
}

/* A rate is decided: the bracket gets narrower. */
static void close_step(ifm_rate_search *s, const ifm_rate_step *step)
{
    s->open = false;
    if (step->verdict == IFM_RATE_KEPT)
        s->low = step->rate;
    else
        s->high = step->rate;
    const bool at_top = isnan(s->high) && s->low >= s->options.most,
               at_bottom = isnan(s->low) && s->high <= s->options.least,
               found = !isnan(s->low) && !isnan(s->high) && is_narrow(s);
    s->done = at_top || at_bottom || found || s->n_steps == IFM_RATE_STEPS_MAX;
}

void ifm_rate_search_tell(ifm_rate_search *self, int64_t n, int64_t good, double spread,
                          bool blameless)
{
    if (self->done)
        return;
    if (!self->open) {
        self->steps[self->n_steps] = (ifm_rate_step){.rate = next_rate(self),
                                                     .ttft_p95_ns = NAN,
                                                     .tpot_p95_ns = NAN,
                                                     .e2el_p95_ns = NAN};
        self->n_steps++;
        self->open = true;
    }
    ifm_rate_step *step = &self->steps[self->n_steps - 1];
    step->looks++;
    step->n += n;
    step->n_good += good;
    step->n_effective += (double)n / fmax(spread, 1);
    judge(self, step);
    const bool last = step->looks >= self->options.looks || n <= 0;
    if (step->verdict == IFM_RATE_UNDECIDED && !last)
        return;
    if (!blameless && step->verdict != IFM_RATE_KEPT)
        step->verdict = IFM_RATE_SPOILED;
    close_step(self, step);
}

void ifm_rate_search_no_lower(ifm_rate_search *self)
{
    if (self->open || !isnan(self->low) || isnan(self->high))
        return;
    self->options.least = self->high;
    self->done = true;
}

const char *ifm_rate_search_end(const ifm_rate_search *self)
{
    if (!self->done)
        return "searching";
    if (isnan(self->low))
        return self->high <= self->options.least ? "floor" : "steps";
    if (isnan(self->high))
        return self->low >= self->options.most ? "ceiling" : "steps";
    return is_narrow(self) ? "found" : "steps";
}
