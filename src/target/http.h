/*
 * The server target: one request at a time to an OpenAI-compatible server. It runs already,
 * so that nothing of it is cold. A request that fails becomes a record that says so; only
 * when the very first fails, or the person interrupts, is the run over.
 */
#ifndef IFM_TARGET_HTTP_H
#define IFM_TARGET_HTTP_H

#include <jansson.h>

#include "target/target.h"
#include "wire/client.h"

typedef struct ifm_server_options {
    ifm_client_options client; /* callbacks are the target's own */
    const char *shown_url;     /* without credentials */
    const char *model;         /* NULL: the first that the server lists */
    const char *system;        /* of a chat; NULL: none */
    const json_t *extra;       /* laid over every body; NULL: none */
    int cancel_fd;
} ifm_server_options;

/* Everything borrowed. Asks nothing yet. The caller ends it with ifm_target_free. Errors:
 * ARGUMENT, NO_MEMORY, IO. */
ifm_status ifm_server_new(const ifm_server_options *options, ifm_target_facts *facts,
                          ifm_target **out, ifm_error *err);

#endif
