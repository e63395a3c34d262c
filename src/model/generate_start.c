/* Generation on a real session and a real tokenizer. */
#include "base/error.h"
#include "model/generate.h"
#include "model/session.h"

static ifm_status eval(void *session, const ifm_append *appends, int32_t n,
                       const float **logits, ifm_error *err)
{
    return ifm_session_eval_batch(session, appends, n, logits, err);
}

static int32_t longest_of(const ifm_session *session)
{
    int32_t longest = 0;
    for (int32_t i = 0; i < session->n_sequences; i++)
        if (session->sequences[i].length > longest)
            longest = session->sequences[i].length;
    return longest;
}

ifm_status ifm_generation_start_batch(ifm_session *session, ifm_tokenizer *tokenizer,
                                      const ifm_request *requests, size_t n, bool padded,
                                      ifm_generation **out, ifm_error *err)
{
    const ifm_config *config = &session->model->config;
    *out = NULL;
    if (n < 1 || n > (size_t)session->n_sequences)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "a batch of %zu requests on a session of %d sequences", n,
                        session->n_sequences);
    ifm_generation_parts parts = {
        .session = session,
        .eval = eval,
        .n_vocab = session->model->info.n_vocab,
        .n_room = session->room,
        .n_used = longest_of(session),
        .eos_ids = config->eos_ids,
        .n_eos = config->n_eos,
    };
    if (tokenizer != NULL) {
        parts.push = ifm_detokenizer_push;
        parts.flush = ifm_detokenizer_flush;
        parts.max_text_bytes = ifm_detokenizer_max_bytes(tokenizer);
        ifm_detokenizer_init(&parts.detokenizer, tokenizer);
    }
    return ifm_generation_start_parts(&parts, requests, n, padded, out, err);
}

ifm_status ifm_generation_start(ifm_session *session, ifm_tokenizer *tokenizer,
                                const ifm_request *request, ifm_generation **out,
                                ifm_error *err)
{
    return ifm_generation_start_batch(session, tokenizer, request, 1, false, out, err);
}
