#include "probe/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"

/* A thread's slot is its own cache line, so that writing times disturbs nobody. */
typedef struct slot {
    _Alignas(64) ifm_time start;
    ifm_time end;
} slot;

typedef struct team {
    const ifm_probe_plan *plan;
    const ifm_probe_work *work;
    slot *slots; /* [threads] */
    /* A barrier: the last to arrive opens the next generation. `abandoned` frees those who
     * wait for threads that could not be started. */
    atomic_int arrived;
    atomic_int generation;
    atomic_bool abandoned;
    /* Written by thread 0 between two barriers, read by all after the second. */
    bool done;
    int64_t best_ns;
} team;

typedef struct member {
    team *team;
    int index;
    pthread_t thread;
} member;

/* Waits for all threads; false when the team is abandoned. Spins first, because a pass must
 * begin together, then gives way, because there may be fewer cores than threads. */
static bool meet(team *self)
{
    enum { SPINS = 2000 };
    int generation = atomic_load(&self->generation);
    if (atomic_fetch_add(&self->arrived, 1) + 1 == self->plan->threads) {
        atomic_store(&self->arrived, 0);
        atomic_store(&self->generation, generation + 1);
        return true;
    }
    for (int i = 0; atomic_load(&self->generation) == generation; i++) {
        if (atomic_load(&self->abandoned))
            return false;
        if (i >= SPINS)
            sched_yield();
    }
    return true;
}

static int64_t pass_ns(const team *self)
{
    ifm_time start = self->slots[0].start, end = self->slots[0].end;
    for (int i = 1; i < self->plan->threads; i++) {
        if (self->slots[i].start.ns < start.ns)
            start = self->slots[i].start;
        if (self->slots[i].end.ns > end.ns)
            end = self->slots[i].end;
    }
    int64_t ns = ifm_time_between(start, end);
    return ns > 0 ? ns : 1;
}

static void run_passes(team *self, int index)
{
    const ifm_probe_work *work = self->work;
    int threads = self->plan->threads;
    if (work->prepare != NULL)
        work->prepare(work->self, index, threads);
    ifm_time begun = ifm_time_now();
    for (int pass = 0;; pass++) {
        if (!meet(self))
            return;
        if (self->done)
            return;
        self->slots[index].start = ifm_time_now();
        work->pass(work->self, index, threads);
        self->slots[index].end = ifm_time_now();
        if (!meet(self))
            return;
        if (index != 0)
            continue;
        int64_t ns = pass_ns(self);
        int counted = pass + (self->plan->rehearse ? 0 : 1);
        if (counted > 0 && (self->best_ns == 0 || ns < self->best_ns))
            self->best_ns = ns;
        self->done = counted >= self->plan->min_passes &&
                     ifm_time_between(begun, ifm_time_now()) >= self->plan->budget_ns;
    }
}

static void *member_main(void *argument)
{
    member *self = argument;
    run_passes(self->team, self->index);
    return NULL;
}

ifm_status ifm_probe_team_run(const ifm_probe_plan *plan, const ifm_probe_work *work,
                              int64_t *best_ns, ifm_error *err)
{
    ifm_status st = IFM_OK;
    int started = 1;
    team self = {.plan = plan, .work = work};
    size_t n = (size_t)plan->threads;
    member *members = calloc(n, sizeof *members);
    self.slots = aligned_alloc(64, n * sizeof *self.slots);
    if (members == NULL || self.slots == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "probe: no memory for %d threads",
                      plan->threads);
        goto done;
    }
    for (; started < plan->threads; started++) {
        member *m = &members[started];
        *m = (member){.team = &self, .index = started};
        int code = pthread_create(&m->thread, NULL, member_main, m);
        if (code != 0) {
            st = ifm_fail_errno(err, code, "probe: cannot start thread %d of %d",
                                started + 1, plan->threads);
            atomic_store(&self.abandoned, true);
            break;
        }
    }
    if (st == IFM_OK)
        run_passes(&self, 0);
    *best_ns = self.best_ns;
done:
    for (int i = 1; members != NULL && i < started; i++)
        pthread_join(members[i].thread, NULL);
    free(self.slots);
    free(members);
    return st;
}
