/*
 * The seam to whatever starts several processes and carries bytes between them: a table of
 * functions. MPI is one (src/mpi, a module that is opened only by a process that an MPI
 * launcher started); the tests have threads of one process instead.
 *
 * Nothing here waits, but for `reduce`, which has a time limit: a process that died must
 * not take the others with it, as a blocking collective would. All calls come from one
 * thread.
 */
#ifndef IFM_RANKS_OPS_H
#define IFM_RANKS_OPS_H

#include "inferometer/base.h"

/* Changes with this header: a module of another build is refused. */
enum { IFM_RANKS_SEAM = 1 };

/* The name under which a module exports its table. */
#define IFM_RANKS_MODULE_SYMBOL "ifm_ranks_module"

typedef struct ifm_ranks_place {
    int32_t rank, size;
    char host[64];
    char library[64]; /* "Open MPI 4.1.4" */
} ifm_ranks_place;

/* bytes: the transport's own, until the next receive. */
typedef struct ifm_ranks_message {
    int32_t from, tag;
    const void *bytes;
    size_t n;
} ifm_ranks_message;

typedef struct ifm_ranks_ops {
    int32_t seam; /* IFM_RANKS_SEAM */
    /* Joins the other processes; once. The group is left with `leave`. */
    ifm_status (*join)(void **group, ifm_ranks_place *place, ifm_error *err);
    /* Sends a copy of the bytes. Messages from one to another arrive in their order. */
    ifm_status (*send)(void *group, int32_t to, int32_t tag, const void *bytes, size_t n,
                       ifm_error *err);
    /* Bytes for `to` that have not left yet. */
    size_t (*unsent)(void *group, int32_t to);
    /* The next message that is there, from anybody: true. */
    bool (*receive)(void *group, ifm_ranks_message *message);
    /* All ranks: adds up values[n] over them, at rank 0. CHILD: not all came in time; the
     * group must then be left with whole = false. */
    ifm_status (*reduce)(void *group, uint64_t *values, size_t n, int64_t timeout_ns,
                         ifm_error *err);
    /* whole: every rank is alive and leaves too; else nobody is waited for. */
    void (*leave)(void *group, bool whole);
    /* This process's clock, NULL: ifm_time_now. */
    ifm_time (*now)(void *group);
} ifm_ranks_ops;

#endif
