/*
 * The seconds of a load: what became due, ended, was in flight, came, in each. The
 * median TTFT of each second is exact: in a later pass the first tokens' values are laid out
 * second by second and sorted, IFM_SECONDS_VALUES at a time.
 */
#ifndef IFM_LOAD_SECONDS_H
#define IFM_LOAD_SECONDS_H

#include "load/summary.h"

enum {
    IFM_SECONDS_VALUES = 1 << 20
}; /* 8 MiB; a second with more has the median of
                                          its first so many */

typedef struct ifm_seconds {
    ifm_load_second
        *items; /* heap, [n]; in_flight: changes, until the first pass ended */
    size_t n;
    int64_t second_ns;
    bool looked;           /* the first pass is over */
    int32_t *first_tokens; /* heap, [n]: how many came in it */
    size_t from, to;       /* of the seconds whose medians this pass finds */
    double *values;        /* heap: TTFTs of these, second by second */
    size_t *begin;         /* heap, [n]: of each second's in values */
    int32_t *filled;       /* heap, [n]: how many of them are there so far */
} ifm_seconds;

/* The caller deinits. False without memory. */
bool ifm_seconds_init(ifm_seconds *self, int64_t ended_ns);
void ifm_seconds_deinit(ifm_seconds *self);
/* A request, once in each pass. */
void ifm_seconds_add(ifm_seconds *self, const ifm_record *record);
/* The end of a pass. True: another is needed. *no_memory becomes true without. */
bool ifm_seconds_pass(ifm_seconds *self, bool *no_memory);
/* Gives the array to the summary. */
void ifm_seconds_take(ifm_seconds *self, ifm_load_summary *summary);

#endif
