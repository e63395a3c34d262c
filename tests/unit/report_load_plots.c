/* Pictures of loads of every shape: nothing missing, nothing left behind. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load_pictures.h"
#include "report/load_report.h"
#include "report/load_sketch.h"

static const simulated busy = {.n = 600,
                               .gap_ns = 50000000,
                               .service_ns = 90000000,
                               .itl_ns = 20000000,
                               .n_tokens = 64,
                               .places = 30,
                               .fail_every = 60,
                               .pause_at_ns = 17000000000,
                               .pause_ns = 900000000};

/* Removes what is in the directory, and the directory; returns how many PNG and SVG. */
static int remove_all(const char *directory)
{
    int n = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        assert_int_equal(unlink(path), 0);
        n++;
    }
    closedir(d);
    assert_int_equal(rmdir(directory), 0);
    return n;
}

/* IFM_KEEP_PICTURES names a directory under which they stay, to be looked at. */
static void check(const char *name, const simulated *m, int expected)
{
    char directory[512] = "/tmp/ifm-load-XXXXXX";
    const char *keep = getenv("IFM_KEEP_PICTURES");
    ifm_load_run load;
    ifm_load_summary s;
    ifm_error err = {0};
    if (keep != NULL)
        snprintf(directory, sizeof directory, "%s/%s", keep, name);
    else
        assert_non_null(mkdtemp(directory));
    simulate(&load, &s, m);
    if (ifm_report_load_plots(&load, &s, directory, &err) != IFM_OK)
        fail_msg("%s: %s", name, err.message);
    if (keep == NULL)
        assert_int_equal(remove_all(directory), 2 * expected);
    simulated_free(&load, &s);
}

static void pictures_of_every_shape(void **state)
{
    (void)state;
    if (system("gnuplot --version >/dev/null 2>&1") != 0) {
        print_message("gnuplot is missing: pictures are not tested\n");
        skip();
    }
    check("busy", &busy, 4);
    /* One token, one request, microseconds. */
    check("one",
          &(simulated){
              .n = 1, .service_ns = 40000, .itl_ns = 1, .n_tokens = 1, .places = 1},
          4);
    /* All failed before a token: no latency to draw. */
    check("failed",
          &(simulated){.n = 5,
                       .gap_ns = 1000000,
                       .service_ns = 1000000,
                       .itl_ns = 1,
                       .n_tokens = 1,
                       .places = 9,
                       .fail_every = 1},
          2);
    check("nothing", &(simulated){.places = 1}, 0);
}

static void many_requests_are_thinned_evenly(void **state)
{
    (void)state;
    const simulated many = {.n = 9001,
                            .gap_ns = 1000000,
                            .service_ns = 1000000,
                            .itl_ns = 100000,
                            .n_tokens = 3,
                            .places = 40,
                            .fail_every = 7};
    ifm_load_run load;
    ifm_load_summary s;
    ifm_load_sketch *sketch = NULL;
    ifm_error err = {0};
    size_t ok = 0;
    simulate(&load, &s, &many);
    assert_int_equal(ifm_load_sketch_read(&load, &s, &sketch, &err), IFM_OK);
    for (size_t i = 0; i < sketch->n_requests; i++)
        ok += sketch->requests[i].ok;
    assert_int_equal(sketch->every, 2);
    assert_true(ok == (size_t)s.n_ok / 2 || ok == (size_t)s.n_ok / 2 + 1);
    assert_int_equal(sketch->every_failed, 2);
    assert_true(sketch->n_requests - ok - (size_t)(s.n - s.n_ok) / 2 <= 1);
    assert_true(sketch->n_streams > IFM_SKETCH_STREAMS * 9 / 10);
    assert_true(sketch->n_streams <= IFM_SKETCH_STREAMS);
    /* Distributions are of all of them. */
    assert_int_equal(sketch->ttft.n, s.n_ok);
    assert_int_equal(sketch->itl.n, 2 * s.n_ok);
    ifm_load_sketch_free(sketch);
    simulated_free(&load, &s);
}

/* A pause of the whole server is a hole in every stream that it interrupts. */
static void pauses_are_holes(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    ifm_load_sketch *k = NULL;
    ifm_error err = {0};
    simulate(&load, &s, &busy);
    assert_int_equal(ifm_load_sketch_read(&load, &s, &k, &err), IFM_OK);
    assert_true(k->n_stretches > k->n_streams);
    for (size_t i = 0; i < k->n_streams; i++)
        if (i > 0)
            assert_true(k->streams[i - 1].due_ns <= k->streams[i].due_ns);
    for (size_t i = 0; i < k->n_stretches; i++) {
        const ifm_sketch_stretch *x = &k->stretches[i];
        const ifm_sketch_request *r = &k->streams[x->stream];
        assert_true(x->from_ns >= r->first_ns && x->to_ns <= r->end_ns);
        assert_false(x->from_ns < busy.pause_at_ns &&
                     x->to_ns > busy.pause_at_ns + busy.pause_ns);
    }
    ifm_load_sketch_free(k);
    simulated_free(&load, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_of_every_shape),
        cmocka_unit_test(many_requests_are_thinned_evenly),
        cmocka_unit_test(pauses_are_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
