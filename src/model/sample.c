/*
 * Sampling without sorting the vocabulary. Top-k: one pass finds the k-th greatest logit
 * with a heap of k, a second takes what is not below it. Top-p: what is too unlikely to be
 * in the nucleus is dropped, the rest becomes a heap, and as many are taken from its top as
 * the nucleus has.
 *
 *     choices      ┌──────── heap ────────┬ taken, best last ┐
 *                  0                   n_heap                n
 *
 * Transformers keeps a token in the nucleus when the sorted tail *including* it holds more
 * than 1 − p (transformers, TopPLogitsWarper), which is to say: while those before it hold
 * less than p. The token that crosses p is in.
 */
#include "model/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"

struct ifm_sampler {
    ifm_sampling sampling;
    int32_t n_vocab;
    ifm_random random;
    ifm_choice *choices; /* [V], temperature > 0 */
    float *best;         /* [top_k] the greatest logits, with 0 < top_k < V */
    float *penalized;    /* [V], with a penalty */
    int32_t *seen;       /* [V] the n_seen different ids so far, with a penalty */
    int32_t n_seen;
    uint8_t *is_seen; /* [V] */
};

static bool has_penalty(const ifm_sampling *s)
{
    return s->repetition_penalty != 0.0f && s->repetition_penalty != 1.0f;
}

static ifm_status check(const ifm_sampling *s, ifm_error *err)
{
    const struct {
        const char *name;
        float value;
        bool valid;
        const char *expected;
    } settings[] = {
        {"temperature", s->temperature, s->temperature >= 0 && isfinite(s->temperature),
         "0 (greedy) or more"},
        {"top-k", (float)s->top_k, s->top_k >= 0, "0 (off) or more"},
        {"top-p", s->top_p, s->top_p >= 0 && s->top_p <= 1, "0 (off) to 1"},
        {"min-p", s->min_p, s->min_p >= 0 && s->min_p <= 1, "0 (off) to 1"},
        {"repetition penalty", s->repetition_penalty,
         s->repetition_penalty >= 0 && isfinite(s->repetition_penalty),
         "more than 0 (1: none)"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!settings[i].valid)
            return ifm_fail(err, IFM_ERR_ARGUMENT, "%s is %g, expected %s",
                            settings[i].name, (double)settings[i].value,
                            settings[i].expected);
    }
    return IFM_OK;
}

ifm_status ifm_sampler_new(const ifm_sampling *sampling, int32_t n_vocab,
                           ifm_sampler **out, ifm_error *err)
{
    *out = NULL;
    ifm_status st = check(sampling, err);
    if (st != IFM_OK)
        return st;
    ifm_sampler *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a sampler");
    size_t n = (size_t)n_vocab;
    self->sampling = *sampling;
    self->n_vocab = n_vocab;
    ifm_random_init(&self->random, sampling->seed);
    bool complete = true;
    if (sampling->temperature > 0) {
        self->choices = calloc(n, sizeof *self->choices);
        complete = self->choices != NULL;
    }
    if (sampling->temperature > 0 && sampling->top_k > 0 && sampling->top_k < n_vocab) {
        self->best = calloc((size_t)sampling->top_k, sizeof *self->best);
        complete = complete && self->best != NULL;
    }
    if (has_penalty(sampling)) {
        self->penalized = calloc(n, sizeof *self->penalized);
        self->seen = calloc(n, sizeof *self->seen);
        self->is_seen = calloc(n, sizeof *self->is_seen);
        complete = complete && self->penalized != NULL && self->seen != NULL &&
                   self->is_seen != NULL;
    }
    if (!complete) {
        ifm_sampler_free(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to sample from %d tokens",
                        n_vocab);
    }
    *out = self;
    return IFM_OK;
}

void ifm_sampler_free(ifm_sampler *self)
{
    if (self == NULL)
        return;
    free(self->choices);
    free(self->best);
    free(self->penalized);
    free(self->seen);
    free(self->is_seen);
    free(self);
}

void ifm_sampler_see(ifm_sampler *self, const int32_t *ids, size_t n)
{
    if (self->is_seen == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        int32_t id = ids[i];
        if (id < 0 || id >= self->n_vocab || self->is_seen[id])
            continue;
        self->is_seen[id] = 1;
        self->seen[self->n_seen++] = id;
    }
}

/* Keskar et al. 2019, section 4.1, with Transformers' mending for negative logits. */
static const float *penalize(ifm_sampler *self, const float *logits)
{
    if (self->penalized == NULL)
        return logits;
    float penalty = self->sampling.repetition_penalty;
    memcpy(self->penalized, logits, (size_t)self->n_vocab * sizeof *logits);
    for (int32_t i = 0; i < self->n_seen; i++) {
        float *x = &self->penalized[self->seen[i]];
        *x = *x < 0 ? *x * penalty : *x / penalty;
    }
    return self->penalized;
}

/* Sixteen maxima side by side become vector instructions without reordering anything that
 * could change a result: a maximum is exact. */
static float greatest(const float *x, int32_t n)
{
    enum { LANES = 16 };
    float lanes[LANES];
    for (int j = 0; j < LANES; j++)
        lanes[j] = -INFINITY;
    int32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++)
        lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    float most = -INFINITY;
    for (int j = 0; j < LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    return most;
}

int32_t ifm_argmax(const float *x, int32_t n)
{
    float most = greatest(x, n);
    if (most == -INFINITY)
        return -1;
    int32_t i = 0;
    while (x[i] != most)
        i++;
    return i;
}

/* Whether a is likelier than b, or as likely with a lower id. */
static bool is_before(const ifm_choice *a, const ifm_choice *b)
{
    return a->score != b->score ? a->score > b->score : a->id < b->id;
}

/* Moves heap[i] down to where neither child is before it (Williams 1964). */
static void sift_down(ifm_choice *heap, size_t n, size_t i)
{
    ifm_choice moving = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &moving))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moving;
}

static void make_heap(ifm_choice *choices, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(choices, n, i);
}

/* Takes the best of the heap and puts it behind the heap; returns it. */
static const ifm_choice *take(ifm_choice *heap, size_t *n)
{
    ifm_choice best = heap[0];
    size_t last = --*n;
    heap[0] = heap[last];
    heap[last] = best;
    if (last > 1)
        sift_down(heap, last, 0);
    return &heap[last];
}

/* Puts x in the place of the least of heap[k], a heap with the least on top. */
static void replace_least(float *heap, size_t k, float x)
{
    size_t i = 0;
    for (size_t child = 1; child < k; child = 2 * i + 1) {
        if (child + 1 < k && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= x)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

/* The k-th greatest of x[n], minus infinity when fewer are numbers: after the first few
 * thousand hardly any x is greater than the least of the best so far. */
static float kth_greatest(const float *x, int32_t n, float *best, size_t k)
{
    for (size_t i = 0; i < k; i++)
        best[i] = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        if (x[i] > best[0])
            replace_least(best, k, x[i]);
    }
    return best[0];
}

/* Everything that is a number above minus infinity and, with top-k, not below the k-th:
 * what is as likely as that one stays, as in Transformers. */
static size_t list_choices(ifm_sampler *self, const float *logits)
{
    int32_t n_vocab = self->n_vocab;
    float most = greatest(logits, n_vocab), least = -INFINITY;
    if (most == -INFINITY)
        return 0;
    if (self->best != NULL)
        least = kth_greatest(logits, n_vocab, self->best, (size_t)self->sampling.top_k);
    size_t n = 0;
    for (int32_t id = 0; id < n_vocab; id++) {
        if (!(logits[id] >= least))
            continue; /* NaN, too */
        /* The difference first: the greatest score is 0 at any temperature, however low,
         * and infinity minus infinity does not happen. */
        float score =
            logits[id] == most ? 0.0f : (logits[id] - most) / self->sampling.temperature;
        if (score > -INFINITY)
            self->choices[n++] = (ifm_choice){.score = score, .id = id};
    }
    return n;
}

static void weigh(ifm_choice *choices, size_t n)
{
    for (size_t i = 0; i < n; i++)
        choices[i].weight = expf(choices[i].score);
}

static double total_weight(const ifm_choice *choices, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)choices[i].weight;
    return total;
}

/* Drops what weighs less than `least`; the rest moves to the front. */
static size_t keep_heavy(ifm_choice *choices, size_t n, double least)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)choices[i].weight >= least)
            choices[kept++] = choices[i];
    return kept;
}

/* The likeliest whose predecessors weigh less than p of the whole, at the end of
 * choices[*n]; returns how many. Choices lighter than (1 − p)/n of the whole weigh less
 * than 1 − p together, so that the others hold the nucleus: they are dropped first. */
static size_t keep_top_p(ifm_choice *choices, size_t *n, double p)
{
    double total = total_weight(choices, *n);
    *n = keep_heavy(choices, *n, (1 - p) * total / (double)*n);
    make_heap(choices, *n);
    double limit = p * total, before = 0;
    size_t n_heap = *n;
    while (n_heap > 0 && (n_heap == *n || before < limit))
        before += (double)take(choices, &n_heap)->weight;
    return *n - n_heap;
}

size_t ifm_sampler_choices(ifm_sampler *self, const float *logits,
                           const ifm_choice **choices)
{
    const ifm_sampling *s = &self->sampling;
    size_t n = list_choices(self, penalize(self, logits));
    ifm_choice *kept = self->choices;
    weigh(kept, n);
    if (s->top_p > 0 && s->top_p < 1 && n > 0) {
        size_t n_kept = keep_top_p(kept, &n, (double)s->top_p);
        kept += n - n_kept;
        n = n_kept;
    }
    if (s->min_p > 0)
        n = keep_heavy(kept, n, (double)s->min_p); /* the likeliest weighs 1 */
    *choices = kept;
    return n;
}

/* One of choices[n], n ≥ 1, by weight. */
static int32_t draw(ifm_random *random, const ifm_choice *choices, size_t n)
{
    double rest = ifm_random_unit(random) * total_weight(choices, n);
    size_t i = 0;
    while (i + 1 < n && rest >= (double)choices[i].weight)
        rest -= (double)choices[i++].weight;
    return choices[i].id;
}

int32_t ifm_sampler_next(ifm_sampler *self, const float *logits)
{
    if (self->sampling.temperature <= 0)
        return ifm_argmax(penalize(self, logits), self->n_vocab);
    const ifm_choice *choices;
    size_t n = ifm_sampler_choices(self, logits, &choices);
    return n > 0 ? draw(&self->random, choices, n) : -1;
}

/* Inserts into top[n], sorted, of which the last falls out. */
static void insert(ifm_candidate *top, int32_t n, ifm_candidate candidate)
{
    int32_t i = n - 1;
    for (; i > 0 && top[i - 1].logprob < candidate.logprob; i--)
        top[i] = top[i - 1];
    top[i] = candidate;
}

float ifm_logprobs(const float *logits, int32_t n_vocab, int32_t id, int32_t n_top,
                   ifm_candidate *top)
{
    float most = greatest(logits, n_vocab);
    double sum = 0;
    for (int32_t i = 0; i < n_top; i++)
        top[i] = (ifm_candidate){.id = -1, .logprob = -INFINITY};
    for (int32_t i = 0; i < n_vocab; i++) {
        sum += (double)expf(logits[i] - most);
        if (n_top > 0 && logits[i] > top[n_top - 1].logprob)
            insert(top, n_top, (ifm_candidate){.id = i, .logprob = logits[i]});
    }
    double log_sum = (double)most + log(sum);
    for (int32_t i = 0; i < n_top; i++)
        top[i].logprob = (float)((double)top[i].logprob - log_sum);
    return (float)((double)logits[id] - log_sum);
}
