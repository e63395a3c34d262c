#include "cli/model_facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/gguf.h"
#include "text/tokenizer.h"

static int compare_bytes(const void *a, const void *b)
{
    const ifm_type_count *x = a, *y = b;
    return (x->n_bytes < y->n_bytes) - (x->n_bytes > y->n_bytes);
}

/* Adds to the row of `type`, which is made when there is room. */
static void count(ifm_type_count *rows, size_t *n, size_t room, const char *type,
                  const ifm_tensor *tensor)
{
    size_t i = 0;
    while (i < *n && strcmp(rows[i].type, type) != 0)
        i++;
    if (i == room)
        return;
    if (i == *n)
        rows[(*n)++] = (ifm_type_count){.type = type};
    rows[i].n_tensors++;
    rows[i].n_bytes += (int64_t)tensor->n_bytes;
}

static void count_types(ifm_model_facts *self)
{
    const char *type = NULL;
    for (size_t i = 0; i < ifm_weights_count(self->weights); i++) {
        const ifm_tensor *tensor = ifm_weights_at(self->weights, i);
        count(self->types, &self->n_types, IFM_DTYPE_COUNT, ifm_dtype_name(tensor->dtype),
              tensor);
    }
    for (size_t i = 0; i < ifm_weights_left_out_count(self->weights); i++) {
        const ifm_tensor *tensor = ifm_weights_left_out_at(self->weights, i, &type);
        count(self->left_out, &self->n_left_out, IFM_FACTS_MAX_LEFT_OUT, type, tensor);
    }
    qsort(self->types, self->n_types, sizeof self->types[0], compare_bytes);
    qsort(self->left_out, self->n_left_out, sizeof self->left_out[0], compare_bytes);
}

static void look_at_chat(ifm_model_facts *self, const ifm_tokenizer *tokenizer)
{
    ifm_chat *chat = NULL;
    ifm_status st = ifm_chat_open(tokenizer, NULL, &chat, NULL);
    self->chat_unknown = st != IFM_OK && st != IFM_ERR_NOT_FOUND;
    if (st == IFM_OK)
        self->chat = ifm_chat_name(chat);
    ifm_chat_close(chat);
}

static void look_at_tokenizer(ifm_model_facts *self, const char *path)
{
    ifm_tokenizer *tokenizer = NULL;
    ifm_error err = {0};
    const ifm_gguf *gguf = ifm_weights_gguf(self->weights);
    ifm_gguf_string pre;
    if (gguf != NULL && ifm_gguf_get_string(gguf, "tokenizer.ggml.pre", &pre) &&
        pre.n < sizeof self->pre_tokenizer)
        memcpy(self->pre_tokenizer, pre.text, pre.n);
    ifm_status st = ifm_tokenizer_open(path, NULL, &tokenizer, &err);
    if (st != IFM_OK) {
        if (st != IFM_ERR_NOT_FOUND)
            snprintf(self->tokenizer_problem, sizeof self->tokenizer_problem, "%.255s",
                     err.message);
        return;
    }
    const ifm_text_rules *rules = &tokenizer->tables.header->rules;
    self->tokenizer = rules->by_character || rules->by_score ? "SentencePiece-style BPE"
                                                             : "byte-level BPE";
    self->n_tokens = ifm_tokenizer_size(tokenizer);
    look_at_chat(self, tokenizer);
    ifm_tokenizer_close(tokenizer);
}

static ifm_status look_at_memory(ifm_model_facts *self, int32_t n_context, ifm_error *err)
{
    const int32_t most = self->info->n_positions;
    if (n_context > most)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--ctx %d: the model has %d positions",
                        n_context, most);
    ifm_session_options options = {.positions = n_context > 0 ? n_context : most};
    self->n_context = options.positions;
    self->session_bytes = (int64_t)ifm_session_bytes(self->model, &options);
    options.positions = most;
    double all = (double)ifm_session_bytes(self->model, &options);
    options.positions = most > 1 ? most / 2 : 1;
    double half = (double)ifm_session_bytes(self->model, &options);
    if (most > options.positions)
        self->position_bytes = (all - half) / (double)(most - options.positions);
    return IFM_OK;
}

ifm_status ifm_model_facts_gather(ifm_model_facts *self, const char *path,
                                  int32_t n_context, ifm_error *err)
{
    *self = (ifm_model_facts){0};
    ifm_status st = ifm_model_open(path, NULL, &self->model, err);
    if (st == IFM_OK)
        st = ifm_weights_open(path, &self->weights, err);
    if (st != IFM_OK)
        return st;
    self->info = ifm_model_describe(self->model);
    count_types(self);
    look_at_tokenizer(self, path);
    return look_at_memory(self, n_context, err);
}

void ifm_model_facts_deinit(ifm_model_facts *self)
{
    ifm_weights_close(self->weights);
    ifm_model_close(self->model);
    *self = (ifm_model_facts){0};
}
