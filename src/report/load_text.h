/* Facts of a load in words, for reports, pictures and the live view alike. */
#ifndef IFM_REPORT_LOAD_TEXT_H
#define IFM_REPORT_LOAD_TEXT_H

#include "load/summary.h"
#include "report/text.h"

/* "12,345". */
ifm_word ifm_word_whole(int64_t n);
/* "99.9%": rounded down, so that only all of them are 100%; n ≥ 0. "—" for none of none. */
ifm_word ifm_word_share(int64_t n, int64_t of, bool unicode);
/* "7 s", "61.2 s", "2 h 03 min": how long something took or takes. */
ifm_word ifm_word_span(int64_t ns);

/* "20 requests/s, Poisson arrivals, at most 64 at a time, rising over 10 s". */
void ifm_load_text_arrival(ifm_buffer *out, const ifm_load_plan *plan, bool unicode);
/* "2,000 requests for 60 s at most, after 20 for warm-up". */
void ifm_load_text_size(ifm_buffer *out, const ifm_load_plan *plan);
/* "input 512 tokens, output normal:128,16, …"; what was not given is left out. */
void ifm_load_text_workload(ifm_buffer *out, const ifm_load_plan *plan,
                            const char *between);
/* "TTFT ≤ 500 ms, TPOT ≤ 50 ms"; nothing when no promise was given. */
void ifm_load_text_slo(ifm_buffer *out, const ifm_slo *slo, bool unicode);
/* "chat, streamed"; how requests are sent. */
void ifm_load_text_protocol(ifm_buffer *out, const ifm_load_plan *plan,
                            const char *between);

/* The metrics of a report's table in their order, and those of the way to the first
 * token. */
typedef struct ifm_load_row {
    ifm_load_metric metric;
    const char *title; /* at most 14 columns */
} ifm_load_row;

enum { IFM_LOAD_ROWS = 11, IFM_LOAD_PARTS = 5 };

/* Rows for which there is something to say, with ITL's title as it deserves; returns how
 * many. What says the same as TTFT (first output, first text) is left out. */
size_t ifm_load_rows(const ifm_load_summary *summary, ifm_load_row rows[IFM_LOAD_ROWS]);
size_t ifm_load_parts(const ifm_load_summary *summary, ifm_load_row rows[IFM_LOAD_PARTS]);

/* One unit for rows[n], from their medians and maxima; and in it the decimals of one row: four digits
 * of its median, where its largest value leaves room. */
ifm_scale ifm_load_scale(const ifm_load_summary *summary, const ifm_load_row *rows,
                         size_t n);
ifm_scale ifm_load_row_scale(const ifm_stats *stats, const ifm_scale *scale);

/* Which quantiles of rows[n] are missing for want of values: "p99 needs 299 values";
 * nothing when all are there. */
void ifm_load_text_missing(ifm_buffer *out, const ifm_load_summary *summary,
                           const ifm_load_row *rows, size_t n);

/* Output tokens (or events) per second in second number i: the last one is as long as the
 * load still lasted in it, when that is enough to divide by. */
double ifm_load_second_rate(const ifm_load_run *load, const ifm_load_summary *summary,
                            size_t i);

/* How ramp-up and drain were left out, a sentence without its end. */
void ifm_load_text_steady(ifm_buffer *out, const ifm_load_run *load,
                          const ifm_load_summary *summary);
/* "input 512 a request (498 to 530), 609,280 in all, output …"; nothing when nobody counted. */
void ifm_load_text_tokens(ifm_buffer *out, const ifm_load_summary *summary,
                          const char *between);
/* "1.00 tokens an event (server's count per event), 3% of events …". */
void ifm_load_text_stream(ifm_buffer *out, const ifm_load_summary *summary,
                          const char *between);
/* "lag 21 µs (p50), 180 µs (p99) …, 0.0042 CPU s per 1,000 events". */
void ifm_load_text_client(ifm_buffer *out, const ifm_load_run *load,
                          const ifm_load_summary *summary, const char *between,
                          bool unicode);
/* The floor of this client on this host, at about as many streams; or that nobody knows. */
void ifm_load_text_floor(ifm_buffer *out, const ifm_load_run *load, bool unicode);

/* Failed outcomes, the most frequent first; returns how many. */
size_t ifm_load_failures(const int64_t outcome[IFM_OUTCOME_COUNT],
                         ifm_outcome order[IFM_OUTCOME_COUNT]);

#endif
