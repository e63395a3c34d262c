/* Waiting for descriptors and for a moment: readiness, users, wake-ups, and that a time is
 * never over too early. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/poller.h"

typedef struct ends {
    ifm_poller poller;
    int near, far;
} ends;

static int setup(void **state)
{
    static ends e;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    e.near = pair[0];
    e.far = pair[1];
    assert_int_equal(ifm_poller_init(&e.poller, NULL), IFM_OK);
    *state = &e;
    return 0;
}

static int teardown(void **state)
{
    ends *e = *state;
    ifm_poller_deinit(&e->poller);
    close(e->near);
    close(e->far);
    return 0;
}

static ifm_time in_ms(int64_t ms)
{
    return (ifm_time){ifm_time_now().ns + ms * 1000000};
}

static const ifm_time past = {0};

static void test_time_alone(void **state)
{
    ends *e = *state;
    ifm_poll_event events[4];
    for (int64_t us = 0; us < 2000; us += 333) {
        ifm_time until = {ifm_time_now().ns + us * 1000};
        assert_int_equal(ifm_poller_wait(&e->poller, until, events, 4), 0);
        assert_true(ifm_time_now().ns >= until.ns);
    }
}

static void test_level_triggered(void **state)
{
    ends *e = *state;
    ifm_poll_event events[4];
    assert_int_equal(ifm_poller_add(&e->poller, e->near, IFM_POLL_READ, e, NULL), IFM_OK);
    assert_int_equal(ifm_poller_wait(&e->poller, past, events, 4), 0);
    assert_int_equal(write(e->far, "ab", 2), 2);
    for (int i = 0; i < 3; i++) { /* until it is read, it stays ready */
        assert_int_equal(ifm_poller_wait(&e->poller, IFM_POLL_FOREVER, events, 4), 1);
        assert_ptr_equal(events[0].user, e);
        assert_int_equal(events[0].what, IFM_POLL_READ);
    }
    char got[4];
    assert_int_equal(read(e->near, got, sizeof got), 2);
    assert_int_equal(ifm_poller_wait(&e->poller, past, events, 4), 0);
}

static unsigned all_of(ifm_poller *poller, const void *user)
{
    ifm_poll_event events[4];
    unsigned what = 0;
    const size_t n = ifm_poller_wait(poller, in_ms(1000), events, 4);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(events[i].user, user);
        what |= events[i].what;
    }
    return what;
}

static void test_modify_and_remove(void **state)
{
    ends *e = *state;
    ifm_poll_event events[4];
    int other;
    ifm_poller_add(&e->poller, e->near, IFM_POLL_READ, e, NULL);
    ifm_poller_modify(&e->poller, e->near, IFM_POLL_WRITE, &other, NULL);
    assert_int_equal(all_of(&e->poller, &other), IFM_POLL_WRITE);
    ifm_poller_modify(&e->poller, e->near, IFM_POLL_READ | IFM_POLL_WRITE, &other, NULL);
    assert_int_equal(write(e->far, "a", 1), 1);
    assert_int_equal(all_of(&e->poller, &other), IFM_POLL_READ | IFM_POLL_WRITE);
    ifm_poller_remove(&e->poller, e->near);
    ifm_poller_remove(&e->poller, e->near);
    assert_int_equal(ifm_poller_wait(&e->poller, past, events, 4), 0);
    assert_int_equal(ifm_poller_add(&e->poller, e->near, IFM_POLL_READ, e, NULL), IFM_OK);
    assert_int_equal(all_of(&e->poller, e), IFM_POLL_READ);
}

static void test_hangup(void **state)
{
    ends *e = *state;
    ifm_poller_add(&e->poller, e->near, IFM_POLL_READ, e, NULL);
    close(e->far);
    assert_int_equal(all_of(&e->poller, e) & IFM_POLL_READ, IFM_POLL_READ);
    e->far = dup(e->near);
}

static void test_events_beyond_cap_come_later(void **state)
{
    ends *e = *state;
    ifm_poll_event one[1];
    ifm_poller_add(&e->poller, e->near, IFM_POLL_WRITE, &e->near, NULL);
    ifm_poller_add(&e->poller, e->far, IFM_POLL_WRITE, &e->far, NULL);
    bool near = false, far = false;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ifm_poller_wait(&e->poller, in_ms(1000), one, 1), 1);
        near = near || one[0].user == &e->near;
        far = far || one[0].user == &e->far;
    }
    assert_true(near && far);
}

static void *wake_soon(void *arg)
{
    usleep(2000);
    ifm_poller_wake(arg);
    return NULL;
}

static void test_wake(void **state)
{
    ends *e = *state;
    ifm_poll_event events[4];
    ifm_poller_wake(&e->poller); /* before the wait, twice: one event */
    ifm_poller_wake(&e->poller);
    assert_int_equal(ifm_poller_wait(&e->poller, IFM_POLL_FOREVER, events, 4), 1);
    assert_int_equal(events[0].what, IFM_POLL_WAKE);
    assert_null(events[0].user);
    assert_int_equal(ifm_poller_wait(&e->poller, past, events, 4), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, &e->poller), 0);
    assert_int_equal(ifm_poller_wait(&e->poller, IFM_POLL_FOREVER, events, 4), 1);
    assert_int_equal(events[0].what, IFM_POLL_WAKE);
    pthread_join(thread, NULL);
}

static void test_not_a_descriptor(void **state)
{
    ends *e = *state;
    ifm_error err = {0};
    assert_int_equal(ifm_poller_add(&e->poller, 123456, IFM_POLL_READ, e, &err),
                     IFM_ERR_IO);
    assert_non_null(strstr(err.message, "123456"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_time_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_level_triggered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_modify_and_remove, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_beyond_cap_come_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_descriptor, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
