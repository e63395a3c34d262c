#include "model/perplexity.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/sample.h"

/* Logits that are kept at once: 25 MB for a vocabulary of 50,000. */
enum { ROWS = 128, LEAST_CONTEXT = 4 };

/* One model at work on the chunks. */
typedef struct reader {
    ifm_session *session;
    const float *logits; /* [rows, V] of the tokens being scored */
} reader;

typedef struct scorer {
    const ifm_perplexity_job *job;
    ifm_perplexity *out;
    reader tested, reference;
    int32_t *chunk; /* [context] */
    int32_t n_vocab;
} scorer;

/* ln Σ exp(x), around the greatest so that nothing overflows. */
static double log_sum_exp(const float *x, int32_t n)
{
    float most = -INFINITY;
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int32_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - most);
    return (double)most + log(sum);
}

double ifm_negative_log_likelihood(const float *logits, int32_t n_vocab, int32_t id)
{
    return log_sum_exp(logits, n_vocab) - (double)logits[id];
}

double ifm_divergence(const float *reference, const float *logits, int32_t n_vocab)
{
    const double p_sum = log_sum_exp(reference, n_vocab);
    const double q_sum = log_sum_exp(logits, n_vocab);
    double divergence = 0;
    for (int32_t i = 0; i < n_vocab; i++) {
        const double p = (double)reference[i] - p_sum;
        divergence += exp(p) * (p - ((double)logits[i] - q_sum));
    }
    return divergence > 0 ? divergence : 0;
}

static ifm_status start_reader(reader *self, const ifm_model *model,
                               const ifm_perplexity_job *job, ifm_error *err)
{
    ifm_session_options options = job->session;
    options.positions = job->context;
    options.logit_rows = ROWS;
    return ifm_session_new(model, &options, &self->session, err);
}

/* Scores one token from the logits before it. */
static void score(scorer *self, int32_t row, int32_t id)
{
    ifm_perplexity *out = self->out;
    const int64_t at = (int64_t)row * self->n_vocab;
    const float *logits = self->tested.logits + at;
    out->nll[out->n] = ifm_negative_log_likelihood(logits, self->n_vocab, id);
    if (self->job->reference) {
        const float *other = self->reference.logits + at;
        out->divergence[out->n] = ifm_divergence(other, logits, self->n_vocab);
        out->n_same_top +=
            ifm_argmax(other, self->n_vocab) == ifm_argmax(logits, self->n_vocab);
        out->reference_nll += ifm_negative_log_likelihood(other, self->n_vocab, id);
    }
    out->n++;
}

static ifm_status begin_chunk(reader *self, const int32_t *ids, int32_t n, ifm_error *err)
{
    if (!self->session)
        return IFM_OK;
    ifm_session_truncate(self->session, 0);
    return ifm_session_eval(self->session, ids, n, &self->logits, err);
}

static ifm_status read_rows(reader *self, const int32_t *ids, int32_t n, ifm_error *err)
{
    if (!self->session)
        return IFM_OK;
    return ifm_session_eval_all(self->session, ids, n, &self->logits, err);
}

/* Tokens [first, context − 1) predict those behind them. */
static ifm_status score_chunk(scorer *self, int64_t chunk, ifm_error *err)
{
    const ifm_perplexity_job *job = self->job;
    const int32_t context = job->context, first = context / 2;
    int32_t *ids = self->chunk;
    memcpy(ids, job->ids + chunk * context, (size_t)context * sizeof *ids);
    if (job->bos_id >= 0)
        ids[0] = job->bos_id;
    ifm_status status = begin_chunk(&self->tested, ids, first, err);
    if (status == IFM_OK)
        status = begin_chunk(&self->reference, ids, first, err);
    for (int32_t at = first; status == IFM_OK && at < context - 1; at += ROWS) {
        const int32_t left = context - 1 - at, n = left < ROWS ? left : ROWS;
        status = read_rows(&self->tested, ids + at, n, err);
        if (status == IFM_OK)
            status = read_rows(&self->reference, ids + at, n, err);
        for (int32_t i = 0; status == IFM_OK && i < n; i++)
            score(self, i, ids[at + i + 1]);
    }
    return status;
}

static ifm_status check(const ifm_perplexity_job *job, ifm_error *err)
{
    const ifm_model *models[] = {job->model, job->reference};
    const int32_t n_vocab = ifm_model_describe(job->model)->n_vocab;
    if (job->context < LEAST_CONTEXT)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "a context of %" PRId32 " tokens, expected %d or more",
                        job->context, LEAST_CONTEXT);
    for (int i = 0; i < 2 && models[i]; i++) {
        const ifm_model_info *info = ifm_model_describe(models[i]);
        if (job->context > info->n_positions)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "a context of %" PRId32 " tokens, %s has %" PRId32
                            " positions: choose a shorter one",
                            job->context, info->name, info->n_positions);
        if (info->n_vocab != n_vocab)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "%s has a vocabulary of %" PRId32
                            " tokens, the model %" PRId32 ": they cannot be compared",
                            info->name, info->n_vocab, n_vocab);
    }
    if (job->n_ids < 2 * (size_t)job->context)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "the text has %zu tokens, expected at least two "
                        "chunks of %" PRId32 ": take a longer text or a shorter context",
                        job->n_ids, job->context);
    return IFM_OK;
}

static ifm_status start(scorer *self, ifm_error *err)
{
    const ifm_perplexity_job *job = self->job;
    ifm_perplexity *out = self->out;
    const int64_t whole = (int64_t)(job->n_ids / (size_t)job->context);
    out->all_chunks =
        job->max_chunks > 0 && job->max_chunks < whole ? job->max_chunks : whole;
    out->per_chunk = (size_t)(job->context - 1 - job->context / 2);
    const size_t n = (size_t)out->all_chunks * out->per_chunk;
    self->n_vocab = ifm_model_describe(job->model)->n_vocab;
    self->chunk = malloc((size_t)job->context * sizeof *self->chunk);
    out->nll = malloc(n * sizeof *out->nll);
    if (job->reference)
        out->divergence = malloc(n * sizeof *out->divergence);
    if (!self->chunk || !out->nll || (job->reference && !out->divergence))
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu scores", n);
    ifm_status status = start_reader(&self->tested, job->model, job, err);
    if (status == IFM_OK && job->reference)
        status = start_reader(&self->reference, job->reference, job, err);
    return status;
}

ifm_status ifm_perplexity_run(const ifm_perplexity_job *job, ifm_perplexity *out,
                              ifm_error *err)
{
    scorer self = {.job = job, .out = out};
    *out = (ifm_perplexity){0};
    ifm_status status = check(job, err);
    if (status == IFM_OK)
        status = start(&self, err);
    while (status == IFM_OK && out->chunks < out->all_chunks) {
        status = score_chunk(&self, out->chunks, err);
        if (status != IFM_OK)
            break;
        out->chunks++;
        if (job->progress &&
            !job->progress(job->progress_arg, out->chunks, out->all_chunks))
            break;
    }
    if (out->n > 0)
        out->reference_nll /= (double)out->n;
    ifm_session_free(self.tested.session);
    ifm_session_free(self.reference.session);
    free(self.chunk);
    return status;
}

void ifm_perplexity_deinit(ifm_perplexity *self)
{
    free(self->nll);
    free(self->divergence);
    *self = (ifm_perplexity){0};
}
