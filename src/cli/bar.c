#include "cli/bar.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "os/terminal.h"

static const int64_t redraw_ns = 100 * (int64_t)1000000;
static const int64_t window_ns =
    3 * (int64_t)1000000000; /* the rate is of the last 3 to 6 s */
static const int64_t line_ns = 10 * (int64_t)1000000000;

enum { NAME_COLUMNS = 28, LEAST_BAR = 6, MOST_BAR = 40 };

void ifm_bar_init(ifm_bar *self, const char *verb, bool quiet)
{
    *self = (ifm_bar){.verb = verb, .unicode = ifm_terminal_unicode()};
    ifm_progress_init(&self->line, quiet);
    self->lines = !quiet && !self->line.enabled;
    self->began = self->said = self->old = self->recent = ifm_time_now();
}

/* ---- the text --------------------------------------------------------------------- */

static void put_time(char *text, size_t size, double s)
{
    int64_t n = (int64_t)(s + 0.5);
    if (n >= 3600)
        snprintf(text, size, "%lld:%02lld:%02lld", (long long)(n / 3600),
                 (long long)(n / 60 % 60), (long long)(n % 60));
    else
        snprintf(text, size, "%lld:%02lld", (long long)(n / 60), (long long)(n % 60));
}

/* "42%  137.4 of 327.7 MB  12.3 MB/s  0:15", as much of it as is known. */
static void put_numbers(char *text, size_t size, const ifm_hub_progress *at, double per_s)
{
    char done[32], all[32], rate[32], left[32];
    int n;
    ifm_bytes_text(at->done_bytes, done);
    if (at->all_bytes > 0) {
        ifm_bytes_text(at->all_bytes, all);
        if (strcmp(strchr(done, ' '), strchr(all, ' ')) == 0)
            *strchr(done, ' ') = '\0'; /* the same unit once */
        n = snprintf(text, size, "%3lld%%  %s of %s",
                     (long long)(at->done_bytes * 100 / at->all_bytes), done, all);
    } else {
        n = snprintf(text, size, "%s", done);
    }
    if (at->checking) {
        snprintf(text + n, size - (size_t)n, "  checking");
    } else if (per_s > 0) {
        n += snprintf(text + n, size - (size_t)n, "  %s/s",
                      ifm_bytes_text((int64_t)per_s, rate));
        put_time(left, sizeof left, (double)(at->all_bytes - at->done_bytes) / per_s);
        if (at->all_bytes > 0)
            snprintf(text + n, size - (size_t)n, "  %s", left);
    }
}

/* `columns` wide, in eighths of a column where the terminal has such blocks. */
static void put_bar(char *text, size_t size, double share, int columns, bool unicode)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)(share * columns * 8), n = 0;
    for (int i = 0; i < columns && (size_t)n + 4 < size; i++) {
        int here = filled - 8 * i;
        const char *block = here >= 8 ? "█" : eighths[here > 0 ? here : 0];
        if (!unicode)
            block = here >= 8 ? "#" : ".";
        n += snprintf(text + n, size - (size_t)n, "%s", block);
    }
}

void ifm_bar_format(char *text, size_t size, const ifm_hub_progress *at, double per_s,
                    int width, bool unicode)
{
    char numbers[160], bar[MOST_BAR * 4 + 1] = "";
    const char *slash = strrchr(at->file, '/'),
               *name = slash != NULL ? slash + 1 : at->file;
    put_numbers(numbers, sizeof numbers, at, per_s);
    /* What does not fit: first the bar, then the name's end, then the name, then numbers. */
    int left = width - (int)strlen(numbers) - 2, n = (int)strlen(name);
    n = n < NAME_COLUMNS ? n : NAME_COLUMNS;
    n = n < left ? n : left > 0 ? left : 0;
    int room = left - n - 2;
    if (at->all_bytes > 0 && room >= LEAST_BAR)
        put_bar(bar, sizeof bar, (double)at->done_bytes / (double)at->all_bytes,
                room < MOST_BAR ? room : MOST_BAR, unicode);
    snprintf(text, size, "%.*s%s%s%s%.*s", n, name, n > 0 ? "  " : "", bar,
             *bar != '\0' ? "  " : "", width > 0 ? width : 0, numbers);
}

/* ---- drawing ---------------------------------------------------------------------- */

static double rate(ifm_bar *self, const ifm_hub_progress *at, ifm_time now)
{
    if (ifm_time_between(self->recent, now) > window_ns) {
        self->old = self->recent;
        self->old_bytes = self->recent_bytes;
        self->recent = now;
        self->recent_bytes = at->new_bytes;
    }
    double s = (double)ifm_time_between(self->old, now) / 1e9;
    return s > 0.2 ? (double)(at->new_bytes - self->old_bytes) / s : 0;
}

static void show_line(ifm_bar *self, const ifm_hub_progress *at, ifm_time now)
{
    char done[32], all[32];
    if (ifm_time_between(self->said, now) < line_ns)
        return;
    self->said = now;
    fprintf(stderr, "%s: %s", at->file, ifm_bytes_text(at->done_bytes, done));
    if (at->all_bytes > 0)
        fprintf(stderr, " of %s", ifm_bytes_text(at->all_bytes, all));
    fputc('\n', stderr);
}

void ifm_bar_show(ifm_bar *self, const ifm_hub_progress *at)
{
    char text[512];
    ifm_time now = ifm_time_now();
    if (self->lines)
        show_line(self, at, now);
    if (!self->line.enabled || ifm_time_between(self->drawn, now) < redraw_ns)
        return;
    self->drawn = now;
    ifm_bar_format(text, sizeof text, at, rate(self, at, now),
                   ifm_terminal_width(stderr, 80) - 1, self->unicode);
    ifm_progress_say_whole(&self->line, text);
}

void ifm_bar_finished(ifm_bar *self, const char *file, int64_t n_bytes)
{
    char size[32];
    if (self->lines)
        fprintf(stderr, "%s %s, %s\n", self->verb, file, ifm_bytes_text(n_bytes, size));
}

void ifm_bar_note(ifm_bar *self, const char *command, const char *line)
{
    if (!self->lines && !self->line.enabled)
        return;
    ifm_progress_erase(&self->line);
    fprintf(stderr, "inferometer %s: %s\n", command, line);
}

void ifm_bar_erase(ifm_bar *self)
{
    ifm_progress_erase(&self->line);
}
