#include "cli/load_screen.h"

#include <stdio.h>

#include "os/terminal.h"

static const int64_t line_ns = 5 * (int64_t)1000000000;

void ifm_load_screen_init(ifm_load_screen *self, const ifm_load_plan *plan, bool quiet,
                          bool launched)
{
    *self = (ifm_load_screen){.live = {.plan = plan}};
    self->drawn = !quiet && !launched && ifm_terminal_is(stderr);
    self->lines = !quiet && !self->drawn;
}

static void say_line(ifm_load_screen *self, const ifm_totals *totals)
{
    ifm_buffer text = {0};
    if (totals->t_ns - self->last_ns < line_ns)
        return;
    self->last_ns = totals->t_ns;
    ifm_live_line(&self->live, totals, ifm_terminal_unicode(), &text);
    fputs(ifm_buffer_text(&text), stderr);
    fflush(stderr);
    ifm_buffer_deinit(&text);
}

/* Back to the first line that stands there. */
static void put_home(const ifm_load_screen *self, ifm_buffer *out)
{
    if (self->n_lines > 0)
        ifm_buffer_printf(out, "\x1b[%dA", self->n_lines);
    ifm_buffer_puts(out, "\r");
}

/* Everything in one write, so that nothing flickers; each line erases what was longer. */
static void draw(ifm_load_screen *self, const ifm_totals *totals)
{
    const ifm_report_style style = {
        .colour = ifm_terminal_colour(stderr),
        .unicode = ifm_terminal_unicode(),
        .width = ifm_terminal_width(stderr, 80) - 1,
    };
    ifm_buffer board = {0}, out = {0};
    ifm_live_dashboard(&self->live, totals, &style, ifm_terminal_height(stderr, 24) - 1,
                       &board);
    put_home(self, &out);
    self->n_lines = 0;
    for (const char *c = ifm_buffer_text(&board); *c != '\0'; c++) {
        if (*c == '\n') {
            ifm_buffer_puts(&out, "\x1b[K");
            self->n_lines++;
        }
        ifm_buffer_append(&out, c, 1);
    }
    ifm_buffer_puts(&out, "\x1b[J");
    fwrite(ifm_buffer_text(&out), 1, out.length, stderr);
    fflush(stderr);
    ifm_buffer_deinit(&board);
    ifm_buffer_deinit(&out);
}

void ifm_load_screen_show(ifm_load_screen *self, const ifm_totals *totals)
{
    if (self->lines)
        say_line(self, totals);
    if (self->drawn)
        draw(self, totals);
    ifm_live_see(&self->live, totals);
}

/* Line by line: terminals that keep what scrolls away (tmux) take an erased screen for
 * something to keep. */
void ifm_load_screen_erase(ifm_load_screen *self)
{
    ifm_buffer out = {0};
    if (self->n_lines == 0)
        return;
    put_home(self, &out);
    for (int i = 0; i < self->n_lines; i++)
        ifm_buffer_puts(&out, "\x1b[K\n");
    ifm_buffer_puts(&out, "\x1b[K");
    put_home(self, &out);
    fwrite(ifm_buffer_text(&out), 1, out.length, stderr);
    fflush(stderr);
    ifm_buffer_deinit(&out);
    self->n_lines = 0;
}
