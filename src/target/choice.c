#include "target/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "target/native.h"
#include "target/transformers.h"
#include "wire/client_url.h"

static const char worker_prefix[] = "worker:", url_prefix[] = "url:";

static const char *const kind_names[] = {
    [IFM_TARGET_NATIVE] = "native",
    [IFM_TARGET_TRANSFORMERS] = "transformers",
    [IFM_TARGET_URL] = "url",
    [IFM_TARGET_WORKER] = "worker",
};

/* It may be a URL without "url:" in front, and hold a password. */
static ifm_status fail_unknown(const char *text, size_t n, ifm_error *err)
{
    char *word = strndup(text, n);
    char *tame = word != NULL ? ifm_client_url_tame(word) : NULL;
    ifm_status st =
        ifm_fail(err, IFM_ERR_ARGUMENT,
                 "--target: \"%s\" is no target, expected native, transformers, url:URL "
                 "or worker:COMMAND, with commas between several",
                 tame != NULL ? tame : "");
    free(tame);
    free(word);
    return st;
}

/* Reads one choice at *list and steps over it and the comma behind. */
static ifm_status take_choice(const char **list, ifm_target_choice *choice,
                              ifm_error *err)
{
    const char *at = *list;
    size_t n = strcspn(at, ",");
    *choice = (ifm_target_choice){0};
    if (strncmp(at, worker_prefix, sizeof worker_prefix - 1) == 0) {
        const char *command = at + sizeof worker_prefix - 1;
        n = strlen(at);
        choice->kind = IFM_TARGET_WORKER;
        if (*command == '\0')
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--target worker: no command, expected worker:COMMAND");
        choice->command = strdup(command);
    } else if (strncmp(at, url_prefix, sizeof url_prefix - 1) == 0) {
        const size_t n_prefix = sizeof url_prefix - 1;
        choice->kind = IFM_TARGET_URL;
        if (n == n_prefix)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--target url: no URL, expected url:http://HOST:PORT");
        choice->command = strndup(at + n_prefix, n - n_prefix);
    } else if (n == strlen("native") && strncmp(at, "native", n) == 0) {
        choice->kind = IFM_TARGET_NATIVE;
    } else if (n == strlen("transformers") && strncmp(at, "transformers", n) == 0) {
        choice->kind = IFM_TARGET_TRANSFORMERS;
    } else {
        return fail_unknown(at, n, err);
    }
    choice->label = strdup(kind_names[choice->kind]);
    *list = at + n + (at[n] == ',');
    bool ok = choice->label != NULL &&
              (choice->kind < IFM_TARGET_URL || choice->command != NULL);
    return ok ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "--target: no memory");
}

/* The second server is "url2". */
static ifm_status number_url(ifm_target_choice *choices, size_t n, ifm_error *err)
{
    int same = 0;
    for (size_t i = 0; i < n; i++)
        same += choices[i].kind == IFM_TARGET_URL;
    if (same < 2)
        return IFM_OK;
    char label[16];
    snprintf(label, sizeof label, "url%d", same);
    free(choices[n - 1].label);
    choices[n - 1].label = strdup(label);
    return choices[n - 1].label != NULL
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "--target: no memory");
}

ifm_status ifm_target_choices_parse(const char *list,
                                    ifm_target_choice choices[IFM_TARGETS_MAX], size_t *n,
                                    ifm_error *err)
{
    *n = 0;
    ifm_status st = IFM_OK;
    do {
        ifm_target_choice *choice = &choices[*n];
        st = take_choice(&list, choice, err);
        (*n)++;
        if (st == IFM_OK && choice->kind == IFM_TARGET_URL)
            st = number_url(choices, *n, err);
        for (size_t i = 0; st == IFM_OK && i + 1 < *n; i++)
            if (choices[i].kind == choice->kind && choice->kind != IFM_TARGET_URL)
                st = ifm_fail(err, IFM_ERR_ARGUMENT, "--target names %s twice",
                              choice->label);
        if (st == IFM_OK && *list != '\0' && *n == IFM_TARGETS_MAX)
            st = ifm_fail(err, IFM_ERR_ARGUMENT, "--target: at most %d targets",
                          IFM_TARGETS_MAX);
    } while (st == IFM_OK && *list != '\0');
    if (st != IFM_OK) {
        ifm_target_choices_free(choices, *n);
        *n = 0;
    }
    return st;
}

ifm_status ifm_target_choices_add_ragged(ifm_target_choice choices[IFM_TARGETS_MAX],
                                         size_t *n, ifm_error *err)
{
    if (*n == IFM_TARGETS_MAX)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--target: at most %d targets with padding", IFM_TARGETS_MAX - 1);
    choices[*n] = (ifm_target_choice){
        .kind = IFM_TARGET_NATIVE, .label = strdup("ragged"), .ragged = true};
    if (choices[*n].label == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "--target: no memory");
    ++*n;
    return IFM_OK;
}

void ifm_target_choices_free(ifm_target_choice choices[IFM_TARGETS_MAX], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(choices[i].label);
        free(choices[i].command);
        choices[i] = (ifm_target_choice){0};
    }
}

ifm_status ifm_target_choice_open(const ifm_target_choice *choice,
                                  const ifm_child_options *options, const char *python,
                                  const ifm_server_options *server,
                                  ifm_target_facts *facts, ifm_target **out,
                                  ifm_error *err)
{
    switch (choice->kind) {
    case IFM_TARGET_NATIVE:
        return ifm_native_new(options, NULL, facts, out, err);
    case IFM_TARGET_TRANSFORMERS:
        return ifm_transformers_new(options, python, facts, out, err);
    case IFM_TARGET_URL:
        return ifm_server_new(server, facts, out, err);
    case IFM_TARGET_WORKER:
        break;
    }
    const char *const argv[] = {"/bin/sh", "-c", choice->command};
    return ifm_child_new(options, "worker", argv, 3, facts, out, err);
}
