#include "cli/wire_setup.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/body.h"
#include "wire/client_url.h"

static const char hidden[] = "***";

/* A name of RFC 9110's token characters, then a colon; nothing that ends a line. The value
 * is in no message. */
static ifm_status check_header(const char *header, ifm_error *err)
{
    size_t n = 0;
    while (isalnum((unsigned char)header[n]) ||
           (header[n] != '\0' && strchr("!#$%&'*+-.^_`|~", header[n]) != NULL))
        n++;
    if (n == 0 || header[n] != ':')
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--header: expected 'NAME: VALUE', as 'X-Team: research'");
    if (strncasecmp(header, "X-Request-Id:", n + 1) == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--header X-Request-Id: each request has its own, by which the "
                        "result names it");
    for (const char *c = header + n; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 && *c != '\t')
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--header %.*s: its value holds a control character", (int)n,
                            header);
    return IFM_OK;
}

/* A key with a line feed at its end, as from $(cat file), would be two headers. */
static ifm_status read_key(const char **key, ifm_error *err)
{
    const char *text = getenv("OPENAI_API_KEY");
    *key = text != NULL && *text != '\0' ? text : NULL;
    for (const char *c = *key; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7f)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "OPENAI_API_KEY: holds a space or a line feed: is it the key "
                            "alone?");
    return IFM_OK;
}

static ifm_status check_url(ifm_wire_setup *self, ifm_error *err)
{
    ifm_client_url parts;
    ifm_status st =
        ifm_client_url_parse(self->client.url, self->client.chat, &parts, err);
    if (st != IFM_OK)
        return st;
    self->shown_url = parts.shown;
    parts.shown = NULL;
    ifm_client_url_deinit(&parts);
    return IFM_OK;
}

ifm_status ifm_wire_setup_init(ifm_wire_setup *self, const ifm_arguments *a,
                               const char *url, bool chat, ifm_error *err)
{
    const char *endpoint = ifm_arguments_string(a, "endpoint");
    const char *extra = ifm_arguments_string(a, "extra-body");
    *self = (ifm_wire_setup){0};
    ifm_client_options *c = &self->client;
    c->url = url;
    c->chat = endpoint != NULL ? strcmp(endpoint, "chat") == 0
                               : chat || ifm_client_url_is_chat(url);
    c->stream = !ifm_arguments_flag(a, "no-stream");
    c->headers = ifm_arguments_list(a, "header", &c->n_headers);
    c->cacert = ifm_arguments_string(a, "cacert");
    c->insecure = ifm_arguments_flag(a, "insecure");
    c->new_connection = ifm_arguments_flag(a, "new-connection");
    c->http2 = ifm_arguments_flag(a, "http2");
    c->proxy = ifm_arguments_string(a, "proxy");
    c->idle_timeout_ns = (int64_t)(ifm_arguments_float(a, "idle-timeout") * 1e9);
    c->retries = (int32_t)ifm_arguments_int(a, "retry");
    ifm_status st = read_key(&c->api_key, err);
    for (size_t i = 0; st == IFM_OK && i < c->n_headers; i++)
        st = check_header(c->headers[i], err);
    if (st == IFM_OK && extra != NULL)
        st = ifm_body_extra_parse(extra, &self->extra, err);
    if (st == IFM_OK)
        st = check_url(self, err);
    if (st != IFM_OK)
        ifm_wire_setup_deinit(self);
    return st;
}

void ifm_wire_setup_deinit(ifm_wire_setup *self)
{
    free(self->shown_url);
    json_decref(self->extra);
    *self = (ifm_wire_setup){0};
}

/* ---- the command line, kept ---------------------------------------------------------- */

/* "--header=Name: value" and "Name: value" keep the name. */
static char *tame_header(const char *word)
{
    const char *colon = strchr(word, ':');
    ifm_buffer out = {0};
    if (colon != NULL)
        ifm_buffer_append(&out, word, (size_t)(colon - word) + 1);
    ifm_buffer_printf(&out, "%s%s", colon != NULL ? " " : "", hidden);
    char *taken = ifm_buffer_take(&out);
    ifm_buffer_deinit(&out);
    return taken;
}

/* Whether words[i] is the value of `option`, or holds it. */
static bool belongs(char *const *words, size_t i, const char *option)
{
    const size_t n = strlen(option);
    return (strncmp(words[i], option, n) == 0 && words[i][n] == '=') ||
           (i > 0 && strcmp(words[i - 1], option) == 0);
}

char *ifm_wire_tame_word(char *const *words, size_t i)
{
    const char *word = words[i];
    if (belongs(words, i, "--header"))
        return tame_header(word);
    if (belongs(words, i, "--url") || belongs(words, i, "--proxy") ||
        belongs(words, i, "--target") || strncmp(word, "-u", 2) == 0 ||
        (i > 0 && strcmp(words[i - 1], "-u") == 0))
        return ifm_client_url_tame(word);
    return strdup(word);
}
