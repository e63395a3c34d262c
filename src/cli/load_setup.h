/* From the options of `load` to a plan, a client's options and a source of requests. */
#ifndef IFM_CLI_LOAD_SETUP_H
#define IFM_CLI_LOAD_SETUP_H

#include "base/buffer.h"
#include "cli/wire_setup.h"
#include "drive/drive.h"
#include "drive/source.h"

typedef struct ifm_load_setup {
    ifm_wire_setup wire;
    char *model;                       /* heap; NULL: to be asked */
    char *tokenizer_path;              /* heap; NULL: none */
    ifm_tokenizer *counting, *writing; /* one tokenizer for each thread that uses it */
    ifm_buffer typed;                  /* standard input, for --prompts - */
    ifm_prompt_file file;              /* --prompts, when given */
    ifm_source_options asked;          /* borrowing from all of these */
    ifm_requests_source *source;
    ifm_load_plan plan; /* numbers only; its strings are made for each load */
    const ifm_arguments *arguments;
} ifm_load_setup;

/* Reads the options and the file of prompts; asks nobody. The caller deinits, also after an
 * error. Errors: ARGUMENT for what the person can write differently, else what readers of
 * files and tokenizers say. */
ifm_status ifm_load_setup_init(ifm_load_setup *self, const ifm_arguments *arguments,
                               ifm_error *err);
/* Asks the server which model it has, unless it was named; then opens the tokenizer and the
 * source. Errors: IO (nobody answers), FORMAT, CANCELLED; and the tokenizer's. */
ifm_status ifm_load_setup_meet(ifm_load_setup *self, int cancel_fd, ifm_error *err);
void ifm_load_setup_deinit(ifm_load_setup *self);

/* A source of the same requests from another seed, so that what is asked twice does not find
 * its prompts in a server's cache. The caller frees. */
ifm_status ifm_load_setup_source(const ifm_load_setup *self, uint64_t seed,
                                 ifm_requests_source **out, ifm_error *err);

/* An empty load that knows its plan, host, clock, command and target. The caller deinits,
 * also after an error. Errors: NO_MEMORY. */
ifm_status ifm_load_setup_describe(const ifm_load_setup *self, ifm_load_run *load,
                                   ifm_error *err);

#endif
