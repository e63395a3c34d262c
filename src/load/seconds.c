#include "load/seconds.h"

#include <math.h>
#include <stdlib.h>

bool ifm_seconds_init(ifm_seconds *self, int64_t ended_ns)
{
    /* 1 s, else the least of 2, 5, 10, 20, … with which there are few enough. */
    static const int64_t steps[] = {1, 2, 5};
    int64_t seconds = 1, ten = 1;
    for (size_t i = 0; ended_ns / (seconds * 1000000000) >= IFM_LOAD_SECONDS_MAX;) {
        i = (i + 1) % 3;
        ten *= i == 0 ? 10 : 1;
        seconds = steps[i] * ten;
    }
    *self = (ifm_seconds){.second_ns = seconds * 1000000000};
    self->n = (size_t)(ended_ns > 0 ? ended_ns / self->second_ns : 0) + 1;
    self->items = calloc(self->n, sizeof *self->items);
    self->first_tokens = calloc(self->n, sizeof *self->first_tokens);
    if (self->items == NULL || self->first_tokens == NULL)
        return false;
    for (size_t i = 0; i < self->n; i++)
        self->items[i].ttft_p50_ns = self->items[i].ttft_max_ns =
            self->items[i].lag_max_ns = NAN;
    return true;
}

void ifm_seconds_deinit(ifm_seconds *self)
{
    free(self->items);
    free(self->first_tokens);
    free(self->values);
    free(self->begin);
    free(self->filled);
    *self = (ifm_seconds){0};
}

static size_t index_of(const ifm_seconds *self, int64_t t_ns)
{
    int64_t i = t_ns < 0 ? 0 : t_ns / self->second_ns;
    return i < (int64_t)self->n ? (size_t)i : self->n - 1;
}

static void look(ifm_seconds *self, const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    ifm_load_second *due = &self->items[index_of(self, w->due_at_ns)];
    due->due++;
    if (w->service_start_ns >= 0) {
        const size_t i = index_of(self, w->due_at_ns + w->service_start_ns);
        self->items[i].in_flight++;
        self->items[index_of(self, w->due_at_ns + w->end_ns)].in_flight--;
        double lag = (double)(w->service_start_ns - w->gate_ns);
        self->items[i].lag_max_ns = fmax(self->items[i].lag_max_ns, lag); /* not NaN */
    }
    if (w->end_ns >= 0) {
        ifm_load_second *end = &self->items[index_of(self, w->due_at_ns + w->end_ns)];
        end->completed += r->ok;
        end->failed += !r->ok;
    }
    for (size_t k = 0; k < r->n_tokens; k++)
        self->items[index_of(self, w->due_at_ns + r->token_ns[k])].output_tokens++;
    if (r->n_tokens == 0)
        return;
    const size_t first = index_of(self, w->due_at_ns + r->token_ns[0]);
    self->first_tokens[first]++;
    self->items[first].ttft_max_ns =
        fmax(self->items[first].ttft_max_ns, (double)r->token_ns[0]);
}

static int32_t room_of(const ifm_seconds *self, size_t second)
{
    int32_t n = self->first_tokens[second];
    return n < IFM_SECONDS_VALUES ? n : IFM_SECONDS_VALUES;
}

void ifm_seconds_add(ifm_seconds *self, const ifm_record *r)
{
    if (!self->looked) {
        look(self, r);
        return;
    }
    if (r->n_tokens == 0)
        return;
    const size_t i = index_of(self, r->wire->due_at_ns + r->token_ns[0]);
    if (i >= self->from && i < self->to && self->filled[i] < room_of(self, i))
        self->values[self->begin[i] + (size_t)self->filled[i]++] = (double)r->token_ns[0];
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void end_look(ifm_seconds *self)
{
    for (size_t i = 1; i < self->n; i++)
        self->items[i].in_flight += self->items[i - 1].in_flight;
    self->looked = true;
}

/* Lays out the values of as many seconds, from `to` on, as there is room for. */
static void begin_group(ifm_seconds *self)
{
    size_t total = 0;
    self->from = self->to;
    for (; self->to < self->n; self->to++) {
        size_t more = (size_t)room_of(self, self->to);
        if (total + more > IFM_SECONDS_VALUES)
            break;
        self->begin[self->to] = total;
        self->filled[self->to] = 0;
        total += more;
    }
}

static void end_group(ifm_seconds *self)
{
    for (size_t i = self->from; i < self->to; i++) {
        double *values = self->values + self->begin[i];
        const size_t n = (size_t)self->filled[i];
        if (n == 0)
            continue;
        qsort(values, n, sizeof *values, ascending);
        self->items[i].ttft_p50_ns = ifm_quantile(values, n, 0.5);
    }
}

/* Room for the largest group that may come. */
static bool make_room(ifm_seconds *self)
{
    size_t total = 0;
    for (size_t i = 0; i < self->n; i++)
        total += (size_t)self->first_tokens[i];
    total = total < IFM_SECONDS_VALUES ? total : IFM_SECONDS_VALUES;
    self->values = malloc((total + 1) * sizeof *self->values);
    self->begin = calloc(self->n, sizeof *self->begin);
    self->filled = calloc(self->n, sizeof *self->filled);
    return self->values != NULL && self->begin != NULL && self->filled != NULL;
}

bool ifm_seconds_pass(ifm_seconds *self, bool *no_memory)
{
    if (!self->looked) {
        end_look(self);
        if (!make_room(self)) {
            *no_memory = true;
            return false;
        }
    } else {
        end_group(self);
    }
    begin_group(self);
    return self->from < self->n;
}

void ifm_seconds_take(ifm_seconds *self, ifm_load_summary *summary)
{
    summary->seconds = self->items;
    summary->n_seconds = self->n;
    summary->second_s = (double)self->second_ns * 1e-9;
    self->items = NULL;
}
