/*
 * What a load has come to so far, as lines of text: pure functions of its totals, so that
 * they can be tested without a terminal. cli/load_screen.h puts them on one.
 */
#ifndef IFM_REPORT_LOAD_LIVE_H
#define IFM_REPORT_LOAD_LIVE_H

#include "base/buffer.h"
#include "load/load.h"
#include "load/totals.h"
#include "report/report.h"

/* Counts of a moment: rates are differences between now and some seconds ago. */
typedef struct ifm_live_moment {
    int64_t t_ns, done, output_tokens, events;
} ifm_live_moment;

enum { IFM_LIVE_MOMENTS = 16 };

typedef struct ifm_live {
    const ifm_load_plan *plan; /* borrowed */
    ifm_live_moment
        past[IFM_LIVE_MOMENTS]; /* the last ones, a quarter of a second apart */
    size_t n_past;              /* that were ever kept */
} ifm_live;

/* Keeps the moment. */
void ifm_live_see(ifm_live *self, const ifm_totals *totals);

/* Appends the dashboard: at most `rows` lines of at most style->width columns, each ended by
 * a newline, and no other control character but colour. */
void ifm_live_dashboard(const ifm_live *self, const ifm_totals *totals,
                        const ifm_report_style *style, int rows, ifm_buffer *out);

/* Appends one line for a log. */
void ifm_live_line(const ifm_live *self, const ifm_totals *totals, bool unicode,
                   ifm_buffer *out);

#endif
