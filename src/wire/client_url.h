/*
 * URLs of servers: where requests go, and what may be said of it. What a URL may hold that
 * nobody else shall read (user:password@, the values of a query) is in no message.
 */
#ifndef IFM_WIRE_CLIENT_URL_H
#define IFM_WIRE_CLIENT_URL_H

#include "inferometer/base.h"

/* Heap strings; NULL: not there. */
typedef struct ifm_client_url {
    char *endpoint;        /* for requests, without credentials */
    char *models;          /* the list of models */
    char *shown;           /* the server, for people: "http://localhost:8000/v1" */
    char *socket;          /* path of a unix socket */
    char *user, *password; /* decoded */
    bool tls;
} ifm_client_url;

/* Reads http://…, https://…, unix:/path/of/socket[:/prefix] or http+unix://%2Fpath%2F…/prefix.
 * The path may be the server's root, its "/v1", or the endpoint itself. The caller deinits.
 * Errors: ARGUMENT (says what to write), NO_MEMORY. */
ifm_status ifm_client_url_parse(const char *text, bool chat, ifm_client_url *out,
                                ifm_error *err);
void ifm_client_url_deinit(ifm_client_url *self);

/* Whether a URL is that of a chat endpoint, "…/chat/completions". */
bool ifm_client_url_is_chat(const char *text);

/* What a request to a URL needs, each a heap string. */
typedef struct ifm_url_parts {
    char *host;      /* to look up, without brackets */
    char *port;      /* the scheme's, if the URL has none */
    char *authority; /* of the header Host: */
    char *target;    /* path and query */
} ifm_url_parts;

/* Of an endpoint that was parsed. False without memory. The caller deinits. */
bool ifm_client_url_split(const char *endpoint, ifm_url_parts *out);
void ifm_url_parts_deinit(ifm_url_parts *self);

/* What `reference` (of a header Location) means as seen from `base`; heap, NULL: nothing. */
char *ifm_client_url_resolve(const char *base, const char *reference);

/* Any text that may be a URL, without what nobody else shall read; heap, NULL without
 * memory. */
char *ifm_client_url_tame(const char *text);

#endif
