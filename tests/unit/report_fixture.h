/*
 * Runs as a machine might have measured them, made from a shape and a seed: the same
 * bytes every time and everywhere, because only integers are drawn.
 */
#ifndef IFM_TEST_REPORT_FIXTURE_H
#define IFM_TEST_REPORT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "measure/record.h"
#include "measure/verdict.h"

typedef struct fixture_shape {
    size_t n_cold, n_warm, n_tokens;
    int64_t cold_ttft_ns, warm_ttft_ns, step_ns;
    bool outlier; /* one gap of the second request takes fifty steps */
} fixture_shape;

/* A small model on a small machine: what most of the tests look at. */
static const fixture_shape fixture_usual = {6, 10, 20, 37000000, 5200000, 4100000, false};

/* x, at most a twentieth more. */
static inline int64_t fixture_noisy(ifm_random *dice, int64_t x)
{
    return x + (int64_t)ifm_random_below(dice, (uint64_t)(x / 20 + 1));
}

/* Thousandths of TTFT by phase; what is left over is "other". */
static inline void fixture_phases(ifm_record *r)
{
    static const int cold[IFM_PHASE_COUNT] = {85, 0, 40, 0, 30, 2, 820, 4, 1, 3, 0},
                     warm[IFM_PHASE_COUNT] = {0, 0, 0, 0, 0, 6, 985, 5, 1, 3, 0};
    const int *share = r->start == IFM_START_COLD ? cold : warm;
    int64_t left = r->token_ns[0];
    for (int p = 0; p < IFM_PHASE_OTHER; p++) {
        r->phases_ns[p] = r->token_ns[0] * share[p] / 1000;
        left -= r->phases_ns[p];
    }
    r->phases_ns[IFM_PHASE_OTHER] = left;
}

static inline void fixture_add(ifm_run *run, ifm_random *dice, ifm_start start,
                               const fixture_shape *shape, bool outlier)
{
    static const char words[] = " two, three, four, five, six, seven, eight, nine, ten,"
                                " eleven,";
    ifm_record *r = ifm_run_add(run);
    size_t n = shape->n_tokens;
    r->ok = true;
    r->start = start;
    r->id = (int32_t)run->n_records - 1;
    r->n_input = 6;
    r->input_ids = calloc(6, sizeof *r->input_ids);
    r->n_tokens = n;
    r->output_ids = calloc(n, sizeof *r->output_ids);
    r->token_ns = calloc(n, sizeof *r->token_ns);
    r->text = strdup(words);
    r->n_text = strlen(r->text);
    r->finish_reason = strdup("length");
    int64_t t = fixture_noisy(dice, start == IFM_START_COLD ? shape->cold_ttft_ns
                                                            : shape->warm_ttft_ns);
    for (size_t i = 0; i < n; i++) {
        r->output_ids[i] = i % 2 == 0 ? 734 + (int32_t)i * 190 : 11;
        r->token_ns[i] = t;
        t += fixture_noisy(dice,
                           outlier && i == n / 2 ? 50 * shape->step_ns : shape->step_ns);
    }
    fixture_phases(r);
    if (start == IFM_START_COLD) {
        r->phase_io[IFM_PHASE_PREFILL] = (ifm_phase_io){2, 5021, 8192};
        r->resident_frac_before = 1;
    }
}

/* To be ended with ifm_run_deinit. */
static inline void fixture_run(ifm_run *run, const fixture_shape *shape)
{
    static const char prompt[] = "An increasing sequence: one,";
    ifm_random dice;
    ifm_random_init(&dice, 5);
    *run = (ifm_run){.clock_name = "CLOCK_MONOTONIC", .clock_resolution_ns = 1};
    run->host.cpu = strdup("Imaginary CPU 9000 @ 3.00GHz");
    run->host.kernel = strdup("Linux 6.1.0");
    run->host.cores = 2;
    run->host.load_average = 0.1;
    run->host.read_bandwidth_bytes_per_s = 91e9;
    run->target.kind = strdup("native");
    run->target.device = strdup("cpu");
    run->target.kernels = strdup("avx512");
    run->target.model_name = strdup("distilgpt2");
    run->target.model_family = strdup("gpt2");
    run->target.model_dtype = strdup("f32");
    run->target.threads = 2;
    run->target.parameters = 81912576;
    run->target.weight_bytes = run->target.decode_bytes = 327650304;
    run->target.nan_weights = -1;
    run->workload.prompts = calloc(1, sizeof *run->workload.prompts);
    run->workload.prompt_bytes = calloc(1, sizeof *run->workload.prompt_bytes);
    run->workload.prompts[0] = strdup(prompt);
    run->workload.prompt_bytes[0] = sizeof prompt - 1;
    run->workload.n_prompts = 1;
    run->workload.max_new_tokens = (int32_t)shape->n_tokens;
    run->workload.n_cold = (int32_t)shape->n_cold;
    run->workload.n_warm = (int32_t)shape->n_warm;
    for (size_t i = 0; i < shape->n_cold; i++)
        fixture_add(run, &dice, IFM_START_COLD, shape, shape->outlier && i == 1);
    for (size_t i = 0; i < shape->n_warm; i++)
        fixture_add(run, &dice, IFM_START_WARM, shape, shape->outlier && i == 1);
}

#endif
