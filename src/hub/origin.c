#include "hub/origin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/error.h"

/* Copies one part of a parsed URL; false when it is missing or does not fit. */
static bool part(CURLU *url, CURLUPart which, char *into, size_t size)
{
    char *text = NULL;
    bool fits = curl_url_get(url, which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                strlen(text) < size;
    if (fits)
        memcpy(into, text, strlen(text) + 1);
    curl_free(text);
    return fits;
}

ifm_status ifm_origin_of(const char *url, ifm_origin *out, ifm_error *err)
{
    *out = (ifm_origin){0};
    char scheme[16] = "";
    CURLU *parsed = curl_url();
    if (parsed == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "URL: no memory");
    bool fine = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                part(parsed, CURLUPART_SCHEME, scheme, sizeof scheme) &&
                part(parsed, CURLUPART_HOST, out->host, sizeof out->host) &&
                part(parsed, CURLUPART_PORT, out->port, sizeof out->port);
    curl_url_cleanup(parsed);
    out->tls = strcasecmp(scheme, "https") == 0;
    if (fine && (out->tls || strcasecmp(scheme, "http") == 0))
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "is no URL of a web server%s%s: expected https://HOST",
                    out->host[0] != '\0' ? ": host " : "", out->host);
}

bool ifm_origin_equal(const ifm_origin *a, const ifm_origin *b)
{
    return a->tls == b->tls && strcasecmp(a->host, b->host) == 0 &&
           strcmp(a->port, b->port) == 0;
}
