/*
 * Ctrl-C. The first one asks: a descriptor becomes readable, whoever waits ends cleanly and
 * what was measured is written. The second one ends the program at once, without leaving a
 * child or a temporary file.
 *
 * State of the whole process, as signal handlers are.
 */
#ifndef IFM_CLI_INTERRUPT_H
#define IFM_CLI_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "inferometer/base.h"

/* Installs the handlers of SIGINT, SIGTERM and SIGHUP, ignores SIGPIPE and SIGXFSZ. Once. */
ifm_status ifm_interrupt_install(ifm_error *err);

/* Readable after the first signal, and ever after. */
int ifm_interrupt_fd(void);
bool ifm_interrupt_happened(void);

enum { IFM_INTERRUPT_GROUPS = 8 };

/* Where the process group of a living child is kept (0: none), one place for each of several
 * children: killed by the second. NULL for i beyond the last. */
_Atomic int *ifm_interrupt_group(size_t i);

/* A temporary file that the second signal removes; borrowed. Up to eight. NULL forgets
 * them all. */
void ifm_interrupt_remember_file(const char *path);

#endif
