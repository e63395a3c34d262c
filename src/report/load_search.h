/* The search for the highest rate that keeps the promise, in a report: a row a step. */
#ifndef IFM_REPORT_LOAD_SEARCH_H
#define IFM_REPORT_LOAD_SEARCH_H

#include "load/load.h"
#include "report/page.h"

/* "12.1 requests/s keep it, 12.7 do not: …": what the search found, and how sure it is. */
void ifm_load_text_found(ifm_buffer *out, const ifm_rate_search *search, bool unicode);

/* "20 requests/s: broken, 50.0% of 400 good (41.0 … 58.9)". */
void ifm_load_text_step(ifm_buffer *out, const ifm_rate_step *step, bool unicode);

/* As a section of a terminal's page, and as Markdown. Nothing when there was no search. */
void ifm_load_search_page(ifm_page *p, const ifm_load_run *load);
void ifm_load_search_markdown(ifm_buffer *out, const ifm_load_run *load);

#endif
