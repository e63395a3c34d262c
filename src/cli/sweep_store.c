/*
 * The directory of a sweep: sweep.json, which says what is swept over and is compared, and a
 * result document for each point that was measured. A document gets its name when it is
 * whole, so what is there needs not be measured again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/sweep.h"
#include "cli/wire_setup.h"
#include "inferometer/inferometer.h"
#include "result/json.h"

#define MANIFEST "inferometer.sweep-manifest/1"

/* ---- the manifest ----------------------------------------------------------------- */

/* The option's name as a key: batch_size. */
static void key_of(ifm_sweep_axis axis, char *key, size_t size)
{
    snprintf(key, size, "%s", ifm_sweep_axis_option(axis));
    for (char *at = key; *at != '\0'; at++)
        *at = *at == '-' ? '_' : *at;
}

static json_t *value_json(ifm_sweep_axis axis, const char *text)
{
    if (axis == IFM_SWEEP_RATE)
        return json_real(strtod(text, NULL));
    return ifm_sweep_axis_is_number(axis) ? json_integer(strtoll(text, NULL, 10))
                                          : json_string(text);
}

json_t *ifm_sweep_axes_json(const ifm_sweep *sweep)
{
    json_t *out = json_object();
    for (int a = 0; a < IFM_SWEEP_AXES; a++) {
        const ifm_sweep_axis axis = (ifm_sweep_axis)a;
        if (sweep->n_values[axis] == 0)
            continue;
        char key[32];
        key_of(axis, key, sizeof key);
        json_t *list = json_array();
        for (size_t i = 0; i < sweep->n_values[axis]; i++)
            json_array_append_new(list, value_json(axis, sweep->values[axis][i]));
        json_object_set_new(out, key, list);
    }
    return out;
}

json_t *ifm_sweep_setting_json(const ifm_sweep_point *point)
{
    json_t *out = json_object();
    for (int a = 0; a < IFM_SWEEP_AXES; a++) {
        const ifm_sweep_axis axis = (ifm_sweep_axis)a;
        char key[32];
        key_of(axis, key, sizeof key);
        if (point->values[axis] != NULL)
            json_object_set_new(out, key, value_json(axis, point->values[axis]));
    }
    return out;
}

static json_t *make_manifest(const ifm_sweep *sweep, const ifm_arguments *arguments)
{
    ifm_words words = {0};
    ifm_sweep_common_words(arguments, &words);
    if (ifm_arguments_given(arguments, "padding"))
        ifm_words_add(&words, "--padding=%s", ifm_arguments_string(arguments, "padding"));
    json_t *list = json_array();
    for (size_t i = 0; i < words.n; i++) {
        char *word = ifm_wire_tame_word(words.items, i); /* no keys on disk */
        words.failed = words.failed || word == NULL;
        json_array_append_new(list, json_string(word != NULL ? word : ""));
        free(word);
    }
    json_t *out = json_pack("{s:s, s:s, s:s, s:o, s:o}", "schema", MANIFEST, "version",
                            IFM_VERSION, "commit", ifm_result_commit(), "settings",
                            ifm_sweep_axes_json(sweep), "options", list);
    if (words.failed) {
        json_decref(out);
        out = NULL;
    }
    ifm_words_deinit(&words);
    return out;
}

static ifm_status write_manifest(const json_t *manifest, const char *path, ifm_error *err)
{
    ifm_output file = {0};
    ifm_status st = ifm_output_open(&file, path, err);
    if (st == IFM_OK) {
        json_dumpf(manifest, file.stream, JSON_INDENT(2));
        fputc('\n', file.stream);
        st = ifm_output_commit(&file, err); /* which sees what could not be written */
    }
    ifm_output_abort(&file);
    return st;
}

/* Says in which part two sweeps differ, and how. */
static ifm_status fail_other(const json_t *before, const json_t *now, const char *key,
                             const char *path, ifm_error *err)
{
    const int flags = JSON_COMPACT | JSON_ENCODE_ANY;
    char *was = json_dumps(json_object_get(before, key), flags);
    char *is = json_dumps(json_object_get(now, key), flags);
    ifm_fail(
        err, IFM_ERR_ARGUMENT,
        "%s: belongs to another sweep, whose %s were %.150s, now %.150s: give the same "
        "options, or another --out",
        path, key, was != NULL ? was : "none", is != NULL ? is : "none");
    free(was);
    free(is);
    return IFM_ERR_ARGUMENT;
}

static ifm_status compare_manifest(const json_t *before, const json_t *now,
                                   const char *path, ifm_error *err)
{
    static const char *const options[] = {"settings", "options"};
    static const char *const builds[] = {"version", "commit"};
    const char *schema = json_string_value(json_object_get(before, "schema"));
    if (schema == NULL || strcmp(schema, MANIFEST) != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: is no manifest of a sweep (%s): give another --out", path,
                        MANIFEST);
    for (size_t i = 0; i < 2; i++)
        if (!json_equal(json_object_get(before, options[i]),
                        json_object_get(now, options[i])))
            return fail_other(before, now, options[i], path, err);
    for (size_t i = 0; i < 2; i++)
        if (!json_equal(json_object_get(before, builds[i]),
                        json_object_get(now, builds[i])))
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "%s: was begun by another build of inferometer, whose times "
                            "do not compare with this one's: give another --out",
                            path);
    return IFM_OK;
}

ifm_status ifm_sweep_store_open(const char *directory, const ifm_sweep *sweep,
                                const ifm_arguments *arguments, ifm_error *err)
{
    ifm_buffer path = {0};
    ifm_buffer_printf(&path, "%s/sweep.json", directory);
    json_t *now = make_manifest(sweep, arguments), *before = NULL;
    ifm_status st = ifm_directory_make(directory, err);
    if (st == IFM_OK && (now == NULL || path.failed))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
    if (st == IFM_OK && ifm_file_exists(ifm_buffer_text(&path))) {
        json_error_t why;
        before = json_load_file(ifm_buffer_text(&path), JSON_REJECT_DUPLICATES, &why);
        st = before == NULL
                 ? ifm_fail(err, IFM_ERR_FORMAT, "%s:%d: %s: give another --out",
                            ifm_buffer_text(&path), why.line, why.text)
                 : compare_manifest(before, now, ifm_buffer_text(&path), err);
    } else if (st == IFM_OK) {
        st = write_manifest(now, ifm_buffer_text(&path), err);
    }
    json_decref(now);
    json_decref(before);
    ifm_buffer_deinit(&path);
    return st;
}

/* ---- documents -------------------------------------------------------------------- */

char *ifm_sweep_document_path(const char *directory, const ifm_sweep_point *point,
                              bool running)
{
    ifm_buffer path = {0};
    ifm_buffer_printf(&path, "%s/%s%s.json", directory, point->name,
                      running ? ".running" : "");
    return ifm_buffer_take(&path);
}

void ifm_sweep_point_fail(ifm_sweep_point *point, const char *text)
{
    free(point->error);
    point->error = strdup(text);
    point->state = IFM_SWEEP_FAILED;
}

static double median_of(const json_t *kind, const char *metric)
{
    const json_t *p50 = json_object_get(json_object_get(kind, metric), "p50");
    return json_is_number(p50) ? json_number_value(p50) : NAN;
}

static size_t count_of(const json_t *kind, const char *metric)
{
    const json_int_t n =
        json_integer_value(json_object_get(json_object_get(kind, metric), "n"));
    return n > 0 ? (size_t)n : 0;
}

/* Times stand in milliseconds in every document of this schema. */
static void read_figures(const json_t *kind, ifm_sweep_figures *out)
{
    *out = (ifm_sweep_figures){
        .ttft_ms = median_of(kind, "ttft"),
        .tpot_ms = median_of(kind, "tpot"),
        .e2el_ms = median_of(kind, "e2el"),
        .batch_tokens_per_s = median_of(kind, "batch_tokens_per_s"),
        .sequence_tokens_per_s = median_of(kind, "output_tokens_per_s"),
        .n_sequences = count_of(kind, "ttft"),
        .n_requests = count_of(kind, "batch_tokens_per_s"),
    };
}

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void read_quantiles(const json_t *kind, const char *metric, double out[2])
{
    out[0] = median_of(kind, metric);
    out[1] = number_of(json_object_get(kind, metric), "p95");
}

/* Rates are those of the steady stretch, where there is one. */
static void read_load(const json_t *load, const json_t *warm, ifm_sweep_load_figures *out)
{
    const json_t *steady = json_object_get(load, "steady"),
                 *whole = json_object_get(load, "whole");
    out->steady = json_is_true(json_object_get(steady, "found"));
    const json_t *rates = out->steady ? steady : whole;
    read_quantiles(warm, "ttft", out->ttft_ms);
    read_quantiles(warm, "tpot", out->tpot_ms);
    read_quantiles(warm, "e2el", out->e2el_ms);
    out->requests_per_s = number_of(rates, "requests_per_s");
    out->good_requests_per_s = number_of(rates, "good_requests_per_s");
    out->output_tokens_per_s = number_of(rates, "output_tokens_per_s");
    out->in_flight = number_of(rates, "concurrency");
    out->n_ok = (size_t)json_integer_value(json_object_get(warm, "ok"));
    out->n_failed = (size_t)json_integer_value(json_object_get(warm, "failed"));
}

/* Why the point is not measured by this document; NULL: it is. */
static const char *read_point(const json_t *document, ifm_sweep_point *point)
{
    const char *schema = json_string_value(json_object_get(document, "schema"));
    const json_t *summary = json_object_get(document, "summary");
    if (schema == NULL || strcmp(schema, "inferometer.result/1") != 0)
        return "is no result document (inferometer.result/1): remove it";
    if (json_is_true(json_object_get(document, "incomplete")))
        return "its measurement was interrupted: remove it";
    read_figures(json_object_get(summary, "cold"), &point->cold);
    read_figures(json_object_get(summary, "warm"), &point->warm);
    if (json_is_object(json_object_get(document, "load")))
        read_load(json_object_get(document, "load"), json_object_get(summary, "warm"),
                  &point->under_load);
    if (point->cold.n_sequences + point->warm.n_sequences == 0)
        return "no request went well";
    point->trustworthy = json_is_true(json_object_get(document, "trustworthy"));
    point->state = IFM_SWEEP_MEASURED;
    return NULL;
}

void ifm_sweep_document_read(const char *path, ifm_sweep_point *point, json_t **summary)
{
    json_error_t why;
    json_t *document = json_load_file(path, 0, &why);
    const char *wrong = document == NULL ? why.text : read_point(document, point);
    if (wrong != NULL) {
        ifm_buffer text = {0};
        ifm_buffer_printf(&text, "%s: %s", path, wrong);
        ifm_sweep_point_fail(point, ifm_buffer_text(&text));
        ifm_buffer_deinit(&text);
    } else if (summary != NULL) {
        *summary = json_incref(json_object_get(document, "summary"));
    }
    json_decref(document);
}

void ifm_sweep_document_describe(const char *path, bool one_model, char *text,
                                 size_t size)
{
    json_t *document = json_load_file(path, 0, NULL);
    const json_t *target = json_object_get(document, "target");
    const char *model =
        json_string_value(json_object_get(json_object_get(target, "model"), "name"));
    const char *cpu =
        json_string_value(json_object_get(json_object_get(document, "host"), "cpu"));
    const char *url = json_string_value(json_object_get(
        json_object_get(json_object_get(document, "load"), "plan"), "url"));
    const bool both = one_model && model != NULL && cpu != NULL;
    if (url != NULL)
        snprintf(text, size, "%s%s%.100s", one_model && model != NULL ? model : "",
                 one_model && model != NULL ? " at " : "", url);
    else
        snprintf(text, size, "%s%s%s", one_model && model != NULL ? model : "",
                 both ? ", " : "", cpu != NULL ? cpu : "");
    json_decref(document);
}
