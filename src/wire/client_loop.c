/*
 * The loop that serves the sockets.
 *
 *     poller says ──► slot is stamped, queued ──► libcurl reads it ──► answer ──► on_done
 *                        ▲ and again while the queue is long
 *
 * While many sockets wait to be read, the poller is asked again every now and then, so that
 * what comes meanwhile is stamped when it comes and not when its turn has come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/client_parts.h"

enum {
    LOOK_EVENTS = 512,
    LOOK_AGAIN_NS = 200 * 1000, /* some forty sockets */
    LOOK_SHARE = 5, /* looking costs as much as sockets are ready: at most this part */
};

/* ---- descriptors ------------------------------------------------------------------- */

bool ifm_client_grow_slots(ifm_client *self, size_t fd)
{
    size_t n = self->n_slots > 0 ? self->n_slots : 256, room = 512;
    while (n <= fd)
        n *= 2;
    while (room <= n)
        room *= 2;
    ifm_slot *slots = realloc(self->slots, n * sizeof *slots);
    if (slots == NULL)
        return false;
    memset(slots + self->n_slots, 0, (n - self->n_slots) * sizeof *slots);
    self->slots = slots;
    self->n_slots = n;
    int *queue = malloc(room * sizeof *queue);
    if (queue == NULL)
        return false;
    size_t waiting = 0;
    for (; self->queue_head != self->queue_tail; self->queue_head++)
        queue[waiting++] = self->queue[self->queue_head & (self->queue_room - 1)];
    free(self->queue);
    self->queue = queue;
    self->queue_room = room;
    self->queue_head = 0;
    self->queue_tail = waiting;
    return true;
}

/* libcurl wants to know of a socket, or no more. */
int ifm_client_on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *unused)
{
    ifm_shard *shard = user;
    ifm_client *self = shard->client;
    char *owner = NULL;
    (void)unused;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    ifm_exchange *e = (ifm_exchange *)(void *)owner;
    if ((size_t)fd >= self->n_slots && !ifm_client_grow_slots(self, (size_t)fd)) {
        self->unwatched = e;
        return 0;
    }
    ifm_slot *slot = &self->slots[fd];
    if (what == CURL_POLL_REMOVE) {
        if (slot->want != 0)
            ifm_poller_remove(&self->poller, fd);
        slot->want = slot->ready = 0;
        slot->shard = NULL;
        return 0;
    }
    const unsigned want = (what & CURL_POLL_IN ? (unsigned)IFM_POLL_READ : 0) |
                          (what & CURL_POLL_OUT ? (unsigned)IFM_POLL_WRITE : 0);
    void *mark = (void *)((uintptr_t)fd + 1);
    ifm_status st = IFM_OK;
    if (slot->want == 0)
        st = ifm_poller_add(&self->poller, fd, want, mark, NULL);
    else if (slot->want != want)
        st = ifm_poller_modify(&self->poller, fd, want, mark, NULL);
    if (st != IFM_OK)
        self->unwatched = e;
    slot->want = want;
    slot->shard = shard;
    slot->exchange = e;
    if (e != NULL)
        e->fd = fd;
    return 0;
}

int ifm_client_on_timer(CURLM *multi, long ms, void *user)
{
    ifm_shard *shard = user;
    (void)multi;
    shard->timer_ns =
        ms < 0 ? INT64_MAX : ifm_time_now().ns + (int64_t)ms * INT64_C(1000000);
    return 0;
}

int64_t ifm_exchange_stamp(const ifm_exchange *self)
{
    const ifm_client *client = self->client;
    if (client->serving >= 0 && (client->options.http2 || self->fd == client->serving))
        return client->stamp_ns;
    return ifm_time_now().ns;
}

/* ---- ends -------------------------------------------------------------------------- */

/* An open connection that broke before a byte of an answer came: the server had closed it, or
 * was about to. libcurl sends such a request again in most cases; here in all, and then on
 * a fresh connection, since the next open one may be as old. Once, and no more when the time is
 * over. */
static bool is_stale(const ifm_exchange *e, CURLcode code)
{
    long connects = 0;
    if ((code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR &&
         code != CURLE_GOT_NOTHING && code != CURLE_HTTP2) ||
        e->heard_ns != 0 || e->renewed)
        return false;
    curl_easy_getinfo(e->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && e->dns_ns == 0 && e->sent_ns != 0;
}

/* The transfer came to its end, one way or another. */
static void conclude(ifm_exchange *e, CURLcode code)
{
    char text[CURL_ERROR_SIZE + 256] = "";
    const int64_t now = ifm_exchange_stamp(e);
    if (e->client->reader == e)
        ifm_exchange_flush(e);
    if (e->retrying) {
        curl_multi_remove_handle(e->shard->multi, e->easy);
        e->state = IFM_EXCHANGE_RESTING;
        e->record.wire->retry_after_ns = e->retry_after_ns;
        e->begun_ns = ifm_time_now().ns + ifm_retry_delay_ns(e);
        ifm_timers_arm(e);
        return;
    }
    const bool stale = is_stale(e, code);
    if (stale || ifm_http2_turn(e, code)) {
        e->resends += stale;
        e->renewed = stale;
        curl_multi_remove_handle(e->shard->multi, e->easy);
        e->attempts--;
        if (ifm_exchange_begin(e))
            return;
    }
    const ifm_transfer transfer = {e->client,       e->easy,         e->says,
                                   e->socket_errno, e->sent_ns != 0, e->head_seen};
    const ifm_outcome outcome =
        e->settled ? IFM_OUTCOME_OK
                   : ifm_transfer_outcome(&transfer, code, text, sizeof text);
    ifm_exchange_end(e, outcome, outcome != IFM_OUTCOME_OK ? text : NULL,
                     now > e->heard_ns ? now : e->heard_ns);
}

static void read_news(ifm_shard *shard)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(shard->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *owner = NULL;
        const CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        conclude((ifm_exchange *)(void *)owner, code);
    }
}

/* ---- libcurl is told --------------------------------------------------------------- */

/* `fd` is ready for `mask`, or (CURL_SOCKET_TIMEOUT) time has passed. */
static void act(ifm_shard *shard, curl_socket_t fd, int mask)
{
    ifm_client *self = shard->client;
    int running;
    self->serving = fd == CURL_SOCKET_TIMEOUT ? -1 : fd;
    curl_multi_socket_action(shard->multi, fd, mask, &running);
    ifm_exchange *reader = self->reader, *unwatched = self->unwatched;
    if (reader != NULL)
        ifm_exchange_flush(reader);
    self->unwatched = NULL;
    if (unwatched != NULL && unwatched->state == IFM_EXCHANGE_UNDER_WAY)
        ifm_exchange_end(unwatched, IFM_OUTCOME_INTERNAL,
                         "cannot wait for another socket: the system's limit is reached",
                         ifm_time_now().ns);
    else if (reader != NULL && reader->settled && reader->state == IFM_EXCHANGE_UNDER_WAY)
        ifm_exchange_end(reader, IFM_OUTCOME_OK, NULL, reader->heard_ns);
    read_news(shard);
    self->serving = -1;
}

static void act_timers(ifm_client *self, int64_t now)
{
    for (size_t i = 0; i < self->n_shards; i++)
        if (self->shards[i]->timer_ns <= now) {
            self->shards[i]->timer_ns = INT64_MAX;
            act(self->shards[i], CURL_SOCKET_TIMEOUT, 0);
        }
}

/* Sends what has rested; ends what took too long. */
static void act_deadlines(ifm_client *self, int64_t now)
{
    char text[128];
    ifm_exchange *e;
    while ((e = ifm_timers_take(self, now)) != NULL) {
        const ifm_client_options *o = &self->options;
        if (e->complete_ns != 0) {
            ifm_exchange_end(e, IFM_OUTCOME_OK, NULL, now);
        } else if (o->timeout_ns > 0 && now >= e->due_ns + o->timeout_ns) {
            snprintf(text, sizeof text, "took longer than %.6g s (--timeout)",
                     (double)o->timeout_ns / 1e9);
            ifm_exchange_end(e, IFM_OUTCOME_TIMEOUT, text, now);
        } else if (e->state == IFM_EXCHANGE_RESTING) {
            if (ifm_exchange_begin(e)) {
                ifm_timers_arm(e);
                act(e->shard, CURL_SOCKET_TIMEOUT, 0);
            } else {
                ifm_exchange_end(e, IFM_OUTCOME_INTERNAL, "no memory", now);
            }
        } else {
            snprintf(text, sizeof text, "nothing came for %.6g s (--idle-timeout)",
                     (double)o->idle_timeout_ns / 1e9);
            ifm_exchange_end(e, IFM_OUTCOME_STALLED, text, now);
        }
    }
}

/* ---- the loop ---------------------------------------------------------------------- */

/* Asks the poller, and queues what it says with the time at which it said so. */
static void look(ifm_client *self, ifm_time until)
{
    ifm_poll_event events[LOOK_EVENTS];
    const size_t n = ifm_poller_wait(&self->poller, until, events, LOOK_EVENTS);
    const int64_t now = ifm_time_now().ns;
    for (size_t i = 0; i < n; i++) {
        if (events[i].user == NULL)
            continue;
        const int fd = (int)((uintptr_t)events[i].user - 1);
        if (fd == self->wake_fd) {
            self->woken = true;
            continue;
        }
        ifm_slot *slot = &self->slots[fd];
        if (!slot->queued)
            self->queue[self->queue_tail++ & (self->queue_room - 1)] = fd;
        slot->queued = true;
        if (slot->ready == 0)
            slot->stamp_ns = now;
        slot->ready |= events[i].what;
    }
}

/* TCP's handshake is over when the socket can be written for the first time. */
static void note_connected(ifm_client *self, const ifm_slot *slot)
{
    ifm_exchange *e = slot->exchange;
    if (e != NULL && e->fd == (int)(slot - self->slots) && e->dns_ns != 0 &&
        e->connect_ns == 0 && (slot->ready & IFM_POLL_WRITE) &&
        !(slot->ready & IFM_POLL_HANGUP))
        e->connect_ns = slot->stamp_ns;
}

static void serve_one(ifm_client *self, int fd)
{
    ifm_slot *slot = &self->slots[fd];
    const unsigned ready = slot->ready;
    slot->queued = false;
    if (ready == 0 || slot->shard == NULL)
        return; /* closed since */
    note_connected(self, slot);
    slot->ready = 0;
    self->stamp_ns = slot->stamp_ns;
    act(slot->shard, fd,
        (ready & IFM_POLL_READ ? CURL_CSELECT_IN : 0) |
            (ready & IFM_POLL_WRITE ? CURL_CSELECT_OUT : 0) |
            (ready & IFM_POLL_HANGUP ? CURL_CSELECT_ERR | CURL_CSELECT_IN : 0));
}

/* Serves what is queued, looking again in between, but not far beyond `until`. */
static void serve_queue(ifm_client *self, ifm_time until)
{
    int64_t looked = ifm_time_now().ns, rest_ns = LOOK_AGAIN_NS;
    while (self->queue_head != self->queue_tail) {
        serve_one(self, self->queue[self->queue_head++ & (self->queue_room - 1)]);
        const int64_t now = ifm_time_now().ns;
        if (now - looked < rest_ns)
            continue;
        if (now >= until.ns)
            return;
        look(self, (ifm_time){0});
        looked = ifm_time_now().ns;
        rest_ns = LOOK_SHARE * (looked - now);
        rest_ns = rest_ns > LOOK_AGAIN_NS ? rest_ns : LOOK_AGAIN_NS;
    }
}

static ifm_time earliest(const ifm_client *self, ifm_time until)
{
    int64_t at = until.ns;
    if (ifm_timers_next(self) < at)
        at = ifm_timers_next(self);
    for (size_t i = 0; i < self->n_shards; i++)
        if (self->shards[i]->timer_ns < at)
            at = self->shards[i]->timer_ns;
    return (ifm_time){self->queue_head != self->queue_tail ? 0 : at};
}

static void watch_wake(ifm_client *self, int fd)
{
    if (fd == self->wake_fd)
        return;
    if (self->wake_fd >= 0)
        ifm_poller_remove(&self->poller, self->wake_fd);
    self->wake_fd = fd;
    if (fd >= 0)
        (void)ifm_poller_add(&self->poller, fd, IFM_POLL_READ,
                             (void *)((uintptr_t)fd + 1), NULL);
}

/* What failed as it began, and what libcurl settled meanwhile. */
static void settle(ifm_client *self)
{
    for (size_t i = self->n_alive; self->n_doomed > 0 && i > 0; i--)
        if (i <= self->n_alive && self->alive[i - 1]->state == IFM_EXCHANGE_DOOMED)
            ifm_exchange_end(self->alive[i - 1], IFM_OUTCOME_INTERNAL, "no memory",
                             ifm_time_now().ns);
    if (!self->stirred)
        return;
    self->stirred = false;
    for (size_t i = 0; i < self->n_shards; i++)
        read_news(self->shards[i]);
}

void ifm_client_serve(ifm_client *self, ifm_time until, int wake_fd)
{
    const size_t before = self->n_ended;
    if (!self->sharp)
        ifm_poller_sharpen();
    self->sharp = true;
    watch_wake(self, wake_fd);
    self->woken = false;
    settle(self);
    int64_t now;
    do { /* once at least: who calls with a time that is over may have no other */
        look(self, self->n_ended == before ? earliest(self, until) : (ifm_time){0});
        serve_queue(self, until);
        now = ifm_time_now().ns;
        act_timers(self, now);
        act_deadlines(self, now);
    } while (self->n_ended == before && !self->woken && now < until.ns);
}
