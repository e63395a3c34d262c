/* Generation on a real session and a real tokenizer. */
#include "model/generate.h"
#include "model/session.h"

static ifm_status eval(void *session, const int32_t *ids, int32_t n, const float **logits,
                       ifm_error *err)
{
    return ifm_session_eval(session, ids, n, logits, err);
}

ifm_status ifm_generation_start(ifm_session *session, ifm_tokenizer *tokenizer,
                                const ifm_request *request, ifm_generation **out,
                                ifm_error *err)
{
    const ifm_config *config = &session->model->config;
    ifm_generation_parts parts = {
        .session = session,
        .eval = eval,
        .n_vocab = session->model->info.n_vocab,
        .n_room = session->room,
        .n_used = session->length,
        .eos_ids = config->eos_ids,
        .n_eos = config->n_eos,
    };
    if (tokenizer != NULL) {
        parts.push = ifm_detokenizer_push;
        parts.flush = ifm_detokenizer_flush;
        parts.max_text_bytes = ifm_detokenizer_max_bytes(tokenizer);
        ifm_detokenizer_init(&parts.detokenizer, tokenizer);
    }
    return ifm_generation_start_parts(&parts, request, out, err);
}
