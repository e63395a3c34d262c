#include "load/series.h"

#include <math.h>
#include <stdlib.h>

/* Quantiles that are wanted, as ifm_stats has them; each lies between two ranks. */
static const double quantiles[] = {0.25, 0.50, 0.75, 0.90, 0.95, 0.99};
enum {
    N_QUANTILES = 6,
    Q1 = 0,
    MEDIAN = 1,
    Q3 = 2,
    P90 = 3,
    P95 = 4,
    P99 = 5,
    MEDIAN_LOW = 2 * N_QUANTILES, /* index of a rank: the median's interval */
    MEDIAN_HIGH,
    N_RANKS,
};
_Static_assert((int)N_RANKS <= (int)IFM_SELECT_RANKS, "ranks of a series");

void ifm_sum_add(ifm_sum *self, double x)
{
    double sum = self->sum + x;
    self->rest +=
        fabs(self->sum) >= fabs(x) ? (self->sum - sum) + x : (x - sum) + self->sum;
    self->sum = sum;
}

double ifm_sum_value(const ifm_sum *self)
{
    return self->sum + self->rest;
}

void ifm_series_init(ifm_series *self)
{
    *self = (ifm_series){.range = ifm_select_range_empty()};
}

void ifm_series_deinit(ifm_series *self)
{
    free(self->kept);
    self->kept = NULL;
    ifm_select_deinit(&self->select);
}

bool ifm_series_done(const ifm_series *self)
{
    return self->stage == IFM_SERIES_DONE;
}

/* Keeps the value if there is room, grown by doubling; gives up keeping if there is not. */
static void keep(ifm_series *self, double x)
{
    size_t n = self->stats.n;
    if (n > self->capacity || (n == self->capacity && n == IFM_SERIES_KEPT))
        return;
    if (n == self->capacity) {
        size_t capacity = n == 0 ? 64 : 2 * n;
        double *grown = realloc(self->kept, capacity * sizeof *grown);
        self->no_memory = self->no_memory || grown == NULL;
        if (grown == NULL)
            return;
        self->kept = grown;
        self->capacity = capacity;
    }
    self->kept[n] = x;
}

static void add_first(ifm_series *self, double x)
{
    ifm_stats *s = &self->stats;
    keep(self, x);
    s->min = s->n == 0 || x < s->min ? x : s->min;
    s->max = s->n == 0 || x > s->max ? x : s->max;
    s->n++;
    ifm_sum_add(&self->sum, x);
    ifm_select_range_add(&self->range, x);
}

void ifm_series_add(ifm_series *self, double x)
{
    switch (self->stage) {
    case IFM_SERIES_FIRST:
        add_first(self, x);
        break;
    case IFM_SERIES_SELECT:
        ifm_select_add(&self->select, x);
        if (!self->squared)
            ifm_sum_add(&self->squares, (x - self->stats.mean) * (x - self->stats.mean));
        break;
    case IFM_SERIES_OUTLIERS:
        self->stats.n_outliers += x < self->low_fence || x > self->high_fence;
        break;
    case IFM_SERIES_DONE:
        break;
    }
}

static void begin_select(ifm_series *self)
{
    const size_t n = self->stats.n;
    size_t ranks[N_RANKS];
    for (size_t q = 0; q < N_QUANTILES; q++) {
        size_t below = (size_t)(quantiles[q] * (double)(n - 1));
        ranks[2 * q] = below;
        ranks[2 * q + 1] = below + 1 < n ? below + 1 : n - 1;
    }
    size_t k = ifm_median_rank95(n);
    ranks[MEDIAN_LOW] = k - 1;
    ranks[MEDIAN_HIGH] = n - k;
    free(self->kept);
    self->kept = NULL;
    self->stats.mean = ifm_sum_value(&self->sum) / (double)n;
    self->no_memory = !ifm_select_init(&self->select, &self->range, ranks, N_RANKS);
    self->stage = self->no_memory ? IFM_SERIES_DONE : IFM_SERIES_SELECT;
}

/* As ifm_quantile, from the two values between which it lies. */
static double quantile(const ifm_series *self, size_t q)
{
    double at = quantiles[q] * (double)(self->stats.n - 1);
    double part = at - (double)(size_t)at;
    double below = ifm_select_value(&self->select, 2 * q);
    double above = ifm_select_value(&self->select, 2 * q + 1);
    return below + part * (above - below);
}

static void end_select(ifm_series *self)
{
    ifm_stats *s = &self->stats;
    const double n = (double)s->n;
    s->sd = sqrt(ifm_sum_value(&self->squares) / (n - 1));
    double half = ifm_student_t975(s->n - 1) * s->sd / sqrt(n);
    s->mean_ci95[0] = s->mean - half;
    s->mean_ci95[1] = s->mean + half;
    s->p50 = quantile(self, MEDIAN); /* so many values carry every percentile */
    s->p90 = quantile(self, P90);
    s->p95 = quantile(self, P95);
    s->p99 = quantile(self, P99);
    s->median_ci95[0] = ifm_select_value(&self->select, MEDIAN_LOW);
    s->median_ci95[1] = ifm_select_value(&self->select, MEDIAN_HIGH);
    double q1 = quantile(self, Q1), q3 = quantile(self, Q3);
    s->iqr = q3 - q1;
    s->n_outliers = 0;
    self->low_fence = q1 - 1.5 * s->iqr;
    self->high_fence = q3 + 1.5 * s->iqr;
    ifm_select_deinit(&self->select);
    self->stage = IFM_SERIES_OUTLIERS;
}

bool ifm_series_pass(ifm_series *self)
{
    switch (self->stage) {
    case IFM_SERIES_FIRST:
        if (self->no_memory || self->stats.n <= IFM_SERIES_KEPT) {
            self->stats = ifm_stats_of(self->kept, self->no_memory ? 0 : self->stats.n);
            self->stage = IFM_SERIES_DONE;
        } else {
            begin_select(self);
        }
        break;
    case IFM_SERIES_SELECT:
        self->squared = true;
        if (!ifm_select_pass(&self->select))
            end_select(self);
        break;
    case IFM_SERIES_OUTLIERS:
        self->stage = IFM_SERIES_DONE;
        break;
    case IFM_SERIES_DONE:
        break;
    }
    return self->stage != IFM_SERIES_DONE;
}
