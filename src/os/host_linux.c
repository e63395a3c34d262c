#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "os/host.h"

/* The beginning of a small text file, terminated; false when it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Copies what stands behind `key` in its line, without quotes and blanks around it. */
static bool copy_field(const char *text, const char *key, char *out, size_t size)
{
    const char *at = strstr(text, key);
    if (at == NULL)
        return false;
    at += strlen(key);
    at += strspn(at, " \t:=\"");
    size_t n = strcspn(at, "\"\n");
    while (n > 0 && at[n - 1] == ' ')
        n--;
    snprintf(out, size, "%.*s", (int)n, at);
    return n > 0;
}

static void describe_cpu(ifm_host_facts *facts)
{
    char text[4096];
    if (read_text("/proc/cpuinfo", text, sizeof text) &&
        copy_field(text, "model name", facts->cpu, sizeof facts->cpu))
        return;
    /* Arm kernels name no model; boards do, in the device tree. */
    if (read_text("/proc/device-tree/model", text, sizeof text))
        snprintf(facts->cpu, sizeof facts->cpu, "%.*s", (int)strcspn(text, "\n"), text);
}

static void describe_system(ifm_host_facts *facts)
{
    struct utsname name;
    char text[4096];
    if (uname(&name) == 0) {
        snprintf(facts->kernel, sizeof facts->kernel, "%.32s %.90s", name.sysname,
                 name.release);
        if (facts->cpu[0] == '\0')
            snprintf(facts->cpu, sizeof facts->cpu, "%.64s", name.machine);
        snprintf(facts->os, sizeof facts->os, "%.64s", name.sysname);
    }
    if (read_text("/etc/os-release", text, sizeof text))
        copy_field(text, "PRETTY_NAME=", facts->os, sizeof facts->os);
}

static void describe_load(ifm_host_facts *facts)
{
    char text[256];
    facts->load_average = -1;
    if (read_text("/proc/loadavg", text, sizeof text))
        facts->load_average = strtod(text, NULL);
    if (read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text,
                  sizeof text))
        snprintf(facts->governor, sizeof facts->governor, "%.*s",
                 (int)strcspn(text, "\n"), text);
}

void ifm_host_describe(ifm_host_facts *facts)
{
    *facts = (ifm_host_facts){0};
    describe_cpu(facts);
    describe_system(facts);
    describe_load(facts);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        facts->memory_bytes = (int64_t)pages * page;
}

ifm_host_time ifm_host_cpu_time(void)
{
    char text[512];
    ifm_host_time time = {0};
    if (!read_text("/proc/stat", text, sizeof text) || strncmp(text, "cpu ", 4) != 0)
        return time;
    /* user nice system idle iowait irq softirq steal; guest times are in user already. */
    enum { STEAL = 7, FIELDS = 8 };
    char *at = text + 4;
    for (int i = 0; i < FIELDS; i++) {
        uint64_t ticks = strtoull(at, &at, 10);
        time.total += ticks;
        if (i == STEAL)
            time.stolen = ticks;
    }
    return time;
}
