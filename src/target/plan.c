#include "target/plan.h"

#include "base/error.h"

/* Seconds of one request of each kind, as measured so far. */
typedef struct pace_so_far {
    double sum_s[3];
    int32_t n[3];
} pace_so_far;

typedef struct stage {
    ifm_start start;
    int32_t n;
} stage;

/* Of a kind not seen yet nothing is known, unless another kind was seen: cold and warm
 * differ by the loading, which a guess may leave out. */
static double seconds_of(const pace_so_far *pace, ifm_start start)
{
    if (pace->n[start] > 0)
        return pace->sum_s[start] / pace->n[start];
    for (int other = IFM_START_WARM; other >= IFM_START_COLD; other--)
        if (pace->n[other] > 0)
            return pace->sum_s[other] / pace->n[other];
    return -1;
}

static double eta_of(const stage *stages, int at, int32_t done, const pace_so_far *pace)
{
    double sum = 0;
    for (int i = at; i < 3; i++) {
        double each = seconds_of(pace, stages[i].start);
        if (each < 0)
            return -1;
        sum += each * (stages[i].n - (i == at ? done : 0));
    }
    return sum;
}

static void tell(const ifm_plan *plan, const stage *stages, int at, int32_t done,
                 const pace_so_far *pace)
{
    if (plan->on_progress == NULL)
        return;
    ifm_plan_progress progress = {stages[at].start, done + 1, stages[at].n,
                                  eta_of(stages, at, done, pace)};
    plan->on_progress(plan->user, &progress);
}

static ifm_status measure_one(const ifm_plan *plan, ifm_target *target, bool shown,
                              const ifm_target_request *request, ifm_start start,
                              ifm_run *run, ifm_error *err)
{
    bool first = shown && run->n_records == 0 && plan->on_text != NULL;
    ifm_record *record = ifm_run_add(run);
    if (record == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "run: no memory for a record");
    record->id = (int32_t)run->n_records - 1;
    record->start = start;
    target->on_text = first ? plan->on_text : NULL;
    target->on_text_user = plan->user;
    ifm_status st = target->ops->request(target, request, start, record, err);
    target->on_text = NULL;
    if (first && plan->on_text_end != NULL)
        plan->on_text_end(plan->user);
    if (st != IFM_OK) {
        ifm_record_deinit(record);
        run->n_records--;
    }
    return st;
}

/* One turn: a request to each target. */
static ifm_status take_turn(const ifm_plan *plan, ifm_target *const *targets, size_t n,
                            const ifm_target_request *request, ifm_start start,
                            ifm_run *runs, size_t *at, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (*at = 0; *at < n; ++*at) {
        st = measure_one(plan, targets[*at], *at == 0, request, start, &runs[*at], err);
        if (st != IFM_OK)
            break;
    }
    return st;
}

ifm_status ifm_plan_run(const ifm_plan *plan, ifm_target *const *targets, size_t n,
                        const ifm_target_request *request, ifm_run *runs, size_t *failed,
                        ifm_error *err)
{
    const stage stages[3] = {{IFM_START_COLD, plan->n_cold},
                             {IFM_START_WARMUP, plan->n_warmup},
                             {IFM_START_WARM, plan->n_warm}};
    pace_so_far pace = {0};
    size_t at_target = 0;
    for (int at = 0; at < 3; at++) {
        for (int32_t i = 0; i < stages[at].n; i++) {
            tell(plan, stages, at, i, &pace);
            ifm_time begin = ifm_time_now();
            ifm_start start = stages[at].start;
            ifm_status st =
                take_turn(plan, targets, n, request, start, runs, &at_target, err);
            if (st != IFM_OK) {
                for (size_t k = 0; k < n; k++)
                    runs[k].incomplete = true;
                if (failed != NULL)
                    *failed = at_target;
                return st;
            }
            pace.sum_s[start] += (double)ifm_time_between(begin, ifm_time_now()) / 1e9;
            pace.n[start]++;
        }
    }
    return IFM_OK;
}
