/* os: children, page cache, host and usage say what is so. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"
#include "os/host.h"
#include "os/page_cache.h"
#include "os/process.h"
#include "os/program.h"
#include "os/usage.h"

static ifm_error err;

static ifm_process started(const char *script)
{
    ifm_process p;
    ifm_time before;
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    assert_int_equal(ifm_process_prepare(&p, &err), IFM_OK);
    assert_int_equal(ifm_process_spawn(&p, argv, &before, &err), IFM_OK);
    return p;
}

static void a_child_reads_what_was_there_before_it(void **state)
{
    (void)state;
    ifm_process p;
    ifm_time before;
    const char *argv[] = {"/bin/sh", "-c", "read a; echo \"<$a>\"", NULL};
    assert_int_equal(ifm_process_prepare(&p, &err), IFM_OK);
    assert_int_equal(ifm_process_write(&p, "early\n", 6), 6);
    assert_int_equal(ifm_process_spawn(&p, argv, &before, &err), IFM_OK);
    ifm_time deadline = {ifm_time_now().ns + 10000000000};
    assert_true(ifm_process_wait(&p, false, -1, deadline).out);
    char text[16] = "";
    assert_int_equal(read(p.out, text, sizeof text - 1), 8);
    assert_string_equal(text, "<early>\n");
    ifm_process_end_state end = ifm_process_end(&p, 10000000000);
    assert_true(end.exited);
    assert_false(end.killed);
}

static void a_child_has_signals_of_its_own(void **state)
{
    (void)state;
    /* SIGPIPE, which we ignore, has its default meaning in the child. */
    ifm_process p = started("kill -PIPE $$; exit 3");
    ifm_process_end_state end = ifm_process_end(&p, 10000000000);
    assert_false(end.exited);
    assert_int_equal(end.signal, SIGPIPE);
    char text[64];
    ifm_process_describe_end(&end, text, sizeof text);
    assert_non_null(strstr(text, "was killed by signal 13"));
}

static void a_stubborn_child_is_killed(void **state)
{
    (void)state;
    ifm_process p = started("trap '' TERM INT HUP; while :; do sleep 1; done");
    ifm_process_end_state end = ifm_process_end(&p, 1000000);
    assert_true(end.killed);
    assert_int_equal(end.signal, SIGKILL);
}

static void waiting_has_an_end(void **state)
{
    (void)state;
    ifm_process p = started("sleep 10");
    ifm_time deadline = {ifm_time_now().ns + 2000000};
    assert_true(ifm_process_wait(&p, false, -1, deadline).late);
    assert_true(ifm_time_between(deadline, ifm_time_now()) >= 0);
    ifm_process_end(&p, 0);
}

static void the_page_cache_is_filled_and_counted(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    char path[4096];
    snprintf(path, sizeof path, "%s/page_cache_test.bin", getenv("IFM_BUILD_ROOT"));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < BYTES; i++)
        fputc(i & 255, file);
    fclose(file);
    assert_int_equal(ifm_page_cache_fill(path, &err), IFM_OK);
    double full = ifm_page_cache_resident_frac(path);
    assert_true(full == 1.0 || full == -1);
    /* Eviction is asked for, not promised: a memory file system keeps everything. */
    if (ifm_page_cache_evict(path, &err) == IFM_OK) {
        double left = ifm_page_cache_resident_frac(path);
        assert_true(left == -1 || (left >= 0 && left <= 1));
    }
    unlink(path);
    assert_int_equal(ifm_page_cache_evict(path, &err), IFM_ERR_NOT_FOUND);
    assert_true(ifm_page_cache_resident_frac(path) == -1);
}

static void make_path(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", getenv("IFM_BUILD_ROOT"), name);
}

/* A named pipe stands for every device: it must still be one afterwards. */
static void an_output_never_replaces_a_device(void **state)
{
    (void)state;
    char path[4096], text[8] = "";
    make_path(path, sizeof path, "output_test.fifo");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    ifm_output output;
    assert_int_equal(ifm_output_open(&output, path, &err), IFM_OK);
    assert_null(output.temporary);
    fputs("hello", output.stream);
    assert_int_equal(ifm_output_commit(&output, &err), IFM_OK);
    assert_int_equal(read(reader, text, sizeof text - 1), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(ifm_output_open(&output, path, &err), IFM_OK);
    ifm_output_abort(&output);
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    close(reader);
    unlink(path);
}

static void an_output_goes_through_a_link(void **state)
{
    (void)state;
    char path[4096], link[4096];
    make_path(path, sizeof path, "output_test.txt");
    make_path(link, sizeof link, "output_test.link");
    unlink(link);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(symlink(path, link), 0);
    ifm_output output;
    assert_int_equal(ifm_output_open(&output, link, &err), IFM_OK);
    fputs("new", output.stream);
    assert_int_equal(ifm_output_commit(&output, &err), IFM_OK);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 3);
    unlink(link);
    unlink(path);
}

static void the_host_is_described(void **state)
{
    (void)state;
    ifm_host_facts facts;
    ifm_host_describe(&facts);
    assert_true(strlen(facts.kernel) > 0);
    assert_true(strlen(facts.os) > 0);
    assert_true(strlen(facts.cpu) > 0);
    assert_true(facts.memory_bytes > 1 << 20);
    ifm_host_time from = {1000, 10}, to = {2000, 110};
    assert_true(ifm_host_steal_frac(from, to) == 0.1);
    assert_true(ifm_host_steal_frac(from, from) == 0);
    assert_true(ifm_host_steal_frac(to, from) == -1);
    assert_true(ifm_host_steal_frac((ifm_host_time){0}, to) == -1);
}

static void usage_grows(void **state)
{
    (void)state;
    ifm_usage before = ifm_usage_faults();
    enum { BYTES = 8 << 20, PAGE = 4096 };
    volatile char *block = malloc(BYTES);
    for (int i = 0; i < BYTES; i += PAGE)
        block[i] = 1;
    ifm_usage after = ifm_usage_all();
    free((void *)(uintptr_t)block);
    assert_true(after.minor_faults > before.minor_faults);
    assert_true(after.read_bytes >= -1);
    assert_true(ifm_usage_peak_rss_bytes() > BYTES);
}

static void the_program_knows_its_place(void **state)
{
    (void)state;
    char *directory = ifm_program_directory();
    assert_non_null(directory);
    assert_int_equal(directory[0], '/');
    assert_int_equal(access(directory, X_OK), 0);
    free(directory);
}

int main(void)
{
    ifm_process_ignore_sigpipe();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_reads_what_was_there_before_it),
        cmocka_unit_test(a_child_has_signals_of_its_own),
        cmocka_unit_test(a_stubborn_child_is_killed),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(the_page_cache_is_filled_and_counted),
        cmocka_unit_test(an_output_never_replaces_a_device),
        cmocka_unit_test(an_output_goes_through_a_link),
        cmocka_unit_test(the_host_is_described),
        cmocka_unit_test(usage_grows),
        cmocka_unit_test(the_program_knows_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
