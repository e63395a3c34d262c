/*
 * What client_plain.c (connections and what goes over them) and client_plain_server.c (whom
 * they go to) share, and nobody else needs.
 */
#ifndef IFM_WIRE_CLIENT_PLAIN_H
#define IFM_WIRE_CLIENT_PLAIN_H

#include <sys/socket.h>

#include "wire/client_parts.h"

enum { IFM_PLAIN_RECEIVE_BYTES = 64 << 10, IFM_PLAIN_ADDRESSES = 16 };

typedef struct ifm_plain_address {
    struct sockaddr_storage to;
    socklen_t size;
} ifm_plain_address;

struct ifm_plain_server {
    ifm_plain_address addresses[IFM_PLAIN_ADDRESSES];
    size_t n_addresses;
    size_t best;     /* the one that answered last */
    ifm_buffer head; /* of every request, up to its own lines */
    ifm_buffer own;  /* head of the request that is being sent */
    ifm_plain *idle; /* connections without a request, the latest first */
    char bytes[IFM_PLAIN_RECEIVE_BYTES];
};

/* Closes the connections that wait for a request. */
void ifm_plain_close_idle(ifm_plain_server *server);

#endif
