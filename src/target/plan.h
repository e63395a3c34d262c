/*
 * The run plan: cold requests, each in a fresh process; then, in the process of the last of
 * them (or one started for it), requests to warm up, then the warm ones. All alike, one
 * after the other, each a record of the run. Several targets take turns, request by
 * request, so that what disturbs the machine disturbs them alike.
 */
#ifndef IFM_TARGET_PLAN_H
#define IFM_TARGET_PLAN_H

#include "target/target.h"

/* What is about to be measured, for a progress line. */
typedef struct ifm_plan_progress {
    ifm_start start;
    int32_t number, of; /* 1 … of, within this kind of start */
    double eta_s;       /* until all is done, by what was measured so far; < 0: unknown */
} ifm_plan_progress;

typedef struct ifm_plan {
    int32_t n_cold, n_warmup, n_warm;
    /* Called before each request, never while one runs; may be NULL. */
    void (*on_progress)(void *user, const ifm_plan_progress *progress);
    /* Called when the first request has ended, if its text was streamed; may be NULL. */
    void (*on_text)(void *user, const char *text, size_t n); /* of the first request */
    void (*on_text_end)(void *user);
    void *user;
} ifm_plan;

/* One target of a run, and what it is asked. */
typedef struct ifm_subject {
    ifm_target *target;
    const ifm_target_request *requests; /* [n_requests], taken in turn */
    size_t n_requests;
    ifm_run *run;   /* filled */
    bool warm_only; /* a server: it runs already, nothing of it is cold */
} ifm_subject;

/* Measures everything. A request that fails or is
 * cancelled ends it: `incomplete` is set in all runs, the records before it stay, its own does
 * not. *failed, if not NULL, says whose request it was. */
ifm_status ifm_plan_run(const ifm_plan *plan, const ifm_subject *subjects, size_t n,
                        size_t *failed, ifm_error *err);

#endif
