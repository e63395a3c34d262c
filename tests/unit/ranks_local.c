#include "ranks_local.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

typedef struct parcel {
    struct parcel *next;
    ifm_time due; /* real */
    int32_t from, tag;
    size_t n;
    char bytes[];
} parcel;

struct local_world {
    local_options options;
    ifm_time began; /* real */
    pthread_mutex_t lock;
    parcel *first[LOCAL_MOST], *last[LOCAL_MOST];
    ifm_time latest[LOCAL_MOST][LOCAL_MOST]; /* keeps the order from one to another */
    unsigned seed;
    uint64_t *sum;
    size_t n_summed;
};

typedef struct member {
    local_rank *rank;
    parcel *held; /* what receive gave last */
} member;

static int64_t clock_at(const local_options *options, int32_t rank, int64_t elapsed_ns)
{
    const double fast = options->rate > 0 ? options->rate : 1;
    return options->offset_ns[rank] +
           (int64_t)((double)elapsed_ns * fast * (1 + options->drift[rank]));
}

static ifm_time now(void *group)
{
    const member *self = group;
    const local_world *world = self->rank->world;
    return (ifm_time){world->began.ns +
                      clock_at(&world->options, self->rank->rank,
                               ifm_time_between(world->began, ifm_time_now()))};
}

ifm_time local_translate(const local_rank *rank, ifm_time t)
{
    const local_options *options = &rank->world->options;
    const double fast = options->rate > 0 ? options->rate : 1;
    const int64_t shown = ifm_time_between(rank->world->began, t) - options->offset_ns[0];
    return (ifm_time){
        rank->world->began.ns +
        clock_at(options, rank->rank,
                 (int64_t)((double)shown / fast / (1 + options->drift[0])))};
}

static ifm_status send_parcel(void *group, int32_t to, int32_t tag, const void *bytes,
                              size_t n, ifm_error *err)
{
    member *self = group;
    local_world *world = self->rank->world;
    const int32_t from = self->rank->rank;
    if (self->rank->dead)
        return IFM_OK;
    parcel *one = malloc(sizeof *one + n);
    if (one == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory");
    *one = (parcel){.from = from, .tag = tag, .n = n};
    if (n > 0)
        memcpy(one->bytes, bytes, n);
    pthread_mutex_lock(&world->lock);
    const int64_t latency = world->options.latency_ns;
    one->due.ns = ifm_time_now().ns + latency / 2 +
                  (latency > 0 ? rand_r(&world->seed) % (latency / 2 + 1) : 0);
    if (one->due.ns < world->latest[from][to].ns)
        one->due = world->latest[from][to];
    world->latest[from][to] = one->due;
    if (world->last[to] != NULL)
        world->last[to]->next = one;
    else
        world->first[to] = one;
    world->last[to] = one;
    pthread_mutex_unlock(&world->lock);
    return IFM_OK;
}

static size_t unsent(void *group, int32_t to)
{
    (void)group;
    (void)to;
    return 0;
}

static bool receive(void *group, ifm_ranks_message *message)
{
    member *self = group;
    local_world *world = self->rank->world;
    const int32_t me = self->rank->rank;
    free(self->held);
    self->held = NULL;
    pthread_mutex_lock(&world->lock);
    parcel *one = world->first[me];
    if (one != NULL && one->due.ns <= ifm_time_now().ns) {
        world->first[me] = one->next;
        if (one->next == NULL)
            world->last[me] = NULL;
        self->held = one;
    }
    pthread_mutex_unlock(&world->lock);
    if (self->held != NULL)
        *message = (ifm_ranks_message){
            .from = one->from, .tag = one->tag, .bytes = one->bytes, .n = one->n};
    return self->held != NULL;
}

static ifm_status reduce(void *group, uint64_t *values, size_t n, int64_t timeout_ns,
                         ifm_error *err)
{
    member *self = group;
    local_world *world = self->rank->world;
    const ifm_time begin = ifm_time_now();
    pthread_mutex_lock(&world->lock);
    if (world->sum == NULL)
        world->sum = calloc(n, sizeof *world->sum);
    for (size_t i = 0; i < n; i++)
        world->sum[i] += values[i];
    world->n_summed++;
    while (self->rank->rank == 0 && world->n_summed < (size_t)world->options.size) {
        pthread_mutex_unlock(&world->lock);
        if (ifm_time_between(begin, ifm_time_now()) > timeout_ns)
            return ifm_fail(err, IFM_ERR_CHILD, "not all came");
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        pthread_mutex_lock(&world->lock);
    }
    if (self->rank->rank == 0)
        memcpy(values, world->sum, n * sizeof *values);
    pthread_mutex_unlock(&world->lock);
    return IFM_OK;
}

static void leave(void *group, bool whole)
{
    member *self = group;
    self->rank->left = true;
    self->rank->left_whole = whole;
}

static const ifm_ranks_ops ops = {.seam = IFM_RANKS_SEAM,
                                  .send = send_parcel,
                                  .unsent = unsent,
                                  .receive = receive,
                                  .reduce = reduce,
                                  .leave = leave,
                                  .now = now};

typedef struct thread_argument {
    local_rank *rank;
    bool (*body)(local_rank *rank);
} thread_argument;

static void *run_rank(void *argument)
{
    const thread_argument *self = argument;
    local_rank *rank = self->rank;
    member group = {.rank = rank};
    ifm_ranks_place place = {.rank = rank->rank, .size = rank->world->options.size};
    strcpy(place.host, "host-0");
    place.host[5] = (char)('0' + rank->rank);
    if (ifm_ranks_new(&ops, &group, &place, &rank->ranks, NULL) != IFM_OK)
        abort();
    const bool alive = self->body(rank);
    rank->dead = !alive; /* then nothing is said to the others */
    ifm_ranks_close(rank->ranks);
    free(group.held);
    return NULL;
}

void local_run(const local_options *options, bool (*body)(local_rank *rank), void *data,
               local_rank *results)
{
    local_world world = {.options = *options, .began = ifm_time_now(), .seed = 1};
    local_rank ranks[LOCAL_MOST] = {0};
    thread_argument arguments[LOCAL_MOST];
    pthread_t threads[LOCAL_MOST];
    pthread_mutex_init(&world.lock, NULL);
    for (int32_t r = 0; r < options->size; r++) {
        ranks[r] = (local_rank){.world = &world, .rank = r, .data = data};
        arguments[r] = (thread_argument){&ranks[r], body};
        if (pthread_create(&threads[r], NULL, run_rank, &arguments[r]) != 0)
            abort();
    }
    for (int32_t r = 0; r < options->size; r++)
        pthread_join(threads[r], NULL);
    for (int32_t r = 0; r < options->size; r++) {
        while (world.first[r] != NULL) {
            parcel *one = world.first[r];
            world.first[r] = one->next;
            free(one);
        }
        if (results != NULL)
            results[r] = ranks[r];
    }
    free(world.sum);
    pthread_mutex_destroy(&world.lock);
}
