#include "cli/run_setup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/chat.h"
#include "cli/input.h"
#include "hub/resolve.h"
#include "inferometer/inferometer.h"
#include "os/file.h"

enum { PROMPT_LIMIT = 64 << 20 };

/* ---- the prompt ------------------------------------------------------------------- */

/* Editors end a file with a line feed that nobody means as part of the prompt. */
static ifm_status read_prompt_file(ifm_run_setup *self, const char *path, ifm_error *err)
{
    ifm_status st;
    size_t n = 0;
    if (strcmp(path, "-") == 0) {
        ifm_buffer text = {0};
        st = ifm_read_stdin(&text, PROMPT_LIMIT, err);
        n = text.length;
        self->file_prompt = ifm_buffer_take(&text);
        ifm_buffer_deinit(&text);
    } else {
        st = ifm_file_read(path, PROMPT_LIMIT, &self->file_prompt, &n, err);
    }
    if (st != IFM_OK)
        return st;
    if (n > 0 && self->file_prompt[n - 1] == '\n')
        n--;
    self->request.prompt = self->file_prompt != NULL ? self->file_prompt : "";
    self->request.n_prompt = n;
    return IFM_OK;
}

static ifm_status parse_ids(ifm_run_setup *self, const char *text, ifm_error *err)
{
    self->ids = malloc((strlen(text) / 2 + 1) * sizeof *self->ids);
    if (self->ids == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompt: no memory");
    size_t n = 0;
    for (const char *at = text; *at != '\0' || n == 0;) {
        char *end;
        errno = 0;
        long long id = strtoll(at, &end, 10);
        bool ends = *end == '\0' || (*end == ',' && end[1] != '\0');
        if (end == at || !ends || errno != 0 || id < 0 || id > INT32_MAX)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--prompt-ids: \"%s\" is no list of token ids, expected "
                            "numbers and commas: 1,2,3",
                            text);
        self->ids[n++] = (int32_t)id;
        at = *end == ',' ? end + 1 : end;
    }
    self->request.ids = self->ids;
    self->request.n_ids = n;
    return IFM_OK;
}

static ifm_status read_prompt(ifm_run_setup *self, const ifm_arguments *a, ifm_error *err)
{
    int n = ifm_arguments_given(a, "prompt") + ifm_arguments_given(a, "prompt-file") +
            ifm_arguments_given(a, "prompt-ids");
    if (n > 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--prompt, --prompt-file and --prompt-ids exclude each other");
    if (ifm_arguments_given(a, "prompt-ids") && ifm_chat_wanted(a))
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--prompt-ids are no text: a chat template does not go with them");
    if (ifm_arguments_given(a, "prompt-file"))
        return read_prompt_file(self, ifm_arguments_string(a, "prompt-file"), err);
    if (ifm_arguments_given(a, "prompt-ids"))
        return parse_ids(self, ifm_arguments_string(a, "prompt-ids"), err);
    self->request.prompt = ifm_arguments_string(a, "prompt");
    self->request.n_prompt = strlen(self->request.prompt);
    return IFM_OK;
}

/* The prompt is a message: *request gets what the model knows as a conversation. */
static ifm_status apply_chat(ifm_run_setup *self, const ifm_arguments *a, ifm_error *err)
{
    ifm_target_request *r = &self->request;
    if (!ifm_chat_wanted(a))
        return IFM_OK;
    ifm_status st = ifm_chat_apply(a, self->model_path, r->prompt, r->n_prompt,
                                   &self->chat_prompt, &r->n_prompt, err);
    r->prompt = self->chat_prompt;
    return st;
}

/* ---- the other options ------------------------------------------------------------ */

static bool is(const ifm_arguments *a, const char *option, const char *word)
{
    return strcmp(ifm_arguments_string(a, option), word) == 0;
}

static ifm_status read_counts(ifm_run_setup *self, const ifm_arguments *a, ifm_error *err)
{
    self->n_cold = (int32_t)ifm_arguments_int(a, "cold");
    self->n_warmup = (int32_t)ifm_arguments_int(a, "warmup");
    self->n_warm = (int32_t)ifm_arguments_int(a, "warm");
    if (self->n_cold == 0 && self->n_warm == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "nothing to measure: --cold and --warm are both 0");
    return IFM_OK;
}

static void read_request(ifm_run_setup *self, const ifm_arguments *a)
{
    ifm_target_request *r = &self->request;
    r->max_new_tokens = (int32_t)ifm_arguments_int(a, "max-new-tokens");
    r->logprobs = (int32_t)ifm_arguments_int(a, "logprobs");
    r->ignore_eos = ifm_arguments_flag(a, "ignore-eos");
    r->stop = ifm_arguments_list(a, "stop", &r->n_stop);
    r->sampling = (ifm_sampling){
        .temperature = (float)ifm_arguments_float(a, "temperature"),
        .top_k = (int32_t)ifm_arguments_int(a, "top-k"),
        .top_p = (float)ifm_arguments_float(a, "top-p"),
        .min_p = (float)ifm_arguments_float(a, "min-p"),
        .repetition_penalty = (float)ifm_arguments_float(a, "repetition-penalty"),
        .seed = (uint64_t)ifm_arguments_int(a, "seed"),
    };
}

static ifm_status check_stops(const ifm_target_request *request, ifm_error *err)
{
    for (size_t i = 0; i < request->n_stop; i++)
        if (request->stop[i][0] == '\0')
            return ifm_fail(err, IFM_ERR_ARGUMENT, "--stop: an empty text stops nothing");
    return IFM_OK;
}

/* ---- looking before measuring ----------------------------------------------------- */

static ifm_status check_length(const ifm_run_setup *self, size_t n_ids, int32_t context,
                               ifm_error *err)
{
    int64_t left = (int64_t)context - (int64_t)n_ids;
    if (n_ids == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "the prompt is empty: the model needs a token to begin with");
    if (left < 1)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "the prompt has %zu tokens, the model's context only %d: shorten it", n_ids,
            context);
    if (self->request.max_new_tokens > left)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%zu prompt tokens leave room for %" PRId64 " new ones in the "
                        "model's context of %d, %d were asked: lower --max-new-tokens",
                        n_ids, left, context, self->request.max_new_tokens);
    return IFM_OK;
}

static ifm_status check_ids(const ifm_target_request *request, int32_t n_vocab,
                            ifm_error *err)
{
    for (size_t i = 0; i < request->n_ids; i++)
        if (request->ids[i] >= n_vocab)
            return ifm_fail(
                err, IFM_ERR_ARGUMENT,
                "--prompt-ids: %d is no token of this model, which has 0 to %d",
                request->ids[i], n_vocab - 1);
    return IFM_OK;
}

static ifm_status check_prompt(const ifm_run_setup *self, const ifm_model_info *info,
                               ifm_error *err)
{
    const ifm_target_request *r = &self->request;
    ifm_tokenizer *tokenizer = NULL;
    int32_t *ids = NULL;
    size_t n_ids = r->n_ids;
    ifm_status st = ifm_tokenizer_open(self->model_path, NULL, &tokenizer, err);
    if (st == IFM_OK && r->n_ids > 0)
        st = check_ids(r, info->n_vocab, err);
    else if (st == IFM_OK)
        st = ifm_tokenizer_encode(tokenizer, r->prompt, r->n_prompt, IFM_ENCODE_DEFAULT,
                                  &ids, &n_ids, err);
    if (st == IFM_OK)
        st = check_length(self, n_ids, info->n_positions, err);
    else if (st == IFM_ERR_FORMAT && tokenizer != NULL)
        ifm_fail_within(err, st, "prompt");
    free(ids);
    ifm_tokenizer_close(tokenizer);
    return st;
}

static ifm_status look(const ifm_run_setup *self, ifm_error *err)
{
    ifm_model *model = NULL;
    ifm_model_options options = {.load = IFM_LOAD_LAZY, .kernels = self->model.kernels};
    ifm_status st = ifm_model_open(self->model_path, &options, &model, err);
    if (st == IFM_OK)
        st = check_prompt(self, ifm_model_describe(model), err);
    ifm_model_close(model);
    return st;
}

/* The model's place. Engines of other people may take what no file here is. */
static ifm_status resolve(ifm_run_setup *self, const char *name, ifm_error *err)
{
    bool ours = false;
    for (size_t i = 0; i < self->n_choices; i++)
        ours = ours || self->choices[i].kind != IFM_TARGET_WORKER;
    ifm_status st = ifm_hub_resolve(name, &self->model_path, err);
    if (st == IFM_OK || ours || name == NULL)
        return st;
    self->model_path = strdup(name);
    return self->model_path != NULL
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
}

static bool has_choice(const ifm_run_setup *self, ifm_target_kind kind)
{
    for (size_t i = 0; i < self->n_choices; i++)
        if (self->choices[i].kind == kind)
            return true;
    return false;
}

ifm_status ifm_run_setup_init(ifm_run_setup *self, const ifm_arguments *a, ifm_error *err)
{
    *self = (ifm_run_setup){
        .evict = is(a, "page-cache", "evict"),
        .timeout_ns = ifm_arguments_int(a, "timeout") * 1000000000,
    };
    read_request(self, a);
    ifm_status st = read_counts(self, a, err);
    if (st == IFM_OK)
        st = check_stops(&self->request, err);
    if (st == IFM_OK)
        st = read_prompt(self, a, err);
    if (st == IFM_OK)
        st = ifm_target_choices_parse(ifm_arguments_string(a, "target"), self->choices,
                                      &self->n_choices, err);
    if (st == IFM_OK)
        st = resolve(self, ifm_arguments_string(a, "model"), err);
    if (st == IFM_OK)
        st = apply_chat(self, a, err);
    self->python = ifm_arguments_string(a, "python");
    self->model = (ifm_worker_model){
        .path = self->model_path,
        .kernels = ifm_arguments_string(a, "kernels"),
        .threads = (int32_t)ifm_arguments_int(a, "threads"),
        .eager = is(a, "load", "eager"),
        .exact = ifm_arguments_flag(a, "exact"),
        .device = ifm_arguments_string(a, "device"),
        .dtype = ifm_arguments_string(a, "dtype"),
    };
    if (st == IFM_OK && has_choice(self, IFM_TARGET_NATIVE))
        st = look(self, err);
    if (st != IFM_OK)
        ifm_run_setup_deinit(self);
    return st;
}

void ifm_run_setup_deinit(ifm_run_setup *self)
{
    ifm_target_choices_free(self->choices, self->n_choices);
    free(self->model_path);
    free(self->file_prompt);
    free(self->chat_prompt);
    free(self->ids);
    *self = (ifm_run_setup){0};
}
