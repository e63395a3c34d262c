#include <stdio.h>
#include <stdlib.h>
#include <sys/sysctl.h>
#include <sys/utsname.h>

#include "os/host.h"

static void copy_text(const char *key, char *out, size_t size)
{
    size_t n = size;
    if (sysctlbyname(key, out, &n, NULL, 0) != 0)
        out[0] = '\0';
    out[size - 1] = '\0';
}

void ifm_host_describe(ifm_host_facts *facts)
{
    *facts = (ifm_host_facts){.load_average = -1};
    copy_text("machdep.cpu.brand_string", facts->cpu, sizeof facts->cpu);
    char version[64];
    copy_text("kern.osproductversion", version, sizeof version);
    snprintf(facts->os, sizeof facts->os, "macOS %s", version);
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(facts->kernel, sizeof facts->kernel, "%.32s %.90s", name.sysname,
                 name.release);
    uint64_t bytes = 0;
    size_t n = sizeof bytes;
    if (sysctlbyname("hw.memsize", &bytes, &n, NULL, 0) == 0)
        facts->memory_bytes = (int64_t)bytes;
    double load[1];
    if (getloadavg(load, 1) == 1)
        facts->load_average = load[0];
}

/* The kernel counts no stolen time: a guest of a hypervisor cannot know. */
ifm_host_time ifm_host_cpu_time(void)
{
    return (ifm_host_time){0};
}
