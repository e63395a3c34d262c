/* The progress line: on stderr, on a terminal only, one line that is erased at the end. */
#ifndef IFM_CLI_PROGRESS_H
#define IFM_CLI_PROGRESS_H

#include <stdbool.h>

#include "target/plan.h"

typedef struct ifm_progress {
    bool enabled;
    bool shown; /* something stands on the line */
} ifm_progress;

void ifm_progress_init(ifm_progress *self, bool quiet);
/* Shows "cold run 3 of 10, 2 s left". */
void ifm_progress_show(ifm_progress *self, const ifm_plan_progress *at);
/* Shows a text, for what is not a request. */
void ifm_progress_say(ifm_progress *self, const char *text);
/* Shows a text that fits the line already: characters of more than a byte are not cut. */
void ifm_progress_say_whole(ifm_progress *self, const char *text);
/* Erases the line, before anything else is printed. */
void ifm_progress_erase(ifm_progress *self);

#endif
