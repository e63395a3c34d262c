/* os: threads that compute together agree at every barrier and end cleanly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "os/cpu.h"
#include "os/pool.h"

enum { MAX_THREADS = 9, STEPS = 50, RUNS = 200 };

typedef struct shared {
    ifm_pool *pool;
    int threads;
    int steps;
    long slot[2][MAX_THREADS]; /* plain memory: the barrier alone orders it */
    long wrong[MAX_THREADS];
} shared;

/* Each step, a thread adds up what all wrote in the step before: with all of them past the
 * barrier that is threads × step, and a thread that ran ahead would spoil it. */
static void step_together(void *arg, int thread)
{
    shared *s = arg;
    for (int step = 1; step <= s->steps; step++) {
        s->slot[step % 2][thread] = step;
        ifm_pool_barrier(s->pool);
        long sum = 0;
        for (int i = 0; i < s->threads; i++)
            sum += s->slot[step % 2][i];
        s->wrong[thread] += sum != (long)step * s->threads;
    }
}

static void run_with(int threads)
{
    shared s = {.threads = threads, .steps = STEPS};
    ifm_error err = {0};
    assert_int_equal(ifm_pool_new(threads, &s.pool, &err), IFM_OK);
    assert_int_equal(ifm_pool_threads(s.pool), threads);
    for (int run = 0; run < RUNS; run++) {
        memset(s.slot, 0, sizeof s.slot);
        ifm_pool_run(s.pool, step_together, &s);
    }
    for (int i = 0; i < threads; i++)
        assert_int_equal(s.wrong[i], 0);
    ifm_pool_free(s.pool);
}

static void barriers_hold(void **state)
{
    (void)state;
    run_with(1);
    run_with(2);
    run_with(3);
    run_with(MAX_THREADS); /* more than most machines that run this have cores */
}

static void pools_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        ifm_pool *pool;
        assert_int_equal(ifm_pool_new(1 + i % 4, &pool, NULL), IFM_OK);
        ifm_pool_free(pool);
    }
    ifm_pool_free(NULL);
}

static void impossible_counts_are_refused(void **state)
{
    (void)state;
    ifm_pool *pool;
    assert_int_equal(ifm_pool_new(0, &pool, NULL), IFM_ERR_ARGUMENT);
    assert_int_equal(ifm_pool_new(IFM_POOL_MAX_THREADS + 1, &pool, NULL),
                     IFM_ERR_ARGUMENT);
}

static void parts_cover_everything_once(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 70; n++)
        for (int threads = 1; threads < 6; threads++) {
            int64_t at = 0;
            for (int i = 0; i < threads; i++) {
                int64_t begin, end;
                ifm_pool_part(n, 16, i, threads, &begin, &end);
                if (begin >= end)
                    continue;
                assert_int_equal(begin, at);
                assert_int_equal(begin % 16, 0);
                at = end;
            }
            assert_int_equal(at, n);
        }
}

static void quotas_are_read(void **state)
{
    (void)state;
    assert_true(ifm_cpu_parse_cpu_max("max 100000") == 0);
    assert_true(ifm_cpu_parse_cpu_max("150000 100000") == 1.5);
    assert_true(ifm_cpu_parse_cpu_max("-1 100000") == 0);
    assert_true(ifm_cpu_parse_cpu_max("") == 0);
    const ifm_cpu_room room = ifm_cpu_room_now();
    assert_true(room.threads >= 1 && room.threads <= room.physical &&
                room.physical <= room.logical);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barriers_hold),
        cmocka_unit_test(pools_come_and_go),
        cmocka_unit_test(impossible_counts_are_refused),
        cmocka_unit_test(parts_cover_everything_once),
        cmocka_unit_test(quotas_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
