/*
 * A server that follows a script, step by step, on raw sockets: what no proper server would
 * do is one line. In a thread of its own.
 *
 *     static const step steps[] = {{ACCEPT}, {READ}, {SEND, "HTTP/1.1 200 OK\r\n…"}, {CLOSE}};
 */
#ifndef WIRE_SERVER_H
#define WIRE_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"

typedef enum step_kind {
    ACCEPT,     /* the next connection, in place of the one before */
    READ,       /* a whole request: head and body by Content-Length */
    TASTE,      /* a byte of a request */
    SEND,       /* text */
    PAUSE,      /* n milliseconds */
    CLOSE,      /* as who has said everything */
    RESET,      /* with RST */
    HALF_CLOSE, /* writes no more, reads on until the other side ends */
    WAIT_END,   /* reads until the other side closes */
} step_kind;

typedef struct step {
    step_kind kind;
    const char *text;
    int n;
} step;

typedef struct server {
    int listener, port;
    char path[64]; /* of a unix socket; "": TCP */
    const step *steps;
    size_t n_steps;
    pthread_t thread;
    ifm_buffer requests; /* everything that was read */
    _Atomic int accepted;
} server;

static inline void server_read(server *self, int fd)
{
    const size_t begin = self->requests.length;
    size_t whole = 0; /* unknown; looked for only then, for a body may be long */
    for (;;) {
        char bytes[65536];
        const char *text = ifm_buffer_text(&self->requests) + begin;
        const char *end = whole == 0 ? strstr(text, "\r\n\r\n") : NULL;
        if (end != NULL) {
            const char *length = strstr(text, "Content-Length: ");
            whole = (size_t)(end - text) + 4 +
                    (length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0);
        }
        if (whole != 0 && self->requests.length - begin >= whole)
            break;
        const ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            break;
        ifm_buffer_append(&self->requests, bytes, (size_t)n);
    }
}

static inline void server_send(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        const ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        n -= (size_t)sent;
    }
}

static inline void server_wait_end(int fd)
{
    char bytes[65536];
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

static inline void server_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline void *server_run(void *user)
{
    server *self = user;
    int fd = -1;
    for (size_t i = 0; i < self->n_steps; i++) {
        const step *s = &self->steps[i];
        switch (s->kind) {
        case ACCEPT:
            server_close(&fd);
            fd = accept(self->listener, NULL, NULL);
            atomic_fetch_add(&self->accepted, 1);
            break;
        case READ:
            server_read(self, fd);
            break;
        case TASTE:
            (void)!read(fd, &(char){0}, 1);
            break;
        case SEND:
            server_send(fd, s->text);
            break;
        case PAUSE:
            usleep((useconds_t)s->n * 1000);
            break;
        case RESET:
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
                       sizeof(struct linger));
            server_close(&fd);
            break;
        case CLOSE:
            server_close(&fd);
            break;
        case HALF_CLOSE:
            shutdown(fd, SHUT_WR);
            server_wait_end(fd);
            break;
        case WAIT_END:
            server_wait_end(fd);
            break;
        }
    }
    server_close(&fd);
    return NULL;
}

/* path: of a unix socket; NULL: a free TCP port. */
static inline bool server_start(server *self, const step *steps, size_t n,
                                const char *path)
{
    *self = (server){.steps = steps, .n_steps = n};
    if (path != NULL) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(self->path, sizeof self->path, "%s", path);
        snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
        unlink(path);
        self->listener = socket(AF_UNIX, SOCK_STREAM, 0);
        if (bind(self->listener, (struct sockaddr *)&at, sizeof at) != 0)
            return false;
    } else {
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        self->listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(self->listener, (struct sockaddr *)&at, size) != 0 ||
            getsockname(self->listener, (struct sockaddr *)&at, &size) != 0)
            return false;
        self->port = ntohs(at.sin_port);
    }
    return listen(self->listener, 64) == 0 &&
           pthread_create(&self->thread, NULL, server_run, self) == 0;
}

/* Waits until the script is over. */
static inline void server_end(server *self)
{
    pthread_join(self->thread, NULL);
    close(self->listener);
    if (self->path[0] != '\0')
        unlink(self->path);
}

#endif
