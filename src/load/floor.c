#include "load/floor.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/json.h"
#include "os/file.h"
#include "os/host.h"

#define SCHEMA "inferometer.floor/1"

enum { FILE_LIMIT = 1 << 16, HOST_NAME = 256 };

/* The numbers of a row, by name: one table to read and to write. */
static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
#define NUMBER(name)                                                                     \
    {                                                                                    \
#name, offsetof(ifm_floor, name)                                                 \
    }
    NUMBER(ttft_p50_ns),
    NUMBER(ttft_p99_ns),
    NUMBER(ttft_max_ns),
    NUMBER(itl_p50_ns),
    NUMBER(itl_p99_ns),
    NUMBER(itl_max_ns),
    NUMBER(events_per_s_per_core),
    NUMBER(bytes_per_event),
    NUMBER(cpu_s_per_1000_events),
#undef NUMBER
};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

static double *number_at(ifm_floor *row, size_t i)
{
    return (double *)(void *)((char *)row + numbers[i].offset);
}

static char *joined(const char *directory, const char *rest)
{
    size_t n = strlen(directory) + strlen(rest) + 1;
    char *path = malloc(n);
    if (path != NULL)
        snprintf(path, n, "%s%s", directory, rest);
    return path;
}

/* Relative paths in these variables are to be ignored (XDG Base Directory, 0.8). */
char *ifm_floor_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        return joined(state, "/inferometer/floor.json");
    if (home != NULL && home[0] == '/')
        return joined(home, "/.local/state/inferometer/floor.json");
    return NULL;
}

static void name_host(char name[HOST_NAME])
{
    if (gethostname(name, HOST_NAME) != 0)
        name[0] = '\0';
    name[HOST_NAME - 1] = '\0';
}

static json_t *row_json(const ifm_floor *row)
{
    ifm_floor copy = *row;
    json_t *object = json_object();
    json_object_set_new(object, "streams", json_integer(row->streams));
    for (size_t i = 0; i < N_NUMBERS; i++)
        json_object_set_new(object, numbers[i].key, json_real(*number_at(&copy, i)));
    return object;
}

static json_t *document_of(const ifm_floor *rows, size_t n, const char *measured_at)
{
    char host[HOST_NAME];
    ifm_host_facts facts;
    json_t *list = json_array();
    name_host(host);
    ifm_host_describe(&facts);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, row_json(&rows[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "schema", SCHEMA, "host", host, "cpu",
                     facts.cpu, "measured_at", measured_at, "floors", list);
}

static ifm_status make_directory_of(const char *path, ifm_error *err)
{
    char *directory = strdup(path);
    if (directory == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    *strrchr(directory, '/') = '\0';
    ifm_status st = ifm_directory_make(directory, err);
    free(directory);
    return st;
}

static ifm_status write_document(const char *path, const json_t *document, ifm_error *err)
{
    ifm_output output = {0};
    ifm_status st = make_directory_of(path, err);
    if (st == IFM_OK)
        st = ifm_output_open(&output, path, err);
    if (st != IFM_OK)
        return st;
    errno = 0;
    if (json_dumpf(document, output.stream, JSON_INDENT(1)) != 0 ||
        fputc('\n', output.stream) == EOF)
        st = ifm_fail_errno(err, errno != 0 ? errno : EIO, "%s: cannot write", path);
    else
        st = ifm_output_commit(&output, err);
    ifm_output_abort(&output);
    return st;
}

ifm_status ifm_floor_store(const ifm_floor *rows, size_t n, const char *measured_at,
                           ifm_error *err)
{
    char *path = ifm_floor_path();
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "neither XDG_STATE_HOME nor HOME names a directory: the floor of "
                        "this host cannot be kept");
    json_t *document = document_of(rows, n, measured_at);
    ifm_status st = document != NULL
                        ? write_document(path, document, err)
                        : ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    json_decref(document);
    free(path);
    return st;
}

/* Whether every number is there and can be meant. */
static bool read_row(const json_t *object, const char *path, ifm_floor *row)
{
    *row = (ifm_floor){0};
    if (!json_is_object(object) ||
        ifm_json_int(object, path, "streams", 1, 1 << 24, &row->streams, NULL) != IFM_OK)
        return false;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        double *x = number_at(row, i);
        *x = NAN;
        if (ifm_json_real(object, path, numbers[i].key, x, NULL) != IFM_OK || !(*x >= 0))
            return false;
    }
    return row->streams > 0;
}

static bool says(const json_t *document, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(document, key));
    return value != NULL && strcmp(value, text) == 0;
}

static bool is_of_this_host(const json_t *document)
{
    char host[HOST_NAME];
    ifm_host_facts facts;
    name_host(host);
    ifm_host_describe(&facts);
    return says(document, "schema", SCHEMA) && says(document, "host", host) &&
           says(document, "cpu", facts.cpu);
}

static void read_document(ifm_load_run *load, const json_t *document, const char *path)
{
    const json_t *list = json_object_get(document, "floors");
    const char *at = json_string_value(json_object_get(document, "measured_at"));
    const size_t n = json_array_size(list);
    if (!is_of_this_host(document) || at == NULL || n > IFM_FLOORS_MAX)
        return;
    for (size_t i = 0; i < n; i++) {
        ifm_floor *row = &load->floors[i];
        if (!read_row(json_array_get(list, i), path, row) ||
            (i > 0 && row->streams <= row[-1].streams))
            return;
    }
    snprintf(load->floors_measured_at, sizeof load->floors_measured_at, "%s", at);
    load->n_floors = n;
}

void ifm_floor_load(ifm_load_run *load)
{
    load->n_floors = 0;
    load->floors_measured_at[0] = '\0';
    char *path = ifm_floor_path();
    json_t *document = NULL;
    if (path != NULL && ifm_json_read(path, FILE_LIMIT, &document, NULL) == IFM_OK)
        read_document(load, document, path);
    json_decref(document);
    free(path);
}

const ifm_floor *ifm_floor_for(const ifm_load_run *load, int64_t streams)
{
    size_t i = 0;
    if (load->n_floors == 0)
        return NULL;
    while (i + 1 < load->n_floors && load->floors[i].streams < streams)
        i++;
    return &load->floors[i];
}
