/* What libcurl says of a connection, in our words: one outcome, and a sentence for people in
 * which there is no key and no password. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/client_parts.h"

/* ---- words ------------------------------------------------------------------------- */

static const char *host_of(const ifm_transfer *self)
{
    return self->client->url.shown;
}

/* "http://h:1: nobody listens there" */
ifm_outcome ifm_unreachable_outcome(const ifm_client *client, int code, const char *says,
                                    char *text, size_t size)
{
    const char *shown = client->url.shown, *proxy = client->options.proxy;
    if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == EADDRNOTAVAIL) {
        snprintf(text, size, "%s", strerror(code));
        if (code == EMFILE || code == ENFILE)
            snprintf(text, size, "too many open files: raise the limit (ulimit -n)");
        else if (code == EADDRNOTAVAIL)
            snprintf(text, size, "this machine has no port left for a connection to %s",
                     shown);
        return IFM_OUTCOME_INTERNAL;
    }
    const bool nobody = code == ECONNREFUSED || code == ENOENT;
    snprintf(text, size, "%s%s: %s", shown,
             proxy != NULL && *proxy != '\0' ? ", by its proxy" : "",
             code == ENOENT ? "there is no such socket: is the server running?"
             : nobody       ? "nobody listens there: is the server running?"
             : code != 0    ? strerror(code)
             : *says        ? says
                            : "no connection");
    return nobody ? IFM_OUTCOME_REFUSED : IFM_OUTCOME_CONNECT;
}

static ifm_outcome connect_outcome(const ifm_transfer *self, char *text, size_t size)
{
    long code = 0;
    curl_easy_getinfo(self->easy, CURLINFO_OS_ERRNO, &code);
    if (self->socket_errno != 0)
        code = self->socket_errno;
    return ifm_unreachable_outcome(self->client, (int)code, self->says, text, size);
}

/* OpenSSL's words, and what they mean here. */
static ifm_outcome tls_outcome(const ifm_transfer *self, CURLcode code, char *text,
                               size_t size)
{
    static const char *const known[][2] = {
        {"certificate has expired", "its certificate has expired"},
        {"not yet valid",
         "its certificate is not yet valid: is this machine's clock right?"},
        {"self-signed certificate", "its certificate is self-signed: --cacert FILE names "
                                    "certificates to trust"},
        {"self signed certificate", "its certificate is self-signed: --cacert FILE names "
                                    "certificates to trust"},
        {"unable to get local issuer",
         "its certificate's issuer is not known: --cacert FILE "
         "names certificates to trust"},
        {"subject name", "its certificate is for another host"},
        {"does not match", "its certificate is for another host"},
        {"SSL_ERROR_SYSCALL", "it closed the connection: does it speak TLS?"},
        {"wrong version number",
         "it does not speak TLS: is it http:// and not https://?"},
        {"packet length too long",
         "it does not speak TLS: is it http:// and not https://?"},
    };
    const char *says = *self->says ? self->says : curl_easy_strerror(code);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(says, known[i][0]) != NULL) {
            snprintf(text, size, "%s: %s (%s)", host_of(self), known[i][1], says);
            return IFM_OUTCOME_TLS;
        }
    snprintf(text, size, "%s: %s", host_of(self), says);
    return IFM_OUTCOME_TLS;
}

ifm_outcome ifm_connect_late_outcome(const ifm_client *client, char *text, size_t size)
{
    const int64_t ns = client->options.connect_timeout_ns;
    snprintf(text, size, "%s: no connection within %.3g s", client->url.shown,
             (double)(ns > 0 ? ns : IFM_CONNECT_TIMEOUT_NS) / 1e9);
    return IFM_OUTCOME_CONNECT;
}

/* Before the answer, or inside it. */
ifm_outcome ifm_broken_outcome(bool closed, bool sent, bool head_seen, char *text,
                               size_t size)
{
    if (closed && head_seen) {
        snprintf(text, size, "the connection was closed inside the answer");
        return IFM_OUTCOME_TRUNCATED;
    }
    const char *when = head_seen ? "inside the answer"
                       : sent    ? "before an answer"
                                 : "while the request was sent";
    snprintf(text, size, "the connection was %s %s", closed ? "closed" : "broken", when);
    return IFM_OUTCOME_RESET;
}

static ifm_outcome broken_outcome(const ifm_transfer *self, CURLcode code, char *text,
                                  size_t size)
{
    if (strstr(self->says, "chunk") != NULL || strstr(self->says, "Chunk") != NULL) {
        snprintf(text, size, "the answer's chunks are malformed: %s", self->says);
        return IFM_OUTCOME_PROTOCOL;
    }
    const bool closed = code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING;
    return ifm_broken_outcome(closed, self->sent, self->head_seen, text, size);
}

ifm_outcome ifm_transfer_outcome(const ifm_transfer *self, CURLcode code, char *text,
                                 size_t size)
{
    const char *says = *self->says ? self->says : curl_easy_strerror(code);
    snprintf(text, size, "%s", says);
    switch (code) {
    case CURLE_OK:
        return IFM_OUTCOME_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        snprintf(text, size, "%s: the name of the %s was not found", host_of(self),
                 code == CURLE_COULDNT_RESOLVE_PROXY ? "proxy" : "host");
        return IFM_OUTCOME_DNS;
    case CURLE_COULDNT_CONNECT:
        return connect_outcome(self, text, size);
    case CURLE_OPERATION_TIMEDOUT:
        return ifm_connect_late_outcome(self->client, text, size);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return tls_outcome(self, code, text, size);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
        return broken_outcome(self, code, text, size);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
        return IFM_OUTCOME_PROTOCOL;
    case CURLE_PROXY:
        return IFM_OUTCOME_CONNECT;
    default:
        return IFM_OUTCOME_INTERNAL;
    }
}

/* ---- times ------------------------------------------------------------------------- */

static int64_t after_due(const ifm_exchange *self, int64_t at_ns)
{
    return at_ns != 0 ? at_ns - self->due_ns : -1;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A connection of its own: name, TCP, TLS, in this order whatever the clocks' grains. */
static void note_connection(const ifm_exchange *self, ifm_wire *wire)
{
    int64_t connect = self->connect_ns, tls = self->tls_ns;
    if (connect != 0)
        connect = later(connect, self->dns_ns);
    if (tls != 0)
        tls = later(tls, connect);
    if (self->sent_ns != 0 && tls > self->sent_ns)
        tls = self->sent_ns;
    if (self->sent_ns != 0 && connect > self->sent_ns)
        connect = self->sent_ns;
    wire->dns_ns = after_due(self, self->dns_ns);
    wire->connect_ns = after_due(self, connect);
    wire->tls_ns = after_due(self, tls);
}

void ifm_exchange_note(ifm_exchange *self)
{
    ifm_wire *wire = self->record.wire;
    wire->http_version = self->http_version;
    wire->attempts = self->attempts + self->resends;
    const bool wrote = self->sent_ns != 0 || self->wrote_ns != 0;
    if (!wrote && wire->attempts == 1)
        wire->attempts = 0;
    wire->reused = !self->opened && wrote;
    if (self->retry_after_ns >= 0)
        wire->retry_after_ns = self->retry_after_ns;
    wire->service_start_ns = self->start_ns - self->due_ns;
    self->record.sent_ns = after_due(self, self->sent_ns);
    if (!wire->reused)
        note_connection(self, wire);
}

void ifm_exchange_note_redirect(ifm_exchange *self)
{
    const int32_t status = self->record.wire->status;
    if (status < 300 || status > 399 || self->redirect == NULL)
        return;
    char *tame = ifm_client_url_tame(self->redirect);
    ifm_buffer text = {0};
    ifm_buffer_printf(&text,
                      "status %d: redirects to %.200s, which is not followed: give that "
                      "as the URL",
                      status, tame != NULL ? tame : "another place");
    char *error = ifm_buffer_take(&text);
    if (error != NULL)
        ifm_bytes_tame(error);
    if (error != NULL) {
        free(self->record.error);
        self->record.error = error;
    }
    ifm_buffer_deinit(&text);
    free(tame);
}
