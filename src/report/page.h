/* A page of a terminal report: a column of labels, a column of values. Everything is written
 * to a buffer first, so that a report is printed whole or not at all. */
#ifndef IFM_REPORT_PAGE_H
#define IFM_REPORT_PAGE_H

#include "report/report.h"
#include "report/text.h"

enum { IFM_PAGE_LABEL = 13 }; /* columns of a label, behind two spaces */

typedef struct ifm_page {
    ifm_buffer out;
    const ifm_run *run;     /* the one that is reported, or the first of several */
    ifm_summary cold, warm; /* of it */
    bool colour, unicode;
    int width;
} ifm_page;

/* Escape sequences, "" without colour. */
const char *ifm_page_bold(const ifm_page *p);
const char *ifm_page_dim(const ifm_page *p);
const char *ifm_page_plain(const ifm_page *p);
/* What stands between facts of a line: " · ". */
const char *ifm_page_dot(const ifm_page *p);
/* Pads by columns, which printf cannot: it counts bytes. */
void ifm_page_padded(ifm_page *p, const char *text, int columns, bool right);
void ifm_page_label(ifm_page *p, const char *label);
/* Ends a line; what it was padded with is not printed. */
void ifm_page_end(ifm_page *p);
/* Text broken at spaces; the first line begins at column `indent`, where the caller is. */
void ifm_page_wrapped(ifm_page *p, const char *text, int indent);
/* The scale's unit, "us" without unicode. */
const char *ifm_page_unit(const ifm_page *p, const ifm_scale *scale);
/* "unknown" for NULL. */
const char *ifm_or_unknown(const char *text);

/* Parts that reports of one target and of several share: the workload's prompt and input
 * tokens; a warning, its target named in front when `name` is not NULL; the verdict. */
void ifm_page_workload(ifm_page *p);
void ifm_page_input(ifm_page *p);
void ifm_page_warning(ifm_page *p, const ifm_warning *warning, const char *name);
void ifm_page_verdict(ifm_page *p, bool trusted);

/* The whole page of several targets (side_by_side.c). Errors: NO_MEMORY. */
ifm_status ifm_page_side_by_side(ifm_page *p, const ifm_run *runs, size_t n,
                                 ifm_error *err);

#endif
