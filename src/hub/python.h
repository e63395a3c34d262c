/* Python as a child process, for what only its tools can do: pip, which knows from where
 * this machine takes packages, and the zip files that it brings. */
#ifndef IFM_HUB_PYTHON_H
#define IFM_HUB_PYTHON_H

#include "hub/watch.h"

/* Runs `python3 argv…` (NULL-terminated, without "python3") with TMPDIR set to `scratch`,
 * until it ends; calls tick(user) ten times a second. Its output is not shown; when it
 * fails, the line that says why is in the error. Errors: NOT_FOUND (no python3, no pip),
 * CHILD, CANCELLED, IO, NO_MEMORY. */
ifm_status ifm_hub_python(const char *const *argv, const char *scratch,
                          const ifm_hub_watch *watch, void (*tick)(void *user),
                          void *user, ifm_error *err);

#endif
