/*
 * Cores that this process may occupy, on Linux: the affinity mask, less the siblings of
 * one core, less what the time quota of the control group leaves.
 *
 * A quota of a group binds all groups below it, so every ancestor is asked. Version 2 has
 * one hierarchy ("0::/path"), version 1 one a controller ("4:cpu,cpuacct:/path"); inside a
 * container the path may name something outside of the mount, so the mount's root is asked
 * as well.
 */
#include "os/cpu.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* First line of a small file, without the newline; false when it cannot be read. */
static bool read_line(const char *path, char *line, int cap)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(line, cap, f) != NULL;
    fclose(f);
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    return ok;
}

/* The smaller of two quotas, where 0 means none. */
static double tighter(double a, double b)
{
    return a == 0 ? b : b == 0 ? a : fmin(a, b);
}

static double quota_v2(const char *directory)
{
    char path[4400], line[64];
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    return read_line(path, line, sizeof line) ? ifm_cpu_parse_cpu_max(line) : 0;
}

static double quota_v1(const char *directory)
{
    char path[4400], quota[32], both[80], period[32];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (!read_line(path, quota, sizeof quota))
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (!read_line(path, period, sizeof period))
        return 0;
    snprintf(both, sizeof both, "%s %s", quota, period);
    return ifm_cpu_parse_cpu_max(both);
}

/* The tightest quota from mount/group up to the mount itself. */
static double quota_along(const char *mount, const char *group,
                          double (*quota_of)(const char *directory))
{
    char directory[4200];
    double quota = 0;
    snprintf(directory, sizeof directory, "%s%s", mount, group);
    for (;;) {
        quota = tighter(quota, quota_of(directory));
        if (strlen(directory) <= strlen(mount))
            return quota;
        *strrchr(directory, '/') = '\0';
    }
}

static bool has_controller(const char *list, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, name, n) && (at[n] == ',' || at[n] == '\0'))
            return true;
    }
    return false;
}

static double quota_now(void)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return 0;
    char line[4200];
    double quota = 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        if (*controllers == '\0') {
            quota = tighter(quota, quota_along("/sys/fs/cgroup", group, quota_v2));
            quota =
                tighter(quota, quota_along("/sys/fs/cgroup/unified", group, quota_v2));
        } else if (has_controller(controllers, "cpu")) {
            quota = tighter(quota, quota_along("/sys/fs/cgroup/cpu", group, quota_v1));
        }
    }
    fclose(f);
    return quota;
}

/* True when `cpu` is the first of the usable threads of its core. A machine that does not
 * tell its siblings has none. */
static bool leads_its_core(int cpu, const cpu_set_t *usable)
{
    char path[128], line[256];
    snprintf(path, sizeof path,
             "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    if (!read_line(path, line, sizeof line))
        return true;
    for (char *at = line; *at;) {
        char *end;
        long first = strtol(at, &end, 10), last = first;
        if (end == at)
            return true;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        for (long i = first; i <= last && i < cpu; i++)
            if (i >= 0 && i < CPU_SETSIZE && CPU_ISSET((int)i, usable))
                return false;
        at = *end == ',' ? end + 1 : end;
    }
    return true;
}

ifm_cpu_room ifm_cpu_room_now(void)
{
    ifm_cpu_room room = {.logical = 0};
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (sched_getaffinity(0, sizeof usable, &usable) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &usable)) {
                room.logical++;
                room.physical += leads_its_core(cpu, &usable);
            }
    room.logical = room.logical > 0 ? room.logical : 1;
    room.physical = room.physical > 0 ? room.physical : 1;
    room.quota = quota_now();
    room.threads = room.physical;
    if (room.quota > 0 && ceil(room.quota) < room.threads)
        room.threads = (int)ceil(room.quota);
    return room;
}

int ifm_cpu_current(void)
{
    return sched_getcpu();
}
