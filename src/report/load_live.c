#include "report/load_live.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/load_text.h"

enum { LABEL = 11, BAR_MOST = 40, BAR_LEAST = 8 };

static int64_t done_of(const ifm_totals *t)
{
    return t->outcome[IFM_OUTCOME_OK] + ifm_totals_failed(t);
}

void ifm_live_see(ifm_live *self, const ifm_totals *totals)
{
    self->past[self->n_past++ % IFM_LIVE_MOMENTS] = (ifm_live_moment){
        totals->t_ns, done_of(totals), totals->output_tokens, totals->events};
}

/* ---- numbers ---------------------------------------------------------------------- */

typedef struct rates {
    double requests_per_s, output_per_s; /* NaN: too early to tell */
    bool tokens;                         /* else the output is counted in events */
} rates;

/* Over the time since the oldest moment that is kept. */
static rates rates_of(const ifm_live *live, const ifm_totals *now)
{
    static const int64_t least_ns = 400000000;
    rates r = {NAN, NAN, now->output_tokens > 0};
    if (live->n_past == 0)
        return r;
    const size_t oldest =
        live->n_past > IFM_LIVE_MOMENTS ? live->n_past % IFM_LIVE_MOMENTS : 0;
    const ifm_live_moment *then = &live->past[oldest];
    const int64_t ns = now->t_ns - then->t_ns;
    if (ns < least_ns)
        return r;
    const int64_t output =
        r.tokens ? now->output_tokens - then->output_tokens : now->events - then->events;
    r.requests_per_s = 1e9 * (double)(done_of(now) - then->done) / (double)ns;
    r.output_per_s = 1e9 * (double)output / (double)ns;
    return r;
}

/* How much of the load is done, 0 … 1; NaN when it has no end. */
static double share_done(const ifm_totals *t)
{
    double share = NAN;
    if (t->planned > 0)
        share = (double)done_of(t) / (double)t->planned;
    if (t->duration_ns > 0)
        share = fmax(isnan(share) ? 0 : share, (double)t->t_ns / (double)t->duration_ns);
    return fmin(share, 1);
}

/* "0:29", "1:02:03". */
static ifm_word clock_of(int64_t ns)
{
    ifm_word word;
    const long long s = (long long)(ns > 0 ? ns / 1000000000 : 0);
    if (s >= 3600)
        snprintf(word.text, sizeof word.text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60,
                 s % 60);
    else
        snprintf(word.text, sizeof word.text, "%lld:%02lld", s / 60, s % 60);
    return word;
}

/* "612 of 1,200", or "612". */
static ifm_word progress_of(const ifm_totals *t)
{
    ifm_word word;
    const ifm_word done = ifm_word_whole(done_of(t)), all = ifm_word_whole(t->planned);
    if (t->planned > 0)
        snprintf(word.text, sizeof word.text, "%.20s of %.20s", done.text, all.text);
    else
        word = done;
    return word;
}

/* "p50 199 ms, p95 217 ms"; nothing yet: a dash. */
static void put_quantiles(ifm_buffer *out, const ifm_histogram *h, double high,
                          bool unicode)
{
    if (h->n == 0) {
        ifm_buffer_puts(out, unicode ? "—" : "-");
        return;
    }
    ifm_buffer_printf(
        out, "p50 %s, ",
        ifm_word_duration_alone(ifm_histogram_quantile(h, 0.5), unicode).text);
    ifm_buffer_printf(
        out, "p%.0f %s", 100 * high,
        ifm_word_duration_alone(ifm_histogram_quantile(h, high), unicode).text);
}

static void put_failures(ifm_buffer *out, const ifm_totals *t)
{
    ifm_outcome order[IFM_OUTCOME_COUNT];
    const size_t n = ifm_load_failures(t->outcome, order);
    for (size_t i = 0; i < n; i++)
        ifm_buffer_printf(out, "%s%s %s", i > 0 ? ", " : "",
                          ifm_word_whole(t->outcome[order[i]]).text,
                          ifm_outcome_name(order[i]));
}

/* ---- the dashboard ---------------------------------------------------------------- */

typedef struct board {
    const ifm_report_style *style;
    int rows; /* that may still be written */
    ifm_buffer line;
    ifm_buffer *out;
} board;

static const char *colour(const board *b, const char *escape)
{
    return b->style->colour ? escape : "";
}

/* Bytes of the escape sequence at text; 0: there is none. */
static size_t escape_at(const char *text)
{
    return *text == '\x1b' ? strcspn(text, "m") + 1 : 0;
}

/* Ends the line: as much of it as fits, escape sequences not counted. */
static void end_line(board *b)
{
    int columns = 0;
    const char *c = ifm_buffer_text(&b->line);
    if (b->rows-- > 0) {
        while (*c != '\0') {
            size_t n = escape_at(c);
            if (n == 0) {
                n = 1;
                while (((unsigned char)c[n] & 0xc0) == 0x80)
                    n++;
                if (columns++ >= b->style->width) {
                    ifm_buffer_puts(b->out, colour(b, "\x1b[0m"));
                    break;
                }
            }
            ifm_buffer_append(b->out, c, n);
            c += n;
        }
        ifm_buffer_puts(b->out, "\n");
    }
    b->out->failed = b->out->failed || b->line.failed;
    ifm_buffer_clear(&b->line);
}

static void put_label(board *b, const char *label)
{
    ifm_buffer_printf(&b->line, "  %s%-*s%s", colour(b, "\x1b[2m"), LABEL, label,
                      colour(b, "\x1b[0m"));
}

/* Pads the line to a column; it holds no escape sequences yet, or they are counted out. */
static void pad_to(board *b, int column)
{
    int columns = 0;
    for (const char *c = ifm_buffer_text(&b->line); *c != '\0';) {
        const size_t n = escape_at(c);
        columns += n == 0 && ((unsigned char)*c & 0xc0) != 0x80;
        c += n > 0 ? n : 1;
    }
    ifm_buffer_printf(&b->line, "%*s", column > columns ? column - columns : 1, "");
}

/* In eighths of a column where the terminal has such blocks. */
static void put_bar(board *b, double share, int columns)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int steps = (int)(share * columns * 8);
    for (int i = 0; i < columns; i++) {
        const int here = steps - 8 * i;
        if (here >= 8)
            ifm_buffer_puts(&b->line, b->style->unicode ? "█" : "#");
        else if (b->style->unicode && here > 0)
            ifm_buffer_puts(&b->line, eighths[here]);
        else
            ifm_buffer_puts(&b->line, b->style->unicode ? "·" : ".");
    }
}

static void put_progress(board *b, const ifm_totals *t)
{
    const double share = share_done(t);
    const ifm_word progress = progress_of(t);
    const int room = b->style->width - 4 - (int)strlen(progress.text) - 28;
    ifm_buffer_puts(&b->line, "  ");
    if (!isnan(share) && room >= BAR_LEAST) {
        put_bar(b, share, room < BAR_MOST ? room : BAR_MOST);
        ifm_buffer_puts(&b->line, "  ");
    }
    ifm_buffer_printf(&b->line, "%s%s%s done  %s", colour(b, "\x1b[1m"), progress.text,
                      colour(b, "\x1b[0m"), clock_of(t->t_ns).text);
    if (share >= 1)
        ifm_buffer_puts(&b->line, t->in_flight > 0 ? ", the last ones" : "");
    else if (share > 0.01)
        ifm_buffer_printf(
            &b->line, ", %s left",
            clock_of((int64_t)((double)t->t_ns * (1 - share) / share)).text);
    end_line(b);
}

static void put_number(board *b, const char *label, const char *value, int column)
{
    put_label(b, label);
    ifm_buffer_printf(&b->line, "%s%s%s", colour(b, "\x1b[1m"), value,
                      colour(b, "\x1b[0m"));
    if (column > 0)
        pad_to(b, column);
}

/* Two numbers side by side, and two below them. */
static void put_numbers(board *b, const ifm_live *live, const ifm_totals *t)
{
    const rates r = rates_of(live, t);
    const bool unicode = b->style->unicode;
    put_number(b, "in flight", ifm_word_whole(t->in_flight).text, 28);
    put_number(b, r.tokens ? "tokens/s" : "events/s",
               ifm_word_rate(r.output_per_s, unicode).text, 54);
    put_number(b, "requests/s", ifm_word_rate(r.requests_per_s, unicode).text, 0);
    end_line(b);
    if (t->waiting > 0) {
        put_number(b, "waiting", ifm_word_whole(t->waiting).text, 0);
        ifm_buffer_puts(&b->line, " due, without a place");
        end_line(b);
    }
}

static void put_latency(board *b, const char *label, const ifm_histogram *h, double high)
{
    put_label(b, label);
    put_quantiles(&b->line, h, high, b->style->unicode);
    end_line(b);
}

static void put_head(board *b, const ifm_load_plan *plan)
{
    ifm_buffer_puts(&b->line, "  ");
    if (plan->url != NULL) {
        ifm_buffer_printf(&b->line, "%s", colour(b, "\x1b[1m"));
        ifm_text_one_line(&b->line, plan->url, strlen(plan->url), 36, b->style->unicode);
        ifm_buffer_printf(&b->line, "%s  ", colour(b, "\x1b[0m"));
    }
    ifm_load_text_arrival(&b->line, plan, b->style->unicode);
    end_line(b);
}

static void put_failed(board *b, const ifm_totals *t)
{
    const int64_t failed = ifm_totals_failed(t);
    if (failed == 0)
        return;
    put_label(b, "failed");
    ifm_buffer_printf(&b->line, "%s", colour(b, "\x1b[31m"));
    put_failures(&b->line, t);
    ifm_buffer_printf(&b->line, "%s", colour(b, "\x1b[0m"));
    end_line(b);
}

void ifm_live_dashboard(const ifm_live *self, const ifm_totals *t,
                        const ifm_report_style *style, int rows, ifm_buffer *out)
{
    board b = {.style = style, .rows = rows, .out = out};
    if (rows > 6)
        put_head(&b, self->plan);
    put_progress(&b, t);
    put_failed(&b, t);
    put_numbers(&b, self, t);
    put_latency(&b, "TTFT", &t->ttft, 0.95);
    put_latency(&b, "ITL", &t->itl, 0.95);
    put_latency(&b, "client lag", &t->lag, 0.99);
    ifm_buffer_deinit(&b.line);
}

/* ---- a line ----------------------------------------------------------------------- */

void ifm_live_line(const ifm_live *self, const ifm_totals *t, bool unicode,
                   ifm_buffer *out)
{
    const rates r = rates_of(self, t);
    ifm_buffer_printf(out, "load: %s, %s done, %s in flight", clock_of(t->t_ns).text,
                      progress_of(t).text, ifm_word_whole(t->in_flight).text);
    if (t->waiting > 0)
        ifm_buffer_printf(out, ", %s waiting", ifm_word_whole(t->waiting).text);
    if (!isnan(r.output_per_s))
        ifm_buffer_printf(out, ", %s requests/s, %s %s/s",
                          ifm_word_rate(r.requests_per_s, unicode).text,
                          ifm_word_rate(r.output_per_s, unicode).text,
                          r.tokens ? "tokens" : "events");
    if (t->ttft.n > 0) {
        ifm_buffer_puts(out, "; TTFT ");
        put_quantiles(out, &t->ttft, 0.95, unicode);
    }
    if (t->itl.n > 0) {
        ifm_buffer_puts(out, "; ITL ");
        put_quantiles(out, &t->itl, 0.95, unicode);
    }
    if (t->lag.n > 0)
        ifm_buffer_printf(
            out, "; client lag p99 %s",
            ifm_word_duration_alone(ifm_histogram_quantile(&t->lag, 0.99), unicode).text);
    if (ifm_totals_failed(t) > 0) {
        ifm_buffer_puts(out, "; failed: ");
        put_failures(out, t);
    }
    ifm_buffer_puts(out, "\n");
}
