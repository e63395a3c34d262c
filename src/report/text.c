#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ifm_scale ifm_scale_for(double smallest, double largest)
{
    ifm_scale scale = {1e6, "ms", 0};
    if (largest < 1e6)
        scale = (ifm_scale){1e3, "µs", 0};
    else if (smallest >= 1e9)
        scale = (ifm_scale){1e9, "s", 0};
    double x = smallest / scale.ns_per_unit;
    if (x > 0)
        scale.decimals = x < 0.1 ? 4 : x < 1 ? 3 : x < 10 ? 2 : x < 100 ? 1 : 0;
    return scale;
}

ifm_scale ifm_scale_of(const ifm_summary *summary)
{
    double smallest = INFINITY, largest = 0;
    for (int m = 0; m < IFM_METRIC_COUNT; m++) {
        double x = summary->metric[m].p50;
        if (summary->metric[m].n == 0 || !(x > 0))
            continue;
        smallest = fmin(smallest, x);
        largest = fmax(largest, x);
    }
    return ifm_scale_for(isfinite(smallest) ? smallest : 1e6, largest);
}

static ifm_word nothing(bool unicode)
{
    ifm_word word;
    snprintf(word.text, sizeof word.text, "%s", unicode ? "—" : "-");
    return word;
}

ifm_word ifm_word_duration(double ns, const ifm_scale *scale, bool unicode)
{
    ifm_word word;
    if (isnan(ns))
        return nothing(unicode);
    snprintf(word.text, sizeof word.text, "%.*f", scale->decimals,
             ns / scale->ns_per_unit);
    return word;
}

ifm_word ifm_word_interval(const double bounds[2], const ifm_scale *scale, bool unicode)
{
    ifm_word word;
    if (isnan(bounds[0]))
        return nothing(unicode);
    snprintf(word.text, sizeof word.text, "%.*f %s %.*f", scale->decimals,
             bounds[0] / scale->ns_per_unit, unicode ? "…" : "..", scale->decimals,
             bounds[1] / scale->ns_per_unit);
    return word;
}

static int three_digits(double x)
{
    return x < 10 ? 2 : x < 100 ? 1 : 0;
}

ifm_word ifm_word_duration_alone(double ns, bool unicode)
{
    static const struct {
        double ns;
        const char *unit, *ascii;
    } units[] = {{1e9, "s", "s"}, {1e6, "ms", "ms"}, {1e3, "µs", "us"}, {1, "ns", "ns"}};
    if (isnan(ns))
        return nothing(unicode);
    size_t u = 0;
    while (u < 3 && ns < units[u].ns)
        u++;
    ifm_word word;
    double x = ns / units[u].ns;
    snprintf(word.text, sizeof word.text, "%.*f %s", u == 3 ? 0 : three_digits(x), x,
             unicode ? units[u].unit : units[u].ascii);
    return word;
}

/* "81.9 M": three significant digits and the SI prefix. */
static ifm_word with_prefix(double n, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    ifm_word word;
    size_t p = 0;
    for (; p < 4 && n >= 999.5; p++)
        n /= 1000;
    snprintf(word.text, sizeof word.text, "%.*f %s%s", p == 0 ? 0 : three_digits(n), n,
             prefixes[p], unit);
    size_t end = strlen(word.text);
    if (word.text[end - 1] == ' ')
        word.text[end - 1] = '\0';
    return word;
}

ifm_word ifm_word_count(double n)
{
    return with_prefix(n, "");
}

ifm_word ifm_word_bytes(double n)
{
    return with_prefix(n, "B");
}

ifm_word ifm_word_rate(double x, bool unicode)
{
    ifm_word word;
    if (isnan(x))
        return nothing(unicode);
    if (x < 1000) {
        snprintf(word.text, sizeof word.text, "%.*f", three_digits(x), x);
        return word;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.0f", x);
    size_t n = strlen(digits), out = 0;
    for (size_t i = 0; i < n && out + 2 < sizeof word.text; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            word.text[out++] = ',';
        word.text[out++] = digits[i];
    }
    word.text[out] = '\0';
    return word;
}

size_t ifm_text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

/* Whether a character moves the cursor, begins a terminal's command, or turns the
 * direction of what follows: controls (C0, DEL, C1), line separators, bidirectional
 * controls. */
static bool is_commanding(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Bytes of the well-formed UTF-8 character at text[left], and its code point; 0 when there
 * is none (Unicode Standard, table 3-7: nothing overlong, no surrogates). */
static size_t read_character(const char *text, size_t left, uint32_t *code_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    if (n == 0 || n > left || *p >= 0xf8)
        return 0;
    uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    *code_point = c;
    return c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : n;
}

/* One character, escaped if a terminal would act on it; piece[16]. Returns its bytes in
 * the text. What is not UTF-8 is shown as "?": copied by what its first byte promises, it
 * would take an escape character along. */
static size_t show_character(const char *text, size_t left, bool unicode, char *piece)
{
    uint32_t c = 0;
    size_t n = read_character(text, left, &c);
    if (n == 0) {
        snprintf(piece, 16, "?");
        return 1;
    }
    if (c == '\n' || c == '\t' || c == '\r') {
        snprintf(piece, 16, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    } else if (is_commanding(c)) {
        snprintf(piece, 16, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
    } else if (n > 1 && !unicode) {
        snprintf(piece, 16, "?");
    } else {
        memcpy(piece, text, n);
        piece[n] = '\0';
    }
    return n;
}

void ifm_text_one_line(ifm_buffer *out, const char *text, size_t n, size_t columns,
                       bool unicode)
{
    const char *end = unicode ? "…" : "...";
    size_t room = columns > ifm_text_columns(end) ? columns - ifm_text_columns(end) : 0;
    size_t used = 0, safe = out->length;
    bool safe_set = false;
    for (size_t i = 0; i < n;) {
        char piece[16];
        size_t step = show_character(text + i, n - i, unicode, piece);
        size_t wide = ifm_text_columns(piece);
        if (!safe_set && used + wide > room) {
            safe = out->length; /* here it is cut, should it not fit after all */
            safe_set = true;
        }
        if (used + wide > columns) {
            out->length = safe;
            ifm_buffer_puts(out, end);
            return;
        }
        ifm_buffer_puts(out, piece);
        used += wide;
        i += step;
    }
}

void ifm_text_markdown(ifm_buffer *out, const char *text)
{
    ifm_buffer line = {0};
    text = text != NULL ? text : "unknown";
    ifm_text_one_line(&line, text, strlen(text), 2000, true);
    for (const char *c = ifm_buffer_text(&line); *c != '\0'; c++)
        ifm_buffer_printf(out, "%s%c", strchr("\\`*_|<>[]#&~", *c) != NULL ? "\\" : "",
                          *c);
    ifm_buffer_deinit(&line);
}

void ifm_text_lengths(ifm_buffer *out, const int32_t *lengths, size_t n)
{
    enum { SHOWN = 16 };
    for (size_t i = 0; i < n && i < SHOWN; i++)
        ifm_buffer_printf(out, "%s%d", i > 0 ? ", " : "", lengths[i]);
    if (n > SHOWN)
        ifm_buffer_printf(out, " and %zu more", n - SHOWN);
}

void ifm_text_sampling(ifm_buffer *out, const ifm_sampling *s)
{
    if (!(s->temperature > 0)) {
        ifm_buffer_puts(out, "greedy");
    } else {
        ifm_buffer_printf(out, "temperature %g", (double)s->temperature);
        if (s->top_k > 0)
            ifm_buffer_printf(out, ", top-k %d", s->top_k);
        if (s->top_p > 0 && s->top_p < 1)
            ifm_buffer_printf(out, ", top-p %g", (double)s->top_p);
        if (s->min_p > 0)
            ifm_buffer_printf(out, ", min-p %g", (double)s->min_p);
        ifm_buffer_printf(out, ", seed %llu", (unsigned long long)s->seed);
    }
    if (s->repetition_penalty > 0 &&
        (s->repetition_penalty < 1 || s->repetition_penalty > 1))
        ifm_buffer_printf(out, ", repetition penalty %g", (double)s->repetition_penalty);
}

static int compare_ttft(const void *a, const void *b)
{
    const ifm_record *x = *(const ifm_record *const *)a,
                     *y = *(const ifm_record *const *)b;
    if (x->token_ns[0] != y->token_ns[0])
        return x->token_ns[0] < y->token_ns[0] ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

const ifm_record *ifm_report_median_request(const ifm_run *run, ifm_start start)
{
    const ifm_record **sorted = calloc(run->n_records + 1, sizeof *sorted);
    if (sorted == NULL)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *r = &run->records[i];
        if (r->start == start && r->ok && r->n_tokens > 0)
            sorted[n++] = r;
    }
    qsort(sorted, n, sizeof *sorted, compare_ttft);
    const ifm_record *median = n > 0 ? sorted[(n - 1) / 2] : NULL;
    free(sorted);
    return median;
}
