#include "probe/fit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Where "fine" ends. A first token of a small model takes some milliseconds, a token about
 * one: what is over a hundredth of that shows in the figures, what is over a twentieth
 * rules them.
 */
static const int64_t CLOCK_NOTE_NS = 200, CLOCK_BAD_NS = 2000;
static const double OTHERS_NOTE_CPUS = 0.10, OTHERS_BAD_CPUS = 0.50;
static const double LOST_NOTE_FRAC = 0.01, LOST_BAD_FRAC = 0.05; /* stolen, interrupted */
static const int64_t LONG_INTERRUPTION_NS = 5 * 1000 * 1000;
static const double HOT_CELSIUS = 90;
static const int64_t LITTLE_MEMORY_BYTES = (int64_t)1 << 30;

static const double GIB = 1024.0 * 1024 * 1024;

typedef struct judge {
    const ifm_fit_facts *facts;
    ifm_finding *findings;
    size_t n;
} judge;

static ifm_finding *add(judge *self, const char *code, const char *name,
                        ifm_fit_level level, const char *format, ...) IFM_PRINTF(5, 6);

static ifm_finding *add(judge *self, const char *code, const char *name,
                        ifm_fit_level level, const char *format, ...)
{
    ifm_finding *finding = &self->findings[self->n];
    if (self->n + 1 < IFM_FIT_MAX_FINDINGS)
        self->n++;
    *finding = (ifm_finding){.level = level, .code = code, .name = name};
    va_list args;
    va_start(args, format);
    vsnprintf(finding->value, sizeof finding->value, format, args);
    va_end(args);
    return finding;
}

/* The remedy of a finding that is not fine. */
static void remedy(ifm_finding *finding, const char *text)
{
    if (finding->level != IFM_FIT_FINE)
        snprintf(finding->remedy, sizeof finding->remedy, "%s", text);
}

static ifm_fit_level level_of(double value, double note, double bad)
{
    return value >= bad ? IFM_FIT_BAD : value >= note ? IFM_FIT_NOTE : IFM_FIT_FINE;
}

static void judge_clock(judge *self)
{
    const ifm_clock_facts *clock = &self->facts->clock;
    int64_t worse = clock->resolution_ns > clock->read_cost_ns ? clock->resolution_ns
                                                               : clock->read_cost_ns;
    ifm_fit_level level =
        level_of((double)worse, (double)CLOCK_NOTE_NS, (double)CLOCK_BAD_NS);
    remedy(add(self, "clock", "Clock", level,
               "%s, steps of %lld ns, a reading costs %lld ns", clock->name,
               (long long)clock->resolution_ns, (long long)clock->read_cost_ns),
           "A slow clock is read through the kernel: let it use the processor's own.\n"
           "echo tsc | sudo tee "
           "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

static void judge_cores(judge *self)
{
    const ifm_cpu_room *room = &self->facts->room;
    const ifm_system *system = &self->facts->system;
    char smt[48] = "";
    if (system->smt > 0)
        snprintf(smt, sizeof smt, ", two threads to a core");
    ifm_finding *finding =
        add(self, "cores", "Cores", IFM_FIT_FINE, "%d physical, %d logical of %d%s%s",
            room->physical, room->logical, system->logical_online, smt,
            system->hypervisor == 1 ? " (a virtual machine)" : "");
    if (system->numa_nodes > 1) {
        finding->level = IFM_FIT_NOTE;
        remedy(finding,
               "Several memory nodes: a thread far from its memory is slower. Stay on "
               "one.\nnumactl --cpunodebind=0 --membind=0 inferometer run");
    }
}

/* A quota lets threads run and then stops all of them for the rest of its period. */
static void judge_quota(judge *self)
{
    const ifm_system *system = &self->facts->system;
    if (system->cgroup_version == 0)
        return;
    double cpus = system->cgroup_cpus;
    if (cpus == 0) {
        add(self, "cpu-quota", "CPU quota", IFM_FIT_FINE,
            "none (control groups, version %d)", system->cgroup_version);
        return;
    }
    char stopped[64] = "";
    if (system->cgroup_throttled_count > 0)
        snprintf(stopped, sizeof stopped, ", stopped %lld times so far",
                 (long long)system->cgroup_throttled_count);
    remedy(
        add(self, "cpu-quota", "CPU quota", IFM_FIT_NOTE, "%.2f CPUs%s", cpus, stopped),
        "A quota stops all threads for milliseconds when it is used up. Give whole cores "
        "instead of a share.\n"
        "docker run --cpuset-cpus 0-1 ...    (in place of --cpus)");
}

static void judge_frequency(judge *self)
{
    const ifm_system *system = &self->facts->system;
    if (system->governor[0] != '\0') {
        ifm_fit_level level = system->governors_other > 0 ? IFM_FIT_NOTE : IFM_FIT_FINE;
        char where[48] = "";
        if (system->governors_other > 0)
            snprintf(where, sizeof where, " on %d CPUs", system->governors_other);
        remedy(add(self, "governor", "Governor", level, "%s%s", system->governor, where),
               "The clock follows the load, so that the first runs are slower.\n"
               "echo performance | sudo tee "
               "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
    } else {
        add(self, "governor", "Governor", IFM_FIT_FINE, "%s",
            system->hypervisor == 1 ? "not to be seen from a virtual machine"
                                    : "none to be seen");
    }
    if (system->turbo >= 0)
        add(self, "turbo", "Turbo", IFM_FIT_FINE, "%s",
            system->turbo > 0 ? "on: the clock depends on heat and on neighbours"
                              : "off: the clock is steady");
}

static void judge_heat(judge *self)
{
    const ifm_system *system = &self->facts->system;
    if (system->hottest_celsius < 0 && system->throttled_by_heat < 0)
        return;
    char hottest[32] = "temperature unknown", slowed[64] = "";
    if (system->hottest_celsius >= 0)
        snprintf(hottest, sizeof hottest, "%.0f degrees", system->hottest_celsius);
    if (system->throttled_by_heat >= 0)
        snprintf(slowed, sizeof slowed, ", slowed %lld times since boot",
                 (long long)system->throttled_by_heat);
    bool hot = system->hottest_celsius >= HOT_CELSIUS || system->throttled_by_heat > 0;
    remedy(add(self, "heat", "Heat", hot ? IFM_FIT_NOTE : IFM_FIT_FINE, "%s%s", hottest,
               slowed),
           "Heat slows the cores down: let the machine cool off between runs, on mains "
           "power "
           "and with air around it.");
}

static void judge_others(judge *self)
{
    const ifm_system_sample *sample = &self->facts->sample;
    char load[48] = "";
    if (self->facts->system.load_average >= 0)
        snprintf(load, sizeof load, " (load average %.2f)",
                 self->facts->system.load_average);
    if (sample->others_cpus >= 0)
        remedy(add(self, "other-work", "Other work",
                   level_of(sample->others_cpus, OTHERS_NOTE_CPUS, OTHERS_BAD_CPUS),
                   "%.2f CPUs' worth by other processes%s", sample->others_cpus, load),
               "Other processes take time from the one that is measured. See which:\n"
               "ps -eo pcpu,pid,comm --sort=-pcpu | head");
    if (sample->steal_frac >= 0)
        remedy(add(self, "steal", "Stolen",
                   level_of(sample->steal_frac, LOST_NOTE_FRAC, LOST_BAD_FRAC),
                   "%.1f%% of the time went to other virtual machines",
                   100 * sample->steal_frac),
               "Neighbours on the same hardware take time. Ask for dedicated cores, or "
               "measure at another hour and with more runs.");
    ifm_fit_level level =
        level_of(sample->interrupted_frac, LOST_NOTE_FRAC, LOST_BAD_FRAC);
    if (level == IFM_FIT_FINE && sample->longest_interruption_ns >= LONG_INTERRUPTION_NS)
        level = IFM_FIT_NOTE;
    remedy(add(self, "interruptions", "Interruptions", level,
               "%.2f%% of a busy thread's time, the longest %.2f ms",
               100 * sample->interrupted_frac,
               (double)sample->longest_interruption_ns * 1e-6),
           "A busy thread is kept from running: stop what else runs, leave one core free "
           "(--threads), or give the process whole cores.");
}

static void judge_memory(judge *self)
{
    const ifm_system *system = &self->facts->system;
    if (system->memory_bytes > 0) {
        int64_t available = system->memory_available_bytes;
        char limit[64] = "", left[64] = "";
        if (available >= 0)
            snprintf(left, sizeof left, ", %.1f GiB available", (double)available / GIB);
        if (system->cgroup_memory_bytes > 0)
            snprintf(limit, sizeof limit, ", limited to %.1f GiB here",
                     (double)system->cgroup_memory_bytes / GIB);
        bool little = available >= 0 && available < LITTLE_MEMORY_BYTES;
        remedy(add(self, "memory", "Memory", little ? IFM_FIT_NOTE : IFM_FIT_FINE,
                   "%.1f GiB%s%s", (double)system->memory_bytes / GIB, left, limit),
               "Little memory is left: a model's pages will be dropped and read again.");
    }
    int64_t swapped = self->facts->sample.swapped_pages;
    if (system->swap_bytes > 0) {
        ifm_fit_level level = swapped > 0 ? IFM_FIT_BAD : IFM_FIT_FINE;
        remedy(add(self, "swap", "Swap", level, "%.1f of %.1f GiB used, %s",
                   (double)system->swap_used_bytes / GIB,
                   (double)system->swap_bytes / GIB,
                   swapped > 0 ? "in motion now" : "at rest"),
               "Pages are being moved to and from the disk: free memory first.");
    } else if (system->swap_bytes == 0) {
        add(self, "swap", "Swap", IFM_FIT_FINE, "none");
    }
    if (system->huge_pages[0] != '\0') {
        bool never = strcmp(system->huge_pages, "never") == 0;
        remedy(add(self, "huge-pages", "Huge pages", never ? IFM_FIT_NOTE : IFM_FIT_FINE,
                   "%s", system->huge_pages),
               "Weights that are read into memory cannot use huge pages.\n"
               "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled");
    }
}

const char *ifm_fit_level_name(ifm_fit_level level)
{
    static const char *const names[] = {"ok", "note", "bad"};
    return names[level];
}

size_t ifm_fit_judge(const ifm_fit_facts *facts,
                     ifm_finding findings[IFM_FIT_MAX_FINDINGS])
{
    judge self = {.facts = facts, .findings = findings};
    judge_clock(&self);
    judge_cores(&self);
    judge_quota(&self);
    judge_frequency(&self);
    judge_heat(&self);
    judge_others(&self);
    judge_memory(&self);
    return self.n;
}

ifm_fit_level ifm_fit_worst(const ifm_finding *findings, size_t n)
{
    ifm_fit_level worst = IFM_FIT_FINE;
    for (size_t i = 0; i < n; i++)
        if (findings[i].level > worst)
            worst = findings[i].level;
    return worst;
}
