/* What a run says of itself beside its measurements: command, clock, host, workload. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/run_setup.h"
#include "cli/wire_setup.h"
#include "cli/wire_setup.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/host.h"

static char *copy(const char *text)
{
    return text != NULL && *text != '\0' ? strdup(text) : NULL;
}

/* Without keys and credentials: results are shown around. */
ifm_status ifm_run_describe_command(const ifm_arguments *arguments, ifm_run *run)
{
    size_t n = (size_t)arguments->argc;
    run->command = calloc(n + 1, sizeof *run->command);
    if (run->command == NULL)
        return IFM_ERR_NO_MEMORY;
    for (; run->n_command < n; run->n_command++) {
        run->command[run->n_command] =
            ifm_wire_tame_word(arguments->argv, run->n_command);
        if (run->command[run->n_command] == NULL)
            return IFM_ERR_NO_MEMORY;
    }
    return IFM_OK;
}

static void describe_time(ifm_run *run)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n =
        strftime(run->started_at, sizeof run->started_at, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(run->started_at + n, sizeof run->started_at - n, ".%03dZ",
             (int)(now.tv_nsec / 1000000));
    ifm_clock_facts clock = ifm_clock_measure();
    run->clock_name = clock.name;
    run->clock_resolution_ns = clock.resolution_ns;
    run->clock_read_cost_ns = clock.read_cost_ns;
}

static void describe_host(ifm_run *run)
{
    ifm_host_facts facts;
    ifm_host_describe(&facts);
    run->host = (ifm_host){
        .cpu = copy(facts.cpu),
        .os = copy(facts.os),
        .kernel = copy(facts.kernel),
        .governor = copy(facts.governor),
        .cores = ifm_cpu_room_now().physical,
        .memory_bytes = facts.memory_bytes,
        .load_average = facts.load_average,
        .steal_frac = -1,
    };
}

void ifm_run_describe_here(ifm_run *run)
{
    describe_time(run);
    describe_host(run);
}

/* Prompts, as far as they are texts, and their names. */
static ifm_status describe_prompts(const ifm_prompts *prompts, ifm_workload *w)
{
    const size_t n = prompts->n;
    w->prompts = calloc(n, sizeof *w->prompts);
    w->prompt_names = calloc(n, sizeof *w->prompt_names);
    w->prompt_bytes = calloc(n, sizeof *w->prompt_bytes);
    if (w->prompts == NULL || w->prompt_names == NULL || w->prompt_bytes == NULL)
        return IFM_ERR_NO_MEMORY;
    for (w->n_prompts = 0; w->n_prompts < n; w->n_prompts++) {
        const ifm_prompt *prompt = &prompts->items[w->n_prompts];
        char **text = &w->prompts[w->n_prompts], **name = &w->prompt_names[w->n_prompts];
        if (prompt->name != NULL && (*name = strdup(prompt->name)) == NULL)
            return IFM_ERR_NO_MEMORY;
        if (prompt->n_ids > 0)
            continue;
        *text = malloc(prompt->n + 1);
        if (*text == NULL)
            return IFM_ERR_NO_MEMORY;
        memcpy(*text, prompt->text, prompt->n + 1);
        w->prompt_bytes[w->n_prompts] = prompt->n;
    }
    return IFM_OK;
}

static ifm_status describe_workload(const ifm_run_setup *self, size_t k, ifm_run *run)
{
    const ifm_target_request *r = &self->request;
    run->workload = (ifm_workload){
        .batch_size = self->batch_size,
        .padding = self->choices[k].ragged ? IFM_PADDING_NONE : self->padding,
        .max_new_tokens = r->max_new_tokens,
        .sampling = r->sampling,
        .ignore_eos = r->ignore_eos,
        .n_cold = self->choices[k].kind == IFM_TARGET_URL ? 0 : self->n_cold,
        .n_warmup = self->n_warmup,
        .n_warm = self->n_warm,
        .load_eager = self->model.eager,
        .evict = self->evict,
    };
    return describe_prompts(&self->prompts, &run->workload);
}

ifm_status ifm_run_setup_describe(const ifm_run_setup *self, size_t k,
                                  const ifm_arguments *arguments, ifm_run *run,
                                  ifm_error *err)
{
    ifm_run_describe_here(run);
    run->target = (ifm_target_facts){
        .kind = strdup(self->choices[k].label), .exact = -1, .nan_weights = -1};
    ifm_status st = ifm_run_describe_command(arguments, run);
    if (st == IFM_OK)
        st = describe_workload(self, k, run);
    return st == IFM_OK ? st : ifm_fail(err, st, "run: no memory");
}
