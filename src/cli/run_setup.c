#include "cli/run_setup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/chat.h"
#include "cli/run_server.h"
#include "hub/resolve.h"
#include "inferometer/inferometer.h"

/* ---- prompts and batches ------------------------------------------------------------ */

/* The prompts are messages: each becomes what the model knows as a conversation. */
static ifm_status apply_chat(ifm_run_setup *self, const ifm_arguments *a, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (size_t i = 0; ifm_chat_wanted(a) && st == IFM_OK && i < self->prompts.n; i++) {
        ifm_prompt *prompt = &self->prompts.items[i];
        char *formatted = NULL;
        size_t n = 0;
        st = ifm_chat_apply(a, self->model_path, prompt->text, prompt->n, &formatted, &n,
                            err);
        if (st != IFM_OK)
            break;
        free(prompt->text);
        prompt->text = formatted;
        prompt->n = n;
    }
    return st;
}

static ifm_padding padding_of(const char *name)
{
    return strcmp(name, "left") == 0    ? IFM_PADDING_LEFT
           : strcmp(name, "right") == 0 ? IFM_PADDING_RIGHT
                                        : IFM_PADDING_NONE;
}

/* Transformers has no batches without padding; with padding, our engine is asked without, too,
 * so that what padding costs is measured and not guessed. */
static ifm_status read_batch(ifm_run_setup *self, const ifm_arguments *a, ifm_error *err)
{
    self->batch_size = (int32_t)ifm_arguments_int(a, "batch-size");
    const bool given = ifm_arguments_given(a, "padding");
    bool transformers = false, native = false;
    for (size_t i = 0; i < self->n_choices; i++) {
        transformers = transformers || self->choices[i].kind == IFM_TARGET_TRANSFORMERS;
        native = native || self->choices[i].kind == IFM_TARGET_NATIVE;
    }
    self->padding = padding_of(ifm_arguments_string(a, "padding"));
    if (self->batch_size == 1) {
        if (given && self->padding != IFM_PADDING_NONE)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--padding: one sequence needs none; --batch-size makes "
                            "batches");
        return IFM_OK;
    }
    if (ifm_arguments_flag(a, "stream"))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--stream shows one text as it is made, a batch has several");
    if (transformers && !given)
        self->padding = IFM_PADDING_LEFT;
    if (transformers && self->padding == IFM_PADDING_NONE)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--padding none: Transformers computes batches padded, take left");
    if (native && self->padding != IFM_PADDING_NONE)
        return ifm_target_choices_add_ragged(self->choices, &self->n_choices, err);
    return IFM_OK;
}

static ifm_status make_requests(ifm_run_setup *self, const ifm_arguments *a,
                                ifm_error *err)
{
    const size_t batch_size = (size_t)self->batch_size;
    ifm_status st = ifm_requests_make(&self->requests, &self->prompts, &self->request,
                                      batch_size, self->padding, err);
    if (st == IFM_OK && self->padding != IFM_PADDING_NONE)
        st = ifm_requests_make(&self->ragged, &self->prompts, &self->request, batch_size,
                               IFM_PADDING_NONE, err);
    if (st == IFM_OK && self->messages.n > 0)
        st = ifm_requests_make(&self->asked, &self->messages, &self->request, 1,
                               IFM_PADDING_NONE, err);
    if (st == IFM_OK && ifm_arguments_given(a, "repeat"))
        self->n_warm =
            (int32_t)(ifm_arguments_int(a, "repeat") * (int64_t)self->requests.n);
    return st;
}

/* ---- the other options ------------------------------------------------------------ */

static bool is(const ifm_arguments *a, const char *option, const char *word)
{
    return strcmp(ifm_arguments_string(a, option), word) == 0;
}

static void read_counts(ifm_run_setup *self, const ifm_arguments *a)
{
    self->n_cold = (int32_t)ifm_arguments_int(a, "cold");
    self->n_warmup = (int32_t)ifm_arguments_int(a, "warmup");
    self->n_warm = (int32_t)ifm_arguments_int(a, "warm");
}

static ifm_status check_counts(const ifm_run_setup *self, ifm_error *err)
{
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
    if (ifm_arguments_given(a, "output-len")) {
        r->max_new_tokens = (int32_t)ifm_arguments_int(a, "output-len");
        r->ignore_eos = true;
    }
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

/* In front of what is wrong with one of several prompts. */
static ifm_status within(const ifm_run_setup *self, size_t i, ifm_status st,
                         ifm_error *err)
{
    if (st == IFM_OK || self->prompts.n == 1)
        return st;
    return ifm_fail_within(err, st, "prompt %zu", i + 1);
}

static ifm_status check_length(int32_t max_new_tokens, size_t n_ids, int32_t context,
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
    if (max_new_tokens > left)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%zu prompt tokens leave room for %" PRId64 " new ones in the "
                        "model's context of %d, %d were asked: lower --max-new-tokens",
                        n_ids, left, context, max_new_tokens);
    return IFM_OK;
}

static ifm_status check_ids(const ifm_prompt *prompt, int32_t n_vocab, ifm_error *err)
{
    for (size_t i = 0; i < prompt->n_ids; i++)
        if (prompt->ids[i] >= n_vocab)
            return ifm_fail(
                err, IFM_ERR_ARGUMENT,
                "--prompt-ids: %d is no token of this model, which has 0 to %d",
                prompt->ids[i], n_vocab - 1);
    return IFM_OK;
}

static ifm_status check_prompt(const ifm_run_setup *self, const ifm_prompt *prompt,
                               ifm_tokenizer *tokenizer, const ifm_model_info *info,
                               ifm_error *err)
{
    int32_t *ids = NULL;
    size_t n_ids = prompt->n_ids;
    ifm_status st = IFM_OK;
    if (prompt->n_ids > 0)
        st = check_ids(prompt, info->n_vocab, err);
    else
        st = ifm_tokenizer_encode(tokenizer, prompt->text, prompt->n, IFM_ENCODE_DEFAULT,
                                  &ids, &n_ids, err);
    if (st == IFM_OK)
        st = check_length(prompt->max_new_tokens > 0 ? prompt->max_new_tokens
                                                     : self->request.max_new_tokens,
                          n_ids, info->n_positions, err);
    else if (st == IFM_ERR_FORMAT)
        ifm_fail_within(err, st, "prompt");
    free(ids);
    return st;
}

/* The tokenizer makes the prompts that --input-len asks for; with our engine, every mistake
 * is found now. */
static ifm_status look(ifm_run_setup *self, bool native, ifm_error *err)
{
    ifm_model *model = NULL;
    ifm_tokenizer *tokenizer = NULL;
    ifm_model_options options = {.load = IFM_LOAD_LAZY, .kernels = self->model.kernels};
    ifm_status st = IFM_OK;
    if (native)
        st = ifm_model_open(self->model_path, &options, &model, err);
    const ifm_model_info *info = model != NULL ? ifm_model_describe(model) : NULL;
    if (st == IFM_OK)
        st = ifm_tokenizer_open(self->model_path, NULL, &tokenizer, err);
    if (st == IFM_OK)
        st = ifm_prompts_make(&self->prompts, tokenizer,
                              info != NULL ? info->n_vocab : INT32_MAX,
                              self->request.sampling.seed, err);
    for (size_t i = 0; st == IFM_OK && info != NULL && i < self->prompts.n; i++)
        st = within(self, i,
                    check_prompt(self, &self->prompts.items[i], tokenizer, info, err),
                    err);
    ifm_tokenizer_close(tokenizer);
    ifm_model_close(model);
    return st;
}

/* The model's place. Engines of other people may take what no file here is. */
static ifm_status resolve(ifm_run_setup *self, const char *name, ifm_error *err)
{
    bool ours = false;
    if (ifm_run_server_only(self))
        return IFM_OK;
    for (size_t i = 0; i < self->n_choices; i++)
        ours = ours || (self->choices[i].kind != IFM_TARGET_WORKER &&
                        self->choices[i].kind != IFM_TARGET_URL);
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
    read_counts(self, a);
    ifm_status st = check_stops(&self->request, err);
    if (st == IFM_OK)
        st = ifm_prompts_read(&self->prompts, a, err);
    if (st == IFM_OK)
        st = ifm_run_server_choose(self, a, err);
    if (st == IFM_OK)
        st = ifm_run_server_init(self, a, err);
    if (st == IFM_OK)
        st = check_counts(self, err);
    if (st == IFM_OK)
        st = read_batch(self, a, err);
    if (st == IFM_OK)
        st = resolve(self, ifm_arguments_string(a, "model"), err);
    if (st == IFM_OK && !ifm_run_server_only(self))
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
    const bool native = has_choice(self, IFM_TARGET_NATIVE);
    if (st == IFM_OK && (native || self->prompts.n_lengths > 0))
        st = look(self, native, err);
    if (st == IFM_OK)
        st = make_requests(self, a, err);
    if (st != IFM_OK)
        ifm_run_setup_deinit(self);
    return st;
}

void ifm_run_setup_deinit(ifm_run_setup *self)
{
    ifm_target_choices_free(self->choices, self->n_choices);
    free(self->model_path);
    ifm_prompts_deinit(&self->prompts);
    ifm_requests_deinit(&self->requests);
    ifm_requests_deinit(&self->ragged);
    ifm_run_server_deinit(self);
    *self = (ifm_run_setup){0};
}
