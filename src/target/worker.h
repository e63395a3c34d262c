/*
 * A worker: a child process that speaks the worker protocol, driven from here.
 *
 * For a cold request the lines "load" and "request" lie in the pipe before the child is
 * spawned, so that it never waits for its parent. Whatever the child does (garbage, half a
 * line, an endless one, silence, death, a flood, stamps that run backwards) ends in an error
 * with its name; then the child has been killed and reaped.
 */
#ifndef IFM_TARGET_WORKER_H
#define IFM_TARGET_WORKER_H

#include <stdatomic.h>

#include "os/process.h"
#include "target/collect.h"
#include "target/target.h"

typedef struct ifm_worker_options {
    const char *const *argv; /* NULL-terminated; argv[0] is a path */
    const char *name;        /* in messages: "inferometer-worker" */
    int64_t timeout_ns;      /* for loading, and for each request */
    int cancel_fd;           /* -1, or readable when everything shall end */
    _Atomic int *group; /* NULL, or where the live child's process group is kept, for a
                                signal handler that must end it; 0: none */
} ifm_worker_options;

typedef struct ifm_worker {
    ifm_worker_options options;
    ifm_process process;
    ifm_buffer out; /* to the child; sent up to out_sent */
    size_t out_sent;
    ifm_buffer in; /* from the child; used up to in_used */
    size_t in_used;
    uint64_t budget_bytes; /* what it may still say before it is a flood */
    bool out_ended;
    char last_words[256]; /* the end of its stderr */
    size_t n_last_words;
    int32_t requests;
    bool running, greeted;
} ifm_worker;

void ifm_worker_init(ifm_worker *self, const ifm_worker_options *options);

/* Starts the child and loads the model; returns when it is loaded. */
ifm_status ifm_worker_start(ifm_worker *self, const ifm_worker_model *model,
                            ifm_target_facts *facts, ifm_error *err);

/* Starts the child with the request already in its pipe: time zero is the spawn. A running
 * child is ended before. `target` gives on_text and facts. */
ifm_status ifm_worker_cold(ifm_worker *self, const ifm_worker_model *model,
                           const ifm_target_request *request, ifm_target *target,
                           ifm_record *records, ifm_error *err);

/* One more request for the running child. */
ifm_status ifm_worker_warm(ifm_worker *self, const ifm_target_request *request,
                           ifm_target *target, ifm_record *records, ifm_error *err);

/* Lets the child exit, kills it if it does not; releases everything. The worker can be
 * started again. */
void ifm_worker_end(ifm_worker *self);

#endif
