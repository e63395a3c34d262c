/* Sessions: the block of memory, its layout, and passes of at most R rows. */
#include "model/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/cpu.h"
#include "os/pages.h"

enum {
    LINE = 64,    /* bytes: every array starts at a cache line */
    ROW_PAD = 16, /* floats, see session.h */
};

static size_t place(size_t *end, size_t bytes)
{
    const size_t at = *end;
    *end = at + ifm_align_up(bytes, LINE);
    return at;
}

static size_t place_floats(size_t *end, int64_t a, int64_t b)
{
    return place(end, (size_t)a * (size_t)b * sizeof(float));
}

static int64_t padded(int64_t n)
{
    return (int64_t)ifm_align_up((size_t)n, ROW_PAD) + ROW_PAD;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int32_t sequences_of(const ifm_session_options *options)
{
    return options->sequences > 1 ? options->sequences : 1;
}

static int32_t logit_rows_of(const ifm_session_options *options)
{
    return (int32_t)greater(options->logit_rows, sequences_of(options));
}

/* Keys and values of f16 are half of what decoding reads of a long context. Weights of 16
 * bits do not make them harmless: a random Llama of bf16 is then 0.03 off, which is more
 * than 16-bit models may be; beside activations of 8 bits they do not show. */
static ifm_dtype cached_as(const ifm_model *model, const ifm_session_options *options)
{
    const bool plain = !ifm_dtype_is_quantized(ifm_dtype_of_name(model->info.dtype));
    return plain || options->exact ? IFM_DTYPE_F32 : IFM_DTYPE_F16;
}

/* Bytes for one thread: the most that the kernels want, or a row. */
static size_t scratch_of(const ifm_model *model, int64_t width)
{
    const size_t row = (size_t)width * sizeof(float);
    const size_t attend = ifm_kern_attend_bytes(model->kern, model->config.head_dim);
    size_t most = model->kern->scratch_bytes;
    most = most > row ? most : row;
    return most > attend ? most : attend;
}

/* Sizes are bounded by the checks of config.h and by SEQUENCES_MAX: their products stay
 * below 2^63. */
static ifm_session_layout layout_of(const ifm_model *model,
                                    const ifm_session_options *options, int threads)
{
    const int32_t positions = options->positions, sequences = sequences_of(options);
    const int64_t all = (int64_t)positions * sequences;
    const ifm_config *c = &model->config;
    const int64_t heads = (int64_t)c->n_head * c->head_dim;
    const int64_t kv_heads = (int64_t)c->n_kv_head * c->head_dim;
    const int64_t width = greater(c->n_embd, heads), cached = c->n_layer * kv_heads;
    const int64_t inner = c->n_inner * (c->activation == IFM_ACTIVATION_SILU ? 2 : 1);
    const int64_t wide = greater(heads + 2 * kv_heads, inner);
    ifm_session_layout at = {
        .positions = (int64_t)ifm_align_up((size_t)positions, IFM_KEY_BLOCK),
        .rows = all < IFM_SESSION_ROWS ? all : IFM_SESSION_ROWS,
        .x_stride = padded(width),
        .wide_stride = padded(wide),
        .kv_dtype = cached_as(model, options),
    };
    at.scratch_stride = ifm_align_up(scratch_of(model, width), LINE);
    const size_t cache =
        (size_t)ifm_dtype_bytes_of(at.kv_dtype, sequences * cached * at.positions);
    at.keys = place(&at.bytes, cache);
    at.values = place(&at.bytes, cache);
    at.x = place_floats(&at.bytes, at.rows, at.x_stride);
    at.norm = place_floats(&at.bytes, at.rows, at.x_stride);
    at.few = place_floats(&at.bytes, threads, IFM_SESSION_FEW_ROWS * at.x_stride);
    at.wide = place_floats(&at.bytes, at.rows, at.wide_stride);
    at.mixed = place_floats(&at.bytes, at.rows, at.x_stride);
    at.turns = place_floats(&at.bytes, at.rows, c->rope.r);
    at.packed = place(&at.bytes, ifm_matmul_packed(model->kern, at.rows, wide));
    at.own_stride = IFM_MATMUL_OWN_BYTES;
    at.own = place(&at.bytes, (size_t)threads * at.own_stride);
    at.parts = place_floats(&at.bytes, 1, (int64_t)ifm_matmul_parts(wide));
    at.attend_parts = place_floats(&at.bytes, IFM_SESSION_CHUNKS * IFM_SESSION_FEW_ROWS,
                                   c->n_head * (c->head_dim + 2));
    at.dropped_stride = ifm_align_up(
        (size_t)(c->n_head / c->n_kv_head * (c->head_dim + 2)) * sizeof(float), LINE);
    at.dropped = place(&at.bytes, (size_t)threads * at.dropped_stride);
    at.scratch = place(&at.bytes, (size_t)threads * at.scratch_stride);
    at.logits = place_floats(&at.bytes, logit_rows_of(options), c->n_vocab);
    at.row_list = place(&at.bytes, (size_t)at.rows * sizeof(ifm_row));
    at.last_rows = place(&at.bytes, (size_t)at.rows * sizeof(ifm_row));
    at.sequences = place(&at.bytes, (size_t)sequences * sizeof(ifm_session_sequence));
    return at;
}

static int threads_of(const ifm_session_options *options)
{
    return options->threads > 0 ? options->threads : ifm_cpu_room_now().threads;
}

size_t ifm_session_bytes(const ifm_model *model, const ifm_session_options *options)
{
    return layout_of(model, options, threads_of(options)).bytes;
}

ifm_status ifm_session_new(const ifm_model *model, const ifm_session_options *options,
                           ifm_session **out, ifm_error *err)
{
    const int32_t most = model->config.n_positions;
    if (options->positions < 1 || options->positions > most)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "session: %" PRId32 " positions, expected 1 … %" PRId32
                        " (n_positions of the model)",
                        options->positions, most);
    if (options->sequences < 0 || options->sequences > IFM_SESSION_SEQUENCES_MAX)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "session: %" PRId32 " sequences, expected 1 … %d",
                        options->sequences, IFM_SESSION_SEQUENCES_MAX);
    ifm_session *self = calloc(1, sizeof *self);
    if (!self)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "session: no memory");
    self->model = model;
    self->room = options->positions;
    self->logit_rows = logit_rows_of(options);
    self->exact = options->exact;
    ifm_status status = ifm_pool_new(threads_of(options), &self->pool, err);
    if (status != IFM_OK)
        goto done;
    self->at = layout_of(model, options, ifm_pool_threads(self->pool));
    self->block = ifm_pages_new(self->at.bytes);
    if (!self->block) {
        status = ifm_fail(err, IFM_ERR_NO_MEMORY,
                          "session: no %zu bytes for %" PRId32 " × %" PRId32 " positions",
                          self->at.bytes, sequences_of(options), options->positions);
        goto done;
    }
    self->rows = (ifm_row *)(void *)(self->block + self->at.row_list);
    self->sequences = (ifm_session_sequence *)(void *)(self->block + self->at.sequences);
    self->n_sequences = sequences_of(options);
done:
    if (status != IFM_OK) {
        ifm_session_free(self);
        self = NULL;
    }
    *out = self;
    return status;
}

ifm_team ifm_session_team(ifm_session *session, int thread)
{
    const ifm_session_layout *at = &session->at;
    return (ifm_team){
        .kern = session->model->kern,
        .pool = session->pool,
        .thread = thread,
        .threads = ifm_pool_threads(session->pool),
        .parts = ifm_session_floats(session, at->parts),
        .packed = session->block + at->packed,
        .own = session->block + at->own + (size_t)thread * at->own_stride,
        .scratch = session->block + at->scratch + (size_t)thread * at->scratch_stride,
    };
}

void ifm_session_free(ifm_session *session)
{
    if (!session)
        return;
    ifm_pool_free(session->pool);
    ifm_pages_free(session->block, session->at.bytes);
    free(session);
}

static ifm_status check_append(const ifm_session *session, const ifm_append *append,
                               ifm_error *err)
{
    const ifm_session_sequence *sequence = &session->sequences[append->sequence];
    if (append->n < 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "eval: %" PRId32 " tokens, expected 1 or "
                        "more",
                        append->n);
    if (append->padding < 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "eval: %" PRId32 " positions of padding, expected 0 or more",
                        append->padding);
    if ((int64_t)append->n + append->padding > session->room - sequence->length)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "eval: %" PRId32 " tokens after %" PRId32
                        " do not fit into a session of %" PRId32 " positions, %" PRId32
                        " of padding among them",
                        append->n, sequence->length, session->room, append->padding);
    for (int32_t i = 0; i < append->n; i++)
        if (append->ids[i] < 0 || append->ids[i] >= session->model->config.n_vocab)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "eval: token %" PRId32 " has the id %" PRId32
                            ", the vocabulary ends at %" PRId32,
                            i, append->ids[i], session->model->config.n_vocab - 1);
    return IFM_OK;
}

static ifm_status check_appends(const ifm_session *session, const ifm_append *appends,
                                int32_t n, ifm_error *err)
{
    ifm_status status = IFM_OK;
    if (n < 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "eval: a batch of %" PRId32 " sequences, expected 1 or more", n);
    for (int32_t i = 0; i < n && status == IFM_OK; i++) {
        const int32_t least = i > 0 ? appends[i - 1].sequence + 1 : 0;
        if (appends[i].sequence < least || appends[i].sequence >= session->n_sequences)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "eval: sequence %" PRId32 ", expected %" PRId32 " … %" PRId32
                            " (each once, in rising order)",
                            appends[i].sequence, least, session->n_sequences - 1);
        status = check_append(session, &appends[i], err);
    }
    return status;
}

/* Rows of padding that come with an append. */
static int32_t padding_rows(const ifm_session *session, const ifm_append *append)
{
    const int32_t more = append->padding - session->sequences[append->sequence].padding;
    return more > 0 ? more : 0;
}

/* Where passes over a batch have come to. */
typedef struct cursor {
    const ifm_append *appends;
    int32_t n;
    int32_t at, row;  /* the next row is this one of append `at` */
    int32_t n_logits; /* of each append, for its last tokens */
} cursor;

/* Row number `row` of an append: its tokens, then its padding. As if it stood at the
 * positions behind the tokens, padding sees as much as all rows together do where it stands
 * in front of them, and nothing sees it. */
static ifm_row row_of(const ifm_session *session, const ifm_append *append, int32_t row)
{
    const int32_t masked = padding_rows(session, append) > 0 ? 0 : append->padding;
    return (ifm_row){
        .id = row < append->n ? append->ids[row] : 0,
        .position = session->sequences[append->sequence].length + row,
        .sequence = append->sequence,
        .masked = masked,
    };
}

/* An append is over: its tokens count, its padding will be overwritten. */
static void close_append(ifm_session *session, const ifm_append *append)
{
    ifm_session_sequence *sequence = &session->sequences[append->sequence];
    sequence->padding += padding_rows(session, append);
    sequence->length += append->n;
}

/* Lists the rows of the next pass, at most R: first those whose logits nobody wants, so that
 * the last layer may leave them out. */
static void list_rows(ifm_session *session, cursor *self)
{
    ifm_row *last = (ifm_row *)(void *)(session->block + session->at.last_rows);
    int32_t n = 0, n_last = 0;
    session->split = false;
    while (self->at < self->n && n + n_last < session->at.rows) {
        const ifm_append *append = &self->appends[self->at];
        const bool wanted =
            self->row < append->n && self->row >= append->n - self->n_logits;
        const ifm_row row = row_of(session, append, self->row);
        session->split |=
            wanted && n > 0 && (self->n > 1 || padding_rows(session, append) > 0);
        if (wanted)
            last[n_last++] = row;
        else
            session->rows[n++] = row;
        if (++self->row < append->n + padding_rows(session, append))
            continue;
        close_append(session, append);
        self->at++;
        self->row = 0;
    }
    memcpy(session->rows + n, last, (size_t)n_last * sizeof *last);
    session->n_rows = n + n_last;
    session->n_logits = n_last;
}

/* Passes of at most R rows; the logits that are wanted go to the session's place for
 * logits, in order. */
static const float *run_passes(ifm_session *session, const ifm_append *appends, int32_t n,
                               int32_t n_logits)
{
    cursor self = {.appends = appends, .n = n, .n_logits = n_logits};
    float *logits = ifm_session_floats(session, session->at.logits);
    session->logits = logits;
    while (self.at < n) {
        list_rows(session, &self);
        ifm_pool_run(session->pool, session->model->ops->forward, session);
        session->logits += (int64_t)session->n_logits * session->model->config.n_vocab;
    }
    return logits;
}

ifm_status ifm_session_eval_batch(ifm_session *session, const ifm_append *appends,
                                  int32_t n, const float **logits, ifm_error *err)
{
    const ifm_status status = check_appends(session, appends, n, err);
    if (status == IFM_OK)
        *logits = run_passes(session, appends, n, 1);
    return status;
}

ifm_status ifm_session_eval(ifm_session *session, const int32_t *ids, int32_t n,
                            const float **logits, ifm_error *err)
{
    const ifm_append append = {.ids = ids, .n = n};
    return ifm_session_eval_batch(session, &append, 1, logits, err);
}

ifm_status ifm_session_eval_all(ifm_session *session, const int32_t *ids, int32_t n,
                                const float **logits, ifm_error *err)
{
    const ifm_append append = {.ids = ids, .n = n};
    const ifm_status status = check_appends(session, &append, 1, err);
    if (status != IFM_OK)
        return status;
    if (n > session->logit_rows)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "eval: logits of %" PRId32
                        " tokens, the session has room for those of %" PRId32,
                        n, session->logit_rows);
    *logits = run_passes(session, &append, 1, n);
    return IFM_OK;
}

int32_t ifm_session_length(const ifm_session *session)
{
    return session->sequences[0].length;
}

int32_t ifm_session_sequence_length(const ifm_session *session, int32_t sequence)
{
    const bool known = sequence >= 0 && sequence < session->n_sequences;
    return known ? session->sequences[sequence].length : 0;
}

void ifm_session_truncate(ifm_session *session, int32_t n_tokens)
{
    for (int32_t i = 0; n_tokens >= 0 && i < session->n_sequences; i++) {
        ifm_session_sequence *sequence = &session->sequences[i];
        if (n_tokens < sequence->length)
            sequence->length = n_tokens;
        if (n_tokens == 0)
            sequence->padding = 0;
    }
}

int32_t ifm_session_threads(const ifm_session *session)
{
    return ifm_pool_threads(session->pool);
}
