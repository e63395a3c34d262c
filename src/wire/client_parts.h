/*
 * The client's inside: who is who between client*.c.
 *
 *     client            poller, descriptors, the queue of those that are ready
 *       └─ exchanges    a request under way, its answer, its times
 *            ├─ curl    carried by libcurl: TLS, HTTP/2, proxies, and `run`
 *            └─ plain   carried by a socket of our own: HTTP/1.1 without TLS, under load
 *
 * The two carriers do the same with the same exchange; what an exchange does not care about
 * is in client_curl.c and client_plain.c. The second is there for what an event costs (half of
 * libcurl's) and for the system's note of when bytes came.
 */
#ifndef IFM_WIRE_CLIENT_PARTS_H
#define IFM_WIRE_CLIENT_PARTS_H

#include <curl/curl.h>

#include "base/buffer.h"
#include "inferometer/inferometer.h"
#include "os/arrival.h"
#include "os/poller.h"
#include "wire/answer.h"
#include "wire/client.h"
#include "wire/client_url.h"

/* User-Agent */
#define IFM_CLIENT_NAME "inferometer/" IFM_VERSION

/* Where the options have none. */
#define IFM_CONNECT_TIMEOUT_NS INT64_C(10000000000)

/* libcurl looks for a free connection among all of a multi handle, one after the other, so
 * that 4,000 in one would make every request pay for all others: a shard has 64. With HTTP/2
 * there is one shard, for its streams share connections. */
typedef struct ifm_shard {
    ifm_client *client;
    CURLM *multi;
    int64_t timer_ns; /* when libcurl wants to be called; INT64_MAX: never */
} ifm_shard;

typedef struct ifm_plain ifm_plain;               /* a connection of our own */
typedef struct ifm_plain_server ifm_plain_server; /* what all of them share */

typedef enum ifm_exchange_state {
    IFM_EXCHANGE_FREE,
    IFM_EXCHANGE_UNDER_WAY, /* its carrier has it */
    IFM_EXCHANGE_RESTING,   /* until a retry */
    IFM_EXCHANGE_DOOMED,    /* failed at once, of `doom`, as `says` has it: on_done comes
                               with the next serve */
} ifm_exchange_state;

/* Times are absolute, ns of the machine's clock; 0: it did not happen. */
typedef struct ifm_exchange {
    ifm_client *client;
    ifm_exchange_state state;
    ifm_outcome doom;
    ifm_plain *plain; /* its connection while it is under way; NULL: libcurl carries it */
    ifm_shard *shard; /* NULL with `easy`: libcurl never carried it */
    CURL *easy;
    size_t alive_at; /* place in client->alive */
    size_t heap_at;  /* place in client->heap, from 1; 0: not there */
    int64_t wake_ns; /* key of the heap */

    char *body;
    size_t n_body, body_room;
    struct curl_slist id_header; /* "X-Request-Id: …", in front of the common ones */
    char id_text[96];
    void *request;

    ifm_record record; /* empty while free */
    ifm_answer *answer;
    ifm_buffer
        read; /* what libcurl told of the read that is being told, a chunk a call */

    int64_t due_ns, start_ns; /* start: service began */
    int64_t begun_ns;         /* of this attempt */
    int64_t dns_ns, connect_ns, tls_ns, sent_ns;
    int64_t wrote_ns;    /* the latest part of the request; of `plain` only */
    int64_t heard_ns;    /* the latest byte */
    int64_t complete_ns; /* "[DONE]" came */
    int64_t retry_after_ns;
    int fd, socket_errno;
    int32_t http_version;      /* as in ifm_wire */
    char *redirect;            /* heap: where to, if the answer says so */
    int32_t attempts, resends; /* resends: on a fresh connection */
    bool opened;               /* this attempt opened a connection */
    bool head_seen;            /* of the final response of this attempt */
    bool retrying;             /* its body is of no use */
    bool settled;              /* the answer wants no more */
    bool renewed;              /* it was begun again on a fresh connection */
    bool joins;                /* client_http2.c: an open connection, or none at all */
    bool stopped;              /* since it would have opened one */
    int turns;
    char says[CURL_ERROR_SIZE];
} ifm_exchange;

/* One of the system's descriptors: of a shard, or of a connection of our own, or, with
 * neither, not watched. */
typedef struct ifm_slot {
    ifm_shard *shard;
    ifm_exchange *exchange; /* of the shard's */
    ifm_plain *plain;
    unsigned want;  /* IFM_POLL_… */
    unsigned ready; /* told and not yet served */
    bool queued;    /* its number is in the queue, once, whatever became of it since */
    int64_t stamp_ns;
} ifm_slot;

struct ifm_client {
    ifm_client_options options;
    ifm_client_url url;
    struct curl_slist *headers; /* common ones */
    CURLSH *share;              /* names that were looked up */
    char *authorization; /* "Authorization: Bearer …", or "Basic …"; NULL: none */

    ifm_poller poller;
    ifm_arrival_clock arrivals;
    ifm_slot *slots; /* [n_slots] by descriptor */
    size_t n_slots;
    int *queue; /* ring, [queue_room], a power of two > descriptors */
    size_t queue_room, queue_head, queue_tail;
    int wake_fd;
    bool woken, sharp;

    bool noted;        /* the system says when bytes came: they may wait */
    int64_t looked_ns; /* last, at the poller */
    double rate;       /* sockets that were ready, per ns; a moving mean */
    int64_t life_ns;   /* of a request; a moving mean, 0: unknown */
    int64_t
        gap_ns; /* between reads of one answer: two of three are shorter; 0: unknown */

    int serving; /* the descriptor that libcurl is told of now; -1 */
    int64_t stamp_ns;
    int64_t before_ns;       /* read last before libcurl may have written */
    ifm_exchange *reader;    /* whose `read` holds bytes */
    ifm_exchange *unwatched; /* whose socket the poller refused */

    ifm_plain_server *plain; /* NULL: libcurl carries all */
    ifm_shard **shards;
    size_t n_shards;
    size_t n_carried;         /* exchanges that libcurl carries, or did */
    ifm_exchange **exchanges; /* [n_exchanges] all; the free ones first in, last out: */
    size_t n_exchanges, exchanges_room;
    ifm_exchange **idle;
    size_t n_idle;
    ifm_exchange **alive; /* [n_alive] not free */
    size_t n_alive;
    ifm_exchange **heap; /* [1 … n_heap] */
    size_t n_heap;
    size_t n_doomed;
    size_t n_ended;                 /* ever */
    bool http2_broken, http2_begun; /* client_http2.c */
    bool stirred;                   /* libcurl may have news that nobody has read */
};

/* client_pool.c */
/* Gives the record to whoever asked, and the exchange back to the pool. */
void ifm_client_hand_over(ifm_exchange *self);

/* client_loop.c */
/* Room for descriptor fd; false without memory. */
bool ifm_client_grow_slots(ifm_client *self, size_t fd);
/* What the poller shall tell of fd; 0: nothing more. False: the system refused. */
bool ifm_client_watch(ifm_client *self, int fd, unsigned want);

/* client_exchange.c: what both carriers do with an exchange. */
/* Makes exchanges one more; NULL without memory. */
ifm_exchange *ifm_exchange_new(ifm_client *client);
void ifm_exchange_free(ifm_exchange *self);
/* Forgets the attempt before; wants its record. */
void ifm_exchange_reset(ifm_exchange *self);
/* Begins an attempt. Whatever goes wrong at once dooms it. */
void ifm_exchange_begin(ifm_exchange *self);
void ifm_exchange_doom(ifm_exchange *self, ifm_outcome outcome, const char *text);
/* A byte came at stamp_ns. Returns the time after due; never before an earlier byte's. */
int64_t ifm_exchange_hear(ifm_exchange *self, int64_t stamp_ns);
/* The head of the response is whole; heard. */
void ifm_exchange_head(ifm_exchange *self, int32_t status, const char *type);
/* Bytes of the body; heard. */
void ifm_exchange_take(ifm_exchange *self, const char *bytes, size_t n);
/* The attempt came to its end at now_ns: retries, begins again, or ends the exchange. again:
 * what was sent was not, or not rightly, taken up (client_http2.c, a stale connection). */
void ifm_exchange_conclude(ifm_exchange *self, ifm_outcome outcome, const char *text,
                           bool again, int64_t now_ns);
/* Ends it: lets go of the connection and hands the record over. t_ns: when the outcome was
 * known. */
void ifm_exchange_end(ifm_exchange *self, ifm_outcome transport, const char *detail,
                      int64_t t_ns);
/* An open connection broke before a byte of an answer came: the server had closed it, or was
 * about to. To be sent again, once, on a fresh connection, since the next open one may be as
 * old. */
bool ifm_exchange_is_stale(const ifm_exchange *self);

/* client_headers.c */
/* The common headers; false without memory. */
bool ifm_client_make_headers(ifm_client *self);
/* Whether the person gave a header of this name ("Host:"). */
bool ifm_client_is_given(const ifm_client_options *o, const char *header);

/* client_curl.c: the carrier libcurl. */
bool ifm_curl_begin(ifm_exchange *self);
void ifm_curl_let_go(ifm_exchange *self);
void ifm_curl_free(ifm_exchange *self);
/* What libcurl knows of connection and times goes into the exchange. */
void ifm_curl_note(ifm_exchange *self);
/* Socket fd of a shard is ready for `ready`, as it was at stamp_ns. */
void ifm_curl_ready(ifm_client *self, int fd, unsigned ready, int64_t stamp_ns);
/* Its own timers; the next of them (INT64_MAX: none); news that nobody has read. */
void ifm_curl_act_timers(ifm_client *self, int64_t now_ns);
int64_t ifm_curl_next_timer(const ifm_client *self);
void ifm_curl_settle(ifm_client *self);
void ifm_curl_free_shards(ifm_client *self);
/* Gives the bytes of the read that was told to the answer. */
void ifm_curl_flush(ifm_exchange *self);
/* Settings that every request of the client shares, of the list of models, too. */
void ifm_client_prepare(const ifm_client *client, CURL *easy);
/* Whether a URL's host is this machine, which no proxy can see. */
bool ifm_client_is_loopback(const char *shown);

/* client_plain.c, client_plain_server.c: the carrier of our own. */
/* Whether it suits these options, with the server's addresses looked up; leaves NULL in
 * self->plain where libcurl shall do it. False without memory. */
bool ifm_plain_open(ifm_client *self);
void ifm_plain_close(ifm_client *self);
void ifm_plain_begin(ifm_exchange *self);
void ifm_plain_let_go(ifm_exchange *self);
void ifm_plain_ready(ifm_plain *self, unsigned ready, int64_t stamp_ns);
/* Whether TCP's handshake is still under way. */
bool ifm_plain_is_connecting(const ifm_exchange *self);
/* Of such a one: when another address, or the same again, is to be tried; INT64_MAX: never. */
int64_t ifm_plain_patience(const ifm_exchange *self);
/* Tries it. */
void ifm_plain_connect_on(ifm_exchange *self);

/* client_outcome.c: what went wrong, in our words. */
typedef struct ifm_transfer {
    const ifm_client *client;
    CURL *easy;
    const char *says; /* libcurl's error buffer */
    int socket_errno;
    bool sent, head_seen;
} ifm_transfer;

/* How a transfer of the client ended that libcurl ended with `code`; words in text[size]. */
ifm_outcome ifm_transfer_outcome(const ifm_transfer *self, CURLcode code, char *text,
                                 size_t size);
/* No connection: the system's errno (0: unknown, then `says`). */
ifm_outcome ifm_unreachable_outcome(const ifm_client *client, int code, const char *says,
                                    char *text, size_t size);
/* None within the time. */
ifm_outcome ifm_connect_late_outcome(const ifm_client *client, char *text, size_t size);
/* The connection was closed or broke. */
ifm_outcome ifm_broken_outcome(bool closed, bool sent, bool head_seen, char *text,
                               size_t size);
/* What is known of connection and times goes into the record. */
void ifm_exchange_note(ifm_exchange *self);
/* Says where to, if the answer is a redirect. */
void ifm_exchange_note_redirect(ifm_exchange *self);

/* client_retry.c */
/* A header line of a response: Retry-After is kept. */
void ifm_retry_read(ifm_exchange *self, const char *line, size_t n);
/* Whether this status shall be tried again, and there is time for it. */
bool ifm_retry_wanted(const ifm_exchange *self, long status);
/* How long to rest before. */
int64_t ifm_retry_delay_ns(const ifm_exchange *self);

/* client_http2.c */
bool ifm_http2_is_broken(const ifm_client *client);
/* Before each beginning. */
void ifm_http2_choose(ifm_exchange *self);
/* Whether what ended with `code` is to be begun again. */
bool ifm_http2_turn(ifm_exchange *self, CURLcode code);

/* client_timers.c: deadlines of exchanges, the nearest first. Lazy: a byte that comes moves
 * no deadline; one that is reached is looked at again. */
/* The nearest of all that limits it now; INT64_MAX: nothing does. */
int64_t ifm_timers_deadline(const ifm_exchange *self);
/* Until when this attempt has to have its connection. */
int64_t ifm_timers_connect_by(const ifm_exchange *self);
/* Brings it forward if its deadline is nearer than it was. */
void ifm_timers_arm(ifm_exchange *self);
void ifm_timers_disarm(ifm_exchange *self);
/* The earliest key; INT64_MAX. */
int64_t ifm_timers_next(const ifm_client *client);
/* The next exchange whose deadline has passed; NULL: none. It is not in the heap any more. */
ifm_exchange *ifm_timers_take(ifm_client *client, int64_t now_ns);

#endif
