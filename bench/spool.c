/*
 * What it costs to keep, summarize and write out a load, and in how much memory.
 *
 *     spool [REQUESTS [TOKENS]]      spool 100000 100
 *
 * The requests are made up: a token an event, gaps of 20 ms ± 20%, requests due 1 ms apart. The
 * document goes to /dev/null, so that its making is timed and not a disk; the spool goes to
 * $TMPDIR, as it does in `load`.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/random.h"
#include "result/load_json.h"

static double seconds_since(ifm_time from)
{
    return (double)ifm_time_between(from, ifm_time_now()) * 1e-9;
}

static double peak_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024; /* kilobytes on Linux */
}

/* Room for one request, filled anew for each. */
static ifm_record request_of(size_t tokens)
{
    ifm_record r = ifm_record_empty();
    r.start = IFM_START_WARM;
    r.ok = true;
    r.n_tokens = r.n_text_events = tokens;
    r.token_ns = calloc(tokens, sizeof *r.token_ns);
    r.text_events = calloc(tokens, sizeof *r.text_events);
    r.n_text = 5 * tokens;
    r.text = malloc(r.n_text + 1);
    for (size_t i = 0; i < tokens; i++)
        memcpy(r.text + 5 * i, " word", 6);
    r.wire = malloc(sizeof *r.wire);
    *r.wire = ifm_wire_unknown();
    r.wire->outcome = IFM_OUTCOME_OK;
    r.wire->n_pieces = tokens;
    r.wire->pieces = calloc(tokens, sizeof *r.wire->pieces);
    r.wire->token_source = IFM_TOKENS_PER_EVENT;
    return r;
}

static void fill(ifm_record *r, int32_t id, ifm_random *dice)
{
    int64_t t = 100000000 + (int64_t)ifm_random_below(dice, 50000000);
    r->id = id;
    snprintf(r->wire->request_id, sizeof r->wire->request_id, "%08x", (unsigned)id);
    r->wire->due_at_ns = (int64_t)id * 1000000;
    r->wire->service_start_ns = 10000 + (int64_t)ifm_random_below(dice, 90000);
    r->sent_ns = r->wire->service_start_ns + 20000;
    for (size_t i = 0; i < r->n_tokens; i++) {
        r->token_ns[i] = t;
        r->text_events[i] = (ifm_text_event){t, r->text + 5 * i, 5};
        r->wire->pieces[i] = (ifm_piece){t, 1, 180, (int32_t)i, IFM_PIECE_CONTENT};
        t += 16000000 + (int64_t)ifm_random_below(dice, 8000000);
    }
    r->wire->end_ns = r->token_ns[r->n_tokens - 1];
}

static ifm_status keep(ifm_load_run *load, size_t requests, size_t tokens, ifm_error *err)
{
    ifm_random dice;
    ifm_random_init(&dice, 1);
    ifm_record r = request_of(tokens);
    double s = 0;
    ifm_status st = ifm_spool_new(NULL, &load->spool, err);
    for (size_t i = 0; i < requests && st == IFM_OK; i++) {
        fill(&r, (int32_t)i, &dice);
        ifm_time begin = ifm_time_now();
        st = ifm_spool_append(load->spool, &r, err);
        s += seconds_since(begin);
    }
    load->ended_ns = r.wire->due_at_ns + r.wire->end_ns;
    const double pieces = (double)requests * (double)tokens;
    if (st == IFM_OK)
        printf("append      %7.0f ns a request, %5.1f ns a token, %.1f bytes a token, "
               "%lld waits, %.1f MB peak\n",
               s * 1e9 / (double)requests, s * 1e9 / pieces,
               (double)ifm_spool_bytes(load->spool) / pieces,
               (long long)ifm_spool_waits(load->spool), peak_mb());
    ifm_record_deinit(&r);
    return st;
}

int main(int argc, char **argv)
{
    const size_t requests = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    const size_t tokens = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
    ifm_load_run load = {
        .plan = {.arrival = IFM_ARRIVAL_CONSTANT, .slo = {NAN, NAN, NAN}}};
    ifm_load_summary summary = {0};
    ifm_error err = {0};
    if (requests < 1 || tokens < 1) {
        fputs("usage: spool [REQUESTS [TOKENS]]\n", stderr);
        return 2;
    }
    ifm_status st = keep(&load, requests, tokens, &err);
    ifm_time begin = ifm_time_now();
    if (st == IFM_OK)
        st = ifm_load_summary_of(&load, &summary, &err);
    if (st == IFM_OK)
        printf("summary     %7.2f s, %zu gaps, median %.6f ms, %.1f MB peak\n",
               seconds_since(begin), summary.metric[IFM_LOAD_ITL].n,
               summary.metric[IFM_LOAD_ITL].p50 * 1e-6, peak_mb());
    FILE *out = fopen("/dev/null", "w");
    begin = ifm_time_now();
    if (st == IFM_OK && out != NULL)
        st = ifm_result_write_load_json(&load, &summary, out, &err);
    double s = seconds_since(begin);
    if (st == IFM_OK)
        printf("document    %7.2f s, %5.1f ns a token, %.1f MB peak\n", s,
               s * 1e9 / ((double)requests * (double)tokens), peak_mb());
    else
        fprintf(stderr, "spool: %s\n", err.message);
    if (out != NULL)
        fclose(out);
    ifm_load_summary_deinit(&summary);
    ifm_load_deinit(&load);
    return st == IFM_OK ? 0 : 1;
}
