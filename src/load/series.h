/*
 * A series of values of which statistics are wanted, given in passes: the same values, in
 * any order, as often as it asks. Equal to ifm_stats_of on all of them.
 *
 * Up to IFM_SERIES_KEPT values are kept and sorted after the first pass. More take further
 * passes: for their order statistics (load/select.h), and one that counts outliers.
 */
#ifndef IFM_LOAD_SERIES_H
#define IFM_LOAD_SERIES_H

#include "load/select.h"
#include "measure/statistics.h"

enum { IFM_SERIES_KEPT = 65536 }; /* 512 KiB */

/* A sum whose error does not grow with the number of terms (Neumaier 1974). */
typedef struct ifm_sum {
    double sum, rest;
} ifm_sum;

void ifm_sum_add(ifm_sum *self, double x);
double ifm_sum_value(const ifm_sum *self);

typedef enum ifm_series_stage {
    IFM_SERIES_FIRST,    /* counting, keeping */
    IFM_SERIES_SELECT,   /* ranks; squares in the first of these passes */
    IFM_SERIES_OUTLIERS, /* counting those beyond the fences */
    IFM_SERIES_DONE,
} ifm_series_stage;

/* All zero is an empty series before its first pass, but for `range`: ifm_series_init. */
typedef struct ifm_series {
    ifm_series_stage stage;
    double *kept; /* heap, [capacity]; NULL once there are too many */
    size_t capacity;
    bool no_memory; /* sticky; the statistics are then those of no values */
    ifm_sum sum, squares;
    bool squared;
    ifm_select_range range;
    ifm_select select;
    ifm_stats stats; /* n, min, max grow in the first pass */
    double low_fence, high_fence;
} ifm_series;

void ifm_series_init(ifm_series *self);
void ifm_series_deinit(ifm_series *self);
/* One value, no NaN. Nothing once it is done. */
void ifm_series_add(ifm_series *self, double x);
/* The end of a pass. True: it needs the values once more. */
bool ifm_series_pass(ifm_series *self);
bool ifm_series_done(const ifm_series *self);

#endif
