#include "probe/probe.h"

#include "probe/loops.h"
#include "probe/team.h"

enum {
    ROUNDS = 200 * 1000, /* of a dozen operations: near a millisecond */
    BUDGET_NS = 50 * 1000 * 1000,
    MIN_PASSES = 3,
};

typedef struct reckoning {
    float (*real)(int64_t rounds, double *operations);
    int32_t (*whole)(int64_t rounds, double *operations);
    struct {
        double operations;
        double value; /* keeps the work alive */
    } threads[IFM_PROBE_MAX_THREADS];
} reckoning;

static void reckon(void *self, int thread, int threads)
{
    (void)threads;
    reckoning *r = self;
    double operations = 0;
    double value = r->real != NULL ? (double)r->real(ROUNDS, &operations)
                                   : (double)r->whole(ROUNDS, &operations);
    r->threads[thread].value = value;
    r->threads[thread].operations = operations;
}

static double measure(reckoning *self, int threads)
{
    int64_t best_ns = 0;
    ifm_status st =
        ifm_probe_team_run(&(ifm_probe_plan){.threads = threads,
                                             .rehearse = true,
                                             .budget_ns = BUDGET_NS,
                                             .min_passes = MIN_PASSES},
                           &(ifm_probe_work){NULL, reckon, self}, &best_ns, NULL);
    if (st != IFM_OK)
        return 0;
    double operations = 0;
    for (int i = 0; i < threads; i++)
        operations += self->threads[i].operations;
    return operations * 1e9 / (double)best_ns;
}

size_t ifm_probe_arithmetic(int threads, ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS])
{
    if (threads < 1 || threads > IFM_PROBE_MAX_THREADS)
        return 0;
    const ifm_probe_loops *sets[IFM_PROBE_MAX_SETS];
    size_t n_sets = ifm_probe_loops_usable(sets), n = 0;
    for (size_t i = 0; i < n_sets; i++) {
        const ifm_probe_loops *set = sets[i];
        const struct {
            const char *type;
            reckoning work;
        } types[] = {{"f32", {.real = set->f32}},
                     {"bf16", {.real = set->bf16}},
                     {"int8", {.whole = set->int8}}};
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            reckoning work = types[t].work;
            if (work.real == NULL && work.whole == NULL)
                continue;
            double per_s = measure(&work, threads);
            if (per_s > 0 && n < IFM_PROBE_MAX_PEAKS)
                peaks[n++] = (ifm_probe_peak){set->name, types[t].type, per_s};
        }
    }
    return n;
}
