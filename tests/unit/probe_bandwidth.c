/* The probes on this machine: figures depend on it, so only what must hold anywhere is
 * tested: the loops read every byte, threads share the work, limits are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe/loops.h"
#include "probe/probe.h"
#include "probe/team.h"

static void check_read(uint64_t (*read)(const unsigned char *, size_t))
{
    static _Alignas(64) unsigned char data[1024];
    memset(data, 0, sizeof data);
    assert_int_equal(read(data, sizeof data), 0);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = 1;
        assert_true(read(data, sizeof data) != 0);
        data[i] = 0;
    }
}

static void test_read_sees_every_byte(void **state)
{
    (void)state;
    const ifm_probe_loops *sets[IFM_PROBE_MAX_SETS];
    size_t n = ifm_probe_loops_usable(sets);
    assert_true(n >= 1);
    for (size_t set = 0; set < n; set++)
        for (int way = 0; way < IFM_PROBE_READ_WAYS; way++)
            check_read(sets[set]->read[way]);
}

static void test_arithmetic_counts(void **state)
{
    (void)state;
    const ifm_probe_loops *sets[IFM_PROBE_MAX_SETS];
    size_t n = ifm_probe_loops_usable(sets);
    for (size_t set = 0; set < n; set++) {
        double one = 0, ten = 0;
        if (sets[set]->f32 == NULL)
            continue;
        float value = sets[set]->f32(1, &one);
        assert_true(value == value);
        sets[set]->f32(10, &ten);
        assert_true(one > 0 && ten == 10 * one);
    }
}

/* Each thread counts its passes; all must have done the same number. */
typedef struct counting {
    int prepared[4], passes[4];
} counting;

static void prepare(void *self, int thread, int threads)
{
    ((counting *)self)->prepared[thread] +=
        threads == 4; /* no assert off the main thread */
}

static void pass(void *self, int thread, int threads)
{
    (void)threads;
    ((counting *)self)->passes[thread]++;
}

static void test_team_passes_together(void **state)
{
    (void)state;
    counting self = {0};
    int64_t best_ns = 0;
    ifm_status st =
        ifm_probe_team_run(&(ifm_probe_plan){4, true, 0, 5},
                           &(ifm_probe_work){prepare, pass, &self}, &best_ns, NULL);
    assert_int_equal(st, IFM_OK);
    assert_true(best_ns > 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(self.prepared[i], 1);
        assert_int_equal(self.passes[i], 6); /* a rehearsal, and the five asked for */
    }
}

static void test_bandwidth(void **state)
{
    (void)state;
    assert_true(ifm_probe_read_bandwidth(1 << 16, 1) > 0);
    assert_true(ifm_probe_read_bandwidth(1, 3) > 0);
    assert_true(ifm_probe_read_bandwidth(1 << 20, 0) == 0);
    assert_true(ifm_probe_read_bandwidth(1 << 20, IFM_PROBE_MAX_THREADS + 1) == 0);
}

static void test_peaks(void **state)
{
    (void)state;
    ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS];
    size_t n = ifm_probe_arithmetic(1, peaks);
    assert_true(n >= 1);
    for (size_t i = 0; i < n; i++)
        assert_true(peaks[i].per_s > 0);
    assert_int_equal(ifm_probe_arithmetic(0, peaks), 0);
}

/* Where the test runs may be a file system in memory: then it must say so. */
static void test_disk(void **state)
{
    (void)state;
    ifm_probe_disk disk;
    ifm_error err = {0};
    assert_int_equal(ifm_probe_disk_read("no/such/place", &disk, &err),
                     IFM_ERR_NOT_FOUND);
    assert_int_equal(ifm_probe_disk_read("/proc/self/cmdline", &disk, &err),
                     IFM_ERR_UNSUPPORTED);
    ifm_status st = ifm_probe_disk_read(".", &disk, &err);
    if (st == IFM_OK) {
        assert_true(disk.temporary && disk.bytes_per_s > 0 && disk.bytes > 0);
        assert_true(disk.resident_frac >= 0 && disk.resident_frac <= 0.01);
    } else {
        assert_int_equal(st, IFM_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, "stays in memory"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_sees_every_byte),
        cmocka_unit_test(test_arithmetic_counts),
        cmocka_unit_test(test_team_passes_together),
        cmocka_unit_test(test_bandwidth),
        cmocka_unit_test(test_peaks),
        cmocka_unit_test(test_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
