#include "cli/progress.h"

#include <stdio.h>

#include "os/terminal.h"

void ifm_progress_init(ifm_progress *self, bool quiet)
{
    *self = (ifm_progress){.enabled = !quiet && ifm_terminal_is(stderr)};
}

void ifm_progress_say(ifm_progress *self, const char *text)
{
    char cut[512];
    snprintf(cut, sizeof cut, "%.*s", ifm_terminal_width(stderr, 80) - 1, text);
    ifm_progress_say_whole(self, cut);
}

void ifm_progress_say_whole(ifm_progress *self, const char *text)
{
    if (!self->enabled)
        return;
    fprintf(stderr, "\r\x1b[K%s", text);
    fflush(stderr);
    self->shown = true;
}

void ifm_progress_show(ifm_progress *self, const ifm_plan_progress *at)
{
    static const char *const names[] = {"cold start", "warm-up", "warm request"};
    char text[128];
    int n = snprintf(text, sizeof text, "measuring: %s %d of %d", names[at->start],
                     at->number, at->of);
    if (at->eta_s >= 1)
        snprintf(text + n, sizeof text - (size_t)n, ", %.0f s left", at->eta_s);
    ifm_progress_say(self, text);
}

void ifm_progress_erase(ifm_progress *self)
{
    if (self->shown)
        fputs("\r\x1b[K", stderr);
    fflush(stderr);
    self->shown = false;
}
