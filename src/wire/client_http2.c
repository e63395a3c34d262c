/*
 * HTTP/2 without TLS, past an error of libcurl 7.88 (its issue 10634, mended in 8.0): a request
 * "by prior knowledge" fails on a connection that is open already, one that merely may speak
 * HTTP/2 does not; on a new connection only the first does what is wanted. So requests of the
 * second kind join, and one that would have to open a connection is begun again as of the
 * first kind; and the other way round.
 */
#include "wire/client_parts.h"

enum {
    TURNS_MOST = 16
}; /* of a request between the kinds, should a server refuse both */

bool ifm_http2_is_broken(const ifm_client *client)
{
    const unsigned version = curl_version_info(CURLVERSION_NOW)->version_num;
    return client->options.http2 && !client->url.tls && version >= 0x075800 &&
           version < 0x080000;
}

void ifm_http2_choose(ifm_exchange *self)
{
    ifm_client *client = self->client;
    if (!client->http2_broken)
        return;
    self->joins = self->turns == 0 ? client->http2_begun : !self->joins;
    client->http2_begun = true;
    curl_easy_setopt(self->easy, CURLOPT_HTTP_VERSION,
                     self->joins ? (long)CURL_HTTP_VERSION_2
                                 : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
}

bool ifm_http2_turn(ifm_exchange *self, CURLcode code)
{
    const bool stopped = self->joins ? self->stopped : code == CURLE_HTTP2;
    if (!self->client->http2_broken || self->sent_ns != 0 || !stopped ||
        self->turns == TURNS_MOST)
        return false;
    self->turns++;
    return true;
}
