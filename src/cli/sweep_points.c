/* A sweep's points: every combination of the values that the options list. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/sweep.h"
#include "target/choice.h"
#include "target/target.h"

enum { MOST_POINTS = 10000 };

/* ---- words ------------------------------------------------------------------------ */

void ifm_words_add(ifm_words *self, const char *format, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, format);
    const int n = vasprintf(&text, format, values);
    va_end(values);
    char **items = n >= 0 ? realloc(self->items, (self->n + 1) * sizeof *items) : NULL;
    if (items == NULL) {
        if (n >= 0)
            free(text);
        self->failed = true;
        return;
    }
    self->items = items;
    self->items[self->n++] = text;
}

void ifm_words_deinit(ifm_words *self)
{
    for (size_t i = 0; i < self->n; i++)
        free(self->items[i]);
    free(self->items);
    *self = (ifm_words){0};
}

/* ---- values ----------------------------------------------------------------------- */

static ifm_status add_value(ifm_sweep *self, ifm_sweep_axis axis, const char *text,
                            ifm_error *err)
{
    const char *option = ifm_sweep_axis_option(axis);
    for (size_t i = 0; i < self->n_values[axis]; i++)
        if (strcmp(self->values[axis][i], text) == 0)
            return ifm_fail(err, IFM_ERR_ARGUMENT, "--%s: %s is listed twice", option,
                            text);
    ifm_words words = {self->values[axis], self->n_values[axis], false};
    ifm_words_add(&words, "%s", text);
    self->values[axis] = words.items;
    self->n_values[axis] = words.n;
    return words.failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "--%s: no memory", option)
                        : IFM_OK;
}

static ifm_status add_number(ifm_sweep *self, ifm_sweep_axis axis, const char *text,
                             long long most, ifm_error *err)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < 1 || value > most)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--%s: \"%s\" is no number from 1 to %lld, expected numbers and "
                        "commas: 1,2,4",
                        ifm_sweep_axis_option(axis), text, most);
    char clean[32];
    snprintf(clean, sizeof clean, "%lld", value);
    return add_value(self, axis, clean, err);
}

/* Requests per second, as they are written: 0.5, 20. */
static ifm_status add_rate(ifm_sweep *self, const char *text, ifm_error *err)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0) || !isfinite(value))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--request-rate: \"%s\" is no rate above 0, expected numbers and "
                        "commas: 0.5,1,2",
                        text);
    return add_value(self, IFM_SWEEP_RATE, text, err);
}

static ifm_status add_type(ifm_sweep *self, const char *text, ifm_error *err)
{
    static const char *const types[] = {"auto", "float32", "float16", "bfloat16"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(text, types[i]) == 0)
            return add_value(self, IFM_SWEEP_DTYPE, text, err);
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--dtype: \"%s\" is not one of auto, float32, float16, bfloat16",
                    text);
}

/* Values with commas between. */
static ifm_status read_list(ifm_sweep *self, const ifm_arguments *a, ifm_sweep_axis axis,
                            long long most, ifm_error *err)
{
    const char *at = ifm_arguments_string(a, ifm_sweep_axis_option(axis));
    ifm_status st = IFM_OK;
    while (at != NULL && st == IFM_OK) {
        const size_t n = strcspn(at, ",");
        char *word = strndup(at, n);
        if (word == NULL)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "command line: no memory");
        else
            st = most > 0                 ? add_number(self, axis, word, most, err)
                 : axis == IFM_SWEEP_RATE ? add_rate(self, word, err)
                                          : add_type(self, word, err);
        free(word);
        at = at[n] == ',' ? at + n + 1 : NULL;
    }
    return st;
}

static ifm_status read_models(ifm_sweep *self, const ifm_arguments *a, ifm_error *err)
{
    size_t n = 0;
    const char *const *names = ifm_arguments_list(a, "model", &n);
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < n && st == IFM_OK; i++)
        st = add_value(self, IFM_SWEEP_MODEL, names[i], err);
    return st;
}

static bool is_native(const char *target)
{
    return target == NULL || strcmp(target, "native") == 0;
}

/* Each target by itself: `run` would set several side by side in one document. */
static ifm_status read_targets(ifm_sweep *self, const ifm_arguments *a, ifm_error *err)
{
    ifm_target_choice choices[IFM_TARGETS_MAX] = {{0}};
    size_t n = 0;
    if (!ifm_arguments_given(a, "target"))
        return IFM_OK;
    ifm_status st =
        ifm_target_choices_parse(ifm_arguments_string(a, "target"), choices, &n, err);
    for (size_t i = 0; i < n && st == IFM_OK; i++) {
        ifm_buffer name = {0};
        ifm_buffer_puts(&name, choices[i].kind == IFM_TARGET_WORKER ? "worker:"
                               : choices[i].kind == IFM_TARGET_URL  ? "url:"
                                                                    : choices[i].label);
        ifm_buffer_puts(&name, choices[i].command != NULL ? choices[i].command : "");
        st = add_value(self, IFM_SWEEP_TARGET, ifm_buffer_text(&name), err);
        ifm_buffer_deinit(&name);
    }
    if (st == IFM_OK)
        ifm_target_choices_free(choices, n);
    return st;
}

static ifm_status check_types(const ifm_sweep *self, ifm_error *err)
{
    bool others = false;
    for (size_t i = 0; i < self->n_values[IFM_SWEEP_TARGET]; i++)
        others = others || !is_native(self->values[IFM_SWEEP_TARGET][i]);
    if (self->n_values[IFM_SWEEP_DTYPE] > 0 && !others)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--dtype: our own engine computes with the types of a model's "
                        "file: give several files, -m F32 -m Q8_0 (or --target "
                        "transformers)");
    return IFM_OK;
}

/* Every point would have to read it anew. */
static ifm_status check_stdin(const ifm_arguments *a, ifm_error *err)
{
    static const char *const files[] = {"prompts", "prompt-file"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = ifm_arguments_string(a, files[i]);
        if (path != NULL && strcmp(path, "-") == 0)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s -: every point reads the prompts: put them in a file",
                            files[i]);
    }
    return IFM_OK;
}

/* Settings of a model that runs here and those of a server do not mix. */
static ifm_status check_kind(const ifm_arguments *a, bool load, ifm_error *err)
{
    static const char *const of_runs[] = {"target", "dtype", "threads", "batch-size",
                                          "cold"};
    static const char *const of_loads[] = {"concurrency", "request-rate"};
    for (size_t i = 0; load && i < sizeof of_runs / sizeof *of_runs; i++)
        if (ifm_arguments_given(a, of_runs[i]))
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s is of a model that runs here, --url of a server: leave "
                            "out one of them",
                            of_runs[i]);
    for (size_t i = 0; !load && i < sizeof of_loads / sizeof *of_loads; i++)
        if (ifm_arguments_given(a, of_loads[i]))
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s needs a server: --url http://localhost:8000",
                            of_loads[i]);
    if (load && !ifm_arguments_given(a, "concurrency") &&
        !ifm_arguments_given(a, "request-rate"))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--url needs what is swept over: --concurrency 1,2,4,8 or "
                        "--request-rate 1,2,4");
    return IFM_OK;
}

static ifm_status read_load_axes(ifm_sweep *self, const ifm_arguments *a, ifm_error *err)
{
    ifm_status st = read_models(self, a, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_INPUT, 1000000, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_CONCURRENCY, 1000000, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_RATE, 0, err);
    return st == IFM_OK ? check_stdin(a, err) : st;
}

static ifm_status read_axes(ifm_sweep *self, const ifm_arguments *a, ifm_error *err)
{
    self->load = ifm_arguments_given(a, "url");
    ifm_status st = check_kind(a, self->load, err);
    if (st != IFM_OK || self->load)
        return st == IFM_OK ? read_load_axes(self, a, err) : st;
    st = read_models(self, a, err);
    if (st == IFM_OK)
        st = read_targets(self, a, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_DTYPE, 0, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_THREADS, 1024, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_INPUT, 1000000, err);
    if (st == IFM_OK)
        st = read_list(self, a, IFM_SWEEP_BATCH, IFM_BATCH_MAX, err);
    if (st == IFM_OK)
        st = check_types(self, err);
    return st == IFM_OK ? check_stdin(a, err) : st;
}

/* ---- points ----------------------------------------------------------------------- */

/* "model2-threads1-batch4": numbers as they are, of texts the place in their list. */
static char *name_of(const ifm_sweep *self, const ifm_sweep_point *point,
                     const size_t at[IFM_SWEEP_AXES])
{
    ifm_buffer name = {0};
    for (int a = 0; a < IFM_SWEEP_AXES; a++) {
        if (point->values[a] == NULL || (self->n_values[a] < 2 && a <= IFM_SWEEP_TARGET))
            continue;
        ifm_buffer_puts(&name, name.length > 0 ? "-" : "");
        if (a <= IFM_SWEEP_TARGET)
            ifm_buffer_printf(&name, "%s%zu", ifm_sweep_axis_title((ifm_sweep_axis)a),
                              at[a] + 1);
        else if (a == IFM_SWEEP_DTYPE)
            ifm_buffer_puts(&name, point->values[a]);
        else
            ifm_buffer_printf(&name, "%s%s", ifm_sweep_axis_title((ifm_sweep_axis)a),
                              point->values[a]);
    }
    if (name.length == 0)
        ifm_buffer_puts(&name, "point");
    return ifm_buffer_take(&name);
}

/* The combination number `index`; false: it is another one again, since our own engine is
 * not asked for types. */
static bool make_point(const ifm_sweep *self, size_t index, ifm_sweep_point *point)
{
    size_t at[IFM_SWEEP_AXES];
    *point = (ifm_sweep_point){0};
    for (int a = IFM_SWEEP_AXES - 1; a >= 0; a--) {
        const size_t n = self->n_values[a] > 0 ? self->n_values[a] : 1;
        at[a] = index % n;
        index /= n;
        point->values[a] = self->n_values[a] > 0 ? self->values[a][at[a]] : NULL;
    }
    if (!self->load && is_native(point->values[IFM_SWEEP_TARGET])) {
        if (at[IFM_SWEEP_DTYPE] > 0)
            return false;
        point->values[IFM_SWEEP_DTYPE] = NULL;
    }
    point->name = name_of(self, point, at);
    return true;
}

static ifm_status make_points(ifm_sweep *self, ifm_error *err)
{
    size_t all = 1;
    for (int a = 0; a < IFM_SWEEP_AXES; a++) {
        all *= self->n_values[a] > 0 ? self->n_values[a] : 1;
        if (all > MOST_POINTS)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "more than %d points: sweep over fewer settings",
                            (int)MOST_POINTS);
    }
    self->points = calloc(all, sizeof *self->points);
    if (self->points == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
    for (size_t i = 0; i < all; i++) {
        if (!make_point(self, i, &self->points[self->n_points]))
            continue;
        if (self->points[self->n_points++].name == NULL)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
    }
    return IFM_OK;
}

ifm_status ifm_sweep_init(ifm_sweep *self, const ifm_arguments *arguments, ifm_error *err)
{
    *self = (ifm_sweep){0};
    ifm_status st = read_axes(self, arguments, err);
    return st == IFM_OK ? make_points(self, err) : st;
}

void ifm_sweep_deinit(ifm_sweep *self)
{
    for (int a = 0; a < IFM_SWEEP_AXES; a++)
        ifm_words_deinit(&(ifm_words){self->values[a], self->n_values[a], false});
    for (size_t i = 0; i < self->n_points; i++) {
        free(self->points[i].name);
        free(self->points[i].error);
    }
    free(self->points);
    *self = (ifm_sweep){0};
}

/* ---- the command lines of `run` and `load` --------------------------------------------------- */

/* Whether an option is sweep's own: what it sweeps over, where it writes. Padding is for
 * points with a batch. */
static bool is_own(const char *name)
{
    static const char *const own[] = {"out",   "json",  "csv",    "markdown",
                                      "plots", "quiet", "padding"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    for (int a = 0; a < IFM_SWEEP_AXES; a++)
        if (strcmp(name, ifm_sweep_axis_option((ifm_sweep_axis)a)) == 0)
            return true;
    return false;
}

static void add_option(const ifm_arguments *a, const ifm_option *option, ifm_words *out)
{
    size_t n = 0;
    if (option->type == IFM_OPTION_FLAG) {
        ifm_words_add(out, "--%s", option->name);
    } else if (option->type == IFM_OPTION_LIST) {
        const char *const *list = ifm_arguments_list(a, option->name, &n);
        for (size_t i = 0; i < n; i++)
            ifm_words_add(out, "--%s=%s", option->name, list[i]);
    } else {
        ifm_words_add(out, "--%s=%s", option->name,
                      ifm_arguments_string(a, option->name));
    }
}

/* Cold starts are said even when they are not: sweep has another default than run. */
void ifm_sweep_common_words(const ifm_arguments *arguments, ifm_words *out)
{
    const bool load = ifm_arguments_given(arguments, "url");
    for (size_t i = 0; i < arguments->command->n_options; i++) {
        const ifm_option *option = &arguments->command->options[i];
        if (!is_own(option->name) && (ifm_arguments_given(arguments, option->name) ||
                                      (!load && strcmp(option->name, "cold") == 0)))
            add_option(arguments, option, out);
    }
}

void ifm_sweep_point_words(const ifm_arguments *arguments, const ifm_sweep_point *point,
                           ifm_words *out)
{
    for (int a = 0; a < IFM_SWEEP_AXES; a++)
        if (point->values[a] != NULL)
            ifm_words_add(out, "--%s=%s", ifm_sweep_axis_option((ifm_sweep_axis)a),
                          point->values[a]);
    const char *batch = point->values[IFM_SWEEP_BATCH];
    if (ifm_arguments_given(arguments, "padding") && batch != NULL &&
        strcmp(batch, "1") != 0)
        ifm_words_add(out, "--padding=%s", ifm_arguments_string(arguments, "padding"));
}
