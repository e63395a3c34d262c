/* The judgement on made-up machines, and the reading of a made-up /proc and /sys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/file.h"
#include "probe/fit.h"

/* A quiet machine of four cores: everything is fine. */
static ifm_fit_facts quiet(void)
{
    return (ifm_fit_facts){
        .clock = {"CLOCK_MONOTONIC", 1, 20},
        .room = {.logical = 4, .physical = 4, .threads = 4},
        .system = {.logical_online = 4,
                   .numa_nodes = 1,
                   .governor = "performance",
                   .turbo = 0,
                   .hottest_celsius = 50,
                   .cgroup_version = 2,
                   .cgroup_throttled_count = -1,
                   .memory_bytes = (int64_t)16 << 30,
                   .memory_available_bytes = (int64_t)8 << 30,
                   .swap_bytes = (int64_t)1 << 30,
                   .huge_pages = "madvise",
                   .load_average = 0.1},
        .sample = {.interrupted_frac = 0.001, .longest_interruption_ns = 50000}};
}

static const ifm_finding *find(const ifm_finding *findings, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(findings[i].code, code) == 0)
            return &findings[i];
    fail_msg("no finding \"%s\"", code);
    return NULL;
}

/* The finding of that code is of that level, has a remedy exactly if it is not fine, and
 * nothing else is worse than fine. */
static void expect_only(const ifm_fit_facts *facts, const char *code, ifm_fit_level level)
{
    ifm_finding findings[IFM_FIT_MAX_FINDINGS];
    size_t n = ifm_fit_judge(facts, findings);
    const ifm_finding *finding = find(findings, n, code);
    assert_int_equal(finding->level, level);
    assert_int_equal(ifm_fit_worst(findings, n), level);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(findings[i].remedy[0] != '\0',
                         findings[i].level != IFM_FIT_FINE);
        assert_true(strlen(findings[i].remedy) + 1 < sizeof findings[i].remedy);
        assert_true(&findings[i] == finding || findings[i].level == IFM_FIT_FINE);
    }
}

static void test_quiet_is_fit(void **state)
{
    (void)state;
    ifm_fit_facts facts = quiet();
    expect_only(&facts, "clock", IFM_FIT_FINE);
}

static void test_what_spoils(void **state)
{
    (void)state;
    ifm_fit_facts facts = quiet();
    facts.clock.read_cost_ns = 900;
    expect_only(&facts, "clock", IFM_FIT_NOTE);
    facts.clock.resolution_ns = 4000000;
    expect_only(&facts, "clock", IFM_FIT_BAD);

    facts = quiet();
    facts.sample.others_cpus = 0.2;
    expect_only(&facts, "other-work", IFM_FIT_NOTE);
    facts.sample.others_cpus = 1.5;
    expect_only(&facts, "other-work", IFM_FIT_BAD);

    facts = quiet();
    facts.sample.steal_frac = 0.06;
    expect_only(&facts, "steal", IFM_FIT_BAD);

    facts = quiet();
    facts.sample.longest_interruption_ns = 20 * 1000 * 1000;
    expect_only(&facts, "interruptions", IFM_FIT_NOTE);

    facts = quiet();
    facts.sample.swapped_pages = 10;
    expect_only(&facts, "swap", IFM_FIT_BAD);
}

static void test_what_makes_times_wander(void **state)
{
    (void)state;
    ifm_fit_facts facts = quiet();
    facts.system.governors_other = 4;
    strcpy(facts.system.governor, "powersave");
    expect_only(&facts, "governor", IFM_FIT_NOTE);

    facts = quiet();
    facts.system.cgroup_cpus = 1.5;
    expect_only(&facts, "cpu-quota", IFM_FIT_NOTE);

    facts = quiet();
    strcpy(facts.system.huge_pages, "never");
    expect_only(&facts, "huge-pages", IFM_FIT_NOTE);

    facts = quiet();
    facts.system.numa_nodes = 2;
    expect_only(&facts, "cores", IFM_FIT_NOTE);

    facts = quiet();
    facts.system.throttled_by_heat = 3;
    expect_only(&facts, "heat", IFM_FIT_NOTE);

    facts = quiet();
    facts.system.memory_available_bytes = 1 << 20;
    expect_only(&facts, "memory", IFM_FIT_NOTE);
}

/* What a system does not tell is not judged, and nothing claims to know it. */
static void test_unknown_is_left_out(void **state)
{
    (void)state;
    ifm_fit_facts facts = {
        .clock = {"CLOCK_MONOTONIC", 1, 20},
        .room = {.logical = 1, .physical = 1, .threads = 1},
        .system = {.logical_online = 1,
                   .smt = -1,
                   .numa_nodes = -1,
                   .hypervisor = -1,
                   .governors_other = -1,
                   .turbo = -1,
                   .throttled_by_heat = -1,
                   .hottest_celsius = -1,
                   .cgroup_throttled_count = -1,
                   .memory_bytes = -1,
                   .memory_available_bytes = -1,
                   .swap_bytes = -1,
                   .swap_used_bytes = -1,
                   .load_average = -1},
        .sample = {.others_cpus = -1, .steal_frac = -1, .swapped_pages = -1}};
    ifm_finding findings[IFM_FIT_MAX_FINDINGS];
    size_t n = ifm_fit_judge(&facts, findings);
    assert_int_equal(ifm_fit_worst(findings, n), IFM_FIT_FINE);
    for (size_t i = 0; i < n; i++) {
        assert_null(strstr(findings[i].value, "-1"));
        assert_string_not_equal(findings[i].code, "swap");
        assert_string_not_equal(findings[i].code, "heat");
    }
}

static void test_watch(void **state)
{
    (void)state;
    ifm_system_sample sample;
    ifm_system_watch(&sample, 20 * 1000 * 1000);
    assert_true(sample.interruptions >= 0 && sample.longest_interruption_ns >= 0);
    assert_true(sample.interrupted_frac >= 0 && sample.interrupted_frac <= 1);
    assert_true(sample.steal_frac <= 1);
}

#ifdef __linux__
static char root[64];

static void put(const char *path, const char *text)
{
    char whole[512], directory[512];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    snprintf(directory, sizeof directory, "%s", whole);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(ifm_directory_make(directory, NULL), IFM_OK);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "ifm-test-system-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* A laptop: four CPUs, two of them on powersave, hot, swapping a little. */
static void test_read_laptop(void **state)
{
    (void)state;
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    put("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
    put("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave\n");
    put("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance\n");
    put("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "2\n");
    put("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "3\n");
    put("sys/devices/system/cpu/cpufreq/boost", "1\n");
    put("sys/devices/system/cpu/smt/active", "1\n");
    put("sys/devices/system/node/node0/cpulist", "0-3\n");
    put("sys/class/thermal/thermal_zone0/temp", "45000\n");
    put("sys/class/thermal/thermal_zone1/temp", "91500\n");
    put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme avx2\n");
    put("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:  1 kB\n"
                        "MemAvailable:    8000000 kB\nSwapTotal:       2000000 kB\n"
                        "SwapFree:        1500000 kB\n");
    put("proc/loadavg", "0.75 0.50 0.25 1/345 678\n");
    ifm_system system;
    ifm_system_read(&system, root);
    assert_int_equal(system.logical_online, 4);
    assert_int_equal(system.governors_other, 2);
    assert_string_equal(system.governor, "powersave");
    assert_int_equal(system.throttled_by_heat, 5);
    assert_int_equal(system.turbo, 1);
    assert_int_equal(system.smt, 1);
    assert_int_equal(system.numa_nodes, 1);
    assert_int_equal(system.hypervisor, 0);
    assert_true(system.hottest_celsius == 91.5);
    assert_string_equal(system.huge_pages, "madvise");
    assert_int_equal(system.memory_available_bytes, (int64_t)8000000 * 1024);
    assert_int_equal(system.swap_used_bytes, (int64_t)500000 * 1024);
    assert_true(system.load_average == 0.75);
}

/* A container that shows nothing: all unknown, nothing made up. */
static void test_read_nothing(void **state)
{
    (void)state;
    ifm_system system;
    ifm_system_read(&system, root);
    assert_true(system.logical_online >= 1);
    assert_int_equal(system.governors_other, -1);
    assert_string_equal(system.governor, "");
    assert_int_equal(system.turbo, -1);
    assert_int_equal(system.smt, -1);
    assert_int_equal(system.hypervisor, -1);
    assert_int_equal(system.memory_bytes, -1);
    assert_int_equal(system.swap_bytes, -1);
    assert_int_equal(system.cgroup_version, 0);
    assert_true(system.hottest_celsius == -1 && system.load_average == -1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet_is_fit),
        cmocka_unit_test(test_what_spoils),
        cmocka_unit_test(test_what_makes_times_wander),
        cmocka_unit_test(test_unknown_is_left_out),
        cmocka_unit_test(test_watch),
#ifdef __linux__
        cmocka_unit_test_setup_teardown(test_read_laptop, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_read_nothing, make_root, remove_root),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
