/*
 * The generation loop on one thread, the consumer on another, and an array between them.
 *
 *     generation thread                           consumer's thread
 *     eval → sample → detokenize                  ifm_generation_next
 *        │                                           ▲
 *        ▼                                           │
 *     records[0 … max_new_tokens)  ── published ─────┘
 *
 * The number of tokens is bounded by the request, so the ring is simply an array with a
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

struct ifm_generation {
    ifm_generation_parts parts;
    ifm_request request;
    ifm_sampler *sampler;
    ifm_stops stops;
    pthread_t thread;

    ifm_token *records;        /* [max_new_tokens] */
    ifm_candidate *candidates; /* [max_new_tokens][logprobs] */
    char *text;                /* everything that was said, [n_text_cap] */
    size_t n_text_cap;

    /* The generation thread's. */
    size_t n_text;     /* bytes of text that were detokenized */
    size_t n_released; /* bytes of text that tokens carry; the rest is held back */
    int32_t n_tokens;
    ifm_finish finish;
    ifm_status status;
    ifm_error error;

    /* Between the threads, each line with one writer. */
    _Alignas(64) _Atomic uint32_t events; /* what the consumer sleeps on */
    _Atomic uint32_t published;
    _Atomic uint32_t announced;    /* the token that is being sampled, counted from 1 */
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

static bool is_eos(const ifm_generation *self, int32_t id)
{
    for (int32_t i = 0; !self->request.ignore_eos && i < self->parts.n_eos; i++) {
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

/* The next token's logits are there. After a pass over all weights, the kernel's part of a
 * wake-up comes from memory and takes some ten microseconds: the consumer spends them while
 * the token is sampled. */
static void announce(ifm_generation *self)
{
    atomic_store(&self->sampling_core, ifm_cpu_current());
    atomic_store(&self->announced, (uint32_t)self->n_tokens + 1);
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
static bool release_text(ifm_generation *self, ifm_token *token, bool is_end,
                         bool is_last)
{
    const ifm_generation_parts *parts = &self->parts;
    if (parts->push == NULL)
        return false;
    ifm_detokenizer *detokenizer = &self->parts.detokenizer;
    size_t cap = self->n_text_cap;
    if (!is_end)
        self->n_text += parts->push(detokenizer, token->id, self->text + self->n_text,
                                    cap - self->n_text);
    if (is_last)
        self->n_text +=
            parts->flush(detokenizer, self->text + self->n_text, cap - self->n_text);
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

/* Chooses token number n_tokens from the logits. */
static ifm_status sample(ifm_generation *self, const float *logits, ifm_token *token)
{
    token->id = ifm_sampler_next(self->sampler, logits);
    if (token->id < 0)
        return ifm_fail(&self->error, IFM_ERR_FORMAT,
                        "no token can be chosen after %d: the model computes no numbers "
                        "(NaN): are its weights damaged?",
                        self->n_tokens);
    ifm_sampler_see(self->sampler, &token->id, 1);
    int32_t n = self->request.logprobs;
    if (n > 0) {
        ifm_candidate *top = self->candidates + (size_t)self->n_tokens * (size_t)n;
        token->logprob = ifm_logprobs(logits, self->parts.n_vocab, token->id, n, top);
        token->top = top;
    }
    return IFM_OK;
}

/* One token: from logits to the consumer. False when it was the last. */
static bool deliver(ifm_generation *self, const float *logits, ifm_time logits_at)
{
    ifm_token *token = &self->records[self->n_tokens];
    token->text = self->text;
    token->logits_at = logits_at;
    self->status = sample(self, logits, token);
    if (self->status != IFM_OK) {
        self->finish = IFM_FINISH_ERROR;
        return false;
    }
    token->sampled_at = ifm_time_now();
    bool is_end = is_eos(self, token->id);
    bool is_last = true;
    if (is_end)
        self->finish = IFM_FINISH_EOS;
    else if (self->n_tokens + 1 == self->request.max_new_tokens)
        self->finish = IFM_FINISH_LENGTH;
    else if (atomic_load_explicit(&self->cancelled, memory_order_relaxed))
        self->finish = IFM_FINISH_CANCELLED;
    else
        is_last = false;
    if (release_text(self, token, is_end, is_last)) {
        self->finish = IFM_FINISH_STOP;
        is_last = true;
    }
    token->detokenized_at = ifm_time_now();
    self->n_tokens++;
    token->pushed_at = ifm_time_now();
    publish(self);
    return !is_last;
}

static void *generate(void *arg)
{
    ifm_generation *self = arg;
    const ifm_generation_parts *parts = &self->parts;
    const int32_t *ids = self->request.ids;
    int32_t n = (int32_t)self->request.n_ids;
    for (;;) {
        const float *logits;
        ifm_time started_at = ifm_time_now();
        self->status = parts->eval(parts->session, ids, n, &logits, &self->error);
        if (self->status != IFM_OK) {
            self->finish = IFM_FINISH_ERROR;
            break;
        }
        ifm_time logits_at = ifm_time_now();
        if (ifm_time_between(started_at, logits_at) > announced_step_ns)
            announce(self);
        if (!deliver(self, logits, logits_at))
            break;
        ids = &self->records[self->n_tokens - 1].id;
        n = 1;
    }
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

/* Everything that the loop will need. A page that was never touched costs a fault when it
 * is, so the records' are touched here. */
static ifm_status allocate(ifm_generation *self, ifm_error *err)
{
    const ifm_request *request = &self->request;
    size_t n = (size_t)request->max_new_tokens;
    size_t n_records, n_candidates, n_text;
    bool fits = ifm_mul_size(n, sizeof *self->records, &n_records) &&
                ifm_mul_size(n, (size_t)request->logprobs * sizeof *self->candidates,
                             &n_candidates) &&
                /* One more: what a flush gives at the end. */
                ifm_mul_size(n + 1, self->parts.max_text_bytes, &n_text);
    if (fits) {
        self->records = malloc(n_records);
        self->candidates = malloc(n_candidates > 0 ? n_candidates : 1);
        self->text = malloc(n_text > 0 ? n_text : 1);
        self->n_text_cap = n_text;
    }
    if (self->records == NULL || self->candidates == NULL || self->text == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu new tokens", n);
    memset(self->records, 0, n_records);
    memset(self->candidates, 0, n_candidates);
    return IFM_OK;
}

static void release(ifm_generation *self)
{
    ifm_sampler_free(self->sampler);
    ifm_stops_deinit(&self->stops);
    free(self->records);
    free(self->candidates);
    free(self->text);
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
                                      const ifm_request *request, ifm_generation **out,
                                      ifm_error *err)
{
    *out = NULL;
    ifm_status st = check_request(parts, request, err);
    if (st != IFM_OK)
        return st;
    size_t size = ifm_align_up(sizeof(ifm_generation), 64);
    ifm_generation *self = aligned_alloc(64, size);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a generation");
    memset(self, 0, size);
    self->parts = *parts;
    self->request = *request;
    st = allocate(self, err);
    if (st == IFM_OK)
        st = ifm_sampler_new(&request->sampling, parts->n_vocab, &self->sampler, err);
    if (st == IFM_OK)
        st = ifm_stops_init(&self->stops, request->stop, request->n_stop, err);
    if (st == IFM_OK) {
        ifm_sampler_see(self->sampler, request->ids, request->n_ids);
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

/* Watches for an announced token without giving way: who yields falls behind in the
 * scheduler's order, and the next step begins before its turn. False at once when it is
 * being sampled on this very core, which must not be kept. */
static bool watch(ifm_generation *self, uint32_t taken)
{
    if (atomic_load(&self->announced) != taken + 1 ||
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

ifm_status ifm_generation_finish(ifm_generation *self, ifm_finish *finish, ifm_error *err)
{
    if (self == NULL)
        return IFM_OK;
    pthread_join(self->thread, NULL);
    if (finish != NULL)
        *finish = self->finish;
    ifm_status st = self->status;
    if (st != IFM_OK && err != NULL)
        *err = self->error;
    release(self);
    return st;
}
