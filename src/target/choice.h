/* Choosing targets by name: what stands behind --target. */
#ifndef IFM_TARGET_CHOICE_H
#define IFM_TARGET_CHOICE_H

#include "target/child.h"
#include "target/http.h"

enum { IFM_TARGETS_MAX = 8 };

typedef enum ifm_target_kind {
    IFM_TARGET_NATIVE,       /* "native": our engine */
    IFM_TARGET_TRANSFORMERS, /* "transformers": Hugging Face Transformers */
    IFM_TARGET_URL,          /* "url:URL": a server */
    IFM_TARGET_WORKER,       /* "worker:COMMAND": anybody's engine, started by sh */
} ifm_target_kind;

typedef struct ifm_target_choice {
    ifm_target_kind kind;
    char *label;   /* heap: "native", "transformers", "worker", "url" and "url2" */
    char *command; /* heap: of a worker, or a server's URL, else NULL */
    bool ragged;   /* asked without padding, to say what padding costs the others */
} ifm_target_choice;

/* Splits `list` at commas; of several servers each has a number; everything behind "worker:" up to the end is its command, so it
 * stands last. The caller frees with ifm_target_choices_free. Errors: ARGUMENT (an unknown
 * kind, one named twice, too many), NO_MEMORY. */
ifm_status ifm_target_choices_parse(const char *list,
                                    ifm_target_choice choices[IFM_TARGETS_MAX], size_t *n,
                                    ifm_error *err);
/* Adds the native target once more, as "ragged". Errors: ARGUMENT (too many),
 * NO_MEMORY. */
ifm_status ifm_target_choices_add_ragged(ifm_target_choice choices[IFM_TARGETS_MAX],
                                         size_t *n, ifm_error *err);
void ifm_target_choices_free(ifm_target_choice choices[IFM_TARGETS_MAX], size_t n);

/* Makes the target that a choice names. `python` as in target/transformers.h; `server` for a
 * URL, else not looked at. */
ifm_status ifm_target_choice_open(const ifm_target_choice *choice,
                                  const ifm_child_options *options, const char *python,
                                  const ifm_server_options *server,
                                  ifm_target_facts *facts, ifm_target **out,
                                  ifm_error *err);

#endif
