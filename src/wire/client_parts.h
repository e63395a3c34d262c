/*
 * The client's inside: who is who between client*.c.
 *
 *     client            poller, descriptors, the queue of those that are ready
 *       └─ shards       each a libcurl multi handle with its own connections
 *            └─ exchanges   a request under way, with an easy handle that is set up once
 *
 * libcurl looks for a free connection among all of a multi handle, one after the other, so
 * that 4,000 in one would make every request pay for all others: a shard has 64. With HTTP/2
 * there is one shard, for its streams share connections.
 *
 * What libcurl tells of one read in several calls (a chunk each) is put together again: the
 * answer gets the bytes of one read as one.
 */
#ifndef IFM_WIRE_CLIENT_PARTS_H
#define IFM_WIRE_CLIENT_PARTS_H

#include <curl/curl.h>

#include "base/buffer.h"
#include "os/poller.h"
#include "wire/answer.h"
#include "wire/client.h"
#include "wire/client_url.h"

enum {
    IFM_SHARD_EXCHANGES = 64,
    IFM_RECEIVE_BYTES = 4096, /* of each exchange under way: four or more events */
};

typedef struct ifm_shard {
    ifm_client *client;
    CURLM *multi;
    int64_t timer_ns; /* when libcurl wants to be called; INT64_MAX: never */
} ifm_shard;

typedef enum ifm_exchange_state {
    IFM_EXCHANGE_FREE,
    IFM_EXCHANGE_UNDER_WAY, /* in its shard's multi handle */
    IFM_EXCHANGE_RESTING,   /* until a retry */
    IFM_EXCHANGE_DOOMED,    /* failed at once: on_done comes with the next serve */
} ifm_exchange_state;

/* Times are absolute, ns of the machine's clock; 0: it did not happen. */
typedef struct ifm_exchange {
    ifm_client *client;
    ifm_shard *shard;
    CURL *easy;
    ifm_exchange_state state;
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
    ifm_buffer read; /* bytes of the read that is being told */

    int64_t due_ns, start_ns; /* start: service began */
    int64_t begun_ns;         /* of this attempt */
    int64_t dns_ns, connect_ns, sent_ns;
    int64_t heard_ns;    /* the latest byte */
    int64_t complete_ns; /* "[DONE]" came */
    int64_t retry_after_ns;
    int fd, socket_errno;
    int32_t attempts, resends; /* resends: libcurl's own, on a fresh connection */
    bool head_seen;            /* of the final response of this attempt */
    bool retrying;             /* its body is of no use */
    bool settled;              /* the answer wants no more */
    bool renewed;              /* it was begun again on a fresh connection */
    bool joins;                /* client_http2.c: an open connection, or none at all */
    bool stopped;              /* since it would have opened one */
    int turns;
    char says[CURL_ERROR_SIZE];
} ifm_exchange;

/* One of the system's descriptors. */
typedef struct ifm_slot {
    ifm_shard *shard; /* NULL: not watched */
    ifm_exchange *exchange;
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
    ifm_slot *slots; /* [n_slots] by descriptor */
    size_t n_slots;
    int *queue; /* ring, [queue_room], a power of two > descriptors */
    size_t queue_room, queue_head, queue_tail;
    int wake_fd;
    bool woken, sharp;

    int serving; /* the descriptor that libcurl is told of now; -1 */
    int64_t stamp_ns;
    ifm_exchange *reader;    /* whose `read` holds bytes */
    ifm_exchange *unwatched; /* whose socket the poller refused */

    ifm_shard **shards;
    size_t n_shards;
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
/* Lets go of the transfer and hands the record over. t_ns: when the outcome was known. */
void ifm_exchange_end(ifm_exchange *self, ifm_outcome transport, const char *detail,
                      int64_t t_ns);

/* client_loop.c */
/* Room for descriptor fd; false without memory. */
bool ifm_client_grow_slots(ifm_client *self, size_t fd);
/* What libcurl's multi handles call. */
int ifm_client_on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                         void *unused);
int ifm_client_on_timer(CURLM *multi, long ms, void *user);
/* When what is being told came: at the poller's word, or now. */
int64_t ifm_exchange_stamp(const ifm_exchange *self);

/* client_request.c: one exchange. */
/* Makes exchanges one more; NULL without memory. */
ifm_exchange *ifm_exchange_new(ifm_client *client, ifm_shard *shard);
void ifm_exchange_free(ifm_exchange *self);
/* Forgets the attempt before; wants its record. */
void ifm_exchange_reset(ifm_exchange *self);
/* Puts it into its shard's multi handle. False without memory. */
bool ifm_exchange_begin(ifm_exchange *self);
/* Gives the bytes of the read that was told to the answer. */
void ifm_exchange_flush(ifm_exchange *self);
/* Settings that every request of the client shares, of the list of models, too. */
void ifm_client_prepare(const ifm_client *client, CURL *easy);
/* The common headers; false without memory. */
bool ifm_client_make_headers(ifm_client *self);

/* client_outcome.c: what libcurl said, in our words. */
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
/* Brings it forward if its deadline is nearer than it was. */
void ifm_timers_arm(ifm_exchange *self);
void ifm_timers_disarm(ifm_exchange *self);
/* The earliest key; INT64_MAX. */
int64_t ifm_timers_next(const ifm_client *client);
/* The next exchange whose deadline has passed; NULL: none. It is not in the heap any more. */
ifm_exchange *ifm_timers_take(ifm_client *client, int64_t now_ns);

#endif
