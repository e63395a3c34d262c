/*
 * Fuzzes the reader of HTTP/1.1 responses: the first byte says in which pieces the rest comes,
 * which is one response behind the other. However it is cut, all is the same: states, fields,
 * bodies, and where each response ends.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "wire/http1.h"

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Whatever is to be the same: fields, heads, bodies, how responses ended and where. */
typedef struct seen {
    ifm_http1 http;
    ifm_buffer text;
    bool has_head;
} seen;

static void on_field(void *user, const char *line, size_t n)
{
    seen *s = user;
    must(s->http.state == IFM_HTTP1_HEAD && s->http.status >= 200 && !s->has_head);
    must(n > 0 && memchr(line, '\n', n) == NULL && memchr(line, '\0', n) == NULL);
    ifm_buffer_append(&s->text, line, n);
    ifm_buffer_puts(&s->text, "\n");
}

static void on_head(void *user)
{
    seen *s = user;
    must(s->http.state == IFM_HTTP1_BODY || s->http.state == IFM_HTTP1_END);
    must(s->http.status >= 200 && s->http.status <= 999 && !s->has_head);
    must(s->http.minor == 0 || s->http.minor == 1);
    s->has_head = true;
    ifm_buffer_printf(&s->text, "(%d 1.%d %s %s)", s->http.status, s->http.minor,
                      ifm_buffer_text(&s->http.type), ifm_buffer_text(&s->http.location));
}

static void take_piece(seen *s, const char *bytes, size_t n, size_t *used)
{
    const ifm_http1_hooks hooks = {on_field, on_head, s};
    /* A block of exactly this size, so that reading past it is seen. */
    char *copy = malloc(n);
    if (copy == NULL)
        exit(1);
    memcpy(copy, bytes, n);
    size_t n_body = SIZE_MAX;
    *used = ifm_http1_take(&s->http, &hooks, copy, n, &n_body);
    must(*used <= n && n_body <= *used);
    must(n_body == 0 || s->has_head);
    must(s->has_head || s->http.state == IFM_HTTP1_HEAD ||
         s->http.state == IFM_HTTP1_BROKEN);
    ifm_buffer_append(&s->text, copy, n_body);
    free(copy);
}

/* How a response ended, or where it stands; false when nothing may follow it. */
static bool end_response(seen *s, size_t at)
{
    const ifm_http1_state state = s->http.state;
    must((state == IFM_HTTP1_BROKEN) == (s->http.why != NULL));
    must(state != IFM_HTTP1_BROKEN || !s->http.keep_alive);
    ifm_buffer_printf(&s->text, "|%d %d %d %s@%zu|", (int)state, s->http.status,
                      s->http.keep_alive, s->http.why != NULL ? s->http.why : "", at);
    return state == IFM_HTTP1_END;
}

static void read_all(seen *s, const char *bytes, size_t n, size_t step)
{
    size_t at = 0;
    while (at < n) {
        const size_t piece = n - at < step ? n - at : step;
        size_t used;
        take_piece(s, bytes + at, piece, &used);
        at += used;
        if (s->http.state == IFM_HTTP1_HEAD || s->http.state == IFM_HTTP1_BODY) {
            must(used == piece);
        } else {
            if (!end_response(s, at))
                break;
            ifm_http1_begin(&s->http);
            s->has_head = false;
        }
    }
    ifm_http1_close(&s->http);
    end_response(s, at);
    must(!s->text.failed);
}

static void forget(seen *s)
{
    ifm_http1_deinit(&s->http);
    ifm_buffer_deinit(&s->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    seen whole = {0}, pieces = {0};
    read_all(&whole, bytes, size - 1, size - 1);
    read_all(&pieces, bytes, size - 1, 1 + data[0] % 16);
    must(whole.text.length == pieces.text.length);
    must(memcmp(whole.text.data, pieces.text.data, whole.text.length) == 0);
    forget(&whole);
    forget(&pieces);
    return 0;
}
