/*
 * One exchange: a request and what comes of it, whoever carries it.
 *
 *     begin ──► hear, head, take … ──► conclude ──► again, or a rest, or the end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/client_parts.h"

/* ---- what comes -------------------------------------------------------------------- */

/* A quantile that follows: two parts up or one down. Not a mean, for the wait for the first
 * token is as long as hundreds of others. */
static void note_gap(ifm_client *client, int64_t gap_ns)
{
    const int64_t part = client->gap_ns / 64 + 1;
    if (client->gap_ns == 0)
        client->gap_ns = gap_ns;
    else
        client->gap_ns += gap_ns > client->gap_ns ? 2 * part : -part;
}

/* Nothing is stamped before what was stamped already: of two ways in which libcurl comes to
 * read a socket one has the poller's word, the other only the time. */
int64_t ifm_exchange_hear(ifm_exchange *self, int64_t stamp_ns)
{
    if (self->heard_ns != 0 && stamp_ns > self->heard_ns)
        note_gap(self->client, stamp_ns - self->heard_ns);
    if (stamp_ns > self->heard_ns)
        self->heard_ns = stamp_ns;
    return self->heard_ns - self->due_ns;
}

void ifm_exchange_take(ifm_exchange *self, const char *bytes, size_t n)
{
    if (self->retrying || self->settled || self->complete_ns != 0)
        return;
    const int64_t t_ns = self->heard_ns - self->due_ns;
    const bool more = ifm_answer_take(self->answer, bytes, n, t_ns);
    if (ifm_answer_complete(self->answer)) {
        self->complete_ns = self->heard_ns;
        ifm_timers_arm(self);
    } else if (!more) {
        self->settled = true;
    }
}

void ifm_exchange_head(ifm_exchange *self, int32_t status, const char *type)
{
    const int64_t t_ns = self->heard_ns - self->due_ns;
    self->head_seen = true;
    self->record.wire->headers_ns = t_ns;
    self->record.wire->status = status;
    self->retrying = ifm_retry_wanted(self, status);
    if (!self->retrying)
        ifm_answer_head(self->answer, status, type, t_ns);
}

/* ---- attempts ---------------------------------------------------------------------- */

void ifm_exchange_reset(ifm_exchange *self)
{
    self->head_seen = self->retrying = self->settled = self->opened = false;
    self->dns_ns = self->connect_ns = self->tls_ns = self->sent_ns = self->heard_ns = 0;
    self->wrote_ns = 0;
    self->complete_ns = 0;
    self->stopped = false;
    self->retry_after_ns = -1;
    self->socket_errno = 0;
    self->http_version = 0;
    self->fd = -1;
    self->says[0] = '\0';
    free(self->redirect);
    self->redirect = NULL;
    self->record.wire->status = 0;
    self->record.wire->headers_ns = -1;
}

void ifm_exchange_doom(ifm_exchange *self, ifm_outcome outcome, const char *text)
{
    self->state = IFM_EXCHANGE_DOOMED;
    self->doom = outcome;
    snprintf(self->says, sizeof self->says, "%s", text);
    self->client->n_doomed++;
}

void ifm_exchange_begin(ifm_exchange *self)
{
    ifm_exchange_reset(self);
    self->attempts++;
    self->begun_ns = ifm_time_now().ns;
    self->state = IFM_EXCHANGE_UNDER_WAY;
    if (self->client->plain != NULL)
        ifm_plain_begin(self);
    else if (!ifm_curl_begin(self))
        ifm_exchange_doom(self, IFM_OUTCOME_INTERNAL, "no memory");
    if (self->state == IFM_EXCHANGE_UNDER_WAY)
        ifm_timers_arm(self);
}

static void let_go(ifm_exchange *self)
{
    if (self->plain != NULL)
        ifm_plain_let_go(self);
    else if (self->easy != NULL)
        ifm_curl_let_go(self);
}

bool ifm_exchange_is_stale(const ifm_exchange *self)
{
    const bool used = self->sent_ns != 0 || self->plain != NULL;
    return !self->opened && used && self->heard_ns == 0 && !self->renewed;
}

void ifm_exchange_conclude(ifm_exchange *self, ifm_outcome outcome, const char *text,
                           bool again, int64_t now_ns)
{
    if (self->retrying || again)
        let_go(self);
    if (self->retrying) {
        self->state = IFM_EXCHANGE_RESTING;
        self->record.wire->retry_after_ns = self->retry_after_ns;
        self->begun_ns = ifm_time_now().ns + ifm_retry_delay_ns(self);
        ifm_timers_arm(self);
    } else if (again) {
        self->attempts--;
        ifm_exchange_begin(self);
    } else {
        const bool good = self->settled || outcome == IFM_OUTCOME_OK;
        ifm_exchange_end(self, good ? IFM_OUTCOME_OK : outcome, good ? NULL : text,
                         now_ns > self->heard_ns ? now_ns : self->heard_ns);
    }
}

/* ---- ends -------------------------------------------------------------------------- */

void ifm_exchange_end(ifm_exchange *self, ifm_outcome transport, const char *detail,
                      int64_t t_ns)
{
    ifm_client *client = self->client;
    if (client->reader == self)
        ifm_curl_flush(self);
    ifm_timers_disarm(self);
    client->n_doomed -= self->state == IFM_EXCHANGE_DOOMED;
    if (self->plain == NULL && self->easy != NULL)
        ifm_curl_note(self);
    ifm_exchange_note(self);
    if (self->state == IFM_EXCHANGE_UNDER_WAY)
        let_go(self);
    /* The end is HTTP's, not "[DONE]": until then the connection, and in a closed loop the
     * place, is taken. */
    const bool complete = self->complete_ns != 0;
    if (self->answer != NULL)
        ifm_answer_end(self->answer, complete ? IFM_OUTCOME_OK : transport,
                       complete ? NULL : detail, t_ns - self->due_ns);
    ifm_answer_free(self->answer);
    self->answer = NULL;
    if (self->record.wire->end_ns < 0)
        self->record.wire->end_ns = t_ns - self->due_ns;
    ifm_exchange_note_redirect(self);
    ifm_client_hand_over(self);
}

/* ---- made and freed ---------------------------------------------------------------- */

ifm_exchange *ifm_exchange_new(ifm_client *client)
{
    ifm_exchange *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->client = client;
    self->record = ifm_record_empty();
    return self;
}

void ifm_exchange_free(ifm_exchange *self)
{
    if (self == NULL)
        return;
    ifm_curl_free(self);
    ifm_answer_free(self->answer);
    ifm_record_deinit(&self->record);
    ifm_buffer_deinit(&self->read);
    free(self->redirect);
    free(self->body);
    free(self);
}
