/* inferometer doctor: is this host fit to measure on, and what can it do? */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "hub/resolve.h"
#include "os/file.h"
#include "os/terminal.h"

static const int64_t WATCH_NS = 1000 * 1000 * 1000, QUICK_WATCH_NS = 200 * 1000 * 1000;

/* From what a core keeps for itself to what no cache holds; 320 MB is distilgpt2 in f32. */
static const size_t all_sizes[IFM_DOCTOR_SIZES] = {
    (size_t)32 << 10, (size_t)256 << 10, (size_t)1 << 20,   (size_t)8 << 20,
    (size_t)64 << 20, (size_t)320 << 20, (size_t)1024 << 20};
static const size_t quick_sizes[] = {(size_t)256 << 10, (size_t)8 << 20,
                                     (size_t)128 << 20};

static const ifm_option options[] = {
    {"model", 'm', IFM_OPTION_STRING, "MODEL", 0, 0, NULL, NULL,
     "measure the disk that this model, or any file or directory, lies on"},
    {"quick", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, NULL,
     "look for a fifth of a second, measure three sizes, leave the disk alone"},
    {"json", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, NULL,
     "write the findings as JSON (- for standard output, without the report)"},
};

/* What is being done, on a terminal; the line erases itself. */
static void say(const char *text)
{
    if (ifm_terminal_is(stderr))
        fprintf(stderr, "\r\x1b[K%s", text);
}

/* The largest regular file in a directory: the weights of a model. NULL when none is as
 * large as `least`. Heap. */
static char *largest_file(const char *directory, uint64_t least)
{
    char *found = NULL;
    DIR *open = opendir(directory);
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        char path[4096];
        ifm_file_stamp stamp;
        int n = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof path || !ifm_file_stat(path, &stamp) ||
            stamp.size < least)
            continue;
        char *copy = strdup(path);
        if (copy == NULL)
            break;
        least = stamp.size;
        free(found);
        found = copy;
    }
    if (open != NULL)
        closedir(open);
    return found;
}

/* The file or directory to measure the disk on: what the person named, else where temporary
 * files that outlive a boot go. Heap. */
static ifm_status choose_disk(const char *model, char **path, ifm_error *err)
{
    enum { LEAST = 16 << 20 };
    *path = NULL;
    if (model == NULL) {
        const char *set = getenv("TMPDIR");
        *path = strdup(set != NULL && *set != '\0' ? set : "/var/tmp");
    } else if (ifm_file_exists(model) || ifm_file_is_directory(model)) {
        *path = strdup(model);
    } else {
        ifm_status st = ifm_hub_resolve(model, path, err);
        if (st != IFM_OK)
            return st;
    }
    if (*path != NULL && ifm_file_is_directory(*path)) {
        char *file = largest_file(*path, LEAST);
        if (file != NULL) {
            free(*path);
            *path = file;
        }
    }
    return *path != NULL ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "doctor: no memory");
}

/* One thread, as many as run uses, all that there are: each once, in order. */
static void choose_teams(ifm_doctor *self, bool quick)
{
    const ifm_cpu_room *room = &self->facts.room;
    const int wanted[] = {1, room->threads, room->physical, room->logical};
    for (size_t i = quick ? 1 : 0; i < (quick ? 2 : 4); i++) {
        int threads =
            wanted[i] < IFM_PROBE_MAX_THREADS ? wanted[i] : IFM_PROBE_MAX_THREADS;
        if (self->n_teams == 0 || threads > self->teams[self->n_teams - 1])
            self->teams[self->n_teams++] = threads;
    }
}

static void measure_bandwidth(ifm_doctor *self, bool quick)
{
    const size_t *sizes = quick ? quick_sizes : all_sizes;
    self->n_sizes = quick ? sizeof quick_sizes / sizeof *quick_sizes : IFM_DOCTOR_SIZES;
    memcpy(self->sizes, sizes, self->n_sizes * sizeof *sizes);
    choose_teams(self, quick);
    size_t most = ifm_probe_memory_limit();
    for (size_t team = 0; team < self->n_teams; team++) {
        for (size_t i = 0; i < self->n_sizes; i++) {
            char text[80];
            snprintf(text, sizeof text, "reading memory: %d threads, size %zu of %zu",
                     self->teams[team], i + 1, self->n_sizes);
            say(text);
            if (self->sizes[i] <= most)
                self->read_bytes_per_s[team][i] =
                    ifm_probe_read_bandwidth(self->sizes[i], self->teams[team]);
        }
    }
}

static void measure_disk(ifm_doctor *self, const char *path)
{
    say("reading the disk");
    self->disk_path = path;
    if (ifm_probe_disk_read(path, &self->disk, &self->disk_error) != IFM_OK)
        return;
    self->disk_error = (ifm_error){0};
}

static void examine(ifm_doctor *self, bool quick, const char *disk)
{
    say("looking on");
    ifm_host_describe(&self->host);
    self->facts.clock = ifm_clock_measure();
    self->facts.room = ifm_cpu_room_now();
    ifm_system_read(&self->facts.system, "");
    ifm_system_watch(&self->facts.sample, quick ? QUICK_WATCH_NS : WATCH_NS);
    measure_bandwidth(self, quick);
    say("reckoning");
    self->peak_threads = self->teams[self->n_teams - 1];
    self->n_peaks = ifm_probe_arithmetic(self->peak_threads, self->peaks);
    if (disk != NULL)
        measure_disk(self, disk);
    say("");
    self->n_findings = ifm_fit_judge(&self->facts, self->findings);
}

/* The outputs; `json` was opened before anything was measured, or is all zero. */
static ifm_status report(const ifm_doctor *self, const char *json_path, ifm_output *json,
                         ifm_error *err)
{
    if (json_path != NULL && strcmp(json_path, "-") == 0)
        return ifm_doctor_write_json(self, stdout, err);
    ifm_doctor_print(self, stdout, ifm_terminal_colour(stdout), ifm_terminal_unicode());
    if (json_path == NULL)
        return IFM_OK;
    ifm_status st = ifm_doctor_write_json(self, json->stream, err);
    return st == IFM_OK ? ifm_output_commit(json, err) : st;
}

static int run_doctor(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    bool quick = ifm_arguments_flag(arguments, "quick");
    const char *model = ifm_arguments_string(arguments, "model");
    const char *json_path = ifm_arguments_string(arguments, "json");
    ifm_output json = {0};
    char *disk = NULL;
    ifm_doctor *self = calloc(1, sizeof *self);
    ifm_status st = IFM_OK;
    if (self == NULL)
        st = ifm_fail(&err, IFM_ERR_NO_MEMORY, "no memory");
    if (st == IFM_OK && (!quick || model != NULL))
        st = choose_disk(model, &disk, &err);
    if (st == IFM_OK && json_path != NULL && strcmp(json_path, "-") != 0)
        st = ifm_output_open(&json, json_path, &err);
    if (st == IFM_OK) {
        examine(self, quick, disk);
        st = report(self, json_path, &json, &err);
    }
    int code = st != IFM_OK ? ifm_command_fail(arguments->command, &err) : IFM_EXIT_FINE;
    if (st == IFM_OK && ifm_fit_worst(self->findings, self->n_findings) == IFM_FIT_BAD)
        code = IFM_EXIT_UNTRUSTWORTHY;
    ifm_output_abort(&json);
    free(disk);
    free(self);
    return code;
}

const ifm_command ifm_command_doctor = {
    .name = "doctor",
    .summary = "say whether this host is fit to measure on, and what it can do",
    .details =
        "Looks at what makes times wander (other work, stolen time, frequency policy, "
        "quotas, heat, swap), then measures the yardsticks: read bandwidth by size and "
        "threads, the arithmetic peak of each instruction set, the disk. Takes some ten "
        "seconds.\n"
        "\n"
        "Exit code 0: fit; 3: times measured now would say more about this machine than "
        "about a model.",
    .examples = "inferometer doctor --quick\ta second, without the disk\n"
                "inferometer doctor -m ./distilgpt2\talso read that model's disk\n",
    IFM_OPTIONS(options),
    .run = run_doctor,
};
