/* Which models a server has: GET /v1/models, before anything is measured. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/client_parts.h"

enum { MODELS_LIMIT = 4 << 20, PATIENCE_S = 30 };

typedef struct question {
    const ifm_client *client;
    ifm_buffer text;
    bool too_large;
} question;

static size_t on_text(char *bytes, size_t one, size_t n, void *user)
{
    question *q = user;
    (void)one;
    q->too_large = q->text.length + n > MODELS_LIMIT;
    if (q->too_large)
        return n + 1;
    ifm_buffer_append(&q->text, bytes, n);
    return n;
}

/* {"data": [{"id": …}]}, as OpenAI has it. */
static ifm_status read_model(question *q, char **model, ifm_error *err)
{
    const char *shown = q->client->url.shown;
    json_t *root = json_loadb(ifm_buffer_text(&q->text), q->text.length, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    const char *id = json_string_value(json_object_get(json_array_get(data, 0), "id"));
    ifm_status st = IFM_OK;
    if (json_is_array(data) && json_array_size(data) == 0)
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: has no model: name one with --model",
                      shown);
    else if (id == NULL || *id == '\0')
        st = ifm_fail(err, IFM_ERR_FORMAT,
                      "%s: gives no list of models: name one with --model", shown);
    else if ((*model = strdup(id)) == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "models: no memory");
    json_decref(root);
    return st;
}

/* Runs the transfer until it ends. CANCELLED when cancel_fd can be read. */
static ifm_status perform(CURLM *multi, int cancel_fd, CURLcode *code, ifm_error *err)
{
    int running = 1, left;
    while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
        struct curl_waitfd cancel = {.fd = cancel_fd, .events = CURL_WAIT_POLLIN};
        curl_multi_poll(multi, &cancel, cancel_fd >= 0 ? 1 : 0, 1000, NULL);
        if (cancel.revents != 0)
            return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
    }
    *code = CURLE_FAILED_INIT;
    for (CURLMsg *m; (m = curl_multi_info_read(multi, &left)) != NULL;)
        *code = m->data.result;
    return IFM_OK;
}

static ifm_status judge(question *q, CURL *easy, CURLcode code, const char *says,
                        ifm_error *err)
{
    char words[CURL_ERROR_SIZE + 256];
    const char *shown = q->client->url.shown;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (q->too_large)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: its list of models is over %d MiB",
                        shown, MODELS_LIMIT >> 20);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ifm_fail(err, IFM_ERR_IO, "%s: no list of models within %d s", shown,
                        PATIENCE_S);
    if (code != CURLE_OK) {
        const ifm_transfer transfer = {q->client, easy, says, 0, true, status != 0};
        (void)ifm_transfer_outcome(&transfer, code, words, sizeof words);
        const bool named = strncmp(words, shown, strlen(shown)) == 0;
        return ifm_fail(err, IFM_ERR_IO, "%s%s%s", named ? "" : shown, named ? "" : ": ",
                        words);
    }
    if (status == 401 || status == 403)
        return ifm_fail(
            err, IFM_ERR_IO, "%s: status %ld: wants a key: OPENAI_API_KEY is %s", shown,
            status, q->client->options.api_key != NULL ? "not the right one" : "not set");
    if (status != 200)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: status %ld for its list of models: name one with --model",
                        shown, status);
    return q->text.failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "models: no memory")
                          : IFM_OK;
}

ifm_status ifm_client_first_model(ifm_client *self, int cancel_fd, char **model,
                                  ifm_error *err)
{
    question q = {.client = self};
    char says[CURL_ERROR_SIZE] = "";
    CURL *easy = curl_easy_init();
    CURLM *multi = curl_multi_init();
    CURLcode code = CURLE_OK;
    ifm_status st = IFM_OK;
    if (easy == NULL || multi == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "models: no memory");
        goto done;
    }
    ifm_client_prepare(self, easy);
    curl_easy_setopt(easy, CURLOPT_URL, self->url.models);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)PATIENCE_S);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, says);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_text);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &q);
    curl_multi_add_handle(multi, easy);
    st = perform(multi, cancel_fd, &code, err);
    if (st == IFM_OK)
        st = judge(&q, easy, code, says, err);
    if (st == IFM_OK)
        st = read_model(&q, model, err);
    curl_multi_remove_handle(multi, easy);
done:
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    ifm_buffer_deinit(&q.text);
    return st;
}
