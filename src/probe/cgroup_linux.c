/*
 * /proc/self/cgroup names the groups of this process, one line a hierarchy:
 *     0::/user.slice/a.scope            version 2
 *     4:cpu,cpuacct:/docker/0123        version 1, one line per controller
 * The path is relative to the root of the mounted tree; inside a container the tree often
 * begins at the container's own group, so that the path does not exist there: then, and
 * for the groups above, the path is walked upwards to the mount point.
 */
#include "probe/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/text_file.h"

enum { PATH_SIZE = 1024 };

/* A version's files. A limit that does not exist reads "max", -1, or a huge number. */
static int64_t read_limit(const char *directory, const char *name)
{
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int64_t value;
    const int64_t unlimited = INT64_MAX / 4; /* version 1 writes 2^63 less a page */
    if (!ifm_text_file_integer(path, &value) || value < 0 || value > unlimited)
        return 0;
    return value;
}

static void take_memory(ifm_cgroup *self, const char *directory)
{
    int64_t limit = self->version == 2 ? read_limit(directory, "memory.max")
                                       : read_limit(directory, "memory.limit_in_bytes");
    if (limit == 0 || (self->memory_bytes != 0 && limit >= self->memory_bytes))
        return;
    self->memory_bytes = limit;
    self->memory_used = self->version == 2
                            ? read_limit(directory, "memory.current")
                            : read_limit(directory, "memory.usage_in_bytes");
}

/* cpu.max holds "QUOTA PERIOD" or "max PERIOD"; version 1 has a file for each. */
static double read_cpus(int version, const char *directory)
{
    int64_t quota = 0, period = 0;
    if (version == 1) {
        quota = read_limit(directory, "cpu.cfs_quota_us");
        period = read_limit(directory, "cpu.cfs_period_us");
    } else {
        char path[PATH_SIZE + 64], text[128];
        snprintf(path, sizeof path, "%s/cpu.max", directory);
        if (!ifm_text_file_read(path, text, sizeof text))
            return 0;
        char *end;
        quota = strtoll(text, &end, 10);
        period = end != text ? strtoll(end, NULL, 10) : 0;
    }
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

static void take_cpu(ifm_cgroup *self, const char *directory)
{
    double cpus = read_cpus(self->version, directory);
    if (cpus == 0 || (self->cpus != 0 && cpus >= self->cpus))
        return;
    self->cpus = cpus;
    char path[PATH_SIZE + 64], text[1024];
    snprintf(path, sizeof path, "%s/cpu.stat", directory);
    if (!ifm_text_file_read(path, text, sizeof text))
        return;
    const char *at = strstr(text, "nr_throttled ");
    if (at != NULL)
        self->throttled_count = strtoll(at + strlen("nr_throttled "), NULL, 10);
}

/* Calls `take` for the group at mount + path, and for all groups above it. */
static void walk_up(ifm_cgroup *self, const char *mount, const char *path,
                    void (*take)(ifm_cgroup *, const char *))
{
    char directory[PATH_SIZE];
    size_t top = (size_t)snprintf(directory, sizeof directory, "%s", mount);
    int n = snprintf(directory, sizeof directory, "%s%s", mount, path);
    if (n < 0 || (size_t)n >= sizeof directory || strstr(path, "/..") != NULL)
        directory[top] = '\0'; /* a group outside of the tree that is mounted here */
    for (;;) {
        take(self, directory);
        char *slash = strrchr(directory, '/');
        if (strlen(directory) <= top || slash == NULL)
            return;
        *slash = '\0';
    }
}

/* Whether a comma-separated list has the word. */
static bool lists(const char *list, size_t n, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= n; i++) {
        bool starts = i == 0 || list[i - 1] == ',';
        bool ends = i + length == n || list[i + length] == ',';
        if (starts && ends && strncmp(list + i, word, length) == 0)
            return true;
    }
    return false;
}

/* One line "ID:CONTROLLERS:PATH". */
static void take_line(ifm_cgroup *self, const char *root, const char *line)
{
    const char *names = strchr(line, ':');
    const char *path = names != NULL ? strchr(names + 1, ':') : NULL;
    if (path == NULL)
        return;
    size_t n = (size_t)(path++ - ++names);
    char mount[PATH_SIZE];
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    if (n == 0) {
        /* On a hybrid system version 2 is there, but holds no controllers. */
        char controllers[PATH_SIZE + 64], text[256];
        snprintf(controllers, sizeof controllers, "%s/cgroup.controllers", mount);
        if (!ifm_text_file_read(controllers, text, sizeof text))
            return;
        self->version = 2;
        walk_up(self, mount, path, take_memory);
        walk_up(self, mount, path, take_cpu);
        return;
    }
    bool memory = lists(names, n, "memory");
    if (!memory && !lists(names, n, "cpu"))
        return;
    self->version = 1;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, memory ? "memory" : "cpu");
    walk_up(self, mount, path, memory ? take_memory : take_cpu);
}

void ifm_cgroup_read(ifm_cgroup *self, const char *root)
{
    *self = (ifm_cgroup){.throttled_count = -1};
    char path[PATH_SIZE], text[8192];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!ifm_text_file_read(path, text, sizeof text))
        return;
    for (char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        bool more = line[n] != '\0';
        line[n] = '\0';
        take_line(self, root, line);
        line += n + more;
    }
}
