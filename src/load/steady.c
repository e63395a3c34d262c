#include "load/steady.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double least_share = 0.5; /* of the load's time */
static const double most_growth = 1.5; /* last quarter ÷ first quarter in flight, and */
static const double least_growth_sd = 3; /* more than chance: a count's sd is its root */

bool ifm_steady_init(ifm_steady *self, int64_t ended_ns)
{
    *self = (ifm_steady){.first_due_ns = INT64_MAX,
                         .last_due_ns = INT64_MIN,
                         .last_start_ns = INT64_MIN,
                         .last_end_ns = INT64_MIN};
    self->bin_ns = (ended_ns > 0 ? ended_ns : 0) / IFM_STEADY_BINS + 1;
    self->change = calloc(IFM_STEADY_BINS + 1, sizeof *self->change);
    return self->change != NULL;
}

void ifm_steady_deinit(ifm_steady *self)
{
    free(self->change);
    self->change = NULL;
}

static size_t bin_of(const ifm_steady *self, int64_t t_ns)
{
    int64_t bin = t_ns < 0 ? 0 : t_ns / self->bin_ns;
    return bin < IFM_STEADY_BINS ? (size_t)bin : IFM_STEADY_BINS - 1;
}

void ifm_steady_add(ifm_steady *self, int64_t due_ns, int64_t begin_ns, int64_t end_ns,
                    bool counts)
{
    self->change[bin_of(self, begin_ns)]++;
    self->change[bin_of(self, end_ns)]--;
    if (!counts)
        return;
    self->n++;
    self->first_due_ns = due_ns < self->first_due_ns ? due_ns : self->first_due_ns;
    self->last_due_ns = due_ns > self->last_due_ns ? due_ns : self->last_due_ns;
    self->last_start_ns = begin_ns > self->last_start_ns ? begin_ns : self->last_start_ns;
    self->last_end_ns = end_ns > self->last_end_ns ? end_ns : self->last_end_ns;
}

static int ascending(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Requests in flight at the median moment of bins [from, to). */
static int32_t median_of(const int32_t *in_flight, size_t from, size_t to)
{
    const size_t n = to - from;
    int32_t *sorted = n > 0 ? malloc(n * sizeof *sorted) : NULL;
    if (sorted == NULL)
        return 0;
    memcpy(sorted, in_flight + from, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    int32_t median = sorted[n / 2];
    free(sorted);
    return median;
}

static int32_t most_of(const int32_t *in_flight, size_t from, size_t to)
{
    int32_t most = 0;
    for (size_t i = from; i < to; i++)
        most = in_flight[i] > most ? in_flight[i] : most;
    return most;
}

static double mean_of(const int32_t *in_flight, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += in_flight[i];
    return to > from ? sum / (double)(to - from) : 0;
}

static bool still_grows(const int32_t *in_flight, size_t from, size_t to)
{
    const size_t quarter = (to - from) / 4;
    double first = mean_of(in_flight, from, from + quarter);
    double last = mean_of(in_flight, to - quarter, to);
    return last > most_growth * first &&
           last - first > least_growth_sd * sqrt(fmax(first, 1));
}

bool ifm_steady_find(ifm_steady *self, int64_t places, int64_t from_ns, int64_t *begin_ns,
                     int64_t *end_ns)
{
    if (self->n < IFM_STEADY_REQUESTS)
        return false;
    int32_t *in_flight = self->change;
    for (size_t i = 1; i < IFM_STEADY_BINS; i++)
        in_flight[i] += in_flight[i - 1];
    if (from_ns < self->first_due_ns)
        from_ns = self->first_due_ns;
    const bool closed = places > 0;
    const size_t from = bin_of(self, from_ns);
    const size_t last = bin_of(self, closed ? self->last_start_ns : self->last_due_ns);
    if (last < from || (!closed && last == from))
        return false;
    int32_t level =
        closed ? most_of(in_flight, from, last + 1) : median_of(in_flight, from, last);
    if (closed && level > places)
        level = (int32_t)places;
    size_t begin = from, end = last;
    while (begin < last && in_flight[begin] < level)
        begin++;
    while (closed && end < IFM_STEADY_BINS && in_flight[end] >= level)
        end++;
    *begin_ns = begin == from ? from_ns : (int64_t)begin * self->bin_ns;
    *end_ns = closed ? (int64_t)end * self->bin_ns : self->last_due_ns;
    if (*end_ns > self->last_end_ns)
        *end_ns = self->last_end_ns;
    double share = (double)(*end_ns - *begin_ns) / (double)(self->last_end_ns - from_ns);
    return share >= least_share && !still_grows(in_flight, begin, end);
}
