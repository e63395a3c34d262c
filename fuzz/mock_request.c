/* Fuzzes the mock server's reader of requests, and what it reads of their bodies: the first
 * byte says in which pieces the rest comes. However it is cut, the outcome is the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "mock/ask.h"
#include "mock/http.h"

static size_t feed(ifm_mock_request *r, const char *bytes, size_t n, size_t step)
{
    size_t at = 0;
    while (at < n && !ifm_mock_request_ended(r)) {
        const size_t most = n - at < step ? n - at : step;
        at += ifm_mock_request_feed(r, bytes + at, most);
    }
    return at;
}

static void compare(const ifm_mock_request *a, const ifm_mock_request *b)
{
    if (a->reading != b->reading || a->status != b->status || a->minor != b->minor ||
        a->keep_alive != b->keep_alive || a->body.length != b->body.length ||
        strcmp(a->path, b->path) != 0 || strcmp(a->method, b->method) != 0 ||
        strcmp(a->request_id, b->request_id) != 0)
        abort();
    if (a->body.length > 0 && memcmp(a->body.data, b->body.data, a->body.length) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    const size_t n = size - 1;
    ifm_mock_request whole = {0}, pieces = {0};
    const size_t taken = feed(&whole, bytes, n, n);
    if (taken > n || feed(&pieces, bytes, n, 1 + data[0] % 16) > n)
        abort();
    compare(&whole, &pieces);
    if (whole.reading == IFM_MOCK_BAD &&
        (whole.status < 400 || whole.complaint[0] == '\0'))
        abort();
    if (whole.reading == IFM_MOCK_WHOLE) {
        for (int chat = 0; chat < 2; chat++) {
            ifm_mock_ask ask;
            ifm_error err = {0};
            const ifm_status st = ifm_mock_ask_read(&ask, ifm_buffer_text(&whole.body),
                                                    whole.body.length, chat, &err);
            if (st == IFM_OK ? ask.prompt_tokens < 0 : err.message[0] == '\0')
                abort();
        }
    }
    ifm_mock_request_deinit(&whole);
    ifm_mock_request_deinit(&pieces);
    return 0;
}
