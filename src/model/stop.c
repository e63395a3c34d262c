#include "model/stop.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

ifm_status ifm_stops_init(ifm_stops *self, const char *const *texts, size_t n,
                          ifm_error *err)
{
    *self = (ifm_stops){0};
    if (n == 0)
        return IFM_OK;
    self->texts = calloc(n, sizeof *self->texts);
    if (self->texts == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu stop texts", n);
    for (size_t i = 0; i < n; i++) {
        self->texts[i] = (ifm_stop_text){texts[i], strlen(texts[i])};
        if (self->texts[i].n == 0) {
            ifm_stops_deinit(self);
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "stop text %zu is empty: it would end everything at once",
                            i + 1);
        }
    }
    self->n = n;
    return IFM_OK;
}

void ifm_stops_deinit(ifm_stops *self)
{
    free(self->texts);
    *self = (ifm_stops){0};
}

bool ifm_stops_find(const ifm_stops *self, const char *text, size_t n, size_t *at)
{
    bool found = false;
    for (size_t i = 0; i < self->n; i++) {
        const ifm_stop_text *stop = &self->texts[i];
        for (size_t p = 0; p + stop->n <= n && !(found && p >= *at); p++) {
            if (memcmp(text + p, stop->text, stop->n) != 0)
                continue;
            *at = p;
            found = true;
            break;
        }
    }
    return found;
}

size_t ifm_stops_held(const ifm_stops *self, const char *text, size_t n)
{
    size_t held = 0;
    for (size_t i = 0; i < self->n; i++) {
        const ifm_stop_text *stop = &self->texts[i];
        for (size_t length = stop->n - 1; length > held; length--) {
            if (length <= n && memcmp(text + n - length, stop->text, length) == 0)
                held = length;
        }
    }
    return held;
}
