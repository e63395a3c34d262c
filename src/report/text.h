/* Numbers and texts as reports show them. */
#ifndef IFM_REPORT_TEXT_H
#define IFM_REPORT_TEXT_H

#include "base/buffer.h"
#include "measure/record.h"
#include "measure/summary.h"

/* One unit for a block of durations: value in the unit = ns / ns_per_unit. */
typedef struct ifm_scale {
    double ns_per_unit;
    const char *unit; /* "ms" */
    int decimals;     /* so that the smallest value keeps three significant digits */
} ifm_scale;

/* The scale for durations from `smallest` to `largest`, both in nanoseconds: milliseconds,
 * unless everything is below one (µs), or nothing is below a second (s). */
ifm_scale ifm_scale_for(double smallest, double largest);
/* The scale for a summary's times: its smallest and largest medians. */
ifm_scale ifm_scale_of(const ifm_summary *summary);

/* A number of at most a few words, by value so that it can stand in an argument list. */
typedef struct ifm_word {
    char text[48];
} ifm_word;

/* "12.04"; "—" ("-" without unicode) for NaN. */
ifm_word ifm_word_duration(double ns, const ifm_scale *scale, bool unicode);
ifm_word ifm_word_interval(const double bounds[2], const ifm_scale *scale, bool unicode);
/* A duration by itself, with its unit: "81 µs", "2.41 ms". */
ifm_word ifm_word_duration_alone(double ns, bool unicode);
/* "3.43 M", "81.9 M", "1.56 G"; "950". */
ifm_word ifm_word_count(double n);
/* "6.87 MB", decimal as disks and bandwidths are. */
ifm_word ifm_word_bytes(double n);
/* Three significant digits, thousands apart: "12,345", "81.2"; NaN as above. */
ifm_word ifm_word_rate(double x, bool unicode);

/* Appends text as a person may read it in one line: control characters escaped (\n, \x1b),
 * also those that turn the writing direction (\u202e), "?" for what is not UTF-8;
 * at most `columns` characters, "…" where it was cut. */
void ifm_text_one_line(ifm_buffer *out, const char *text, size_t n, size_t columns,
                       bool unicode);
/* Characters (code points) of UTF-8 text. */
size_t ifm_text_columns(const char *text);

/* Appends text from files and systems as words of Markdown, wherever it stands: nothing in
 * it is markup. "unknown" for NULL. */
void ifm_text_markdown(ifm_buffer *out, const char *text);

/* "6", or "3, 6, 11": at most sixteen of the lengths of a batch, then how many more. */
void ifm_text_lengths(ifm_buffer *out, const int32_t *lengths, size_t n);

/* "greedy", or "temperature 0.8, top-k 40, …, seed 7". */
void ifm_text_sampling(ifm_buffer *out, const ifm_sampling *sampling);

/* The request of a kind whose TTFT is the median (the lower one of two): one real request
 * stands for all where parts must add up. NULL when there is none. */
const ifm_record *ifm_report_median_request(const ifm_run *run, ifm_start start);

#endif
