/*
 * A load as a client might have measured it, and its summary, made by hand: numbers that
 * reports can be checked against whatever the summary's own code does.
 */
#ifndef IFM_TEST_LOAD_FIXTURE_H
#define IFM_TEST_LOAD_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "load/load.h"
#include "load/summary.h"

/* n values from low on, each at most a fifth more, summarized. */
static inline ifm_stats load_fixture_stats(ifm_random *dice, size_t n, int64_t low)
{
    double *x = calloc(n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(low + (int64_t)ifm_random_below(dice, (uint64_t)(low / 5 + 1)));
    const ifm_stats stats = ifm_stats_of(x, n);
    free(x);
    return stats;
}

static inline void load_fixture_plan(ifm_load_plan *plan)
{
    *plan = (ifm_load_plan){
        .url = strdup("http://gpu-7.example:8000"),
        .model = strdup("meta-llama/Llama-3.1-8B-Instruct"),
        .endpoint = IFM_ENDPOINT_CHAT,
        .stream = true,
        .arrival = IFM_ARRIVAL_POISSON,
        .concurrency = 256,
        .request_rate = 20,
        .burstiness = 1,
        .ramp_s = 5,
        .n_prompts = 1200,
        .n_warmup = 20,
        .input_len = strdup("512"),
        .output_len = strdup("normal:128,16"),
        .shared_prefix_tokens = 64,
        .seed = 7,
        .timeout_ns = 600000000000,
        .slo = {.ttft_ms = 500, .tpot_ms = 50, .e2el_ms = NAN},
    };
}

/* Rises for five seconds, holds, falls for five. */
static inline void load_fixture_seconds(ifm_load_summary *s)
{
    s->n_seconds = 63;
    s->second_s = 1;
    s->seconds = calloc(s->n_seconds, sizeof *s->seconds);
    for (size_t i = 0; i < s->n_seconds; i++) {
        const size_t left = s->n_seconds - i;
        const int full = i < 5 ? (int)i + 1 : left < 5 ? (int)left : 6;
        s->seconds[i] = (ifm_load_second){
            .due = i < 57 ? 20 : 0,
            .completed = 3 * full,
            .failed = i == 40,
            .in_flight = 9 * full,
            .output_tokens = 420 * full,
            .ttft_p50_ns = 182e6 + 1e6 * (double)i,
            .ttft_max_ns = 310e6,
            .lag_max_ns = 240e3,
        };
    }
}

/* 1,200 requests of which 10 failed. */
static inline void load_fixture(ifm_load_run *load, ifm_load_summary *s)
{
    ifm_random dice;
    ifm_random_init(&dice, 11);
    *load = (ifm_load_run){.ended_ns = 62400000000, .client_cpu_ns = 912000000};
    load_fixture_plan(&load->plan);
    load->run.host.cpu = strdup("Imaginary CPU 9000 @ 3.00GHz");
    load->run.host.kernel = strdup("Linux 6.1.0");
    load->run.host.cores = 2;
    load->n_events = 152320;
    load->n_body_bytes = 40000000;
    load->peak_in_flight = 61;
    load->memory_bytes = 41000000;
    load->n_floors = 2;
    load->floors[0] = (ifm_floor){.streams = 1, .ttft_p50_ns = 2e4, .ttft_p99_ns = 5e4};
    load->floors[1] = (ifm_floor){.streams = 64,
                                  .ttft_p50_ns = 61e3,
                                  .ttft_p99_ns = 412e3,
                                  .itl_p50_ns = 12e3,
                                  .itl_p99_ns = 97e3};
    strcpy(load->floors_measured_at, "2026-11-24T18:00:00.000Z");
    *s = (ifm_load_summary){
        .n = 1200,
        .n_ok = 1190,
        .n_warmup = 20,
        .n_good = 1141,
        .tokens_per_event = 1,
        .read_share_frac = 0.0213,
        .token_source = IFM_TOKENS_PER_EVENT,
        .steady_found = true,
        .steady_begin_ns = 5100000000,
        .steady_end_ns = 57300000000,
        .steady = {19.8, 10137, 2534, 18.9, 54.2},
        .whole = {19.07, 9764, 2441, 18.28, 48.9},
    };
    s->outcome[IFM_OUTCOME_OK] = 1190;
    s->outcome[IFM_OUTCOME_TIMEOUT] = 3;
    s->outcome[IFM_OUTCOME_RESET] = 7;
    const struct {
        ifm_load_metric metric;
        size_t n;
        int64_t low;
    } made[] = {
        {IFM_LOAD_TTFT, 1190, 182000000},
        {IFM_LOAD_TTFO, 1190, 182000000},
        {IFM_LOAD_E2EL, 1190, 2713000000},
        {IFM_LOAD_GENERATION, 1190, 2500000000},
        {IFM_LOAD_TPOT, 1190, 19730000},
        {IFM_LOAD_ITL, 151130, 19700000},
        {IFM_LOAD_SERVER_TTFT, 1190, 171000000},
        {IFM_LOAD_SERVICE_TTFT, 1190, 172000000},
        {IFM_LOAD_SERVICE_E2EL, 1190, 2700000000},
        {IFM_LOAD_CONNECT, 61, 412000},
        {IFM_LOAD_SEND, 1190, 21000},
        {IFM_LOAD_HEADERS, 1190, 9100000},
        {IFM_LOAD_CLIENT_LAG, 1190, 34000},
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        s->metric[made[i].metric] = load_fixture_stats(&dice, made[i].n, made[i].low);
    s->metric[IFM_LOAD_TTFO] = s->metric[IFM_LOAD_TTFT];
    s->input_tokens = load_fixture_stats(&dice, 1190, 466);
    s->output_tokens = load_fixture_stats(&dice, 1190, 115);
    s->sum_input_tokens = llround(s->input_tokens.mean * 1190);
    s->sum_output_tokens = llround(s->output_tokens.mean * 1190);
    load_fixture_seconds(s);
    ifm_run_warn(&load->run, "failures", false,
                 "10 of 1,200 requests failed: latencies are those of the others.");
}

static inline void load_fixture_free(ifm_load_run *load, ifm_load_summary *s)
{
    free(s->seconds);
    ifm_run_deinit(&load->run);
    free(load->plan.url);
    free(load->plan.model);
    free(load->plan.input_len);
    free(load->plan.output_len);
    free(load->plan.prompts_path);
    free(load->ranks);
}

#endif
