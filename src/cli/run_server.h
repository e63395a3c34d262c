/* What `run` wants of servers: choosing them, their options, the prompts as they get them. */
#ifndef IFM_CLI_RUN_SERVER_H
#define IFM_CLI_RUN_SERVER_H

#include "cli/run_setup.h"

/* Fills setup->choices from --url or --target. Errors: ARGUMENT, NO_MEMORY. */
ifm_status ifm_run_server_choose(ifm_run_setup *setup, const ifm_arguments *arguments,
                                 ifm_error *err);
/* Servers among the choices; and whether there is nothing else. */
size_t ifm_run_server_count(const ifm_run_setup *setup);
bool ifm_run_server_only(const ifm_run_setup *setup);

/* Reads the options of the servers that were chosen and says which of the others make no
 * sense for them; keeps the prompts as they are now, before a local chat template is applied.
 * Errors: ARGUMENT, NO_MEMORY. */
ifm_status ifm_run_server_init(ifm_run_setup *setup, const ifm_arguments *arguments,
                               ifm_error *err);
void ifm_run_server_deinit(ifm_run_setup *setup);

/* Of choice k, which is a server. Borrows from the setup. */
ifm_server_options ifm_run_server_options(const ifm_run_setup *setup, size_t k,
                                          int cancel_fd);

#endif
