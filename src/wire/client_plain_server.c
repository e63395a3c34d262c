/* Whom the carrier of our own speaks to: whether it can, where that is, and the head that all
 * requests begin with. */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "wire/client_plain.h"

/* A proxy of the environment, for a server that one can see. */
static bool has_proxy(const ifm_client *self)
{
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    if (self->options.proxy != NULL)
        return self->options.proxy[0] != '\0';
    if (self->url.socket != NULL || ifm_client_is_loopback(self->url.shown))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0')
            return true;
    }
    return false;
}

static bool suits(const ifm_client *self)
{
    static const char *const framing[] = {
        "Content-Length:", "Transfer-Encoding:", "Connection:", "Expect:"};
    const ifm_client_options *o = &self->options;
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (ifm_client_is_given(o, framing[i]))
            return false;
    return !o->libcurl && !o->http2 && !self->url.tls && !has_proxy(self);
}

static void add_addresses(ifm_plain_server *server, const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        ifm_plain_address *to = &server->addresses[server->n_addresses];
        if (server->n_addresses == IFM_PLAIN_ADDRESSES || a->ai_addrlen > sizeof to->to)
            break;
        memcpy(&to->to, a->ai_addr, a->ai_addrlen);
        to->size = a->ai_addrlen;
        server->n_addresses++;
    }
    freeaddrinfo(found);
}

/* "localhost" and what ends with ".localhost" is this machine, by either protocol (RFC 6761),
 * whatever its hosts file has of it. */
static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    const size_t n = strlen(host), m = sizeof name - 1;
    return n >= m && strcasecmp(host + n - m, name) == 0 &&
           (n == m || host[n - m - 1] == '.');
}

/* The addresses of host and port, or of the socket's path. */
static bool find_addresses(ifm_plain_server *server, const ifm_client *client,
                           const char *host, const char *port)
{
    if (client->url.socket != NULL) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        if (strlen(client->url.socket) >= sizeof to.sun_path)
            return false;
        strcpy(to.sun_path, client->url.socket);
        memcpy(&server->addresses[0].to, &to, sizeof to);
        server->addresses[0].size = sizeof to;
        server->n_addresses = 1;
        return true;
    }
    if (is_localhost(host)) {
        add_addresses(server, "::1", port);
        add_addresses(server, "127.0.0.1", port);
    } else {
        add_addresses(server, host, port);
    }
    return server->n_addresses > 0;
}

/* Names that are not plain letters, and zones of addresses, are libcurl's to understand. */
static bool is_simple(const char *host)
{
    for (; *host != '\0'; host++)
        if ((unsigned char)*host >= 0x80 || *host == '%')
            return false;
    return true;
}

static void make_request_head(ifm_plain_server *server, const ifm_client *client,
                              const ifm_url_parts *parts)
{
    ifm_buffer *head = &server->head;
    ifm_buffer_printf(head, "POST %s HTTP/1.1\r\n", parts->target);
    if (!ifm_client_is_given(&client->options, "Host:"))
        ifm_buffer_printf(head, "Host: %s\r\n", parts->authority);
    if (!ifm_client_is_given(&client->options, "User-Agent:"))
        ifm_buffer_puts(head, "User-Agent: " IFM_CLIENT_NAME "\r\n");
    for (const struct curl_slist *h = client->headers; h != NULL; h = h->next) {
        const char *colon = strchr(h->data, ':');
        if (colon != NULL && colon[1 + strspn(colon + 1, " \t")] != '\0')
            ifm_buffer_printf(head, "%s\r\n", h->data);
    }
}

bool ifm_plain_open(ifm_client *self)
{
    if (!suits(self))
        return true;
    ifm_url_parts parts;
    ifm_plain_server *server = calloc(1, sizeof *server);
    bool ok = server != NULL && ifm_client_url_split(self->url.endpoint, &parts);
    if (!ok) {
        free(server);
        return false;
    }
    if (is_simple(parts.host) && find_addresses(server, self, parts.host, parts.port)) {
        make_request_head(server, self, &parts);
        self->plain = server;
        ok = !server->head.failed;
    } else {
        free(server); /* libcurl says what is wrong with the name, request by request */
    }
    ifm_url_parts_deinit(&parts);
    return ok;
}

void ifm_plain_close(ifm_client *self)
{
    ifm_plain_server *server = self->plain;
    if (server == NULL)
        return;
    ifm_plain_close_idle(server);
    ifm_buffer_deinit(&server->head);
    ifm_buffer_deinit(&server->own);
    free(server);
    self->plain = NULL;
}
