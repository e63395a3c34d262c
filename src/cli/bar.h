/*
 * The bar of a download or of a long reading, on stderr:
 *
 *     model.safetensors  ████████████▌              42%  137.4 of 327.7 MB  12.3 MB/s  0:15
 *
 * On a terminal it is one line, drawn anew ten times a second. Elsewhere (a pipe, a log) it
 * is a plain line when a file is done, and one every ten seconds.
 */
#ifndef IFM_CLI_BAR_H
#define IFM_CLI_BAR_H

#include <stdbool.h>

#include "cli/progress.h"
#include "hub/watch.h"

typedef struct ifm_bar {
    ifm_progress line;
    bool lines;       /* not on a terminal: plain lines */
    bool unicode;     /* blocks may be drawn */
    const char *verb; /* "fetched", "read": for the plain lines */
    ifm_time began, drawn, said;
    /* The rate: new bytes at a moment some seconds ago, and at the last one. */
    ifm_time old, recent;
    int64_t old_bytes, recent_bytes;
} ifm_bar;

void ifm_bar_init(ifm_bar *self, const char *verb, bool quiet);
void ifm_bar_show(ifm_bar *self, const ifm_hub_progress *at);
/* A file is done. */
void ifm_bar_finished(ifm_bar *self, const char *file, int64_t n_bytes);
/* A line about what happened, above the bar. */
void ifm_bar_note(ifm_bar *self, const char *command, const char *line);
void ifm_bar_erase(ifm_bar *self);

/* The text of the line, `width` columns wide at most, for a transfer of `per_s` bytes a
 * second (0: not known yet). Pure. */
void ifm_bar_format(char *text, size_t size, const ifm_hub_progress *at, double per_s,
                    int width, bool unicode);

#endif
