#include "cli/run_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/chat.h"
#include "wire/client_url.h"

static bool is_server(const ifm_run_setup *setup, size_t k)
{
    return setup->choices[k].kind == IFM_TARGET_URL;
}

size_t ifm_run_server_count(const ifm_run_setup *setup)
{
    size_t n = 0;
    for (size_t k = 0; k < setup->n_choices; k++)
        n += is_server(setup, k);
    return n;
}

bool ifm_run_server_only(const ifm_run_setup *setup)
{
    return setup->n_choices > 0 && ifm_run_server_count(setup) == setup->n_choices;
}

ifm_status ifm_run_server_choose(ifm_run_setup *setup, const ifm_arguments *a,
                                 ifm_error *err)
{
    const char *url = ifm_arguments_string(a, "url");
    if (url == NULL)
        return ifm_target_choices_parse(ifm_arguments_string(a, "target"), setup->choices,
                                        &setup->n_choices, err);
    if (ifm_arguments_given(a, "target"))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--url and --target: to set a server beside something else, name "
                        "it there: --target native,url:http://…");
    setup->choices[0] = (ifm_target_choice){
        .kind = IFM_TARGET_URL, .label = strdup("url"), .command = strdup(url)};
    setup->n_choices = 1;
    return setup->choices[0].label != NULL && setup->choices[0].command != NULL
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "--url: no memory");
}

/* ---- what makes no sense ------------------------------------------------------------- */

static const struct {
    const char *option, *why;
} local_only[] = {
    {"chat-template", "a server applies its own"},
    {"input-len",
     "wants the model's tokenizer, and that is the server's: `inferometer load` "
     "makes prompts for servers"},
    {"logprobs", "is not asked of servers"},
    {"threads", "is the server's own affair"},
    {"kernels", "is the server's own affair"},
    {"dtype", "is the server's own affair"},
    {"device", "is the server's own affair"},
};

static ifm_status check_alone(ifm_run_setup *setup, const ifm_arguments *a,
                              ifm_error *err)
{
    if (ifm_arguments_given(a, "cold") && ifm_arguments_int(a, "cold") > 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--cold: a server runs already, so that nothing of it is cold: "
                        "leave --cold out; --target native measures cold starts");
    setup->n_cold = 0;
    for (size_t i = 0; i < sizeof local_only / sizeof *local_only; i++)
        if (ifm_arguments_given(a, local_only[i].option))
            return ifm_fail(err, IFM_ERR_ARGUMENT, "--%s: %s", local_only[i].option,
                            local_only[i].why);
    return IFM_OK;
}

static ifm_status check(ifm_run_setup *setup, const ifm_arguments *a, ifm_error *err)
{
    if (ifm_arguments_int(a, "batch-size") > 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--batch-size: a server makes its own batches: `inferometer load "
                        "--concurrency %lld` asks it so much at once",
                        (long long)ifm_arguments_int(a, "batch-size"));
    for (size_t k = 0; k < setup->n_choices; k++)
        if (is_server(setup, k) && ifm_chat_wanted(a) && !setup->wires[k].client.chat)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--chat: the completions endpoint takes a text and no "
                            "messages: leave --endpoint out");
    return ifm_run_server_only(setup) ? check_alone(setup, a, err) : IFM_OK;
}

/* ---- prompts ------------------------------------------------------------------------- */

static ifm_status copy_prompt(const ifm_prompt *from, ifm_prompt *to)
{
    *to = *from;
    to->text = malloc(from->n + 1);
    to->ids = malloc((from->n_ids + 1) * sizeof *to->ids);
    to->name = from->name != NULL ? strdup(from->name) : NULL;
    if (to->text == NULL || to->ids == NULL || (from->name != NULL && to->name == NULL))
        return IFM_ERR_NO_MEMORY;
    if (from->text != NULL)
        memcpy(to->text, from->text, from->n);
    to->text[from->n] = '\0';
    if (from->n_ids > 0)
        memcpy(to->ids, from->ids, from->n_ids * sizeof *to->ids);
    return IFM_OK;
}

/* A chat's messages, as a server gets them, before our engine's become one text. */
static ifm_status keep_messages(ifm_run_setup *setup, ifm_error *err)
{
    const size_t n = setup->prompts.n;
    ifm_prompts *to = &setup->messages;
    to->items = calloc(n + 1, sizeof *to->items);
    to->capacity = n;
    ifm_status st = to->items != NULL ? IFM_OK : IFM_ERR_NO_MEMORY;
    for (; st == IFM_OK && to->n < n; to->n++)
        st = copy_prompt(&setup->prompts.items[to->n], &to->items[to->n]);
    return st == IFM_OK ? st : ifm_fail(err, st, "prompts: no memory");
}

ifm_status ifm_run_server_init(ifm_run_setup *setup, const ifm_arguments *a,
                               ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (size_t k = 0; k < setup->n_choices && st == IFM_OK; k++)
        if (is_server(setup, k))
            st = ifm_wire_setup_init(&setup->wires[k], a, setup->choices[k].command,
                                     ifm_chat_wanted(a), err);
    if (st == IFM_OK && ifm_run_server_count(setup) > 0)
        st = check(setup, a, err);
    setup->system = ifm_arguments_string(a, "system");
    if (ifm_run_server_only(setup))
        setup->server_model = ifm_arguments_string(a, "model");
    else if (st == IFM_OK && ifm_run_server_count(setup) > 0 && ifm_chat_wanted(a))
        st = keep_messages(setup, err);
    return st;
}

void ifm_run_server_deinit(ifm_run_setup *setup)
{
    for (size_t k = 0; k < IFM_TARGETS_MAX; k++)
        ifm_wire_setup_deinit(&setup->wires[k]);
    ifm_prompts_deinit(&setup->messages);
    ifm_requests_deinit(&setup->asked);
}

ifm_server_options ifm_run_server_options(const ifm_run_setup *setup, size_t k,
                                          int cancel_fd)
{
    const ifm_wire_setup *wire = &setup->wires[k];
    ifm_server_options out = {
        .client = wire->client,
        .shown_url = wire->shown_url,
        .model = setup->server_model,
        .system = setup->system,
        .extra = wire->extra,
        .cancel_fd = cancel_fd,
    };
    out.client.timeout_ns = setup->timeout_ns;
    return out;
}
