/* From the options of cli/wire_options.h to a client's. */
#ifndef IFM_CLI_WIRE_SETUP_H
#define IFM_CLI_WIRE_SETUP_H

#include <jansson.h>

#include "cli/command.h"
#include "wire/client.h"

typedef struct ifm_wire_setup {
    /* Everything that the options say (strings borrowed from the command line and the
     * environment). Left to the caller: timeout_ns, connections, tokenizer, callbacks. */
    ifm_client_options client;
    char *shown_url; /* heap: without credentials, for results and people */
    json_t *extra;   /* --extra-body, for ifm_body; NULL: none */
} ifm_wire_setup;

/* url: of --url or wherever it stands. chat: where --endpoint is not given. The caller
 * deinits. Errors: ARGUMENT (one line, without keys and credentials), NO_MEMORY. */
ifm_status ifm_wire_setup_init(ifm_wire_setup *self, const ifm_arguments *arguments,
                               const char *url, bool chat, ifm_error *err);
void ifm_wire_setup_deinit(ifm_wire_setup *self);

/* Word i of a command line as it may be kept in a result: without the values of --header,
 * without credentials in URLs. Heap; NULL without memory. */
char *ifm_wire_tame_word(char *const *words, size_t i);

#endif
