#include "wire/client_url.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/buffer.h"
#include "base/error.h"

static const char expected[] = "expected http://HOST:PORT, https://HOST or unix:/SOCKET";

static char *copy(const char *text, size_t n)
{
    char *out = malloc(n + 1);
    if (out != NULL) {
        memcpy(out, text, n);
        out[n] = '\0';
    }
    return out;
}

/* Everything up to the last "@" may be a password: one with a "/" in it ends the host's name
 * early for whoever reads strictly. Of a query the names stay. */
char *ifm_client_url_tame(const char *text)
{
    ifm_buffer out = {0};
    const char *begin = strstr(text, "://"), *at = strrchr(text, '@');
    const size_t n_scheme = begin != NULL ? (size_t)(begin - text) + 3 : 0;
    if (at != NULL && at >= text + n_scheme) {
        ifm_buffer_append(&out, text, n_scheme);
        text = at + 1;
    }
    const size_t n = strcspn(text, "?");
    ifm_buffer_append(&out, text, n);
    bool value = false;
    for (const char *c = text + n; *c != '\0' && *c != '#'; c++) {
        if (*c == '&')
            value = false;
        if (!value)
            ifm_buffer_append(&out, c, 1);
        if (*c == '=' && !value) {
            ifm_buffer_puts(&out, "…");
            value = true;
        }
    }
    if (out.data == NULL)
        ifm_buffer_puts(&out, "");
    char *taken = out.length > 0 ? ifm_buffer_take(&out) : strdup("");
    ifm_buffer_deinit(&out);
    return taken;
}

/* ---- unix sockets ------------------------------------------------------------------ */

/* unix:/path[:/prefix] and http+unix://%2Fpath/prefix become http://localhost/prefix and a
 * path. *http: heap. False: neither. */
static bool split_socket(const char *text, char **path, char **http)
{
    const char *prefix = "";
    *path = *http = NULL;
    if (strncmp(text, "unix:", 5) == 0) {
        const char *begin = text + 5;
        if (strncmp(begin, "///", 3) == 0)
            begin += 2;
        const char *colon = strstr(begin, ":/");
        *path = copy(begin, colon != NULL ? (size_t)(colon - begin) : strlen(begin));
        prefix = colon != NULL ? colon + 1 : "";
    } else if (strncmp(text, "http+unix://", 12) == 0) {
        const char *begin = text + 12;
        const size_t n = strcspn(begin, "/");
        char *encoded = copy(begin, n), *decoded = NULL;
        if (encoded != NULL)
            decoded = curl_easy_unescape(NULL, encoded, (int)n, NULL);
        if (decoded != NULL)
            *path = strdup(decoded);
        curl_free(decoded);
        free(encoded);
        prefix = begin + n;
    } else {
        return false;
    }
    ifm_buffer out = {0};
    ifm_buffer_printf(&out, "http://localhost%s", prefix);
    *http = ifm_buffer_take(&out);
    ifm_buffer_deinit(&out);
    return true;
}

/* ---- paths ------------------------------------------------------------------------- */

static bool ends_with(const char *text, size_t n, const char *end)
{
    const size_t m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

/* "/v1", and other versions: "/api/v3", "/v1beta". */
static bool is_versioned(const char *path, size_t n)
{
    size_t slash = n;
    while (slash > 0 && path[slash - 1] != '/')
        slash--;
    return slash > 0 && n - slash >= 2 && path[slash] == 'v' && path[slash + 1] >= '0' &&
           path[slash + 1] <= '9';
}

static const char chat_end[] = "/chat/completions", text_end[] = "/completions";

/* The path with the version's segment and without the endpoint: "/prefix/v1". *whole: the
 * endpoint itself was given, *chat: which. Heap. */
static char *base_path(const char *path, bool *whole, bool *chat)
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    *chat = ends_with(path, n, chat_end);
    *whole = *chat || ends_with(path, n, text_end);
    if (*whole)
        n -= *chat ? sizeof chat_end - 1 : sizeof text_end - 1;
    ifm_buffer out = {0};
    ifm_buffer_append(&out, path, n);
    if (!*whole && !is_versioned(path, n))
        ifm_buffer_puts(&out, "/v1");
    char *taken = out.length > 0 ? ifm_buffer_take(&out) : strdup("");
    ifm_buffer_deinit(&out);
    return taken;
}

bool ifm_client_url_is_chat(const char *text)
{
    size_t n = strcspn(text, "?#");
    while (n > 0 && text[n - 1] == '/')
        n--;
    return ends_with(text, n, chat_end);
}

/* url with base + end as its path; heap, NULL without memory. */
static char *with_path(CURLU *url, const char *base, const char *end)
{
    ifm_buffer path = {0};
    char *text = NULL, *out = NULL;
    ifm_buffer_printf(&path, "%s%s", base, end);
    if (curl_url_set(url, CURLUPART_PATH, ifm_buffer_text(&path), 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK)
        out = strdup(text);
    curl_free(text);
    ifm_buffer_deinit(&path);
    return out;
}

/* ---- parts ------------------------------------------------------------------------- */

static ifm_status fail(const char *text, const char *why, ifm_error *err)
{
    char *tame = ifm_client_url_tame(text);
    ifm_status st = ifm_fail(err, IFM_ERR_ARGUMENT, "--url \"%s\": %s, %s",
                             tame != NULL ? tame : "", why, expected);
    free(tame);
    return st;
}

/* Decoded; NULL: not there. */
static char *part(CURLU *url, CURLUPart what, unsigned flags)
{
    char *text = NULL, *out = NULL;
    if (curl_url_get(url, what, &text, flags) == CURLUE_OK)
        out = strdup(text);
    curl_free(text);
    return out;
}

/* Takes user and password out of the URL: they travel as a header. */
static void take_credentials(CURLU *url, ifm_client_url *out)
{
    out->user = part(url, CURLUPART_USER, CURLU_URLDECODE);
    out->password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
}

static ifm_status take_paths(CURLU *url, const char *text, bool chat, ifm_client_url *out,
                             ifm_error *err)
{
    char *path = part(url, CURLUPART_PATH, 0);
    bool whole = false, is_chat = false;
    char *base = path != NULL ? base_path(path, &whole, &is_chat) : NULL;
    ifm_status st = IFM_OK;
    if (base == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "--url: no memory");
    else if (whole && is_chat != chat)
        st = fail(text,
                  chat ? "is no chat endpoint (--endpoint completions)"
                       : "is the chat endpoint (--endpoint chat)",
                  err);
    else {
        out->endpoint = with_path(url, base, chat ? chat_end : text_end);
        out->models = with_path(url, base, "/models");
    }
    free(base);
    free(path);
    return st;
}

/* What people see: as they wrote it. */
static char *shown_of(const char *text)
{
    char *tame = ifm_client_url_tame(text);
    for (size_t n = tame != NULL ? strlen(tame) : 0; n > 0 && tame[n - 1] == '/'; n--)
        tame[n - 1] = '\0';
    return tame;
}

static ifm_status parse_http(CURLU *url, const char *text, const char *http, bool chat,
                             ifm_client_url *out, ifm_error *err)
{
    if (strstr(http, "://") == NULL)
        return fail(text, "has no http:// or https:// in front", err);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, http, CURLU_NON_SUPPORT_SCHEME);
    char *scheme = code == CURLUE_OK ? part(url, CURLUPART_SCHEME, 0) : NULL;
    out->tls = scheme != NULL && strcmp(scheme, "https") == 0;
    const bool known = out->tls || (scheme != NULL && strcmp(scheme, "http") == 0);
    free(scheme);
    if (code == CURLUE_OUT_OF_MEMORY)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "--url: no memory");
    if (code == CURLUE_BAD_PORT_NUMBER)
        return fail(text, "has no valid port", err);
    if (code != CURLUE_OK)
        return fail(text, "is no URL", err);
    if (!known)
        return fail(text, "is neither http nor https", err);
    take_credentials(url, out);
    return take_paths(url, text, chat, out, err);
}

ifm_status ifm_client_url_parse(const char *text, bool chat, ifm_client_url *out,
                                ifm_error *err)
{
    CURLU *url = curl_url();
    char *http = NULL;
    *out = (ifm_client_url){0};
    const bool is_socket = split_socket(text, &out->socket, &http);
    ifm_status st = IFM_OK;
    if (url == NULL || (is_socket && (http == NULL || out->socket == NULL)))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "--url: no memory");
    else if (is_socket && out->socket[0] == '\0')
        st = fail(text, "names no path of a socket", err);
    else
        st = parse_http(url, text, is_socket ? http : text, chat, out, err);
    if (st == IFM_OK) {
        out->shown = shown_of(text);
        if (out->shown == NULL || out->endpoint == NULL || out->models == NULL)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "--url: no memory");
    }
    curl_url_cleanup(url);
    free(http);
    if (st != IFM_OK)
        ifm_client_url_deinit(out);
    return st;
}

/* ---- of an endpoint ---------------------------------------------------------------- */

/* The host without the brackets of IPv6. */
static char *bare(char *host)
{
    const size_t n = host != NULL ? strlen(host) : 0;
    if (n < 2 || host[0] != '[' || host[n - 1] != ']')
        return host;
    memmove(host, host + 1, n - 2);
    host[n - 2] = '\0';
    return host;
}

static char *joined(const char *a, const char *between, const char *b)
{
    ifm_buffer out = {0};
    ifm_buffer_printf(&out, "%s%s%s", a != NULL ? a : "", b != NULL ? between : "",
                      b != NULL ? b : "");
    char *text = ifm_buffer_take(&out);
    ifm_buffer_deinit(&out);
    return text;
}

bool ifm_client_url_split(const char *endpoint, ifm_url_parts *out)
{
    CURLU *url = curl_url();
    *out = (ifm_url_parts){0};
    if (url == NULL ||
        curl_url_set(url, CURLUPART_URL, endpoint, CURLU_URLENCODE) != CURLUE_OK) {
        curl_url_cleanup(url);
        return false;
    }
    char *host = part(url, CURLUPART_HOST, 0);
    char *port = part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    char *path = part(url, CURLUPART_PATH, 0), *query = part(url, CURLUPART_QUERY, 0);
    out->authority = host != NULL ? joined(host, ":", port) : NULL;
    out->target = path != NULL ? joined(path, "?", query) : NULL;
    out->port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    out->host = bare(host);
    free(port);
    free(path);
    free(query);
    curl_url_cleanup(url);
    if (out->host != NULL && out->port != NULL && out->authority != NULL &&
        out->target != NULL)
        return true;
    ifm_url_parts_deinit(out);
    return false;
}

void ifm_url_parts_deinit(ifm_url_parts *self)
{
    free(self->host);
    free(self->port);
    free(self->authority);
    free(self->target);
    *self = (ifm_url_parts){0};
}

char *ifm_client_url_resolve(const char *base, const char *reference)
{
    CURLU *url = curl_url();
    char *out = NULL;
    if (url != NULL && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME) ==
            CURLUE_OK)
        out = part(url, CURLUPART_URL, 0);
    curl_url_cleanup(url);
    return out;
}

void ifm_client_url_deinit(ifm_client_url *self)
{
    free(self->endpoint);
    free(self->models);
    free(self->shown);
    free(self->socket);
    free(self->user);
    free(self->password);
    *self = (ifm_client_url){0};
}
