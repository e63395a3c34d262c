/* From the options of `run` to what is measured: the prompt, the model, the request. */
#ifndef IFM_CLI_RUN_SETUP_H
#define IFM_CLI_RUN_SETUP_H

#include "cli/prompts.h"
#include "cli/wire_setup.h"
#include "target/choice.h"

typedef struct ifm_run_setup {
    char *model_path;
    ifm_prompts prompts;
    ifm_worker_model model;
    ifm_target_choice choices[IFM_TARGETS_MAX];
    size_t n_choices;
    const char *python;         /* borrowed; NULL: the usual one */
    ifm_target_request request; /* everything but the prompts */
    ifm_requests requests;      /* as asked */
    ifm_requests ragged;        /* the same without padding; empty when there is none */
    int32_t batch_size;
    ifm_padding padding;
    ifm_wire_setup wires[IFM_TARGETS_MAX]; /* of the choices that are servers */
    ifm_prompts messages; /* the prompts before a chat template; empty: none applied */
    ifm_requests asked;   /* of servers, of these; empty: as `requests` */
    const char *server_model; /* borrowed; NULL: asked for */
    const char *system;       /* borrowed; NULL: none */
    bool evict;
    int32_t n_cold, n_warmup, n_warm;
    int64_t timeout_ns;
} ifm_run_setup;

/* Reads the options, resolves the model, opens it and its tokenizer once to find every
 * mistake before anything is measured (and so that the tokenizer's compiled cache exists, as
 * it does for all runs but a machine's first); it is closed again, for what is mapped cannot
 * be dropped from the page cache. Errors: ARGUMENT for what the person can write
 * differently, else what the model's reader says. */
ifm_status ifm_run_setup_init(ifm_run_setup *self, const ifm_arguments *arguments,
                              ifm_error *err);
void ifm_run_setup_deinit(ifm_run_setup *self);

/* Fills in what the run of choice k says of itself: command, clock, host, workload. */
ifm_status ifm_run_setup_describe(const ifm_run_setup *self, size_t k,
                                  const ifm_arguments *arguments, ifm_run *run,
                                  ifm_error *err);

/* What is the same whatever is measured: when, on which clock and host; and the command line,
 * without secrets. Errors: NO_MEMORY. */
void ifm_run_describe_here(ifm_run *run);
ifm_status ifm_run_describe_command(const ifm_arguments *arguments, ifm_run *run);

#endif
