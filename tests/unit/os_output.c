/* os: an output appears whole or not at all, and never in a device's place. */
#include <setjmp.h>
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

static char directory[64];

static const char *path_of(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", directory, name);
    return path[turn];
}

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/ifm-output-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path_of("a"));
    unlink(path_of("link"));
    return rmdir(directory); /* fails when a temporary file was left behind */
}

static void write_a(const char *name, const char *text)
{
    ifm_output output;
    ifm_error err = {0};
    if (ifm_output_open(&output, path_of(name), &err) != IFM_OK)
        fail_msg("%s", err.message);
    fputs(text, output.stream);
    if (ifm_output_commit(&output, &err) != IFM_OK)
        fail_msg("%s", err.message);
}

static void expect_a(const char *text)
{
    char *bytes;
    size_t n;
    assert_int_equal(ifm_file_read(path_of("a"), 100, &bytes, &n, NULL), IFM_OK);
    assert_string_equal(bytes, text);
    free(bytes);
}

static void whole_or_not_at_all(void **state)
{
    (void)state;
    write_a("a", "one");
    expect_a("one");
    ifm_output output;
    assert_int_equal(ifm_output_open(&output, path_of("a"), NULL), IFM_OK);
    fputs("two", output.stream);
    fflush(output.stream);
    expect_a("one");
    ifm_output_abort(&output);
    ifm_output_abort(&output);
    expect_a("one");
}

static void a_link_stays_a_link(void **state)
{
    (void)state;
    write_a("a", "one");
    assert_int_equal(symlink(path_of("a"), path_of("link")), 0);
    write_a("link", "two");
    expect_a("two");
    struct stat status;
    assert_int_equal(lstat(path_of("link"), &status), 0);
    assert_true(S_ISLNK(status.st_mode));
}

/* A full disk is told at the commit, and the device is still a device. */
static void a_device_stays_a_device(void **state)
{
    (void)state;
    static const char *const devices[] = {"/dev/null", "/dev/full"};
    for (size_t i = 0; i < 2; i++) {
        struct stat status;
        if (stat(devices[i], &status) != 0 || !S_ISCHR(status.st_mode))
            continue;
        ifm_output output;
        ifm_error err = {0};
        assert_int_equal(ifm_output_open(&output, devices[i], &err), IFM_OK);
        fputs("text", output.stream);
        ifm_status st = ifm_output_commit(&output, &err);
        assert_int_equal(st, i == 0 ? IFM_OK : IFM_ERR_IO);
        assert_int_equal(stat(devices[i], &status), 0);
        assert_true(S_ISCHR(status.st_mode));
    }
}

static void what_cannot_be_written(void **state)
{
    (void)state;
    ifm_output output;
    ifm_error err = {0};
    assert_int_equal(ifm_output_open(&output, directory, &err), IFM_ERR_IO);
    assert_non_null(strstr(err.message, "is a directory"));
    assert_int_equal(ifm_output_open(&output, path_of("no/where"), &err),
                     IFM_ERR_NOT_FOUND);
    ifm_output_abort(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_or_not_at_all),
        cmocka_unit_test(a_link_stays_a_link),
        cmocka_unit_test(a_device_stays_a_device),
        cmocka_unit_test(what_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
