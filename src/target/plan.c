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

/* New records for the sequences of a request; the first of them. NULL without memory. */
static ifm_record *add_records(ifm_run *run, const ifm_target_request *request,
                               ifm_start start)
{
    const size_t n = ifm_target_records(request), first = run->n_records;
    const int32_t id = first > 0 ? run->records[first - 1].id + 1 : 0;
    for (size_t i = 0; i < n; i++) {
        ifm_record *record = ifm_run_add(run);
        if (record == NULL)
            return NULL;
        record->id = id;
        record->start = start;
        record->sequence = (int32_t)i;
        record->prompt =
            request->n_sequences > 0 ? request->sequences[i].index : request->index;
    }
    return &run->records[first];
}

static void drop_records(ifm_run *run, size_t n)
{
    while (run->n_records > n)
        ifm_record_deinit(&run->records[--run->n_records]);
}

static ifm_status measure_one(const ifm_plan *plan, const ifm_subject *subject,
                              bool shown, int32_t number, ifm_start start, ifm_error *err)
{
    ifm_run *run = subject->run;
    ifm_target *target = subject->target;
    const ifm_target_request *request =
        &subject->requests[(size_t)number % subject->n_requests];
    const size_t before = run->n_records;
    bool first = shown && before == 0 && plan->on_text != NULL;
    ifm_record *records = add_records(run, request, start);
    ifm_status st = IFM_OK;
    if (records == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "run: no memory for a record");
    } else {
        target->on_text = first ? plan->on_text : NULL;
        target->on_text_user = plan->user;
        st = target->ops->request(target, request, start, records, err);
        target->on_text = NULL;
        if (first && plan->on_text_end != NULL)
            plan->on_text_end(plan->user);
    }
    if (st != IFM_OK)
        drop_records(run, before);
    return st;
}

/* One turn: a request to each target. */
static ifm_status take_turn(const ifm_plan *plan, const ifm_subject *subjects, size_t n,
                            int32_t number, ifm_start start, size_t *at, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (*at = 0; *at < n; ++*at) {
        if (start == IFM_START_COLD && subjects[*at].warm_only)
            continue;
        st = measure_one(plan, &subjects[*at], *at == 0, number, start, err);
        if (st != IFM_OK)
            break;
    }
    return st;
}

ifm_status ifm_plan_run(const ifm_plan *plan, const ifm_subject *subjects, size_t n,
                        size_t *failed, ifm_error *err)
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
            ifm_status st = take_turn(plan, subjects, n, i, start, &at_target, err);
            if (st != IFM_OK) {
                for (size_t k = 0; k < n; k++)
                    subjects[k].run->incomplete = true;
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
