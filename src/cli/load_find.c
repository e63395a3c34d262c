#include "cli/load_find.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/load_screen.h"
#include "drive/find_rate.h"
#include "load/summary.h"
#include "os/host.h"
#include "os/terminal.h"
#include "report/load_search.h"

static const int64_t pause_ns = 1000000000;

typedef struct finder {
    const ifm_load_setup *setup;
    ifm_requests_source *source; /* of the look that is made; owned */
    ifm_load_plan plan;          /* its numbers, for the screen; strings are borrowed */
    ifm_load_screen screen;
    bool quiet;
} finder;

ifm_status ifm_load_find_check(const ifm_load_setup *setup, int32_t size, ifm_error *err)
{
    const ifm_load_plan *plan = &setup->plan;
    if (!ifm_slo_given(&plan->slo))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--find-rate needs a promise to keep: --slo ttft:500,tpot:50");
    if (plan->arrival == IFM_ARRIVAL_TRACE)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--find-rate tries rates of its own: it cannot follow the times "
                        "of a file (--arrival poisson ignores them)");
    if (plan->ramp_s > 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--find-rate makes loads of one rate each: leave out --ramp");
    if (size > 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--find-rate works with one process: leave out mpirun");
    return IFM_OK;
}

/* ---- a look at a rate --------------------------------------------------------------------- */

static ifm_status prepare(void *user, int look, ifm_load_run *load,
                          ifm_requests_source **source, ifm_error *err)
{
    finder *self = user;
    const uint64_t seed = self->setup->plan.seed + (uint64_t)look;
    ifm_requests_source_free(self->source);
    self->source = NULL;
    ifm_status st = ifm_load_setup_source(self->setup, seed, &self->source, err);
    if (st == IFM_OK)
        st = ifm_load_setup_describe(self->setup, load, err);
    load->plan.seed = seed;
    if (!ifm_arguments_given(self->setup->arguments, "concurrency"))
        load->plan.concurrency = 0; /* one at a time is for loads without a rate */
    if (look > 0)
        load->plan.n_warmup = 0;
    *source = self->source;
    return st;
}

static void on_look(void *user, const ifm_load_run *load)
{
    finder *self = user;
    ifm_load_screen_erase(&self->screen);
    self->plan = load->plan;
    ifm_load_screen_init(&self->screen, &self->plan, self->quiet, false);
}

static void on_tick(void *user, const ifm_totals *totals)
{
    ifm_load_screen_show(&((finder *)user)->screen, totals);
}

static void on_step(void *user, const ifm_rate_step *step)
{
    finder *self = user;
    ifm_buffer line = {0};
    ifm_load_screen_erase(&self->screen);
    if (self->quiet)
        return;
    ifm_load_text_step(&line, step, ifm_terminal_unicode());
    fprintf(stderr, "%s\n", ifm_buffer_text(&line));
    fflush(stderr);
    ifm_buffer_deinit(&line);
}

/* ---- the search --------------------------------------------------------------------------- */

static ifm_rate_options options_of(const ifm_load_setup *setup)
{
    const ifm_arguments *a = setup->arguments;
    const ifm_load_plan *plan = &setup->plan;
    ifm_rate_options out = ifm_rate_options_usual();
    const bool given = plan->request_rate > 0 && isfinite(plan->request_rate);
    out.guess = given ? plan->request_rate : 0;
    if (ifm_arguments_given(a, "num-prompts"))
        out.first_n = plan->n_prompts;
    if (plan->duration_ns > 0)
        out.first_s = (double)plan->duration_ns / 1e9;
    out.precision = ifm_arguments_float(a, "find-rate-precision");
    out.share = ifm_arguments_float(a, "slo-share");
    return out;
}

/* What of the search the verdict has to know. */
static void note_search(ifm_load_run *load)
{
    const ifm_rate_search *s = load->search;
    const char *end = ifm_rate_search_end(s);
    bool spoiled = false;
    for (size_t i = 0; i < s->n_steps; i++)
        spoiled = spoiled || (s->steps[i].verdict == IFM_RATE_SPOILED &&
                              s->steps[i].rate <= s->high);
    if (spoiled)
        ifm_run_warn(&load->run, "rate-of-client", true,
                     "at %.4g requests/s it was this client's own lag that broke the "
                     "promise: the server may keep it at higher rates than what was "
                     "found; use a host of its own for the client",
                     s->high);
    if (strcmp(end, "ceiling") == 0 || strcmp(end, "steps") == 0)
        ifm_run_warn(&load->run, "rate-not-bracketed", false,
                     "the search ended before it had rates that keep the promise and "
                     "rates that do not as near each other as asked");
}

ifm_status ifm_load_find(const ifm_load_setup *setup, ifm_load_run *load, ifm_error *err)
{
    finder self = {.setup = setup,
                   .quiet = ifm_arguments_flag(setup->arguments, "quiet")};
    const ifm_find_rate_options options = {
        .search = options_of(setup),
        .pause_ns = pause_ns,
        .drive = {.client = setup->wire.client,
                  .cancel_fd = ifm_interrupt_fd(),
                  .on_tick = on_tick,
                  .user = &self},
        .prepare = prepare,
        .on_look = on_look,
        .on_step = on_step,
        .user = &self,
    };
    const ifm_host_time before = ifm_host_cpu_time();
    ifm_load_deinit(load);
    const ifm_status st = ifm_find_rate(&options, load, err);
    load->run.host.steal_frac = ifm_host_steal_frac(before, ifm_host_cpu_time());
    ifm_load_screen_erase(&self.screen);
    ifm_requests_source_free(self.source);
    if (load->search != NULL)
        note_search(load);
    return st;
}
