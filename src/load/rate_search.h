/*
 * The highest rate of requests at which a promise is kept: which rate to try next, and what
 * the tries so far allow to say. Knows no server; drive/find_rate.h makes the loads.
 *
 *     guess ──kept──► ×2 ──kept──► ×2 ──not kept──► bracket ──► middle (of logarithms) ──► …
 *           └─not kept─► ÷2 …                           until high ÷ low ≤ 1 + precision
 *
 * A rate keeps the promise when the share of its requests that are good (answered, and within
 * all limits) is above `share`. That is decided by an interval of Clopper and Pearson, never
 * by a single sample: kept if all of it lies above, broken if all of it lies below; else the
 * rate is tried again with as many requests as it has had, up to `looks` times; a rate that
 * stays undecided counts as not kept, and is shown as such.
 *
 * Confidence is for the whole search. It makes at most IFM_RATE_STEPS_MAX × looks decisions;
 * the error of each is 1 − confidence divided by their number (Bonferroni), so that all of
 * them together are right with at least that confidence, however they depend on each other.
 * What it rests on: requests of one step count as independent after a correction for their
 * clustering (`spread`, the variance of the share between stretches of the step over that of
 * independent requests), and the server does not change while it is searched.
 */
#ifndef IFM_LOAD_RATE_SEARCH_H
#define IFM_LOAD_RATE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IFM_RATE_STEPS_MAX = 32 };

typedef enum ifm_rate_verdict {
    IFM_RATE_KEPT,
    IFM_RATE_BROKEN,
    IFM_RATE_UNDECIDED, /* the interval holds the target still */
    IFM_RATE_SPOILED, /* the client could not make this rate: says nothing of the server */
} ifm_rate_verdict;

/* "kept", "broken", "cannot tell", "client too slow". */
const char *ifm_rate_verdict_name(ifm_rate_verdict verdict);

typedef struct ifm_rate_options {
    double guess;       /* requests per second, > 0 */
    double least, most; /* rates beyond which nothing is tried */
    double precision;   /* 0.05: the bracket is at most 5% wide */
    double share;       /* of good requests that the promise asks for: 0.95 */
    double confidence;  /* of the whole search: 0.95 */
    int64_t first_n;    /* requests of a rate's first look, at least */
    double first_s;     /* and as many as become due in so many seconds */
    int looks;          /* at most, of one rate; the second and later ones double n */
} ifm_rate_options;

/* 95% of the requests, within 5%, with 95% confidence; looks of 400 requests and 10 s: with
 * 200, spread was too uncertain for a queue at two thirds of its capacity (7% of 400 searches
 * were wrong somewhere; with 400 it was 2%: tests/unit/load_rate_search.c). */
ifm_rate_options ifm_rate_options_usual(void);

/* One rate. */
typedef struct ifm_rate_step {
    double rate;
    int64_t n, n_good;
    double n_effective; /* n, less what clustering takes away */
    double bounds[2];   /* of the share of good requests */
    int looks;
    ifm_rate_verdict verdict;
    /* Of the last look, for people: 95% quantiles in ns, NaN: not known. */
    double ttft_p95_ns, tpot_p95_ns, e2el_p95_ns;
} ifm_rate_step;

typedef struct ifm_rate_search {
    ifm_rate_options options;
    ifm_rate_step steps[IFM_RATE_STEPS_MAX]; /* in the order in which they were tried */
    size_t n_steps;
    double low, high; /* kept; not kept (broken, undecided or spoiled); NaN: none yet */
    bool open;        /* the last step is not decided */
    bool done;
} ifm_rate_search;

void ifm_rate_search_init(ifm_rate_search *self, const ifm_rate_options *options);

/* What to try next: *n requests at *rate. False: the search is over. */
bool ifm_rate_search_next(const ifm_rate_search *self, double *rate, int64_t *n);

/* What came of it: n requests that count, good of them, their spread (at least 1). blameless:
 * what was not good was so by the server; without it a promise that was not kept is spoiled
 * (lag can only break a promise: one that was kept all the same is kept). n = 0 ends the
 * step. */
void ifm_rate_search_tell(ifm_rate_search *self, int64_t n, int64_t good, double spread,
                          bool blameless);

/* The last step that was decided was made of requests that hardly met each other: no lower
 * rate can do better. Ends a search that has found no rate that is kept. */
void ifm_rate_search_no_lower(ifm_rate_search *self);

/* Why `low` is the answer: "found"; "ceiling": kept at the highest rate that was tried;
 * "floor": not even the lowest was kept (low is NaN); "steps": no more steps;
 * "searching". */
const char *ifm_rate_search_end(const ifm_rate_search *self);

#endif
