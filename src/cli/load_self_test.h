/* `inferometer load --self-test`: how far off this client is on this host. */
#ifndef IFM_CLI_LOAD_SELF_TEST_H
#define IFM_CLI_LOAD_SELF_TEST_H

#include "cli/command.h"

/* Runs all cases, prints the table (--markdown FILE, --json FILE take it, too) and stores it as
 * this host's floor. Returns the exit code: UNTRUSTWORTHY when a request was lost or
 * miscounted. */
int ifm_load_self_test(const ifm_arguments *arguments);

#endif
