/*
 * Whether an MPI launcher started this process as one of several, as its environment says:
 * asking MPI itself would cost every start, and needs an MPI.
 */
#ifndef IFM_RANKS_LAUNCH_H
#define IFM_RANKS_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ifm_launch {
    const char *variable; /* that says so; NULL: started by itself */
    int64_t size;         /* processes; 1: by itself; -1: several perhaps, MPI knows */
    bool first;           /* its rank is 0, or not known */
} ifm_launch;

/* `get` is getenv, or a test's. */
ifm_launch ifm_launch_read(const char *(*get)(void *user, const char *name), void *user);

#endif
