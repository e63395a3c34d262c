/*
 * The schedule: when requests are due. Pure and seeded: the same options give the same
 * moments on every machine, whatever the server does meanwhile.
 *
 * Arrivals under a rate are made on a scale of their own, on which one request comes per
 * unit, and carried over to time by the inverse of the rate's integral. So a ramp of the
 * rate keeps the kind of the arrivals: a Poisson process stays one (Çınlar 1975, "time
 * change").
 *
 *     rate ▲        ______          requests until t = ∫ rate
 *          |      /                 t of request i   = the inverse, at the sum of i gaps
 *          |    /
 *          |__/_________► t
 *             ramp
 */
#ifndef IFM_DRIVE_SCHEDULE_H
#define IFM_DRIVE_SCHEDULE_H

#include "base/random.h"
#include "load/load.h"

typedef enum ifm_ramp { IFM_RAMP_LINEAR, IFM_RAMP_EXPONENTIAL } ifm_ramp;

typedef struct ifm_schedule_options {
    ifm_arrival arrival;
    double rate;       /* per second, finite and positive: CONSTANT, POISSON, GAMMA */
    double burstiness; /* GAMMA: shape of the gaps; 1 is Poisson, more is more even */
    double ramp_s; /* over so many seconds the rate (CLOSED: the places) rises: from 0,
                          or from a hundredth of it when exponentially; 0: at once */
    ifm_ramp ramp;
    int64_t places;       /* 0: no limit */
    const int64_t *times; /* TRACE: [n_times] ns, never falling; the first is 0 */
    size_t n_times;
    double speed; /* TRACE: so many times as fast */
    uint64_t seed;
} ifm_schedule_options;

/* Plain storage: a copy goes on from where the original stood. */
typedef struct ifm_schedule {
    ifm_schedule_options options;
    ifm_random random;
    double demand; /* of the next request: so many units came before it */
    int64_t index; /* of the next request, from 0 */
    int64_t
        due_ns; /* when it is due, after the schedule's begin; INT64_MAX: none comes any
                       more. CLOSED: 0, it is due when a place is free */
} ifm_schedule;

/* The first request is due at 0. */
void ifm_schedule_init(ifm_schedule *self, const ifm_schedule_options *options);
/* Goes on to the next request. */
void ifm_schedule_advance(ifm_schedule *self);

/* When the place (0 …) opens, ns after the begin; INT64_MAX: never, there are fewer. */
int64_t ifm_schedule_place_opens(const ifm_schedule_options *options, int64_t place);

/* A gamma-distributed number of mean `shape` (scale 1); shape > 0. */
double ifm_schedule_gamma(ifm_random *random, double shape);

#endif
