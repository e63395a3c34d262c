#include "drive/maker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* A later turn: the job, and then what was made of it. */
typedef struct job {
    struct job *next;
    ifm_talk *talk;
    char *answer;
    size_t n_answer;
    ifm_time at; /* when the turn before ended; then when this one is due */
    ifm_asked asked;
} job;

typedef struct queue {
    job *first, *last;
} queue;

struct ifm_maker {
    ifm_maker_options options;
    pthread_t thread;
    pthread_mutex_t mutex; /* holds all below */
    pthread_cond_t work;   /* to the maker: room, a job, the end */
    pthread_cond_t filled; /* to ifm_maker_fill */
    ifm_asked ring[IFM_MAKER_AHEAD];
    size_t head, n; /* of the ring */
    size_t n_bytes; /* of its bodies */
    int64_t number; /* to be made next */
    queue jobs, made;
    bool starved; /* the loop found the ring empty */
    bool full;    /* the ring was full and is not half empty yet */
    bool ending;
    ifm_error error; /* status OK: none */
};

static void push(queue *self, job *one)
{
    one->next = NULL;
    if (self->last != NULL)
        self->last->next = one;
    else
        self->first = one;
    self->last = one;
}

static job *pop(queue *self)
{
    job *one = self->first;
    if (one == NULL)
        return NULL;
    self->first = one->next;
    if (self->first == NULL)
        self->last = NULL;
    return one;
}

static void job_free(job *self)
{
    if (self == NULL)
        return;
    ifm_talk_free(self->talk);
    free(self->answer);
    ifm_asked_deinit(&self->asked);
    free(self);
}

static bool ended(const ifm_maker *self)
{
    return self->error.status != IFM_OK || self->number >= self->options.end;
}

/* A thread that wakes for every one that is taken would cost more than it makes: from full it
 * sleeps until half is taken. */
static void judge_room(ifm_maker *self)
{
    if (self->n >= IFM_MAKER_AHEAD || (self->n > 0 && self->n_bytes >= IFM_MAKER_BYTES))
        self->full = true;
    else if (self->n <= IFM_MAKER_AHEAD / 2 && self->n_bytes <= IFM_MAKER_BYTES / 2)
        self->full = false;
}

/* ---- the thread; the mutex is held around each of these, but while something is made --- */

static void fail(ifm_maker *self, const ifm_error *err)
{
    if (self->error.status == IFM_OK)
        self->error = *err;
    pthread_cond_broadcast(&self->filled);
}

static void make_later(ifm_maker *self)
{
    ifm_error err = {0};
    job *one = pop(&self->jobs);
    pthread_mutex_unlock(&self->mutex);
    ifm_talk *talk = one->talk;
    one->talk = NULL;
    const ifm_status st = ifm_requests_source_next(
        self->options.source, talk, one->answer, one->n_answer, &one->asked, &err);
    one->at.ns += one->asked.delay_ns;
    pthread_mutex_lock(&self->mutex);
    if (st != IFM_OK) {
        fail(self, &err);
        job_free(one);
    } else {
        push(&self->made, one);
    }
    self->options.wake(self->options.user);
}

static void make_first(ifm_maker *self)
{
    ifm_error err = {0};
    ifm_asked asked = {0};
    const int64_t number = self->number;
    pthread_mutex_unlock(&self->mutex);
    const ifm_status st =
        ifm_requests_source_first(self->options.source, number, &asked, &err);
    pthread_mutex_lock(&self->mutex);
    if (st != IFM_OK) {
        fail(self, &err);
    } else {
        self->ring[(self->head + self->n++) % IFM_MAKER_AHEAD] = asked;
        self->n_bytes += asked.n_body;
        self->number += self->options.step;
    }
    judge_room(self);
    if (ended(self) || self->full)
        pthread_cond_broadcast(&self->filled);
    if (self->starved) {
        self->starved = false;
        self->options.wake(self->options.user);
    }
}

static void *serve(void *user)
{
    ifm_maker *self = user;
    pthread_mutex_lock(&self->mutex);
    while (!self->ending) {
        if (self->error.status == IFM_OK && self->jobs.first != NULL)
            make_later(self);
        else if (!ended(self) && !self->full)
            make_first(self);
        else
            pthread_cond_wait(&self->work, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

/* ---- the loop's side ------------------------------------------------------------------ */

ifm_status ifm_maker_new(const ifm_maker_options *options, ifm_maker **out,
                         ifm_error *err)
{
    ifm_maker *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "load: no memory");
    self->options = *options;
    self->number = options->first;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->filled, NULL);
    const int code = pthread_create(&self->thread, NULL, serve, self);
    if (code != 0) {
        free(self);
        return ifm_fail_errno(err, code, "load: cannot start a thread");
    }
    *out = self;
    return IFM_OK;
}

void ifm_maker_free(ifm_maker *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mutex);
    self->ending = true;
    pthread_cond_broadcast(&self->work);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    for (size_t i = 0; i < self->n; i++)
        ifm_asked_deinit(&self->ring[(self->head + i) % IFM_MAKER_AHEAD]);
    while (self->jobs.first != NULL)
        job_free(pop(&self->jobs));
    while (self->made.first != NULL)
        job_free(pop(&self->made));
    pthread_cond_destroy(&self->work);
    pthread_cond_destroy(&self->filled);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

void ifm_maker_fill(ifm_maker *self)
{
    pthread_mutex_lock(&self->mutex);
    while (!ended(self) && !self->full)
        pthread_cond_wait(&self->filled, &self->mutex);
    pthread_mutex_unlock(&self->mutex);
}

ifm_maker_state ifm_maker_take(ifm_maker *self, ifm_asked *out)
{
    ifm_maker_state state = IFM_MAKER_READY;
    pthread_mutex_lock(&self->mutex);
    if (self->n > 0) {
        *out = self->ring[self->head];
        self->head = (self->head + 1) % IFM_MAKER_AHEAD;
        self->n--;
        self->n_bytes -= out->n_body;
        const bool was_full = self->full;
        judge_room(self);
        if (was_full && !self->full)
            pthread_cond_signal(&self->work);
    } else {
        state = ended(self) ? IFM_MAKER_ENDED : IFM_MAKER_BUSY;
        self->starved = state == IFM_MAKER_BUSY;
    }
    pthread_mutex_unlock(&self->mutex);
    return state;
}

bool ifm_maker_follow(ifm_maker *self, ifm_talk *talk, const char *answer, size_t n,
                      ifm_time when)
{
    job *one = calloc(1, sizeof *one);
    if (one != NULL)
        one->answer = malloc(n + 1);
    if (one == NULL || one->answer == NULL) {
        free(one);
        ifm_talk_free(talk);
        return false;
    }
    if (n > 0)
        memcpy(one->answer, answer, n);
    one->n_answer = n;
    one->talk = talk;
    one->at = when;
    pthread_mutex_lock(&self->mutex);
    push(&self->jobs, one);
    pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->mutex);
    return true;
}

bool ifm_maker_take_next(ifm_maker *self, ifm_asked *out, ifm_time *due)
{
    pthread_mutex_lock(&self->mutex);
    job *one = pop(&self->made);
    pthread_mutex_unlock(&self->mutex);
    if (one == NULL)
        return false;
    *out = one->asked;
    *due = one->at;
    one->asked = (ifm_asked){0};
    job_free(one);
    return true;
}

ifm_status ifm_maker_failed(ifm_maker *self, ifm_error *err)
{
    pthread_mutex_lock(&self->mutex);
    const ifm_status st = self->error.status;
    if (st != IFM_OK && err != NULL)
        *err = self->error;
    pthread_mutex_unlock(&self->mutex);
    return st;
}
