/* inferometer model verify: is a model on the disk whole, and what it claims to be? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/bar.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "hub/resolve.h"
#include "hub/verify.h"

static void on_progress(void *user, const ifm_hub_progress *at)
{
    ifm_bar_show(user, at);
}

static bool on_stop(void *user)
{
    (void)user;
    return ifm_interrupt_happened();
}

static void on_finding(void *user, ifm_hub_finding finding, const char *about,
                       const char *what)
{
    static const char *const words[] = {"ok", "-", "WRONG"};
    ifm_bar_erase(user);
    printf("%-5s  %-32s  %s\n", words[finding], about, what);
    fflush(stdout);
}

static int run_verify(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_bar bar;
    char *path = NULL;
    size_t n_wrong = 0;
    const char *name = arguments->n_positional > 0 ? arguments->positional[0] : NULL;
    ifm_bar_init(&bar, "read", ifm_arguments_flag(arguments, "quiet"));
    const ifm_hub_watch watch = {.progress = on_progress, .stop = on_stop, .user = &bar};
    ifm_status st = ifm_interrupt_install(&err);
    if (st == IFM_OK)
        st = ifm_hub_resolve(name, &path, &err);
    if (st == IFM_OK)
        st = ifm_hub_verify(path, &watch, on_finding, &bar, &n_wrong, &err);
    ifm_bar_erase(&bar);
    if (st == IFM_OK && n_wrong > 0)
        st = ifm_fail(&err, IFM_ERR_FORMAT, "%s: %zu thing%s wrong", path, n_wrong,
                      n_wrong == 1 ? " is" : "s are");
    free(path);
    return st == IFM_OK ? IFM_EXIT_FINE
                        : ifm_command_fail(&ifm_command_model_verify, &err);
}

static const ifm_option verify_options[] = {
    {"quiet", 'q', IFM_OPTION_FLAG, .help = "no progress"},
};

const ifm_command ifm_command_model_verify = {
    .name = "model verify",
    .summary = "check a model's files: hashes, shards, headers, numbers",
    .positional = "[MODEL]",
    .max_positional = 1,
    .details =
        "MODEL is what -m takes. Reads every byte. A file from a hub is hashed and "
        "compared with the hash that the hub named it by; the weights' headers are "
        "checked, and that no weight is NaN or infinite. The exit code is 1 when "
        "anything is wrong.",
    IFM_OPTIONS(verify_options),
    .run = run_verify,
};
