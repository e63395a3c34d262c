/* os: when bytes came in, by the system's note. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/arrival.h"
#include "os/clock.h"

/* What arrival.h promises of the distance between the clocks. */
enum { OFF_NS = 5 * 1000 };

static void pair(int ends[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&at, &size);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&at, size), 0);
    ends[1] = accept(listener, NULL, NULL);
    close(listener);
}

/* However late they are read. */
static void bytes_came_when_they_were_sent(void **state)
{
    (void)state;
    ifm_arrival_clock clock = {0};
    int ends[2];
    pair(ends);
    const bool noted = ifm_arrival_watch(ends[1]);
    usleep(20000); /* the system begins to take notes a moment after it was asked */
    for (int i = 0; i < 20; i++) {
        char byte;
        int64_t at_ns = 0;
        const int64_t before = ifm_time_now().ns;
        assert_int_equal(send(ends[0], "x", 1, 0), 1);
        const int64_t after = ifm_time_now().ns;
        usleep(2000);
        ifm_arrival_clock_read(&clock);
        assert_int_equal(ifm_arrival_recv(ends[1], &byte, 1, &clock, &at_ns), 1);
        assert_int_equal(at_ns != 0, noted);
        if (noted) {
            assert_true(at_ns >= before - OFF_NS);
            assert_true(at_ns <= after + OFF_NS);
        }
    }
    close(ends[0]);
    close(ends[1]);
}

/* A note from before the step would be converted by the distance behind it. */
static void a_calendar_that_was_set_is_not_believed(void **state)
{
    (void)state;
    static const int64_t steps[] = {3600 * INT64_C(1000000000), -INT64_C(1000000)};
    for (int i = 0; i < 2; i++) {
        ifm_arrival_clock clock = {0};
        ifm_arrival_clock_read(&clock);
        if (!clock.steady) /* no notes on this system */
            return;
        const int64_t right = clock.ahead_ns;
        clock.ahead_ns -= steps[i];
        ifm_arrival_clock_read(&clock);
        assert_false(clock.steady);
        assert_true(clock.ahead_ns - right <= 2 * OFF_NS);
        assert_true(right - clock.ahead_ns <= 2 * OFF_NS);
        ifm_arrival_clock_read(&clock); /* still: old notes may wait to be read */
        assert_false(clock.steady);
        clock.doubted_ns = ifm_time_now().ns;
        ifm_arrival_clock_read(&clock);
        assert_true(clock.steady);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_came_when_they_were_sent),
        cmocka_unit_test(a_calendar_that_was_set_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
