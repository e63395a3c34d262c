#include "wire/client_parts.h"

/* A server that keeps a connection open behind "[DONE]" gets this long to end its answer as
 * HTTP wants it, so that the connection can be used again. */
static const int64_t grace_ns = 50 * INT64_C(1000000);

static int64_t nearer(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t ifm_timers_connect_by(const ifm_exchange *self)
{
    const int64_t ns = self->client->options.connect_timeout_ns;
    return self->begun_ns + (ns > 0 ? ns : IFM_CONNECT_TIMEOUT_NS);
}

/* When something went or came last; 0: never. A server that takes no more of a long request
 * stalls as one that says nothing. */
static int64_t last_stir(const ifm_exchange *self)
{
    const int64_t times[] = {self->sent_ns, self->wrote_ns, self->heard_ns};
    int64_t last = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        last = times[i] > last ? times[i] : last;
    return last;
}

int64_t ifm_timers_deadline(const ifm_exchange *self)
{
    const ifm_client_options *o = &self->client->options;
    int64_t at = INT64_MAX;
    if (o->timeout_ns > 0)
        at = self->due_ns + o->timeout_ns;
    if (self->state == IFM_EXCHANGE_RESTING)
        return nearer(at, self->begun_ns);
    if (self->complete_ns != 0)
        return nearer(at, self->complete_ns + grace_ns);
    if (ifm_plain_is_connecting(self))
        return nearer(at, nearer(ifm_timers_connect_by(self), ifm_plain_patience(self)));
    const int64_t stirred = last_stir(self);
    if (o->idle_timeout_ns > 0 && stirred != 0)
        at = nearer(at, stirred + o->idle_timeout_ns);
    return at;
}

static void place(ifm_client *client, size_t at, ifm_exchange *e)
{
    client->heap[at] = e;
    e->heap_at = at;
}

static void rise(ifm_client *client, size_t at)
{
    ifm_exchange *e = client->heap[at];
    for (; at > 1 && client->heap[at / 2]->wake_ns > e->wake_ns; at /= 2)
        place(client, at, client->heap[at / 2]);
    place(client, at, e);
}

static void sink(ifm_client *client, size_t at)
{
    ifm_exchange *e = client->heap[at];
    for (size_t child; (child = 2 * at) <= client->n_heap; at = child) {
        if (child < client->n_heap &&
            client->heap[child + 1]->wake_ns < client->heap[child]->wake_ns)
            child++;
        if (client->heap[child]->wake_ns >= e->wake_ns)
            break;
        place(client, at, client->heap[child]);
    }
    place(client, at, e);
}

/* There is room: the heap is as large as there are exchanges. */
void ifm_timers_arm(ifm_exchange *self)
{
    ifm_client *client = self->client;
    const int64_t at = ifm_timers_deadline(self);
    if (at == INT64_MAX || (self->heap_at != 0 && self->wake_ns <= at))
        return;
    self->wake_ns = at;
    if (self->heap_at == 0)
        place(client, ++client->n_heap, self);
    rise(client, self->heap_at);
}

void ifm_timers_disarm(ifm_exchange *self)
{
    ifm_client *client = self->client;
    const size_t at = self->heap_at;
    if (at == 0)
        return;
    self->heap_at = 0;
    ifm_exchange *last = client->heap[client->n_heap--];
    if (last == self)
        return;
    place(client, at, last);
    rise(client, at);
    sink(client, last->heap_at);
}

int64_t ifm_timers_next(const ifm_client *client)
{
    return client->n_heap > 0 ? client->heap[1]->wake_ns : INT64_MAX;
}

ifm_exchange *ifm_timers_take(ifm_client *client, int64_t now_ns)
{
    while (client->n_heap > 0 && client->heap[1]->wake_ns <= now_ns) {
        ifm_exchange *e = client->heap[1];
        ifm_timers_disarm(e);
        if (ifm_timers_deadline(e) <= now_ns)
            return e;
        ifm_timers_arm(e); /* bytes came meanwhile */
    }
    return NULL;
}
