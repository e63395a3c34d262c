/*
 * What another process's clock shows, from questions and answers (Cristian, "Probabilistic
 * clock synchronization", 1989): the answer was written at some moment between question
 * and arrival, so that the middle is off by half the round trip at most. Of many the
 * quickest is best. Pure.
 */
#ifndef IFM_RANKS_CLOCK_H
#define IFM_RANKS_CLOCK_H

#include "inferometer/base.h"

typedef struct ifm_clock_estimate {
    bool known;
    ifm_time at;            /* in the other's clock */
    int64_t offset_ns;      /* the other's clock less ours */
    int64_t uncertainty_ns; /* half the round trip: the true offset is within it */
} ifm_clock_estimate;

/* Asked and answered by our clock; `theirs` by the other's. Keeps the best. */
void ifm_clock_estimate_add(ifm_clock_estimate *self, ifm_time asked, ifm_time theirs,
                            ifm_time answered);

/* Whether two estimates, before and after, show more than they could by chance. */
bool ifm_clock_drifted(const ifm_clock_estimate *before, const ifm_clock_estimate *after);

/* What has to be added to a time `t`, of the other's clock, that was translated with the
 * estimate `before` alone: the offset is taken to change evenly between both (also beyond
 * them). 0 when it did not drift, or one is not known. */
int64_t ifm_clock_correction(const ifm_clock_estimate *before,
                             const ifm_clock_estimate *after, ifm_time t);

#endif
