/*
 * What is seen of a load while it runs, on stderr: on a terminal some lines that are drawn
 * anew in place and erased at the end; elsewhere a line every few seconds; with --quiet
 * nothing. The text is report/load_live.h's.
 */
#ifndef IFM_CLI_LOAD_SCREEN_H
#define IFM_CLI_LOAD_SCREEN_H

#include "report/load_live.h"

typedef struct ifm_load_screen {
    bool drawn;      /* in place, on a terminal */
    bool lines;      /* not on a terminal: plain lines */
    int n_lines;     /* that stand on the terminal now */
    int64_t last_ns; /* when something was shown */
    ifm_live live;
} ifm_load_screen;

/* plan borrowed as long as the screen. launched: this is one of several processes; whoever
 * started them passes on what is written, whatever it looks like from here (Open MPI gives a
 * process a terminal of its own), so that it gets lines. */
void ifm_load_screen_init(ifm_load_screen *self, const ifm_load_plan *plan, bool quiet,
                          bool launched);
/* For each tick of the drive. */
void ifm_load_screen_show(ifm_load_screen *self, const ifm_totals *totals);
/* Erases what stands there, before anything else is printed. */
void ifm_load_screen_erase(ifm_load_screen *self);

#endif
