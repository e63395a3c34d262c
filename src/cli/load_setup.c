#include "cli/load_setup.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/input.h"
#include "cli/load_parse.h"
#include "cli/run_setup.h"
#include "hub/resolve.h"

enum { PROMPTS_BY_DEFAULT = 100, STDIN_BYTES_MOST = 1 << 30 };

static bool given(const ifm_load_setup *self, const char *option)
{
    return ifm_arguments_given(self->arguments, option);
}

static const char *text(const ifm_load_setup *self, const char *option)
{
    return ifm_arguments_string(self->arguments, option);
}

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "load: no memory");
}

/* ---- when ------------------------------------------------------------------------------- */

static ifm_arrival arrival_by_name(const char *name)
{
    for (ifm_arrival a = IFM_ARRIVAL_CLOSED; a <= IFM_ARRIVAL_TRACE; a++)
        if (strcmp(name, ifm_arrival_name(a)) == 0)
            return a;
    return IFM_ARRIVAL_CLOSED;
}

/* As --arrival says, else as the other options let expect. */
static ifm_arrival choose_arrival(const ifm_load_setup *self, bool timed)
{
    const double rate = self->plan.request_rate;
    if (isinf(rate))
        return IFM_ARRIVAL_BURST;
    if (text(self, "arrival") != NULL)
        return arrival_by_name(text(self, "arrival"));
    if (rate > 0)
        return given(self, "burstiness") ? IFM_ARRIVAL_GAMMA : IFM_ARRIVAL_POISSON;
    return timed ? IFM_ARRIVAL_TRACE : IFM_ARRIVAL_CLOSED;
}

static ifm_status check_arrival(const ifm_load_setup *self, bool timed, ifm_error *err)
{
    const ifm_arrival a = self->plan.arrival;
    const bool rated =
        a == IFM_ARRIVAL_CONSTANT || a == IFM_ARRIVAL_POISSON || a == IFM_ARRIVAL_GAMMA;
    const char *name = ifm_arrival_name(a);
    if (rated && self->plan.request_rate == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--arrival %s: needs a rate: --request-rate 5", name);
    if (!rated && a != IFM_ARRIVAL_BURST && self->plan.request_rate > 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--arrival %s: has no rate of its own: leave --request-rate away",
                        name);
    if (a == IFM_ARRIVAL_BURST && given(self, "arrival"))
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--request-rate inf: is all at once, --arrival does not go with it");
    if (a == IFM_ARRIVAL_TRACE && !timed)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--arrival trace: needs --prompts FILE with a \"timestamp\" in "
                        "each entry");
    if (a != IFM_ARRIVAL_GAMMA && given(self, "burstiness"))
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--burstiness: goes with --request-rate and gamma arrivals, these "
            "are %s",
            name);
    if (self->plan.ramp_s > 0 && !rated && a != IFM_ARRIVAL_CLOSED)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--ramp: %s arrivals have no rate that could rise", name);
    if (a != IFM_ARRIVAL_TRACE && given(self, "trace-speed"))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--trace-speed: goes with a trace only, arrivals are %s", name);
    return IFM_OK;
}

static ifm_status read_when(ifm_load_setup *self, ifm_error *err)
{
    const ifm_arguments *a = self->arguments;
    ifm_load_plan *p = &self->plan;
    ifm_status st = IFM_OK;
    int64_t ns = 0;
    if (given(self, "request-rate"))
        st = ifm_load_parse_rate(text(self, "request-rate"), &p->request_rate, err);
    if (st == IFM_OK && given(self, "ramp"))
        st = ifm_load_parse_duration("--ramp", text(self, "ramp"), &ns, err);
    p->ramp_s = (double)ns / 1e9;
    if (st == IFM_OK && given(self, "duration"))
        st = ifm_load_parse_duration("--duration", text(self, "duration"),
                                     &p->duration_ns, err);
    if (st == IFM_OK)
        st = ifm_load_parse_duration("--timeout", text(self, "timeout"), &p->timeout_ns,
                                     err);
    p->concurrency = ifm_arguments_int(a, "concurrency");
    p->burstiness = ifm_arguments_float(a, "burstiness");
    p->ramp_exponential = strcmp(text(self, "ramp-shape"), "exponential") == 0;
    p->trace_speed = ifm_arguments_float(a, "trace-speed");
    p->n_prompts = ifm_arguments_int(a, "num-prompts");
    p->n_warmup = ifm_arguments_int(a, "warmup");
    p->idle_timeout_ns = self->wire.client.idle_timeout_ns;
    p->retries = self->wire.client.retries;
    return st;
}

/* What depends on the file of prompts, which is read by now. */
static ifm_status settle_when(ifm_load_setup *self, ifm_error *err)
{
    const int64_t in_file = (int64_t)self->file.n;
    const bool timed = self->file.times != NULL;
    ifm_load_plan *p = &self->plan;
    p->arrival = choose_arrival(self, timed);
    const ifm_status st = check_arrival(self, timed, err);
    if (st != IFM_OK)
        return st;
    if (p->arrival == IFM_ARRIVAL_CLOSED && p->concurrency == 0)
        p->concurrency = 1;
    const bool whole = p->n_prompts == 0 && p->duration_ns == 0;
    if (p->arrival == IFM_ARRIVAL_TRACE) {
        if (p->n_warmup >= in_file)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--warmup %" PRId64 ": leaves nothing of the %" PRId64
                            " requests of %s",
                            p->n_warmup, in_file, text(self, "prompts"));
    } else if (whole && in_file > 0) {
        p->n_prompts = ifm_source_requests(&self->asked) - p->n_warmup;
        if (p->n_prompts < 1)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--warmup %" PRId64 ": leaves nothing of the prompts of %s: "
                            "say --num-prompts",
                            p->n_warmup, text(self, "prompts"));
    } else if (whole) {
        p->n_prompts = PROMPTS_BY_DEFAULT;
    }
    if (p->arrival == IFM_ARRIVAL_BURST && p->n_prompts == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--request-rate inf: needs --num-prompts: how many at once");
    return IFM_OK;
}

/* ---- what --------------------------------------------------------------------------------- */

/* Made-up prompts say nothing at which an answer would end by itself; where lengths are
 * asked for, or recorded, they are to be kept. */
static bool ignores_eos(const ifm_load_setup *self)
{
    if (ifm_arguments_flag(self->arguments, "honour-eos"))
        return false;
    return ifm_arguments_flag(self->arguments, "ignore-eos") ||
           given(self, "output-len") || !given(self, "prompts") || self->file.made;
}

static ifm_status check_prompts(const ifm_load_setup *self, ifm_error *err)
{
    static const char *const synthetic[] = {"input-len", "shared-prefix-tokens"};
    for (size_t i = 0; given(self, "prompts") && i < 2; i++)
        if (given(self, synthetic[i]))
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s: makes up prompts, --prompts has them already",
                            synthetic[i]);
    if (given(self, "ignore-eos") && given(self, "honour-eos"))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--ignore-eos and --honour-eos exclude each other");
    if (given(self, "think-time") && !given(self, "prompts") && self->asked.turns < 2)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--think-time: is the time between --turns, of which there is one");
    return IFM_OK;
}

static ifm_status open_prompts(ifm_load_setup *self, const char *path, ifm_error *err)
{
    if (strcmp(path, "-") != 0)
        return ifm_prompt_file_open(&self->file, path, err);
    const ifm_status st = ifm_read_stdin(&self->typed, STDIN_BYTES_MOST, err);
    return st != IFM_OK ? st
                        : ifm_prompt_file_of(&self->file, "standard input",
                                             ifm_buffer_text(&self->typed),
                                             self->typed.length, err);
}

/* The clock's low bits are as good as chance. */
static uint64_t seed_of(const ifm_load_setup *self)
{
    if (given(self, "seed"))
        return (uint64_t)ifm_arguments_int(self->arguments, "seed");
    ifm_random random;
    ifm_random_init(&random, (uint64_t)ifm_time_now().ns);
    return ifm_random_u64(&random) >> 11; /* that JSON's readers take exactly */
}

static ifm_status read_what(ifm_load_setup *self, ifm_error *err)
{
    const ifm_arguments *a = self->arguments;
    ifm_source_options *s = &self->asked;
    ifm_status st =
        ifm_lengths_parse("--input-len", text(self, "input-len"), &s->input, err);
    if (st == IFM_OK)
        st = ifm_lengths_parse("--output-len", text(self, "output-len"), &s->output, err);
    s->output_given = given(self, "output-len");
    s->shared_tokens = ifm_arguments_int(a, "shared-prefix-tokens");
    s->turns = given(self, "turns") ? (int32_t)ifm_arguments_int(a, "turns") : 0;
    s->think_ns = given(self, "think-time")
                      ? (int64_t)(ifm_arguments_float(a, "think-time") * 1e9)
                      : -1;
    s->sampling =
        (ifm_sampling){.temperature = (float)ifm_arguments_float(a, "temperature"),
                       .top_p = 1,
                       .repetition_penalty = 1};
    s->seed = seed_of(self);
    if (st == IFM_OK)
        st = check_prompts(self, err);
    if (st == IFM_OK && given(self, "prompts"))
        st = open_prompts(self, text(self, "prompts"), err);
    s->file = st == IFM_OK && given(self, "prompts") ? &self->file : NULL;
    s->ignore_eos = ignores_eos(self);
    self->plan.shared_prefix_tokens = s->shared_tokens;
    self->plan.seed = s->seed;
    self->plan.turns = s->turns;
    self->plan.think_ns = s->think_ns;
    return st;
}

/* ---- the whole ------------------------------------------------------------------------------ */

ifm_status ifm_load_setup_init(ifm_load_setup *self, const ifm_arguments *arguments,
                               ifm_error *err)
{
    *self = (ifm_load_setup){.arguments = arguments};
    self->plan.slo = ifm_load_no_slo();
    if (!given(self, "url"))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "which server? --url http://localhost:8000");
    ifm_status st = read_what(self, err);
    const bool chat = self->file.chat || self->asked.turns > 1;
    if (st == IFM_OK)
        st = ifm_wire_setup_init(&self->wire, arguments, text(self, "url"), chat, err);
    if (st == IFM_OK)
        st = read_when(self, err);
    if (st == IFM_OK)
        st = settle_when(self, err);
    if (st == IFM_OK && given(self, "slo"))
        st = ifm_load_parse_slo(text(self, "slo"), &self->plan.slo, err);
    if (st == IFM_OK && given(self, "model")) {
        self->model = strdup(text(self, "model"));
        if (self->model == NULL)
            st = no_memory(err);
    }
    ifm_client_options *c = &self->wire.client;
    c->timeout_ns = self->plan.timeout_ns;
    c->connections = self->plan.concurrency > 0 ? (size_t)self->plan.concurrency : 0;
    self->plan.endpoint = c->chat ? IFM_ENDPOINT_CHAT : IFM_ENDPOINT_COMPLETIONS;
    self->plan.stream = c->stream;
    self->plan.new_connection = c->new_connection;
    self->plan.insecure = c->insecure;
    self->plan.http2 = c->http2;
    self->plan.libcurl = c->libcurl = ifm_arguments_flag(self->arguments, "libcurl");
    return st;
}

/* The server's, when we have the same model here: by its name, as --model would find it. Not
 * to have it is no error unless it was asked for. */
static ifm_status open_tokenizer(ifm_load_setup *self, ifm_error *err)
{
    const char *asked = text(self, "tokenizer");
    const char *name = asked != NULL ? asked : self->model;
    if (name == NULL || strcmp(name, "none") == 0)
        return IFM_OK;
    ifm_status st = ifm_hub_resolve(name, &self->tokenizer_path, err);
    if (st == IFM_OK)
        st = ifm_tokenizer_open(self->tokenizer_path, NULL, &self->counting, err);
    if (st == IFM_OK)
        st = ifm_tokenizer_open(self->tokenizer_path, NULL, &self->writing, err);
    if (st == IFM_OK)
        return st;
    ifm_tokenizer_close(self->counting);
    self->counting = NULL;
    free(self->tokenizer_path);
    self->tokenizer_path = NULL;
    return asked != NULL ? ifm_fail_within(err, st, "--tokenizer") : IFM_OK;
}

static ifm_status ask_model(ifm_load_setup *self, int cancel_fd, ifm_error *err)
{
    ifm_client *client = NULL;
    ifm_status st = ifm_client_new(&self->wire.client, &client, err);
    if (st != IFM_OK)
        return st;
    st = ifm_client_first_model(client, cancel_fd, &self->model, err);
    ifm_client_free(client);
    return st;
}

ifm_status ifm_load_setup_source(const ifm_load_setup *self, uint64_t seed,
                                 ifm_requests_source **out, ifm_error *err)
{
    ifm_source_options options = self->asked;
    options.seed = seed;
    return ifm_requests_source_new(&options, out, err);
}

ifm_status ifm_load_setup_meet(ifm_load_setup *self, int cancel_fd, ifm_error *err)
{
    ifm_status st = self->model == NULL ? ask_model(self, cancel_fd, err) : IFM_OK;
    if (st == IFM_OK)
        st = open_tokenizer(self, err);
    ifm_source_options *s = &self->asked;
    s->chat = self->wire.client.chat;
    s->stream = self->wire.client.stream;
    s->model = self->model;
    s->tokenizer = self->writing;
    s->extra = self->wire.extra;
    self->wire.client.tokenizer = self->counting;
    return st == IFM_OK ? ifm_load_setup_source(self, s->seed, &self->source, err) : st;
}

void ifm_load_setup_deinit(ifm_load_setup *self)
{
    ifm_requests_source_free(self->source);
    ifm_prompt_file_deinit(&self->file);
    ifm_buffer_deinit(&self->typed);
    ifm_tokenizer_close(self->counting);
    ifm_tokenizer_close(self->writing);
    free(self->tokenizer_path);
    free(self->model);
    ifm_wire_setup_deinit(&self->wire);
    *self = (ifm_load_setup){0};
}

/* ---- what a load says of itself --------------------------------------------------------------- */

static bool copy(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

ifm_status ifm_load_setup_describe(const ifm_load_setup *self, ifm_load_run *load,
                                   ifm_error *err)
{
    *load = (ifm_load_run){.plan = self->plan};
    ifm_load_plan *p = &load->plan;
    ifm_run_describe_here(&load->run);
    ifm_target_facts *t = &load->run.target;
    *t = (ifm_target_facts){.exact = -1, .nan_weights = -1};
    t->insecure = p->insecure;
    load->run.workload.sampling = self->asked.sampling;
    load->run.workload.ignore_eos = self->asked.ignore_eos;
    const bool synthetic = self->asked.file == NULL;
    const bool ok = copy(&p->url, self->wire.shown_url) && copy(&p->model, self->model) &&
                    copy(&p->input_len, synthetic ? text(self, "input-len") : NULL) &&
                    copy(&p->output_len, text(self, "output-len")) &&
                    copy(&p->prompts_path, text(self, "prompts")) &&
                    copy(&t->kind, "url") && copy(&t->url, self->wire.shown_url) &&
                    copy(&t->endpoint, ifm_endpoint_name(p->endpoint)) &&
                    copy(&t->model_name, self->model) &&
                    copy(&t->model_path, self->tokenizer_path) &&
                    ifm_run_describe_command(self->arguments, &load->run) == IFM_OK;
    return ok ? IFM_OK : no_memory(err);
}
