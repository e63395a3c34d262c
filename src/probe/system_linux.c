#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/cgroup.h"
#include "probe/system.h"
#include "probe/text_file.h"
#include "probe/watch.h"

/* Most CPUs that are looked at one by one; a machine with more is not less known for it. */
enum { PATH_SIZE = 1024, MOST_CPUS = 1024 };

static bool read_under(const char *root, const char *name, char *text, size_t size)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s%s", root, name);
    return ifm_text_file_read(path, text, size);
}

static int64_t integer_under(const char *root, const char *name)
{
    char path[PATH_SIZE];
    int64_t value;
    snprintf(path, sizeof path, "%s%s", root, name);
    return ifm_text_file_integer(path, &value) ? value : -1;
}

/* Entries of a directory that are `prefix` and a number; -1 when it cannot be read. */
static int count_numbered(const char *root, const char *directory, const char *prefix)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s%s", root, directory);
    DIR *open = opendir(path);
    if (open == NULL)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        const char *rest = entry->d_name + strlen(prefix);
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && *rest >= '0' &&
            *rest <= '9')
            count++;
    }
    closedir(open);
    return count;
}

/* The frequency policies, and how often heat slowed a core. */
static void read_cpus(ifm_system *self, const char *root)
{
    int cpus = count_numbered(root, "/sys/devices/system/cpu", "cpu");
    self->logical_online = cpus > 0 ? cpus : (int)sysconf(_SC_NPROCESSORS_ONLN);
    self->governors_other = self->throttled_by_heat = -1;
    for (int cpu = 0; cpu < cpus && cpu < MOST_CPUS; cpu++) {
        char name[128], text[32];
        snprintf(name, sizeof name,
                 "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
        if (read_under(root, name, text, sizeof text)) {
            bool other = strcmp(text, "performance") != 0;
            if (self->governor[0] == '\0' || (other && self->governors_other == 0))
                snprintf(self->governor, sizeof self->governor, "%s", text);
            self->governors_other =
                (self->governors_other < 0 ? 0 : self->governors_other) + other;
        }
        snprintf(name, sizeof name,
                 "/sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count",
                 cpu);
        int64_t count = integer_under(root, name);
        if (count >= 0)
            self->throttled_by_heat =
                (self->throttled_by_heat < 0 ? 0 : self->throttled_by_heat) + count;
    }
}

static void read_frequency(ifm_system *self, const char *root)
{
    int64_t off = integer_under(root, "/sys/devices/system/cpu/intel_pstate/no_turbo");
    self->turbo = off >= 0
                      ? off == 0
                      : (int)integer_under(root, "/sys/devices/system/cpu/cpufreq/boost");
    self->smt = (int)integer_under(root, "/sys/devices/system/cpu/smt/active");
    self->numa_nodes = count_numbered(root, "/sys/devices/system/node", "node");
    char text[8192];
    self->hypervisor = -1;
    if (read_under(root, "/proc/cpuinfo", text, sizeof text))
        self->hypervisor = strstr(text, " hypervisor") != NULL;
}

static void read_heat(ifm_system *self, const char *root)
{
    self->hottest_celsius = -1;
    int zones = count_numbered(root, "/sys/class/thermal", "thermal_zone");
    for (int zone = 0; zone < zones; zone++) {
        char name[128];
        snprintf(name, sizeof name, "/sys/class/thermal/thermal_zone%d/temp", zone);
        double celsius = (double)integer_under(root, name) / 1000;
        if (celsius > self->hottest_celsius &&
            celsius < 200) /* sensors tell fables, too */
            self->hottest_celsius = celsius;
    }
}

static void read_memory(ifm_system *self, const char *root)
{
    char text[8192];
    int64_t total = 0, available = 0, swap = 0, swap_free = 0;
    self->memory_bytes = self->memory_available_bytes = -1;
    self->swap_bytes = self->swap_used_bytes = -1;
    if (!read_under(root, "/proc/meminfo", text, sizeof text))
        return;
    if (ifm_text_integer_after(text, "MemTotal", &total))
        self->memory_bytes = total * 1024;
    if (ifm_text_integer_after(text, "MemAvailable", &available))
        self->memory_available_bytes = available * 1024;
    if (ifm_text_integer_after(text, "SwapTotal", &swap) &&
        ifm_text_integer_after(text, "SwapFree", &swap_free)) {
        self->swap_bytes = swap * 1024;
        self->swap_used_bytes = (swap - swap_free) * 1024;
    }
}

/* "always [madvise] never": the word in brackets. */
static void read_huge_pages(ifm_system *self, const char *root)
{
    char text[128];
    read_under(root, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    const char *open = strchr(text, '[');
    if (open != NULL)
        snprintf(self->huge_pages, sizeof self->huge_pages, "%.*s",
                 (int)strcspn(open + 1, "]"), open + 1);
}

void ifm_system_read(ifm_system *self, const char *root)
{
    *self = (ifm_system){0};
    read_cpus(self, root);
    read_frequency(self, root);
    read_heat(self, root);
    read_memory(self, root);
    read_huge_pages(self, root);
    ifm_cgroup group;
    ifm_cgroup_read(&group, root);
    self->cgroup_version = group.version;
    self->cgroup_cpus = group.cpus;
    self->cgroup_memory_bytes = group.memory_bytes;
    self->cgroup_throttled_count = group.throttled_count;
    char text[128];
    self->load_average =
        read_under(root, "/proc/loadavg", text, sizeof text) ? strtod(text, NULL) : -1;
}

ifm_machine_time ifm_machine_time_read(void)
{
    ifm_machine_time time = {-1, -1, -1, -1};
    char text[16384];
    /* "cpu user nice system idle iowait irq softirq steal guest guest_nice", in ticks; the
     * guests' are counted in user and nice already (proc(5)). */
    if (ifm_text_file_read("/proc/stat", text, sizeof text) &&
        strncmp(text, "cpu ", 4) == 0) {
        enum { IDLE = 3, IOWAIT = 4, STEAL = 7, FIELDS = 8 };
        double field[FIELDS], all = 0, tick = (double)sysconf(_SC_CLK_TCK);
        char *at = text + 4;
        for (int i = 0; i < FIELDS; i++) {
            field[i] = (double)strtoull(at, &at, 10) / tick;
            all += field[i];
        }
        time.all = all;
        time.stolen = field[STEAL];
        time.busy = all - field[STEAL] - field[IDLE] - field[IOWAIT];
    }
    int64_t in, out;
    if (ifm_text_file_read("/proc/vmstat", text, sizeof text) &&
        ifm_text_integer_after(text, "pswpin", &in) &&
        ifm_text_integer_after(text, "pswpout", &out))
        time.swapped_pages = in + out;
    return time;
}
