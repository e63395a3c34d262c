#include "drive/truth.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "measure/statistics.h"

/* ---- the log ------------------------------------------------------------------------ */

/* One request, as the server saw it; absolute times. */
typedef struct deed {
    char *id;
    int64_t received_ns; /* its last byte was there */
    int64_t *sent_ns;    /* [n] heap: right before each event that carried tokens */
    size_t n;
    int64_t tokens;
} deed;

struct ifm_truth {
    deed *deeds; /* sorted by id */
    size_t n, capacity;
};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const deed *)a)->id, ((const deed *)b)->id);
}

static ifm_status take_times(deed *d, const json_t *times, ifm_error *err)
{
    d->n = json_array_size(times);
    d->sent_ns = calloc(d->n + 1, sizeof *d->sent_ns);
    if (d->sent_ns == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the server's log");
    for (size_t i = 0; i < d->n; i++)
        d->sent_ns[i] = json_integer_value(json_array_get(times, i));
    return IFM_OK;
}

static ifm_status take_line(ifm_truth *self, const char *line, size_t n, ifm_error *err)
{
    json_error_t where;
    json_t *json = json_loadb(line, n, 0, &where);
    const json_t *id = json_object_get(json, "request_id");
    const json_t *received = json_object_get(json, "body_ns");
    const json_t *sent = json_object_get(json, "sent_ns");
    if (!json_is_string(id) || !json_is_integer(received) || !json_is_array(sent)) {
        json_decref(json);
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "no line of a mock server's log: request_id, body_ns or sent_ns "
                        "is missing");
    }
    if (self->n == self->capacity) {
        const size_t capacity = self->capacity > 0 ? self->capacity * 2 : 256;
        deed *grown = realloc(self->deeds, capacity * sizeof *grown);
        if (grown == NULL) {
            json_decref(json);
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the server's log");
        }
        self->deeds = grown;
        self->capacity = capacity;
    }
    deed *d = &self->deeds[self->n++];
    *d = (deed){.id = strdup(json_string_value(id)),
                .received_ns = json_integer_value(received),
                .tokens = json_integer_value(json_object_get(json, "completion_tokens"))};
    ifm_status st = d->id != NULL ? take_times(d, sent, err)
                                  : ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory");
    json_decref(json);
    return st;
}

ifm_status ifm_truth_read(const char *path, ifm_truth **out, ifm_error *err)
{
    ifm_truth *self = calloc(1, sizeof *self);
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0, number = 0;
    ifm_status st = IFM_OK;
    if (self == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    else if (in == NULL)
        st = ifm_fail_errno(err, errno, "%s: cannot be read", path);
    while (st == IFM_OK) {
        ssize_t n = getline(&line, &capacity, in);
        if (n < 0)
            break;
        number++;
        st = take_line(self, line, (size_t)n, err);
        if (st != IFM_OK)
            ifm_fail_within(err, st, "%s: line %zu", path, number);
    }
    if (st == IFM_OK && ferror(in))
        st = ifm_fail_errno(err, EIO, "%s: cannot be read", path);
    free(line);
    if (in != NULL)
        fclose(in);
    if (st == IFM_OK && self->n > 0)
        qsort(self->deeds, self->n, sizeof *self->deeds, by_id);
    if (st != IFM_OK) {
        ifm_truth_free(self);
        self = NULL;
    }
    *out = self;
    return st;
}

void ifm_truth_free(ifm_truth *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n; i++) {
        free(self->deeds[i].id);
        free(self->deeds[i].sent_ns);
    }
    free(self->deeds);
    free(self);
}

size_t ifm_truth_count(const ifm_truth *self)
{
    return self->n;
}

/* ---- beside the client's records ------------------------------------------------------ */

/* Sizes of errors of one kind, collected. */
typedef struct sizes {
    double *x;
    size_t n, capacity;
    bool failed;
} sizes;

static void add(sizes *self, double size)
{
    if (self->n == self->capacity) {
        const size_t capacity = self->capacity > 0 ? self->capacity * 2 : 1024;
        double *grown = realloc(self->x, capacity * sizeof *grown);
        if (grown == NULL) {
            self->failed = true;
            return;
        }
        self->x = grown;
        self->capacity = capacity;
    }
    self->x[self->n++] = fabs(size);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ifm_truth_error conclude(sizes *self)
{
    ifm_truth_error e = {self->n, NAN, NAN, NAN};
    if (self->n > 0) {
        qsort(self->x, self->n, sizeof *self->x, by_size);
        e.p50 = ifm_quantile(self->x, self->n, 0.50);
        e.p99 = ifm_quantile(self->x, self->n, 0.99);
        e.max = self->x[self->n - 1];
    }
    free(self->x);
    return e;
}

typedef struct comparison {
    sizes ttft, itl, tpot, late;
} comparison;

/* began: the load's time zero; the record's times are after due_at. */
static void compare_one(comparison *c, const deed *d, const ifm_record *r, ifm_time began)
{
    const int64_t *at = r->wire->event_ns != NULL ? r->wire->event_ns : r->token_ns;
    const int64_t zero = began.ns + r->wire->due_at_ns;
    const size_t n = d->n;
    add(&c->ttft, (double)(at[0] - r->sent_ns - (d->sent_ns[0] - d->received_ns)));
    for (size_t i = 0; i < n; i++)
        add(&c->late, (double)(zero + at[i] - d->sent_ns[i]));
    for (size_t i = 1; i < n; i++)
        add(&c->itl, (double)(at[i] - at[i - 1] - (d->sent_ns[i] - d->sent_ns[i - 1])));
    if (n > 1)
        add(&c->tpot, (double)(at[n - 1] - at[0] - (d->sent_ns[n - 1] - d->sent_ns[0])) /
                          (double)(n - 1));
}

static void take_record(const ifm_truth *self, const ifm_record *r, ifm_time began,
                        comparison *c, ifm_truth_errors *out)
{
    const deed key = {.id = r->wire->request_id};
    const deed *d = self->n > 0
                        ? bsearch(&key, self->deeds, self->n, sizeof *self->deeds, by_id)
                        : NULL;
    const size_t n_at = r->wire->event_ns != NULL ? r->wire->n_event_ns : r->n_tokens;
    out->n_requests++;
    out->n_events += r->wire->n_pieces;
    if (!r->ok)
        out->n_failed++;
    else if (d == NULL)
        out->n_unknown++;
    else if ((int64_t)r->n_tokens != d->tokens || n_at != d->n || d->n == 0)
        out->n_miscounted++;
    else
        compare_one(c, d, r, began);
}

ifm_status ifm_truth_compare(const ifm_truth *self, const ifm_load_run *load,
                             ifm_truth_errors *out, ifm_error *err)
{
    comparison c = {0};
    ifm_spool_reader *reader = NULL;
    *out = (ifm_truth_errors){0};
    ifm_status st = ifm_spool_reader_new(load->spool, &reader, err);
    while (st == IFM_OK) {
        const ifm_record *r = NULL;
        st = ifm_spool_next(reader, &r, err);
        if (st != IFM_OK || r == NULL)
            break;
        if (r->start == IFM_START_WARM)
            take_record(self, r, load->began, &c, out);
    }
    ifm_spool_reader_free(reader);
    if (st == IFM_OK && (c.ttft.failed || c.itl.failed || c.tpot.failed || c.late.failed))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY,
                      "no memory to compare with the server's log");
    out->ttft = conclude(&c.ttft);
    out->itl = conclude(&c.itl);
    out->tpot = conclude(&c.tpot);
    out->late = conclude(&c.late);
    return st;
}
