#include "mock/timers.h"

#include <assert.h>
#include <stdlib.h>

typedef struct ifm_mock_timers_node node;

void ifm_mock_timers_deinit(ifm_mock_timers *self)
{
    free(self->node);
    *self = (ifm_mock_timers){0};
}

bool ifm_mock_timers_reserve(ifm_mock_timers *self, size_t n)
{
    if (n <= self->capacity)
        return true;
    size_t capacity = self->capacity < 64 ? 64 : self->capacity * 2;
    if (capacity < n)
        capacity = n;
    node *grown = realloc(self->node, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    self->node = grown;
    self->capacity = capacity;
    return true;
}

static void put(ifm_mock_timers *self, size_t i, node what)
{
    self->node[i] = what;
    what.timer->place = i + 1;
}

/* Moves what stands at i towards the first, or the last, until the order is right. */
static void settle(ifm_mock_timers *self, size_t i)
{
    const node what = self->node[i];
    while (i > 0 && self->node[(i - 1) / 2].due_ns > what.due_ns) {
        put(self, i, self->node[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < self->n &&
            self->node[child + 1].due_ns < self->node[child].due_ns)
            child++;
        if (child >= self->n || self->node[child].due_ns >= what.due_ns)
            break;
        put(self, i, self->node[child]);
        i = child;
    }
    put(self, i, what);
}

void ifm_mock_timers_set(ifm_mock_timers *self, ifm_mock_timer *timer, int64_t due_ns)
{
    size_t i = timer->place - 1;
    if (timer->place == 0) {
        assert(self->n < self->capacity);
        i = self->n++;
    }
    self->node[i] = (node){due_ns, timer};
    settle(self, i);
}

void ifm_mock_timers_cancel(ifm_mock_timers *self, ifm_mock_timer *timer)
{
    if (timer->place == 0)
        return;
    const size_t i = timer->place - 1;
    timer->place = 0;
    self->n--;
    if (i < self->n) {
        self->node[i] = self->node[self->n];
        settle(self, i);
    }
}

int64_t ifm_mock_timers_next_ns(const ifm_mock_timers *self)
{
    return self->n > 0 ? self->node[0].due_ns : INT64_MAX;
}

ifm_mock_timer *ifm_mock_timers_pop(ifm_mock_timers *self)
{
    ifm_mock_timer *first = self->node[0].timer;
    ifm_mock_timers_cancel(self, first);
    return first;
}
