/* hub: the hashes by which a hub names bytes, against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/hash.h"

static ifm_error err;

static void expect(ifm_hash_kind kind, const char *text, size_t n, const char *digits)
{
    ifm_hash *hash;
    char got[65];
    assert_int_equal(ifm_hash_new(kind, (int64_t)n, &hash, &err), IFM_OK);
    for (size_t i = 0; i < n; i += 3) /* in pieces */
        assert_true(ifm_hash_add(hash, text + i, n - i < 3 ? n - i : 3));
    assert_true(ifm_hash_finish(hash, got));
    assert_string_equal(got, digits);
    ifm_hash_free(hash);
}

/* The examples of FIPS 180-4 (NIST): no bytes, "abc", 448 bits. */
static void sha256_is_that_of_the_standard(void **state)
{
    (void)state;
    expect(IFM_HASH_SHA256, "", 0,
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(IFM_HASH_SHA256, "abc", 3,
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(IFM_HASH_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
           56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* What `git hash-object` says of no bytes, and of "hello\n". */
static void git_hashes_the_size_first(void **state)
{
    (void)state;
    expect(IFM_HASH_GIT_SHA1, "", 0, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    expect(IFM_HASH_GIT_SHA1, "hello\n", 6, "ce013625030ba8dba906f756967f9e9ca394464a");
}

static void names_tell_the_hash(void **state)
{
    (void)state;
    assert_int_equal(ifm_hash_kind_of("ce013625030ba8dba906f756967f9e9ca394464a"),
                     IFM_HASH_GIT_SHA1);
    assert_int_equal(ifm_hash_kind_of("e3b0c44298fc1c149afbf4c8996fb924"
                                      "27ae41e4649b934ca495991b7852b855"),
                     IFM_HASH_SHA256);
    assert_int_equal(ifm_hash_kind_of("CE013625030ba8dba906f756967f9e9ca394464a"),
                     IFM_HASH_NONE);
    assert_int_equal(ifm_hash_kind_of("ce01-2"), IFM_HASH_NONE);
    assert_int_equal(ifm_hash_kind_of(""), IFM_HASH_NONE);
}

static bool stop_at_once(void *user, int64_t done)
{
    *(int64_t *)user = done;
    return true;
}

static void files_are_hashed_from_where_they_stand(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("xxabc", file);
    fflush(file);
    char got[65];
    ifm_hash *hash;
    int fd = fileno(file);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    assert_int_equal(ifm_hash_new(IFM_HASH_SHA256, 3, &hash, &err), IFM_OK);
    assert_int_equal(ifm_hash_add_file(hash, fd, "f", NULL, NULL, &err), IFM_OK);
    assert_true(ifm_hash_finish(hash, got));
    assert_memory_equal(got, "ba7816bf", 8);
    ifm_hash_free(hash);

    int64_t done = 0;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(ifm_hash_new(IFM_HASH_SHA256, 5, &hash, &err), IFM_OK);
    assert_int_equal(ifm_hash_add_file(hash, fd, "f", stop_at_once, &done, &err),
                     IFM_ERR_CANCELLED);
    assert_int_equal(done, 5);
    ifm_hash_free(hash);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_that_of_the_standard),
        cmocka_unit_test(git_hashes_the_size_first),
        cmocka_unit_test(names_tell_the_hash),
        cmocka_unit_test(files_are_hashed_from_where_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
