/*
 * The generation loop on one thread, the consumer on another, and an array between them.
 *
 *     generation thread                           consumer's thread
 *     eval → sample → detokenize                  ifm_generation_next
 *        │                                           ▲
 *        ▼                                           │
 *     records[0 … max_new_tokens)  ── published ─────┘
 *
 * A step is one eval for all sequences of a batch, whose tokens are then sampled, each as
 * if it were alone, and published one by one.
 *
 * The number of tokens is bounded by the requests, so the ring is simply an array with a
 * place for each: nothing is reused, the producer never waits. `published` counts what has
 * happened (a token each, and at last the end); `events` is the word that the consumer
 * sleeps on. The producer makes the system call that wakes it only when it does sleep:
 * each side writes its own word and then reads the other's, in one total order (seq_cst),
 * so that at least one of them sees the other (Dekker's argument).
 */
#include "model/generate.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "model/sample.h"
#include "model/stop.h"
#include "os/cpu.h"
#include "os/wait.h"

enum { MAX_LOGPROBS = 20 };

/* Looks at a token that was announced, a few tens of nanoseconds each: some hundred
 * microseconds, more than sampling takes. */
enum { ANNOUNCED_LOOKS = 4000 };

/* Steps that take longer are announced. Shorter ones leave the kernel's part of a wake-up
 * in the caches, and announcing would cost more than it saves. */
static const int64_t announced_step_ns = 1000000;

/* One sequence: a request, and how far it has come. */
typedef struct stream {
    ifm_request request;
    int32_t number;
    ifm_sampler *sampler;
    ifm_stops stops;
    ifm_detokenizer detokenizer;
    ifm_candidate *candidates; /* [max_new_tokens][logprobs] */
    char *text;                /* everything that was said, [n_text_cap] */
    size_t n_text_cap;
    size_t n_text;     /* bytes of text that were detokenized */
    size_t n_released; /* bytes of text that tokens carry; the rest is held back */
    int32_t n_tokens;
    int32_t last_id;
    int32_t padding; /* positions, when the batch is padded */
    bool ended;
    ifm_finish finish;
} stream;

struct ifm_generation {
    ifm_generation_parts parts;
    bool padded;
    pthread_t thread;
    stream *streams;     /* [n_streams] */
    ifm_append *appends; /* [n_streams] of the step that is going on */
    int32_t n_streams;
    ifm_token *records; /* of all streams, in the order of their making */

    /* The generation thread's. */
    int32_t n_live; /* streams that have not ended */
    int32_t n_tokens;
    ifm_status status;
    ifm_error error;

    /* Between the threads, each line with one writer. */
    _Alignas(64) _Atomic uint32_t events; /* what the consumer sleeps on */
    _Atomic uint32_t published;
    _Atomic uint32_t announced;    /* tokens up to here are sampled now, from 1 */
    _Atomic int32_t sampling_core; /* where that happens */
    atomic_bool ended;             /* n_tokens is final */
    _Alignas(64) _Atomic uint32_t asleep;
    int32_t n_taken; /* the consumer's */
    _Alignas(64) atomic_bool cancelled;
};

const char *ifm_finish_name(ifm_finish finish)
{
    static const char *const names[] = {"length", "eos", "stop", "cancelled", "error"};
    size_t i = (size_t)finish;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown";
}

static bool is_eos(const ifm_generation *self, const stream *of, int32_t id)
{
    for (int32_t i = 0; !of->request.ignore_eos && i < self->parts.n_eos; i++) {
        if (self->parts.eos_ids[i] == id)
            return true;
    }
    return false;
}

/* Something has happened: true if the consumer slept and is ready to run now. */
static bool notify(ifm_generation *self)
{
    atomic_fetch_add(&self->events, 1);
    if (atomic_load(&self->asleep) == 0)
        return false;
    ifm_wake_all(&self->events);
    return true;
}

/* The next tokens' logits are there. After a pass over all weights, the kernel's part of a
 * wake-up comes from memory and takes some ten microseconds: the consumer spends them while
 * the first is sampled. */
static void announce(ifm_generation *self)
{
    atomic_store(&self->sampling_core, ifm_cpu_current());
    atomic_store(&self->announced, (uint32_t)(self->n_tokens + self->n_live));
    notify(self);
}

/* Waking the consumer makes it ready to run, no more: with every core computing, a fair
 * scheduler lets the one that runs finish its slice first (milliseconds, on Linux from 6.6
 * on), and by then the next token is under way. So the core is offered once: bench/handover
 * measured 1.4 us with it, between 3 and 2000 us without. */
static void publish(ifm_generation *self)
{
    atomic_fetch_add(&self->published, 1);
    if (notify(self))
        sched_yield();
}

/* Gives the token what text it completes. Unless it is the last, text that may be the
 * beginning of a stop text stays behind; with the last, all comes out. True when a stop
 * text has appeared, which ends the text in front of it. */
static bool release_text(const ifm_generation_parts *parts, stream *self,
                         ifm_token *token, bool is_end, bool is_last)
{
    if (parts->push == NULL)
        return false;
    size_t cap = self->n_text_cap;
    if (!is_end)
        self->n_text += parts->push(&self->detokenizer, token->id,
                                    self->text + self->n_text, cap - self->n_text);
    if (is_last)
        self->n_text += parts->flush(&self->detokenizer, self->text + self->n_text,
                                     cap - self->n_text);
    const char *fresh = self->text + self->n_released;
    size_t n = self->n_text - self->n_released;
    size_t at;
    bool stopped = ifm_stops_find(&self->stops, fresh, n, &at);
    if (stopped)
        n = at;
    else if (!is_last)
        n -= ifm_stops_held(&self->stops, fresh, n);
    token->text = fresh;
    token->n_text = n;
    self->n_released += n;
    return stopped;
}

/* Chooses the stream's token number n_tokens from the logits. */
static ifm_status sample(ifm_generation *self, stream *of, const float *logits,
                         ifm_token *token)
{
    token->id = ifm_sampler_next(of->sampler, logits);
    if (token->id < 0)
        return ifm_fail(&self->error, IFM_ERR_FORMAT,
                        "no token can be chosen after %d: the model computes no numbers "
                        "(NaN): are its weights damaged?",
                        of->n_tokens);
    ifm_sampler_see(of->sampler, &token->id, 1);
    int32_t n = of->request.logprobs;
    if (n > 0) {
        ifm_candidate *top = of->candidates + (size_t)of->n_tokens * (size_t)n;
        token->logprob = ifm_logprobs(logits, self->parts.n_vocab, token->id, n, top);
        token->top = top;
    }
    return IFM_OK;
}

/* One token of a stream: from logits to the consumer. */
static ifm_status deliver(ifm_generation *self, stream *of, const float *logits,
                          ifm_time logits_at)
{
    ifm_token *token = &self->records[self->n_tokens];
    token->sequence = of->number;
    token->text = of->text;
    token->logits_at = logits_at;
    ifm_status st = sample(self, of, logits, token);
    if (st != IFM_OK)
        return st;
    token->sampled_at = ifm_time_now();
    bool is_end = is_eos(self, of, token->id);
    of->ended = true;
    if (is_end)
        of->finish = IFM_FINISH_EOS;
    else if (of->n_tokens + 1 == of->request.max_new_tokens)
        of->finish = IFM_FINISH_LENGTH;
    else if (atomic_load_explicit(&self->cancelled, memory_order_relaxed))
        of->finish = IFM_FINISH_CANCELLED;
    else
        of->ended = false;
    if (release_text(&self->parts, of, token, is_end, of->ended)) {
        of->finish = IFM_FINISH_STOP;
        of->ended = true;
    }
    token->detokenized_at = ifm_time_now();
    of->last_id = token->id;
    of->n_tokens++;
    self->n_tokens++;
    self->n_live -= of->ended;
    token->pushed_at = ifm_time_now();
    publish(self);
    return IFM_OK;
}

/* What the first step appends: the prompts. */
static int32_t list_prompts(ifm_generation *self)
{
    for (int32_t i = 0; i < self->n_streams; i++) {
        const stream *of = &self->streams[i];
        self->appends[i] = (ifm_append){
            .sequence = i,
            .n = (int32_t)of->request.n_ids,
            .ids = of->request.ids,
            .padding = of->padding,
        };
    }
    return self->n_streams;
}

/* What each step after it appends: a token of each stream that goes on, and of those that
 * are computed on as padding. */
static int32_t list_tokens(ifm_generation *self)
{
    int32_t n = 0;
    for (int32_t i = 0; i < self->n_streams; i++) {
        const stream *of = &self->streams[i];
        if (!of->ended || self->padded)
            self->appends[n++] = (ifm_append){
                .sequence = i,
                .n = 1,
                .ids = &of->last_id,
                .padding = of->padding,
            };
    }
    return n;
}

/* A token of each stream that goes on, from the logits of the step's n appends. */
static ifm_status deliver_step(ifm_generation *self, int32_t n, const float *logits,
                               ifm_time logits_at)
{
    ifm_status st = IFM_OK;
    for (int32_t i = 0; i < n && st == IFM_OK; i++) {
        stream *of = &self->streams[self->appends[i].sequence];
        if (!of->ended)
            st = deliver(self, of, logits + (int64_t)i * self->parts.n_vocab, logits_at);
    }
    return st;
}

/* One pass over the weights, and what comes of it. */
static ifm_status step(ifm_generation *self, int32_t n)
{
    const ifm_generation_parts *parts = &self->parts;
    const float *logits;
    ifm_time started_at = ifm_time_now();
    ifm_status st = parts->eval(parts->session, self->appends, n, &logits, &self->error);
    if (st != IFM_OK)
        return st;
    ifm_time logits_at = ifm_time_now();
    if (ifm_time_between(started_at, logits_at) > announced_step_ns)
        announce(self);
    return deliver_step(self, n, logits, logits_at);
}

static void *generate(void *arg)
{
    ifm_generation *self = arg;
    self->status = step(self, list_prompts(self));
    while (self->status == IFM_OK && self->n_live > 0)
        self->status = step(self, list_tokens(self));
    for (int32_t i = 0; self->status != IFM_OK && i < self->n_streams; i++)
        if (!self->streams[i].ended)
            self->streams[i].finish = IFM_FINISH_ERROR;
    atomic_store(&self->ended, true);
    publish(self);
    return NULL;
}

static ifm_status check_room(const ifm_generation_parts *parts,
                             const ifm_request *request, ifm_error *err)
{
    int64_t prompt = (int64_t)request->n_ids;
    int64_t room = (int64_t)parts->n_room - parts->n_used;
    if (prompt > room)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "the prompt has %lld tokens, but the context has room for %lld: "
                        "shorten it",
                        (long long)prompt, (long long)room);
    if (prompt == room)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "the prompt's %lld tokens fill the context of %lld: no new token "
                        "fits",
                        (long long)prompt, (long long)room);
    if (prompt + request->max_new_tokens > room)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "%lld prompt tokens and %d new ones do not fit the context of "
                        "%lld: at most %lld new tokens do (-n %lld)",
                        (long long)prompt, request->max_new_tokens, (long long)room,
                        (long long)(room - prompt), (long long)(room - prompt));
    return IFM_OK;
}

static ifm_status check_request(const ifm_generation_parts *parts,
                                const ifm_request *request, ifm_error *err)
{
    if (request->n_ids == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "the prompt is empty: a model needs at least one token to go on "
                        "from");
    if (request->max_new_tokens < 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%d new tokens asked for, expected 1 or more",
                        request->max_new_tokens);
    if (request->logprobs < 0 || request->logprobs > MAX_LOGPROBS)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%d log-probabilities asked for, expected 0 to %d",
                        request->logprobs, MAX_LOGPROBS);
    if (request->n_stop > 0 && parts->push == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "stop texts need a tokenizer, and there is none");
    for (size_t i = 0; i < request->n_ids; i++) {
        if (request->ids[i] < 0 || request->ids[i] >= parts->n_vocab)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "token %zu of the prompt is %d, outside the vocabulary of %d",
                            i + 1, request->ids[i], parts->n_vocab);
    }
    return check_room(parts, request, err);
}

/* Requests that are computed as a rectangle must fit as one: the longest prompt with the
 * most new tokens. */
static ifm_status check_rectangle(const ifm_generation_parts *parts,
                                  const ifm_request *requests, size_t n, ifm_error *err)
{
    ifm_request most = requests[0];
    for (size_t i = 1; i < n; i++) {
        if (requests[i].n_ids > most.n_ids)
            most.n_ids = requests[i].n_ids;
        if (requests[i].max_new_tokens > most.max_new_tokens)
            most.max_new_tokens = requests[i].max_new_tokens;
    }
    return check_room(parts, &most, err);
}

static ifm_status check_requests(const ifm_generation_parts *parts,
                                 const ifm_request *requests, size_t n, bool padded,
                                 ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < n && st == IFM_OK; i++)
        st = check_request(parts, &requests[i], err);
    if (st == IFM_OK && padded)
        st = check_rectangle(parts, requests, n, err);
    return st;
}

/* Everything that a stream will need. */
static ifm_status stream_init(stream *self, const ifm_generation_parts *parts,
                              const ifm_request *request, ifm_error *err)
{
    size_t n = (size_t)request->max_new_tokens;
    size_t n_candidates, n_text;
    self->request = *request;
    self->detokenizer = parts->detokenizer;
    bool fits = ifm_mul_size(n, (size_t)request->logprobs * sizeof *self->candidates,
                             &n_candidates) &&
                /* One more: what a flush gives at the end. */
                ifm_mul_size(n + 1, parts->max_text_bytes, &n_text);
    if (fits) {
        self->candidates = malloc(n_candidates > 0 ? n_candidates : 1);
        self->text = malloc(n_text > 0 ? n_text : 1);
        self->n_text_cap = n_text;
    }
    if (self->candidates == NULL || self->text == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu new tokens", n);
    memset(self->candidates, 0, n_candidates);
    ifm_status st =
        ifm_sampler_new(&request->sampling, parts->n_vocab, &self->sampler, err);
    if (st == IFM_OK)
        st = ifm_stops_init(&self->stops, request->stop, request->n_stop, err);
    if (st == IFM_OK)
        ifm_sampler_see(self->sampler, request->ids, request->n_ids);
    return st;
}

static void stream_deinit(stream *self)
{
    ifm_sampler_free(self->sampler);
    ifm_stops_deinit(&self->stops);
    free(self->candidates);
    free(self->text);
}

/* A page that was never touched costs a fault when it is, so the records' are touched
 * here. */
static ifm_status allocate(ifm_generation *self, const ifm_request *requests, size_t n,
                           ifm_error *err)
{
    size_t n_records = 0, n_bytes = 0;
    for (size_t i = 0; i < n; i++)
        n_records += (size_t)requests[i].max_new_tokens;
    if (n_records <= INT32_MAX &&
        ifm_mul_size(n_records, sizeof *self->records, &n_bytes))
        self->records = malloc(n_bytes);
    self->streams = calloc(n, sizeof *self->streams);
    self->appends = calloc(n, sizeof *self->appends);
    if (self->records == NULL || self->streams == NULL || self->appends == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu new tokens",
                        n_records);
    memset(self->records, 0, n_bytes);
    self->n_streams = self->n_live = (int32_t)n;
    return IFM_OK;
}

static ifm_status init_streams(ifm_generation *self, const ifm_request *requests,
                               ifm_error *err)
{
    ifm_status st = IFM_OK;
    size_t longest = 0;
    for (int32_t i = 0; i < self->n_streams && st == IFM_OK; i++) {
        self->streams[i].number = i;
        st = stream_init(&self->streams[i], &self->parts, &requests[i], err);
        longest = requests[i].n_ids > longest ? requests[i].n_ids : longest;
    }
    for (int32_t i = 0; self->padded && i < self->n_streams; i++)
        self->streams[i].padding = (int32_t)(longest - requests[i].n_ids);
    return st;
}

static void release(ifm_generation *self)
{
    for (int32_t i = 0; i < self->n_streams; i++)
        stream_deinit(&self->streams[i]);
    free(self->streams);
    free(self->appends);
    free(self->records);
    free(self);
}

/* Signals are the caller's business: a Ctrl-C must not interrupt the thread that
 * computes. */
static int start_thread(ifm_generation *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&self->thread, NULL, generate, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

ifm_status ifm_generation_start_parts(const ifm_generation_parts *parts,
                                      const ifm_request *requests, size_t n, bool padded,
                                      ifm_generation **out, ifm_error *err)
{
    *out = NULL;
    ifm_status st = check_requests(parts, requests, n, padded, err);
    if (st != IFM_OK)
        return st;
    size_t size = ifm_align_up(sizeof(ifm_generation), 64);
    ifm_generation *self = aligned_alloc(64, size);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a generation");
    memset(self, 0, size);
    self->parts = *parts;
    self->padded = padded;
    st = allocate(self, requests, n, err);
    if (st == IFM_OK)
        st = init_streams(self, requests, err);
    if (st == IFM_OK) {
        int code = start_thread(self);
        if (code != 0)
            st = ifm_fail_errno(err, code, "cannot start the generation's thread");
    }
    if (st == IFM_OK)
        *out = self;
    else
        release(self);
    return st;
}

/* Watches for announced tokens without giving way: who yields falls behind in the
 * scheduler's order, and the next step begins before its turn. False at once when they
 * are being sampled on this very core, which must not be kept. */
static bool watch(ifm_generation *self, uint32_t taken)
{
    if (atomic_load(&self->announced) <= taken ||
        atomic_load(&self->sampling_core) == ifm_cpu_current())
        return false;
    for (int i = 0; i < ANNOUNCED_LOOKS; i++) {
        if (atomic_load(&self->published) != taken)
            return true;
        ifm_spin_pause();
    }
    return false;
}

/* Waits until more has happened than the consumer has taken. */
static void await(ifm_generation *self)
{
    uint32_t taken = (uint32_t)self->n_taken;
    for (;;) {
        uint32_t seen = atomic_load(&self->events);
        if (atomic_load(&self->published) != taken || watch(self, taken))
            return;
        atomic_store(&self->asleep, 1);
        if (atomic_load(&self->events) == seen)
            ifm_wait_while(&self->events, seen);
        atomic_store(&self->asleep, 0);
    }
}

bool ifm_generation_next(ifm_generation *self, ifm_token *token)
{
    await(self);
    /* The end may already be known while tokens are still to be taken. */
    if (atomic_load(&self->ended) && self->n_taken >= self->n_tokens)
        return false;
    *token = self->records[self->n_taken++];
    return true;
}

void ifm_generation_cancel(ifm_generation *self)
{
    atomic_store_explicit(&self->cancelled, true, memory_order_relaxed);
}

ifm_finish ifm_generation_ended(const ifm_generation *self, int32_t sequence)
{
    const bool known = sequence >= 0 && sequence < self->n_streams;
    return known ? self->streams[sequence].finish : IFM_FINISH_ERROR;
}

ifm_status ifm_generation_finish(ifm_generation *self, ifm_finish *finish, ifm_error *err)
{
    if (self == NULL)
        return IFM_OK;
    pthread_join(self->thread, NULL);
    if (finish != NULL)
        *finish = self->streams[0].finish;
    ifm_status st = self->status;
    if (st != IFM_OK && err != NULL)
        *err = self->error;
    release(self);
    return st;
}
