/* What the text tests share: reference files, and directories that go away. */
#ifndef IFM_TESTS_TEXT_SUPPORT_H
#define IFM_TESTS_TEXT_SUPPORT_H

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A path under the source tree; static storage, good until the call after the next. */
static inline const char *source_path(const char *name)
{
    static char paths[2][1024];
    static int which;
    const char *root = getenv("IFM_SOURCE_ROOT");
    which = !which;
    snprintf(paths[which], sizeof paths[which], "%s/%s", root != NULL ? root : ".", name);
    return paths[which];
}

static inline json_t *read_reference(const char *name)
{
    json_error_t err;
    json_t *root = json_load_file(source_path(name), JSON_ALLOW_NUL, &err);
    if (root == NULL)
        fail_msg("%s: line %d: %s", name, err.line, err.text);
    return root;
}

/* The text of a case, written as "text" or as "hex"; the caller frees it. */
static inline char *text_of(const json_t *row, size_t *n)
{
    const json_t *text = json_object_get(row, "text");
    const char *from =
        json_string_value(text != NULL ? text : json_object_get(row, "hex"));
    assert_non_null(from);
    size_t length = strlen(from);
    char *out = calloc(1, length + 1);
    assert_non_null(out);
    if (text != NULL) {
        memcpy(out, from, length);
        *n = length;
        return out;
    }
    *n = length / 2;
    for (size_t i = 0; i < *n; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(from + 2 * i, "%2x", &byte), 1);
        out[i] = (char)(unsigned char)byte;
    }
    out[*n] = '\0';
    return out;
}

/* A fresh directory, in path[64]. */
static inline void make_directory(char *path)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, 64, "%.40s/ifm-text-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(path));
}

/* Removes a directory and the files in it. */
static inline void remove_directory(const char *path)
{
    char name[1024];
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(name);
    }
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

/* Writes directory/name, an hour old, so that a cache of it may be kept. */
static inline void put_file(const char *directory, const char *name, const char *bytes,
                            size_t n)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    struct timespec hour_ago[2] = {{.tv_sec = time(NULL) - 3600},
                                   {.tv_sec = time(NULL) - 3600}};
    assert_int_equal(utimensat(AT_FDCWD, path, hour_ago, 0), 0);
}

static inline void put_text(const char *directory, const char *name, const char *text)
{
    put_file(directory, name, text, strlen(text));
}

#endif
