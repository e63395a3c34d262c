/* A load with requests in its spool, as a server with few places would have answered it. */
#ifndef IFM_TEST_LOAD_PICTURES_H
#define IFM_TEST_LOAD_PICTURES_H

#include "load_fixture.h"

typedef struct simulated {
    size_t n;           /* requests */
    int64_t gap_ns;     /* between two of them, on average */
    int64_t service_ns; /* until the first token, when a place is free */
    int64_t itl_ns;
    size_t n_tokens;
    size_t places;
    size_t fail_every;             /* 0: none */
    int64_t pause_at_ns, pause_ns; /* all streams stand still; 0: never */
} simulated;

static inline int64_t noisy(ifm_random *dice, int64_t ns)
{
    return ns + (int64_t)ifm_random_below(dice, (uint64_t)(ns / 4 + 1));
}

static inline void add_simulated(ifm_load_run *load, const simulated *m, ifm_random *dice,
                                 size_t i, int64_t due_ns, int64_t begin_ns)
{
    ifm_record r = ifm_record_empty();
    ifm_wire *w = calloc(1, sizeof *w);
    *w = ifm_wire_unknown();
    r.wire = w;
    r.id = (int32_t)i;
    r.start = IFM_START_WARM;
    r.ok = m->fail_every == 0 || i % m->fail_every != m->fail_every - 1;
    w->outcome = r.ok ? IFM_OUTCOME_OK : IFM_OUTCOME_RESET;
    w->due_at_ns = due_ns;
    w->service_start_ns = 30000 + (int64_t)ifm_random_below(dice, 40000);
    r.sent_ns = w->service_start_ns + 300000;
    r.n_tokens = r.ok ? m->n_tokens : m->n_tokens / 3;
    r.token_ns = calloc(m->n_tokens + 1, sizeof *r.token_ns);
    int64_t t = begin_ns - due_ns + noisy(dice, m->service_ns);
    for (size_t k = 0; k < r.n_tokens; k++) {
        r.token_ns[k] = t;
        t += noisy(dice, m->itl_ns);
        const int64_t at = due_ns + t;
        if (m->pause_ns > 0 && at > m->pause_at_ns && at < m->pause_at_ns + m->pause_ns)
            t = m->pause_at_ns + m->pause_ns - due_ns;
    }
    w->end_ns = r.n_tokens > 0 ? r.token_ns[r.n_tokens - 1] + 50000 : t;
    if (due_ns + w->end_ns > load->ended_ns)
        load->ended_ns = due_ns + w->end_ns;
    ifm_error err = {0};
    assert_int_equal(ifm_spool_append(load->spool, &r, &err), IFM_OK);
    ifm_record_deinit(&r);
}

/* Statistics of a load's requests from its own spool: of those that pictures name. */
static inline void summarize_simulated(const ifm_load_run *load, ifm_load_summary *s,
                                       const simulated *m)
{
    double *ttft = calloc(m->n + 1, sizeof *ttft), *e2el = calloc(m->n + 1, sizeof *e2el),
           *itl = calloc(m->n * m->n_tokens + 1, sizeof *itl);
    size_t n_itl = 0;
    ifm_spool_reader *reader = NULL;
    const ifm_record *r = NULL;
    *s = (ifm_load_summary){.n = (int64_t)m->n, .n_good = -1, .second_s = 1};
    s->n_seconds = (size_t)(load->ended_ns / 1000000000) + 1;
    s->seconds = calloc(s->n_seconds, sizeof *s->seconds);
    assert_int_equal(ifm_spool_reader_new(load->spool, &reader, NULL), IFM_OK);
    for (;;) {
        assert_int_equal(ifm_spool_next(reader, &r, NULL), IFM_OK);
        if (r == NULL)
            break;
        const int64_t due = r->wire->due_at_ns, end = due + r->wire->end_ns;
        for (size_t k = 0; k < r->n_tokens; k++)
            s->seconds[(due + r->token_ns[k]) / 1000000000].output_tokens++;
        for (int64_t sec = due / 1000000000; sec < end / 1000000000; sec++)
            s->seconds[sec].in_flight++;
        s->seconds[end / 1000000000].failed += !r->ok;
        s->outcome[r->wire->outcome]++;
        if (!r->ok)
            continue;
        ttft[s->n_ok] = (double)r->token_ns[0];
        e2el[s->n_ok++] = (double)r->token_ns[r->n_tokens - 1];
        for (size_t k = 1; k < r->n_tokens; k++)
            itl[n_itl++] = (double)(r->token_ns[k] - r->token_ns[k - 1]);
    }
    ifm_spool_reader_free(reader);
    s->token_source = IFM_TOKENS_PER_EVENT;
    s->metric[IFM_LOAD_TTFT] = ifm_stats_of(ttft, (size_t)s->n_ok);
    s->metric[IFM_LOAD_E2EL] = ifm_stats_of(e2el, (size_t)s->n_ok);
    s->metric[IFM_LOAD_ITL] = ifm_stats_of(itl, n_itl);
    for (size_t i = 0; i < s->n_seconds; i++)
        s->seconds[i].ttft_p50_ns = s->n_ok > 0 ? s->metric[IFM_LOAD_TTFT].p50 : NAN;
    s->steady_found = s->n_seconds > 10;
    s->steady_begin_ns = 2000000000;
    s->steady_end_ns = load->ended_ns - 3000000000;
    free(ttft);
    free(e2el);
    free(itl);
}

/* Requests one after the other in order of their due times; each takes the place that is
 * free first. */
static inline void simulate(ifm_load_run *load, ifm_load_summary *s, const simulated *m)
{
    ifm_random dice;
    ifm_error err = {0};
    int64_t *free_at = calloc(m->places, sizeof *free_at), due = 0;
    ifm_random_init(&dice, 5);
    *load = (ifm_load_run){0};
    load_fixture_plan(&load->plan);
    assert_int_equal(ifm_spool_new(NULL, &load->spool, &err), IFM_OK);
    for (size_t i = 0; i < m->n; i++) {
        size_t first = 0;
        for (size_t p = 1; p < m->places; p++)
            first = free_at[p] < free_at[first] ? p : first;
        const int64_t begin = free_at[first] > due ? free_at[first] : due;
        free_at[first] = begin + m->service_ns + (int64_t)m->n_tokens * m->itl_ns;
        add_simulated(load, m, &dice, i, due, begin);
        due += (int64_t)(-log(1 - ifm_random_unit(&dice)) * (double)m->gap_ns);
    }
    free(free_at);
    summarize_simulated(load, s, m);
}

static inline void simulated_free(ifm_load_run *load, ifm_load_summary *s)
{
    ifm_spool_free(load->spool);
    load_fixture_free(load, s);
}

#endif
