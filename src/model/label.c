#include "model/label.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *suffix)
{
    const size_t n = strlen(text), n_suffix = strlen(suffix);
    return n > n_suffix && !strcmp(text + n - n_suffix, suffix);
}

/* Where the part of `path` begins that ends before `end`. */
static const char *part_before(const char *path, const char *end)
{
    while (end > path && end[-1] != '/')
        end--;
    return end;
}

/* "name" of an absolute ".../models--org--name/snapshots/COMMIT"; NULL: it is none. */
static char *label_of_snapshot(const char *path)
{
    const char *commit = part_before(path, path + strlen(path));
    const char *snapshots = part_before(path, commit - (commit > path));
    const char *repo = part_before(path, snapshots - (snapshots > path));
    const size_t prefix = strlen("models--");
    if (strncmp(snapshots, "snapshots/", 10) || strncmp(repo, "models--", prefix) ||
        (size_t)(snapshots - repo) <= prefix + 1)
        return NULL;
    char *label = strndup(repo + prefix, (size_t)(snapshots - repo) - prefix - 1);
    char *owned = label ? strstr(label, "--") : NULL;
    if (owned)
        memmove(label, owned + 2, strlen(owned + 2) + 1);
    return label;
}

static char *label_of_directory(const char *path)
{
    char *whole = realpath(path, NULL); /* what "." is called */
    const char *text = whole ? whole : path;
    char *label = label_of_snapshot(text);
    const char *last = part_before(text, text + strlen(text));
    if (!label)
        label = strdup(*last ? last : text);
    free(whole);
    return label;
}

char *ifm_model_label(const char *path)
{
    const char *file = part_before(path, path + strlen(path));
    if (ends_with(file, ".gguf"))
        return strndup(file, strlen(file) - strlen(".gguf"));
    if (!ends_with(file, ".safetensors"))
        return label_of_directory(path);
    char *directory = file > path ? strndup(path, (size_t)(file - path)) : strdup(".");
    char *label = directory ? label_of_directory(directory) : NULL;
    free(directory);
    return label;
}
