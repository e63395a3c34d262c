/*
 * What the files of the mock share: the server, its connections, and the life of a request.
 *
 *     READING ─► WAITING ─► PLAYING ─► READING …      connection kept
 *        │                     │  └──► LINGERING ─► DEAD
 *        └─ refused ───────────┘  └──► STALLED (a fault)
 *
 * A connection that died stays in memory until the events of the same wait are done with.
 * All of it belongs to the one thread in ifm_mock_run.
 */
#ifndef IFM_MOCK_INSIDE_H
#define IFM_MOCK_INSIDE_H

#include "base/buffer.h"
#include "base/random.h"
#include "mock/http.h"
#include "mock/late.h"
#include "mock/log.h"
#include "mock/mock.h"
#include "mock/timers.h"
#include "os/arrival.h"
#include "os/poller.h"

typedef enum ifm_mock_state {
    IFM_MOCK_READING,
    IFM_MOCK_WAITING, /* for a place under --concurrency */
    IFM_MOCK_PLAYING,
    IFM_MOCK_STALLED,
    IFM_MOCK_LINGERING, /* all is sent: until the other side closes, or a while is over */
    IFM_MOCK_DEAD,
} ifm_mock_state;

/* Where one answer stands. */
typedef struct ifm_mock_play {
    int64_t n, next;      /* tokens; the first that was not sent */
    int64_t first_due_ns; /* of token 0, without jitter */
    int64_t due_ns;       /* of token `next`, or of the whole answer */
    ifm_random random;
    ifm_mock_fault fault;
    int64_t stop_at; /* tokens after which the fault strikes; -1: never */
    bool between;    /* an empty event comes before token `next` */
    bool blocked;    /* the step is put off until the reader has read */
} ifm_mock_play;

typedef struct ifm_mock_conn {
    ifm_mock_timer timer;                          /* first: a timer is its connection */
    struct ifm_mock_conn *prev, *next;             /* of all, or of the dead */
    struct ifm_mock_conn *queue_prev, *queue_next; /* while WAITING */
    int fd;
    ifm_mock_state state;
    unsigned watched; /* what the poller was told */
    bool has_slot;    /* counts towards --concurrency */
    bool keep_alive;  /* after this answer */
    bool pipelined;   /* more came before the answer was over */
    bool continued;   /* "100 Continue" was sent */
    bool shut;        /* our direction is closed, or will be when all is sent */
    bool stays;       /* and then until the other side closes, however long that takes */
    ifm_mock_request request;
    ifm_buffer out; /* what the socket did not take yet, from out_at */
    size_t out_at;
    int64_t received_ns, body_ns;
    ifm_mock_entry *entry; /* of a request for a completion, until it has ended */
    ifm_mock_voice voice;
    ifm_mock_play play;
} ifm_mock_conn;

struct ifm_mock {
    ifm_mock_options options;
    ifm_poller poller;
    ifm_arrival_clock arrivals; /* of this round's sockets */
    int listen_fd, port;
    char address[160];
    bool unlinks; /* the socket's file is ours */
    bool listening_paused;
    ifm_mock_timers timers;
    ifm_mock_conn *conns, *dead;
    size_t n_conns;
    ifm_mock_conn *queue_first, *queue_last;
    int64_t active;   /* requests that have a slot */
    int64_t requests; /* for completions, so far */
    ifm_mock_late late;
    ifm_mock_log *log; /* NULL: none */
    ifm_mock_totals totals;
    ifm_buffer json, out; /* scratch */
    char *scratch;        /* [IFM_MOCK_READ_BYTES] */
    bool stopping;
    int64_t now_ns; /* the clock when it was last read: never ahead of it */
};

enum {
    IFM_MOCK_READ_BYTES = 256 << 10,
    IFM_MOCK_PENDING_LIMIT = 1 << 20, /* unsent bytes with which no more is produced */
};

static inline size_t ifm_mock_conn_pending(const ifm_mock_conn *c)
{
    return c->out.length - c->out_at;
}

/* conn.c: sockets. */

/* Takes up to some connections. */
void ifm_mock_conn_accept(ifm_mock *self);
/* What the poller said of it, at `stamp`; bytes that the system noted the arrival of count
 * from there. */
void ifm_mock_conn_ready(ifm_mock *self, ifm_mock_conn *c, unsigned what, int64_t stamp);
/* Hands bytes to the operating system, and keeps what it does not take. False: the
 * connection is dead. *sent_ns (may be NULL) is the time right before the call that takes
 * the last byte. */
bool ifm_mock_conn_send(ifm_mock *self, ifm_mock_conn *c, const char *bytes, size_t n,
                        int64_t *sent_ns);
/* Closes our direction once all is sent, and waits for the other side to close its own, for
 * ever or for a while: a socket closed with unread bytes would be reset, and the answer
 * lost. */
void ifm_mock_conn_linger(ifm_mock *self, ifm_mock_conn *c, bool for_ever);
/* Closes now; with `reset` by RST. Ends its request as GONE unless it has ended. */
void ifm_mock_conn_kill(ifm_mock *self, ifm_mock_conn *c, bool reset);
/* It waits for a request, and not for ever if --keep-alive says so. */
void ifm_mock_conn_idle(ifm_mock *self, ifm_mock_conn *c);
/* The timer of a connection that is not PLAYING. */
void ifm_mock_conn_timeout(ifm_mock *self, ifm_mock_conn *c);
/* Tells the poller what is wanted of it now. */
void ifm_mock_conn_watch(ifm_mock *self, ifm_mock_conn *c);
/* Frees the dead. */
void ifm_mock_conn_reap(ifm_mock *self);

/* serve.c: a request from its last byte to its end. */

/* The request is whole, or bad. */
void ifm_mock_serve(ifm_mock *self, ifm_mock_conn *c);
/* Begins what waits, as far as there are slots. */
void ifm_mock_serve_queue(ifm_mock *self);
/* Logs the request and frees its slot. Without one: nothing. */
void ifm_mock_serve_end(ifm_mock *self, ifm_mock_conn *c, ifm_mock_end end);
/* The answer was handed over: on to the next request, or to the end of the connection. */
void ifm_mock_serve_answered(ifm_mock *self, ifm_mock_conn *c);
/* A whole response. `headers` are further lines, each with CR LF, or "". */
void ifm_mock_serve_reply(ifm_mock *self, ifm_mock_conn *c, int status,
                          const char *headers, const char *type, const char *body,
                          size_t n);
/* The same with an error as vLLM words it. */
void ifm_mock_serve_refuse(ifm_mock *self, ifm_mock_conn *c, int status,
                           const char *headers, const char *message);
/* Appends a response's head. length < 0: of unknown length. */
void ifm_mock_serve_head(const ifm_mock_conn *c, int status, const char *headers,
                         const char *type, int64_t length, ifm_buffer *out);
/* The connection does what the fault says; its request has ended then, but for STALL. */
void ifm_mock_serve_strike(ifm_mock *self, ifm_mock_conn *c, ifm_mock_fault_kind kind);

/* stream.c: one answer, played. */

/* Service begins. c->voice, play.n and play.fault are set. */
void ifm_mock_stream_begin(ifm_mock *self, ifm_mock_conn *c, int64_t begin_ns);
/* What is due now. */
void ifm_mock_stream_step(ifm_mock *self, ifm_mock_conn *c);

#endif
