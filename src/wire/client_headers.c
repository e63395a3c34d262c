/* The headers that all requests of a client share. */
#include <string.h>
#include <strings.h>

#include "wire/client_parts.h"

bool ifm_client_is_given(const ifm_client_options *o, const char *header)
{
    const size_t n = strcspn(header, ":");
    for (size_t i = 0; i < o->n_headers; i++)
        if (strncasecmp(o->headers[i], header, n + 1) == 0)
            return true;
    return false;
}

static bool add(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* RFC 7617. Made here and not by libcurl, for what a server repeats of it is to be hidden. */
static void add_basic(ifm_buffer *line, const ifm_client_url *url)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ifm_buffer plain = {0};
    ifm_buffer_printf(&plain, "%s:%s", url->user,
                      url->password != NULL ? url->password : "");
    ifm_buffer_puts(line, "Authorization: Basic ");
    for (size_t i = 0; i < plain.length; i += 3) {
        const size_t n = plain.length - i < 3 ? plain.length - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)plain.data[i + k] : 0u);
        char four[4] = {'=', '=', '=', '='};
        for (size_t k = 0; k <= n; k++)
            four[k] = digits[bits >> (18 - 6 * k) & 63];
        ifm_buffer_append(line, four, 4);
    }
    ifm_buffer_deinit(&plain);
}

/* What the person gives counts before ours; a password in the URL before a key of the
 * environment, which was not meant for this server alone. */
bool ifm_client_make_headers(ifm_client *self)
{
    const ifm_client_options *o = &self->options;
    const char *const ours[] = {
        "Content-Type: application/json",
        o->stream ? "Accept: text/event-stream" : "Accept: application/json",
        "Expect:", /* no waiting for "100 Continue" before a long prompt */
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!ifm_client_is_given(o, ours[i]))
            ok = ok && add(&self->headers, ours[i]);
    for (size_t i = 0; i < o->n_headers; i++)
        ok = ok && add(&self->headers, o->headers[i]);
    if (ifm_client_is_given(o, "Authorization:") ||
        (self->url.user == NULL && o->api_key == NULL))
        return ok;
    ifm_buffer line = {0};
    if (self->url.user != NULL)
        add_basic(&line, &self->url);
    else
        ifm_buffer_printf(&line, "Authorization: Bearer %s", o->api_key);
    self->authorization = ifm_buffer_take(&line);
    ifm_buffer_deinit(&line);
    return ok && self->authorization != NULL && add(&self->headers, self->authorization);
}
