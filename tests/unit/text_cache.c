/* text: the compiled cache gives the same tokenizer, notices every change and every damage,
 * and is never in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include "base/random.h"
#include "inferometer/tokenizer.h"
#include "os/file.h"
#include "text/cache.h"
#include "text/source.h"
#include "text_support.h"

static char model[64], cache[64];

static void copy_file(const char *from, const char *name)
{
    char *bytes;
    size_t n;
    assert_int_equal(ifm_file_read(from, 1 << 24, &bytes, &n, NULL), IFM_OK);
    put_file(model, name, bytes, n);
    free(bytes);
}

static int enter(void **state)
{
    (void)state;
    make_directory(model);
    make_directory(cache);
    copy_file(source_path("tests/reference/tokenizer/added/tokenizer.json"),
              "tokenizer.json");
    return 0;
}

static int leave(void **state)
{
    (void)state;
    remove_directory(model);
    remove_directory(cache);
    return 0;
}

static ifm_tokenizer *open_with(const char *cache_dir)
{
    ifm_error err = {0};
    ifm_tokenizer *tokenizer = NULL;
    const ifm_tokenizer_options options = {.cache_dir = cache_dir};
    if (ifm_tokenizer_open(model, &options, &tokenizer, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

/* Whether opening now comes from the cache. */
static bool is_cached(void)
{
    ifm_tokenizer *tokenizer = open_with(cache);
    bool cached = ifm_tokenizer_cached(tokenizer);
    ifm_tokenizer_close(tokenizer);
    return cached;
}

static const char *cache_file(void)
{
    static char path[1024];
    path[0] = '\0';
    DIR *directory = opendir(cache);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        assert_string_equal(path, ""); /* only one, no temporary file left */
        snprintf(path, sizeof path, "%s/%.200s", cache, entry->d_name);
    }
    closedir(directory);
    return path;
}

static void the_second_opening_is_cached_and_the_same(void **state)
{
    (void)state;
    static const char text[] =
        "  a<left> word <right>  x\n\n\n12 don't 日本 <norm>\xc3\xa9<s>";
    int32_t *ids[2];
    size_t n_ids[2];
    for (int i = 0; i < 2; i++) {
        ifm_tokenizer *t = open_with(cache);
        assert_int_equal(ifm_tokenizer_cached(t), i);
        assert_int_equal(ifm_tokenizer_encode(t, text, sizeof text - 1,
                                              IFM_ENCODE_DEFAULT, &ids[i], &n_ids[i],
                                              NULL),
                         IFM_OK);
        assert_int_equal(ifm_tokenizer_size(t), 636);
        assert_true(ifm_tokenizer_is_special(t, 620));
        ifm_tokenizer_close(t);
    }
    assert_int_equal(n_ids[0], n_ids[1]);
    assert_memory_equal(ids[0], ids[1], n_ids[0] * sizeof *ids[0]);
    free(ids[0]);
    free(ids[1]);
}

static void no_cache_means_none(void **state)
{
    (void)state;
    ifm_tokenizer *t;
    const ifm_tokenizer_options options = {.no_cache = true, .cache_dir = cache};
    assert_int_equal(ifm_tokenizer_open(model, &options, &t, NULL), IFM_OK);
    ifm_tokenizer_close(t);
    assert_string_equal(cache_file(), "");
}

/* Any of the files that have a say, appearing, changing or going. */
static void a_changed_source_is_read_again(void **state)
{
    (void)state;
    is_cached();
    assert_true(is_cached());
    for (int i = 0; i < IFM_SOURCE_FILES; i++) {
        const char *name = ifm_source_files[i];
        if (strcmp(name, "tokenizer.json") == 0)
            continue;
        put_text(model, name, "{}");
        assert_false(is_cached());
        assert_true(is_cached());
        put_text(model, name, "{ }");
        assert_false(is_cached());
        char path[128];
        snprintf(path, sizeof path, "%s/%s", model, name);
        unlink(path);
        assert_false(is_cached());
        assert_true(is_cached());
    }
    /* The same bytes with the same size and time, but another file (inode). */
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/tokenizer.json", model);
    snprintf(to, sizeof to, "%s/old", model);
    rename(from, to);
    copy_file(to, "tokenizer.json");
    assert_false(is_cached());
    assert_true(is_cached());
}

/* A copy of the whole cache file on the heap, aligned for the tables. */
static unsigned char *load_cache(size_t *n)
{
    char *bytes;
    assert_int_equal(ifm_file_read(cache_file(), 1 << 24, &bytes, n, NULL), IFM_OK);
    return (unsigned char *)bytes;
}

static void store_cache(const unsigned char *bytes, size_t n)
{
    FILE *file = fopen(cache_file(), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    size_t n;
    ifm_tables tables;
    is_cached();
    unsigned char *bytes = load_cache(&n);
    assert_true(ifm_tables_attach(&tables, bytes, n));
    for (size_t i = 0; i < n; i++) {
        unsigned char was = bytes[i];
        bytes[i] ^= (unsigned char)(1u << i % 8);
        if (ifm_tables_attach(&tables, bytes, n) && ifm_tables_check_merges(&tables))
            fail_msg("byte %zu of %zu", i, n);
        bytes[i] = was;
    }
    free(bytes);
}

static void every_shorter_file_is_noticed(void **state)
{
    (void)state;
    size_t n;
    ifm_tables tables;
    is_cached();
    unsigned char *bytes = load_cache(&n);
    for (size_t i = 0; i < n; i += i < 2048 ? 1 : 61) {
        unsigned char *exact =
            malloc(i > 0 ? i : 1); /* a sanitizer sees a byte too far */
        memcpy(exact, bytes, i);
        assert_false(ifm_tables_attach(&tables, exact, i));
        free(exact);
    }
    free(bytes);
}

/* Encodes something that needs merges, and compares with what it should be. */
static void expect_right_ids(void)
{
    static const char text[] = "the quick brownish foxes' don't1234567890 \xc3\xa9";
    static int32_t right[sizeof text];
    static size_t n_right;
    int32_t *ids;
    size_t n;
    ifm_tokenizer *t = open_with(cache);
    assert_int_equal(ifm_tokenizer_encode(t, text, sizeof text - 1, 0, &ids, &n, NULL),
                     IFM_OK);
    if (n_right == 0) {
        assert_false(ifm_tokenizer_cached(t));
        memcpy(right, ids, n * sizeof *ids);
        n_right = n;
    }
    assert_int_equal(n, n_right);
    assert_memory_equal(ids, right, n * sizeof *ids);
    free(ids);
    ifm_tokenizer_close(t);
}

static void a_damaged_file_is_replaced(void **state)
{
    (void)state;
    size_t n;
    expect_right_ids();
    unsigned char *bytes = load_cache(&n);
    char path[1024];
    snprintf(path, sizeof path, "%s", cache_file());
    const size_t lengths[] = {0, 1, 100, n / 2, n - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        store_cache(bytes, lengths[i]);
        assert_false(is_cached());
        assert_true(is_cached());
    }
    ifm_tables tables;
    ifm_tables_view(&tables, bytes);
    size_t merges = (size_t)((const unsigned char *)tables.pairs - bytes);
    for (size_t at = 0; at < n; at += n / 97) {
        bytes[at] ^= 0x10;
        store_cache(bytes, n);
        bytes[at] ^= 0x10;
        assert_true(is_cached() == (at >= merges)); /* merges are looked at when needed */
        expect_right_ids();
        assert_true(ifm_file_exists(path) == (at < merges));
        expect_right_ids();
        assert_true(is_cached());
    }
    ((ifm_tables_header *)(void *)bytes)->version++;
    store_cache(bytes, n);
    assert_false(is_cached());
    assert_true(is_cached());
    free(bytes);
}

/* Uses everything that a tokenizer can do. */
static void use(ifm_tokenizer *t)
{
    static const char text[] =
        "the <s> quick</s> word <n  <norm> 日本 fox's\n\n\n don't \xf0\x9f\x98\x80 12 "
        "\x00 "
        "\xd1\x81\xd0\xbb\xd0\xbe\xd0\xb2\xd0\xbe <right>  <left> abcdefghijklmnop";
    char out[4096];
    ifm_detokenizer detokenizer;
    ifm_detokenizer_init(&detokenizer, t);
    for (unsigned flags = 0; flags < 4; flags++) {
        int32_t *ids = NULL;
        size_t n_ids = 0, n;
        if (ifm_tokenizer_encode(t, text, sizeof text - 1, flags, &ids, &n_ids, NULL) !=
            IFM_OK)
            continue;
        for (size_t i = 0; i < n_ids; i++) {
            assert_true(ids[i] >= 0 && ids[i] < ifm_tokenizer_size(t));
            ifm_tokenizer_bytes(t, ids[i], &n);
            assert_true(ifm_detokenizer_push(&detokenizer, ids[i], out, sizeof out) <=
                        sizeof out);
        }
        free(ids);
    }
    for (int32_t id = -2; id < ifm_tokenizer_size(t) + 2 && id < 2000; id++) {
        size_t n;
        const char *bytes = ifm_tokenizer_bytes(t, id, &n);
        volatile char seen = 0;
        for (size_t i = 0; bytes != NULL && i < n; i++)
            seen = (char)(seen ^ bytes[i]);
    }
    ifm_detokenizer_flush(&detokenizer, out, sizeof out);
}

/* A hostile file has a right checksum: whatever its tables say, nothing is accessed that is
 * not there, and every call returns. */
static void a_hostile_file_does_no_harm(void **state)
{
    (void)state;
    enum { ROUNDS = 400 };
    size_t n;
    ifm_random random;
    ifm_random_init(&random, 9);
    is_cached();
    unsigned char *good = load_cache(&n), *bytes = malloc(n);
    size_t n_key = ((ifm_tables_header *)(void *)good)->n_key;
    size_t first = offsetof(ifm_tables_header, rules);
    int opened = 0;
    for (int round = 0; round < ROUNDS; round++) {
        memcpy(bytes, good, n);
        size_t changes = 1 + ifm_random_below(&random, round % 2 == 0 ? 4 : 4000);
        size_t from = round % 4 < 2 ? first : sizeof(ifm_tables_header);
        for (size_t i = 0; i < changes; i++) {
            size_t at = from + ifm_random_below(&random, n - n_key - 8 - from);
            bytes[at] = (unsigned char)(round % 3 == 0 ? 0xff : ifm_random_u64(&random));
        }
        ifm_tables_seal((ifm_tables_header *)(void *)bytes);
        store_cache(bytes, n);
        ifm_error err;
        ifm_tokenizer *t = NULL;
        const ifm_tokenizer_options options = {.cache_dir = cache};
        if (ifm_tokenizer_open(model, &options, &t, &err) == IFM_OK) {
            opened += ifm_tokenizer_cached(t);
            use(t);
            ifm_tokenizer_close(t);
        }
    }
    assert_true(opened > ROUNDS / 4); /* else this would test nothing */
    free(good);
    free(bytes);
}

/* Full hash tables of slots that match nothing: probing must end. */
static void full_tables_end(void **state)
{
    (void)state;
    size_t n;
    ifm_tables tables;
    is_cached();
    unsigned char *bytes = load_cache(&n);
    ifm_tables_view(&tables, bytes);
    memset((void *)(uintptr_t)tables.words, 0, tables.header->n_words * sizeof(uint32_t));
    memset((void *)(uintptr_t)tables.pairs, 0, tables.header->n_pairs * sizeof(uint64_t));
    ifm_tables_seal((ifm_tables_header *)(void *)bytes);
    store_cache(bytes, n);
    ifm_tokenizer *t = open_with(cache);
    assert_true(ifm_tokenizer_cached(t));
    use(t);
    ifm_tokenizer_close(t);
    free(bytes);
}

static void many_processes_may_write_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 8 };
    pid_t children[PROCESSES];
    char name[1024];
    is_cached();
    snprintf(name, sizeof name, "%s", cache_file());
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] > 0)
            continue;
        ifm_tokenizer *t = NULL;
        const ifm_tokenizer_options options = {.cache_dir = cache};
        for (int k = 0; k < 5; k++) {
            if (ifm_tokenizer_open(model, &options, &t, NULL) != IFM_OK ||
                ifm_tokenizer_size(t) != 636)
                _exit(1);
            if (k % 2 == 0)
                unlink(name);
            ifm_tokenizer_close(t);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    is_cached();
    assert_true(is_cached());
    assert_string_not_equal(cache_file(), "");
}

static void a_cache_that_cannot_be_is_no_error(void **state)
{
    (void)state;
    char file[128];
    put_text(cache, "file", "");
    snprintf(file, sizeof file, "%s/file", cache);
    ifm_tokenizer *t = open_with(file);
    assert_false(ifm_tokenizer_cached(t));
    ifm_tokenizer_close(t);
    setenv("IFM_CACHE_DIR", "", 1);
    setenv("XDG_CACHE_HOME", "relative", 1);
    unsetenv("HOME");
    t = open_with(NULL);
    assert_false(ifm_tokenizer_cached(t));
    ifm_tokenizer_close(t);
    assert_false(ifm_file_exists("relative"));
}

static bool appears(const char *path)
{
    ifm_tokenizer_close(open_with(NULL));
    bool is = ifm_file_is_directory(path);
    char command[128];
    remove_directory(path);
    snprintf(command, sizeof command, "%s/.cache", cache);
    rmdir(command);
    return is;
}

static void the_place_follows_the_environment(void **state)
{
    (void)state;
    char ours[128], xdg[128], home[128];
    snprintf(ours, sizeof ours, "%s/ours", cache);
    snprintf(xdg, sizeof xdg, "%s/inferometer", cache);
    snprintf(home, sizeof home, "%s/.cache/inferometer", cache);
    setenv("HOME", cache, 1);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("IFM_CACHE_DIR");
    assert_true(appears(home));
    setenv("XDG_CACHE_HOME", cache, 1);
    assert_true(appears(xdg));
    setenv("IFM_CACHE_DIR", ours, 1);
    assert_true(appears(ours));
    unsetenv("IFM_CACHE_DIR");
}

/* The clock may pass the 20 ms between writing and asking on a busy machine: once in many
 * tries it must not. */
static void a_source_of_this_moment_is_not_remembered(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/tokenizer.json", model);
    bool fresh = false;
    for (int i = 0; i < 200 && !fresh; i++) {
        ifm_buffer key = {0};
        const ifm_source source = {.path = model};
        assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
        assert_true(ifm_cache_key(&source, &key));
        fresh = ifm_cache_is_too_fresh(&key);
        ifm_buffer_deinit(&key);
    }
    assert_true(fresh);
    bool forgotten = false;
    for (int i = 0; i < 200 && !forgotten; i++) {
        assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
        is_cached();
        forgotten = !is_cached();
    }
    assert_true(forgotten);
}

int main(void)
{
#define WITH_MODEL(f) cmocka_unit_test_setup_teardown(f, enter, leave)
    const struct CMUnitTest tests[] = {
        WITH_MODEL(the_second_opening_is_cached_and_the_same),
        WITH_MODEL(no_cache_means_none),
        WITH_MODEL(a_changed_source_is_read_again),
        WITH_MODEL(every_changed_byte_is_noticed),
        WITH_MODEL(every_shorter_file_is_noticed),
        WITH_MODEL(a_damaged_file_is_replaced),
        WITH_MODEL(a_hostile_file_does_no_harm),
        WITH_MODEL(full_tables_end),
        WITH_MODEL(many_processes_may_write_at_once),
        WITH_MODEL(a_cache_that_cannot_be_is_no_error),
        WITH_MODEL(the_place_follows_the_environment),
        WITH_MODEL(a_source_of_this_moment_is_not_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
