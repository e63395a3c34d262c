/* How late: durations counted in buckets that are a sixteenth of an octave wide, so that any
 * number of them takes the same memory and a quantile is right within 7%. */
#ifndef IFM_MOCK_LATE_H
#define IFM_MOCK_LATE_H

#include "inferometer/base.h"

enum { IFM_MOCK_LATE_STEPS = 16, IFM_MOCK_LATE_BUCKETS = 60 * IFM_MOCK_LATE_STEPS };

typedef struct ifm_mock_late {
    int64_t n, max_ns;
    uint64_t count[IFM_MOCK_LATE_BUCKETS];
} ifm_mock_late;

/* Negative ones count as 0. */
void ifm_mock_late_add(ifm_mock_late *self, int64_t ns);
/* The upper end of the bucket that the quantile (0 … 1) falls into; -1 when it is empty. */
int64_t ifm_mock_late_quantile_ns(const ifm_mock_late *self, double quantile);

#endif
