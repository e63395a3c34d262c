/*
 * Attention by all threads.
 *
 * Many rows (a prompt): keys and values are remembered, then, after a barrier, the rows of
 * all heads are dealt out end to end, weighted with the positions that they see. Few rows
 * (decoding), which read as much and compute little: where a sequence is long, each head's
 * positions are cut into chunks, whose partial results are merged after a barrier; where it
 * is short, each thread takes whole heads. Which of these, and the chunks, depends on rows
 * and positions only: results are the same bits for any number of threads.
 *
 * Rows of several sequences come as runs, each over its own part of the cache.
 */
#include "model/attend.h"

#include <string.h>

enum {
    CHUNK = 128,          /* positions, or this times a power of two */
    CHUNKED_FROM = 256,   /* positions: below, a barrier costs more than it brings */
    ROW_STEP = 16,        /* rows are dealt out in steps of so many */
    ROW_COST = 32,        /* of a row by itself, in positions */
    NUMBERS_AT_ONCE = 64, /* converted, on the stack */
};

/* Rows of one sequence at positions that follow one another. */
typedef struct rows_run {
    int64_t row, n; /* in the pass */
    int64_t first;  /* position of the first */
    int64_t sequence;
    int64_t masked; /* see ifm_row */
} rows_run;

/* One key-value head of one layer and sequence. */
typedef struct head {
    const ifm_session *session;
    const ifm_attend *job;
    const rows_run *run;
    int64_t index, d, group; /* group: query heads that share it */
    char *keys, *values;     /* its part of the cache */
} head;

/* The run that begins with a row; false behind the last row. */
static bool run_at(const ifm_session *session, int64_t row, rows_run *out)
{
    const ifm_row *rows = session->rows;
    if (row >= session->n_rows)
        return false;
    int64_t n = 1;
    while (row + n < session->n_rows && rows[row + n].sequence == rows[row].sequence &&
           rows[row + n].position == rows[row].position + n &&
           rows[row + n].masked == rows[row].masked)
        n++;
    *out = (rows_run){row, n, rows[row].position, rows[row].sequence, rows[row].masked};
    return true;
}

static head head_of(const ifm_session *session, const ifm_attend *job,
                    const rows_run *run, int64_t index)
{
    const ifm_config *config = &session->model->config;
    const ifm_session_layout *at = &session->at;
    const int64_t d = config->head_dim;
    const int64_t place =
        (run->sequence * config->n_layer + job->layer) * config->n_kv_head + index;
    const int64_t bytes = ifm_dtype_bytes_of(at->kv_dtype, place * at->positions * d);
    return (head){
        .session = session,
        .job = job,
        .run = run,
        .index = index,
        .d = d,
        .group = config->n_head / config->n_kv_head,
        .keys = (char *)session->block + at->keys + bytes,
        .values = (char *)session->block + at->values + bytes,
    };
}

/* Copies n numbers of k and v, from component c of their head on, to a position. */
static void remember_f16(const head *self, const ifm_kern *kern, int64_t position,
                         const float *k, const float *v)
{
    const int64_t d = self->d;
    uint16_t *key = (uint16_t *)(void *)self->keys +
                    position / IFM_KEY_BLOCK * IFM_KEY_BLOCK * d +
                    position % IFM_KEY_BLOCK;
    uint16_t half[NUMBERS_AT_ONCE];
    kern->to_f16((uint16_t *)(void *)self->values + position * d, v, d);
    for (int64_t c = 0; c < d; c += NUMBERS_AT_ONCE) {
        const int64_t n = d - c < NUMBERS_AT_ONCE ? d - c : NUMBERS_AT_ONCE;
        kern->to_f16(half, k + c, n);
        for (int64_t i = 0; i < n; i++)
            key[(c + i) * IFM_KEY_BLOCK] = half[i];
    }
}

static void remember_f32(const head *self, int64_t position, const float *k,
                         const float *v)
{
    const int64_t d = self->d;
    float *key = (float *)(void *)self->keys +
                 position / IFM_KEY_BLOCK * IFM_KEY_BLOCK * d + position % IFM_KEY_BLOCK;
    memcpy((float *)(void *)self->values + position * d, v, (size_t)d * sizeof *v);
    for (int64_t c = 0; c < d; c++)
        key[c * IFM_KEY_BLOCK] = k[c];
}

/* Copies keys and values of the run's rows at positions in [begin, end) into the cache. */
static void remember(const head *self, const ifm_kern *kern, int64_t begin, int64_t end)
{
    const rows_run *run = self->run;
    const bool halves = self->session->at.kv_dtype == IFM_DTYPE_F16;
    begin = begin > run->first ? begin : run->first;
    end = end < run->first + run->n ? end : run->first + run->n;
    for (int64_t p = begin; p < end; p++) {
        const int64_t at =
            (run->row + p - run->first) * self->job->stride + self->index * self->d;
        if (halves)
            remember_f16(self, kern, p, self->job->k + at, self->job->v + at);
        else
            remember_f32(self, p, self->job->k + at, self->job->v + at);
    }
}

/* Rows of the pass, each thread some of them. */
static void remember_all(const ifm_session *session, const ifm_team *team,
                         const ifm_attend *job)
{
    int64_t begin, end;
    rows_run run = {0};
    ifm_pool_part(session->n_rows, IFM_KEY_BLOCK, team->thread, team->threads, &begin,
                  &end);
    for (int64_t row = 0; run_at(session, row, &run); row += run.n)
        for (int64_t i = 0; i < session->model->config.n_kv_head; i++) {
            const head self = head_of(session, job, &run, i);
            const int64_t shift = run.first - run.row;
            remember(&self, team->kern, begin + shift, end + shift);
        }
}

/* The job of all rows of a run. */
static ifm_attention attention_of(const head *self, const ifm_team *team)
{
    const ifm_attend *job = self->job;
    const rows_run *run = self->run;
    const int64_t query = self->index * self->group * self->d;
    return (ifm_attention){
        .q = job->q + run->row * job->stride + query,
        .q_stride = job->stride,
        .k = self->keys,
        .v = self->values,
        .dtype = self->session->at.kv_dtype,
        .out = job->out + run->row * job->out_stride + query,
        .out_stride = job->out_stride,
        .t = run->n,
        .group = self->group,
        .d = self->d,
        .t1 = run->n,
        .first = run->first,
        .window = job->window,
        .end = run->first + run->n,
        .scale = job->scale,
        .scratch = team->scratch,
    };
}

static void attend(const ifm_kern *kern, const ifm_attention *a)
{
    ifm_kern_attend_way(kern, a->t * a->group, a->d)->attend(a);
}

/* Masked positions that a row of the run comes across. */
static int64_t masked_of(const rows_run *run, int64_t window)
{
    const int64_t seen = run->first + run->n, all = seen + run->masked;
    if (window <= 0 || all <= window)
        return run->masked;
    return seen < window ? window - seen : 0;
}

/* Attention of row t over masked positions [p, p + n) of its padding, which is counted from
 * where the run ends, on whole blocks: what lies there is nobody's yet. It is computed as
 * others compute it who mask it, and dropped. */
static void attend_masked(const head *self, const ifm_team *team, int64_t t, int64_t p,
                          int64_t n)
{
    const rows_run *run = self->run;
    const ifm_session_layout *at = &self->session->at;
    const int64_t blocks = (run->first + run->n + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK;
    ifm_attention a = attention_of(self, team);
    a.begin = blocks * IFM_KEY_BLOCK + p;
    a.end = a.begin + n < at->positions ? a.begin + n : at->positions;
    if (a.begin >= a.end)
        return;
    a.q += t * a.q_stride;
    a.part = ifm_session_floats(self->session,
                                at->dropped + (size_t)team->thread * at->dropped_stride);
    a.t = a.t1 = 1;
    a.first = a.end - 1;
    a.window = 0;
    attend(team->kern, &a);
}

/* Attention of rows [t0, t1) over all of their padding. */
static void attend_padding(const head *self, const ifm_team *team, int64_t t0, int64_t t1)
{
    const int64_t n = masked_of(self->run, self->job->window);
    for (int64_t t = t0; n > 0 && t < t1; t++)
        attend_masked(self, team, t, 0, n);
}

/* A run's positions in chunks; those before the first are seen by no row. Behind them come
 * chunks of each row's padding. */
typedef struct chunks {
    int64_t first, n, length;
    int64_t masked, masked_row; /* positions, and chunks, of a row's padding */
    int64_t all;                /* chunks, those of padding included */
} chunks;

static chunks chunks_of(const rows_run *run, int64_t window)
{
    const int64_t from = window > 0 && run->first >= window ? run->first - window + 1 : 0;
    const int64_t to = run->first + run->n;
    int64_t length = CHUNK;
    while ((to - 1) / length - from / length >= IFM_SESSION_CHUNKS)
        length *= 2;
    chunks c = {
        .first = from / length,
        .n = (to - 1) / length - from / length + 1,
        .length = length,
    };
    c.masked = masked_of(run, window);
    c.masked_row = (c.masked + length - 1) / length;
    c.all = c.n + run->n * c.masked_row;
    return c;
}

/* Partial results of a head and chunk: [T, M, D + 2] of IFM_SESSION_FEW_ROWS * H. */
static float *part_of(const head *self, int64_t chunk, int64_t *stride)
{
    const int64_t heads = self->session->model->config.n_head, width = self->d + 2;
    const rows_run *run = self->run;
    const int64_t row = run->row - self->job->first;
    *stride = IFM_SESSION_FEW_ROWS * heads * width;
    return ifm_session_floats(self->session, self->session->at.attend_parts) +
           chunk * *stride + (row * heads + self->index * run->n * self->group) * width;
}

/* Positions of all chunks of the asking rows' sequences. */
static int64_t chunked_positions(const ifm_session *session, const ifm_attend *job)
{
    int64_t sum = 0;
    rows_run run = {0};
    for (int64_t row = job->first; run_at(session, row, &run); row += run.n) {
        const chunks c = chunks_of(&run, job->window);
        sum += c.all * c.length;
    }
    return sum;
}

/* Chunk number i of a head's padding. */
static void attend_masked_chunk(const head *self, const ifm_team *team, const chunks *c,
                                int64_t i)
{
    const int64_t p = i % c->masked_row * c->length;
    attend_masked(self, team, i / c->masked_row, p,
                  c->masked - p < c->length ? c->masked - p : c->length);
}

/* Keys of the next head at a position; of the last head its own. */
static const void *keys_of_next(const head *self, int64_t position)
{
    const ifm_session_layout *at = &self->session->at;
    const bool last = self->index + 1 == self->session->model->config.n_kv_head;
    const int64_t ahead = last ? position : at->positions + position;
    return self->keys + ifm_dtype_bytes_of(at->kv_dtype, ahead * self->d);
}

/* Chunk number i of a head, with its keys and values when the cache does not have them
 * yet. */
static void attend_chunk(const head *self, const ifm_team *team, const chunks *c,
                         int64_t i, bool remembered)
{
    int64_t stride;
    ifm_attention a = attention_of(self, team);
    a.begin = (c->first + i) * c->length;
    a.end = a.begin + c->length < a.end ? a.begin + c->length : a.end;
    a.part = part_of(self, i, &stride);
    if (i + 1 == c->n)
        a.next = keys_of_next(self, c->first * c->length);
    if (!remembered)
        remember(self, team->kern, a.begin, a.end);
    attend(team->kern, &a);
}

/* Chunks of all heads, dealt out end to end. */
static void attend_chunks(const ifm_session *session, const ifm_team *team,
                          const ifm_attend *job, bool remembered)
{
    const int64_t heads = session->model->config.n_kv_head;
    const int64_t all = heads * chunked_positions(session, job);
    int64_t at = 0;
    rows_run run = {0};
    for (int64_t row = job->first; run_at(session, row, &run); row += run.n) {
        const chunks c = chunks_of(&run, job->window);
        for (int64_t i = 0; i < heads * c.all; i++, at += c.length) {
            if ((at + c.length / 2) * team->threads / all != team->thread)
                continue;
            const head self = head_of(session, job, &run, i / c.all);
            if (i % c.all < c.n)
                attend_chunk(&self, team, &c, i % c.all, remembered);
            else
                attend_masked_chunk(&self, team, &c, i % c.all - c.n);
        }
    }
}

static void merge_chunks(const ifm_session *session, const ifm_team *team,
                         const ifm_attend *job)
{
    const int64_t heads = session->model->config.n_kv_head;
    int64_t stride, number = 0;
    rows_run run = {0};
    for (int64_t row = job->first; run_at(session, row, &run); row += run.n) {
        const chunks c = chunks_of(&run, job->window);
        for (int64_t i = 0; i < heads * run.n; i++) {
            const head self = head_of(session, job, &run, i / run.n);
            const float *part = part_of(&self, 0, &stride);
            float *out = job->out + (run.row + i % run.n) * job->out_stride +
                         self.index * self.group * self.d;
            part += i % run.n * self.group * (self.d + 2);
            for (int64_t m = 0; m < self.group; m++, number++)
                if (number % team->threads == team->thread)
                    team->kern->merge(part + m * (self.d + 2), c.n, stride, self.d,
                                      out + m * self.d);
        }
    }
}

/* Few rows and few positions: heads, each with its keys and values. */
static void attend_heads(const ifm_session *session, const ifm_team *team,
                         const ifm_attend *job)
{
    const int64_t heads = session->model->config.n_kv_head;
    int64_t begin, end;
    rows_run all = {0}, asking = {0};
    ifm_pool_part(heads, 1, team->thread, team->threads, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        for (int64_t row = 0; run_at(session, row, &all); row += all.n) {
            const head self = head_of(session, job, &all, i);
            remember(&self, team->kern, 0, INT64_MAX);
        }
        for (int64_t row = job->first; run_at(session, row, &asking); row += asking.n) {
            const head self = head_of(session, job, &asking, i);
            const ifm_attention a = attention_of(&self, team);
            attend(team->kern, &a);
            attend_padding(&self, team, 0, asking.n);
        }
    }
}

/* What row t of a run costs. */
static int64_t cost_of(const rows_run *run, int64_t window, int64_t t)
{
    const int64_t seen = run->first + t + 1;
    return ROW_COST + (window > 0 && window < seen ? window : seen) +
           masked_of(run, window);
}

static int64_t cost_of_rows(const rows_run *run, int64_t window)
{
    int64_t sum = 0;
    for (int64_t t = 0; t < run->n; t++)
        sum += cost_of(run, window, t);
    return sum;
}

/* The row of a run before which about `share` of its cost lies, in steps. */
static int64_t row_at(const rows_run *run, int64_t window, int64_t share)
{
    int64_t t = 0;
    while (t < run->n && share > 0)
        share -= cost_of(run, window, t++);
    t = (t + ROW_STEP / 2) / ROW_STEP * ROW_STEP;
    return t < run->n ? t : run->n;
}

/* Rows of all heads, dealt out end to end. */
static void attend_rows(const ifm_session *session, const ifm_team *team,
                        const ifm_attend *job)
{
    const int64_t heads = session->model->config.n_kv_head;
    int64_t all = 0, at = 0;
    rows_run run = {0};
    for (int64_t row = job->first; run_at(session, row, &run); row += run.n)
        all += heads * cost_of_rows(&run, job->window);
    const int64_t begin = all * team->thread / team->threads;
    const int64_t end = all * (team->thread + 1) / team->threads;
    for (int64_t row = job->first; run_at(session, row, &run); row += run.n) {
        const int64_t cost = cost_of_rows(&run, job->window);
        for (int64_t i = 0; i < heads; i++, at += cost) {
            if (at + cost <= begin || at >= end)
                continue;
            const head self = head_of(session, job, &run, i);
            ifm_attention a = attention_of(&self, team);
            a.t0 = row_at(&run, job->window, begin - at);
            a.t1 = end - at < cost ? row_at(&run, job->window, end - at) : run.n;
            attend(team->kern, &a);
            attend_padding(&self, team, a.t0, a.t1);
        }
    }
}

static int64_t most_positions(const ifm_session *session, int64_t first)
{
    int64_t most = 0;
    for (int64_t i = first; i < session->n_rows; i++)
        most = session->rows[i].position >= most ? session->rows[i].position + 1 : most;
    return most;
}

void ifm_attend_run(const ifm_session *session, const ifm_team *team,
                    const ifm_attend *job)
{
    const bool few = session->n_rows <= IFM_SESSION_FEW_ROWS;
    const bool chunked = session->n_rows - job->first <= IFM_SESSION_FEW_ROWS &&
                         most_positions(session, job->first) >= CHUNKED_FROM;
    const bool first = !few || (chunked && (job->first > 0 || session->split));
    if (first) {
        remember_all(session, team, job);
        ifm_pool_barrier(team->pool);
    }
    if (chunked) {
        attend_chunks(session, team, job, first);
        ifm_pool_barrier(team->pool);
        merge_chunks(session, team, job);
    } else if (few) {
        attend_heads(session, team, job);
    } else {
        attend_rows(session, team, job);
    }
}
