/* Attention by all threads: each has some key-value heads, with all queries that share
 * them. */
#include "model/attend.h"

/* One key-value head in one layer. */
typedef struct head {
    const ifm_session *session;
    const ifm_attend *job;
    int64_t index, d, group; /* group: query heads that share it */
    float *keys, *values;    /* its part of the cache */
} head;

static head head_of(const ifm_session *session, const ifm_attend *job, int64_t index)
{
    const ifm_config *config = &session->model->config;
    const int64_t d = config->head_dim;
    const int64_t at =
        (job->layer * config->n_kv_head + index) * session->at.positions * d;
    return (head){
        .session = session,
        .job = job,
        .index = index,
        .d = d,
        .group = config->n_head / config->n_kv_head,
        .keys = ifm_session_floats(session, session->at.keys) + at,
        .values = ifm_session_floats(session, session->at.values) + at,
    };
}

/* Copies this pass's keys and values into the cache. */
static void remember(const head *self)
{
    const int64_t d = self->d;
    for (int32_t i = 0; i < self->session->n_rows; i++) {
        const int64_t position = self->session->rows[i].position;
        const float *k = self->job->k + i * self->job->stride + self->index * d;
        const float *v = self->job->v + i * self->job->stride + self->index * d;
        float *block = self->keys + position / IFM_KEY_BLOCK * IFM_KEY_BLOCK * d +
                       position % IFM_KEY_BLOCK;
        for (int64_t j = 0; j < d; j++) {
            block[j * IFM_KEY_BLOCK] = k[j];
            self->values[position * d + j] = v[j];
        }
    }
}

static void attend(const head *self, const ifm_team *team, int64_t query)
{
    const ifm_session *s = self->session;
    const ifm_attend *job = self->job;
    team->kern->attend(&(ifm_attention){
        .q = job->q + job->first * job->stride + query * self->d,
        .q_stride = job->stride,
        .k = self->keys,
        .v = self->values,
        .out = job->out + job->first * job->out_stride + query * self->d,
        .out_stride = job->out_stride,
        .t = s->n_rows - job->first,
        .d = self->d,
        .first = s->rows[job->first].position,
        .scale = job->scale,
        .scores = ifm_session_floats(s, s->at.scores) +
                  team->thread * IFM_ATTENTION_ROWS * s->at.positions,
    });
}

void ifm_attend_run(const ifm_session *session, const ifm_team *team,
                    const ifm_attend *job)
{
    int64_t begin, end;
    ifm_pool_part(session->model->config.n_kv_head, 1, team->thread, team->threads,
                  &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const head self = head_of(session, job, i);
        remember(&self);
        if (job->first >= session->n_rows)
            continue;
        for (int64_t j = 0; j < self.group; j++)
            attend(&self, team, i * self.group + j);
    }
}
