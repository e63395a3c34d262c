/* Loads a model, generates, and prints the text and its own time to first token:
 *     first_token MODEL [PROMPT [TOKENS [THREADS]]]
 * MODEL is a directory as the Hugging Face hub lays it out. */
#include <inferometer/inferometer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, const ifm_error *err)
{
    fprintf(stderr, "first_token: %s: %s\n", what, err->message);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return fprintf(stderr, "usage: first_token MODEL [PROMPT [TOKENS [THREADS]]]\n"),
               2;
    const char *prompt = argc > 2 ? argv[2] : "An increasing sequence: one,";
    int n_tokens = argc > 3 ? atoi(argv[3]) : 20, threads = argc > 4 ? atoi(argv[4]) : 0;
    ifm_error err;
    ifm_time start = ifm_time_now();

    ifm_model *model;
    if (ifm_model_open(argv[1], NULL, &model, &err) != IFM_OK)
        return fail("model", &err);
    ifm_tokenizer *tokenizer;
    if (ifm_tokenizer_open(argv[1], NULL, &tokenizer, &err) != IFM_OK)
        return fail("tokenizer", &err);
    ifm_request request = {.max_new_tokens = n_tokens};
    int32_t *ids;
    if (ifm_tokenizer_encode(tokenizer, prompt, strlen(prompt), IFM_ENCODE_DEFAULT, &ids,
                             &request.n_ids, &err) != IFM_OK)
        return fail("prompt", &err);
    request.ids = ids;

    ifm_session_options room = {.positions = (int32_t)request.n_ids + n_tokens,
                                .threads = threads};
    ifm_session *session;
    if (ifm_session_new(model, &room, &session, &err) != IFM_OK)
        return fail("session", &err);
    ifm_generation *generation;
    if (ifm_generation_start(session, tokenizer, &request, &generation, &err) != IFM_OK)
        return fail("generation", &err);
    ifm_token token;
    int64_t ttft_ns = 0;
    while (ifm_generation_next(generation, &token)) {
        ttft_ns = ttft_ns > 0 ? ttft_ns : ifm_time_between(start, ifm_time_now());
        fwrite(token.text, 1, token.n_text, stdout);
    }
    if (ifm_generation_finish(generation, NULL, &err) != IFM_OK)
        return fail("generation", &err);
    printf("\ntime to first token, loading included: %.2f ms\n", (double)ttft_ns / 1e6);
    ifm_session_free(session);
    free(ids);
    ifm_tokenizer_close(tokenizer);
    ifm_model_close(model);
}
