/* Limits of control groups, read from a tree that this test makes: what a container, a
 * service and a bare machine show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/file.h"
#include "probe/cgroup.h"

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
    strcpy(root, "ifm-test-cgroup-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void test_none(void **state)
{
    (void)state;
    ifm_cgroup group;
    ifm_cgroup_read(&group, root);
    assert_int_equal(group.version, 0);
    assert_true(group.cpus == 0);
    assert_int_equal(group.memory_bytes, 0);
    assert_int_equal(group.throttled_count, -1);
}

/* The tightest limit is the parent's, for CPU; the group's own, for memory. */
static void test_version_2(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/user.slice/work.scope\n");
    put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
    put("sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
    put("sys/fs/cgroup/user.slice/cpu.stat",
        "usage_usec 5\nnr_periods 9\nnr_throttled 7\n");
    put("sys/fs/cgroup/user.slice/memory.max", "max\n");
    put("sys/fs/cgroup/user.slice/work.scope/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/user.slice/work.scope/memory.max", "1073741824\n");
    put("sys/fs/cgroup/user.slice/work.scope/memory.current", "4096\n");
    ifm_cgroup group;
    ifm_cgroup_read(&group, root);
    assert_int_equal(group.version, 2);
    assert_true(group.cpus == 1.5);
    assert_int_equal(group.throttled_count, 7);
    assert_int_equal(group.memory_bytes, 1 << 30);
    assert_int_equal(group.memory_used, 4096);
}

/* A container with a private view: its path is "/", its limits lie at the mount point. */
static void test_container(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    put("sys/fs/cgroup/cpu.max", "50000 100000\n");
    put("sys/fs/cgroup/memory.max", "max\n");
    ifm_cgroup group;
    ifm_cgroup_read(&group, root);
    assert_int_equal(group.version, 2);
    assert_true(group.cpus == 0.5);
    assert_int_equal(group.memory_bytes, 0);
}

/* Version 1, in a container whose path does not exist below its own mount. */
static void test_version_1(void **state)
{
    (void)state;
    put("proc/self/cgroup", "11:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n"
                            "3:cpuset:/docker/0123\n0::/docker/0123\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ifm_cgroup group;
    ifm_cgroup_read(&group, root);
    assert_int_equal(group.version, 1);
    assert_true(group.cpus == 2);
    assert_int_equal(group.memory_bytes, 536870912);
    assert_int_equal(group.memory_used, 1000);
}

static void test_version_1_without_limits(void **state)
{
    (void)state;
    put("proc/self/cgroup", "11:memory:/\n4:cpuacct,cpu:/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ifm_cgroup group;
    ifm_cgroup_read(&group, root);
    assert_int_equal(group.version, 1);
    assert_true(group.cpus == 0);
    assert_int_equal(group.memory_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_container, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_1_without_limits, make_root,
                                        remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
