/*
 * MPI as a transport between the processes of a load: the module ifm-mpi.so, opened by
 * src/ranks/open.c when an MPI launcher started the program.
 *
 * Only what does not wait: MPI_Isend, MPI_Improbe and MPI_Imrecv, MPI_Ireduce with MPI_Test. A collective
 * that waits would wait forever for a process that died, and an MPI that waits spins, on a
 * core that the load needs. Errors are returned (MPI_ERRORS_RETURN), not fatal.
 */
#include <mpi.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "ranks/ops.h"

/* A message on its way. */
typedef struct outgoing {
    struct outgoing *next;
    MPI_Request request;
    int32_t to;
    size_t n;
    char bytes[];
} outgoing;

/* A message that has been announced; of a large one the sender's part may be missing still,
 * and forever if the sender died. */
typedef struct incoming {
    struct incoming *next;
    MPI_Request request;
    int32_t from, tag;
    size_t n;
    bool there;
    char bytes[];
} incoming;

enum { ANNOUNCED = 64 }; /* messages at once, from all ranks */

typedef struct mpi_group {
    outgoing *first;
    incoming *oldest, **end; /* in the order of their announcement */
    size_t n_incoming;
    incoming *given; /* what receive gave last */
} mpi_group;

static ifm_status fail_mpi(ifm_error *err, int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(code, text, &n);
    return ifm_fail(err, IFM_ERR_IO, "MPI: %s: %.*s", what, n, text);
}

/* "Open MPI v4.1.4, package: …" → "Open MPI v4.1.4". */
static void name_library(char *name, size_t size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = '\0';
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\t')
            *c = ' ';
    snprintf(name, size, "%.*s", (int)size - 1, text);
}

static ifm_status join(void **out, ifm_ranks_place *place, ifm_error *err)
{
    int level = 0, rank = 0, size = 0, n = 0, code;
    char host[MPI_MAX_PROCESSOR_NAME] = "";
    mpi_group *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "MPI: no memory");
    code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (code != MPI_SUCCESS || level < MPI_THREAD_FUNNELED) {
        free(self);
        return code != MPI_SUCCESS
                   ? fail_mpi(err, code, "cannot begin")
                   : ifm_fail(err, IFM_ERR_UNSUPPORTED,
                              "MPI: this one allows no threads beside it");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(host, &n);
    *place = (ifm_ranks_place){.rank = rank, .size = size};
    snprintf(place->host, sizeof place->host, "%.*s", (int)sizeof place->host - 1, host);
    name_library(place->library, sizeof place->library);
    self->end = &self->oldest;
    *out = self;
    return IFM_OK;
}

/* Frees what has left; MPI makes progress by it. One that cannot be sent any more counts
 * as gone: its receiver will be missed by its silence. */
static void sweep(mpi_group *self)
{
    outgoing **at = &self->first;
    while (*at != NULL) {
        outgoing *one = *at;
        int gone = 0;
        if (MPI_Test(&one->request, &gone, MPI_STATUS_IGNORE) == MPI_SUCCESS && !gone) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        if (gone) /* else MPI may still look at it */
            free(one);
    }
}

static ifm_status send_bytes(void *group, int32_t to, int32_t tag, const void *bytes,
                             size_t n, ifm_error *err)
{
    mpi_group *self = group;
    if (n > INT_MAX)
        return ifm_fail(err, IFM_ERR_LIMIT, "MPI: %zu bytes in one message", n);
    outgoing *one = malloc(sizeof *one + n);
    if (one == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "MPI: no memory for %zu bytes", n);
    if (n > 0)
        memcpy(one->bytes, bytes, n);
    one->to = to;
    one->n = n;
    const int code =
        MPI_Isend(one->bytes, (int)n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &one->request);
    if (code != MPI_SUCCESS) {
        free(one);
        return fail_mpi(err, code, "cannot send");
    }
    one->next = self->first;
    self->first = one;
    return IFM_OK;
}

static size_t unsent(void *group, int32_t to)
{
    mpi_group *self = group;
    size_t n = 0;
    sweep(self);
    for (const outgoing *one = self->first; one != NULL; one = one->next)
        n += one->to == to ? one->n + 1 : 0;
    return n;
}

/* Takes up one message more that is announced; false: there is none. */
static bool take_up(mpi_group *self)
{
    MPI_Message handle;
    MPI_Status status;
    int there = 0, n = 0;
    if (self->n_incoming >= ANNOUNCED ||
        MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &there, &handle,
                    &status) != MPI_SUCCESS ||
        !there)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &n);
    incoming *one = malloc(sizeof *one + (size_t)n);
    if (one == NULL)
        MPI_Abort(MPI_COMM_WORLD, 1); /* a message that nobody can take */
    *one = (incoming){.from = status.MPI_SOURCE, .tag = status.MPI_TAG, .n = (size_t)n};
    if (MPI_Imrecv(one->bytes, n, MPI_BYTE, &handle, &one->request) != MPI_SUCCESS) {
        free(one);
        return false;
    }
    *self->end = one;
    self->end = &one->next;
    self->n_incoming++;
    return true;
}

static bool waits_for_an_older(const mpi_group *self, const incoming *one)
{
    for (const incoming *older = self->oldest; older != one; older = older->next)
        if (older->from == one->from)
            return true;
    return false;
}

/* The oldest that is whole; what one rank sent stays in its order, and what a dead one began
 * keeps nobody else's back. */
static incoming *take_whole(mpi_group *self)
{
    for (incoming **at = &self->oldest; *at != NULL; at = &(*at)->next) {
        incoming *one = *at;
        int done = 0;
        if (!one->there)
            one->there =
                MPI_Test(&one->request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done;
        if (!one->there || waits_for_an_older(self, one))
            continue;
        *at = one->next;
        if (self->end == &one->next)
            self->end = at;
        self->n_incoming--;
        return one;
    }
    return NULL;
}

static bool receive(void *group, ifm_ranks_message *message)
{
    mpi_group *self = group;
    free(self->given);
    self->given = NULL;
    sweep(self);
    while (take_up(self))
        ;
    self->given = take_whole(self);
    if (self->given == NULL)
        return false;
    *message = (ifm_ranks_message){.from = self->given->from,
                                   .tag = self->given->tag,
                                   .bytes = self->given->bytes,
                                   .n = self->given->n};
    return true;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static ifm_status reduce(void *group, uint64_t *values, size_t n, int64_t timeout_ns,
                         ifm_error *err)
{
    (void)group;
    int rank = 0, done = 0;
    MPI_Request request;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    uint64_t *sum = calloc(n, sizeof *sum);
    uint64_t *mine = calloc(n, sizeof *mine);
    if (sum == NULL || mine == NULL) {
        free(sum);
        free(mine);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "MPI: no memory to add up");
    }
    memcpy(mine, values, n * sizeof *mine);
    int code = MPI_Ireduce(mine, sum, (int)n, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD,
                           &request);
    const int64_t until = now_ns() + timeout_ns;
    while (code == MPI_SUCCESS && !done && now_ns() < until) {
        code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (!done)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    if (code != MPI_SUCCESS ||
        !done) /* MPI may still write to both: they are left to it */
        return code != MPI_SUCCESS
                   ? fail_mpi(err, code, "cannot add up")
                   : ifm_fail(err, IFM_ERR_CHILD, "MPI: not every rank came to add up");
    if (rank == 0)
        memcpy(values, sum, n * sizeof *sum);
    free(sum);
    free(mine);
    return IFM_OK;
}

static void leave(void *group, bool whole)
{
    mpi_group *self = group;
    const int64_t until = now_ns() + 1000000000;
    while (whole && self->first != NULL && now_ns() < until) {
        sweep(self);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    if (!whole)
        return; /* MPI_Finalize would wait for the dead */
    MPI_Finalize();
    free(self->given);
    free(self);
}

__attribute__((visibility("default"))) extern const ifm_ranks_ops ifm_ranks_module;

const ifm_ranks_ops ifm_ranks_module = {
    .seam = IFM_RANKS_SEAM,
    .join = join,
    .send = send_bytes,
    .unsent = unsent,
    .receive = receive,
    .reduce = reduce,
    .leave = leave,
};
