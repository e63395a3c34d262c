#include "hub/cache.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "hub/name.h"
#include "os/file.h"

enum { MAX_TOKEN = 4096, MAX_REF = 4096, MAX_DEPTH = 8, MIN_COMMIT = 7 };

char *ifm_hub_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    return n < 0 ? NULL : text;
}

const char *ifm_hub_variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

bool ifm_hub_switch(const char *name)
{
    static const char *const words[] = {"1", "true", "yes", "on"};
    const char *value = ifm_hub_variable(name);
    for (size_t i = 0; value != NULL && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

bool ifm_hub_offline(void)
{
    return ifm_hub_switch("HF_HUB_OFFLINE") || ifm_hub_switch("TRANSFORMERS_OFFLINE");
}

/* ---- places ----------------------------------------------------------------------- */

/* `base` with a leading "~" replaced, and `below` behind it. */
static ifm_status take(const char *base, const char *below, char **path, ifm_error *err)
{
    const char *home = ifm_hub_variable("HOME");
    bool tilde = base[0] == '~' && (base[1] == '/' || base[1] == '\0');
    if (tilde && home == NULL)
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "cache: HOME is not set: set HF_HOME to the directory in which "
                        "models shall lie");
    *path = ifm_hub_format("%s%s%s", tilde ? home : "", base + tilde, below);
    return *path != NULL ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
}

ifm_status ifm_hub_home_directory(char **path, ifm_error *err)
{
    *path = NULL;
    const char *home = ifm_hub_variable("HF_HOME");
    const char *caches = ifm_hub_variable("XDG_CACHE_HOME");
    if (home != NULL)
        return take(home, "", path, err);
    return take(caches != NULL ? caches : "~/.cache", "/huggingface", path, err);
}

ifm_status ifm_hub_cache_directory(char **path, ifm_error *err)
{
    *path = NULL;
    const char *cache = ifm_hub_variable("HF_HUB_CACHE");
    if (cache != NULL)
        return take(cache, "", path, err);
    char *home = NULL;
    ifm_status st = ifm_hub_home_directory(&home, err);
    if (st == IFM_OK)
        st = take(home, "/hub", path, err);
    free(home);
    return st;
}

/* ---- the token -------------------------------------------------------------------- */

/* Without white space around it; what is left must fit into a line of HTTP. The message
 * says where it came from, never what it is. */
static ifm_status clean_token(char *token, const char *from, ifm_error *err)
{
    size_t begin = strspn(token, " \t\r\n"), n = strlen(token + begin);
    while (n > 0 && strchr(" \t\r\n", token[begin + n - 1]) != NULL)
        n--;
    memmove(token, token + begin, n);
    token[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)token[i] <= 0x20 || (unsigned char)token[i] >= 0x7f)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "%s: is no token: expected one word of printable ASCII",
                            from);
    return IFM_OK;
}

static ifm_status find_token_file(char **path, ifm_error *err)
{
    const char *named = ifm_hub_variable("HF_TOKEN_PATH");
    if (named != NULL)
        return take(named, "", path, err);
    char *home = NULL;
    ifm_status st = ifm_hub_home_directory(&home, err);
    if (st == IFM_OK)
        st = take(home, "/token", path, err);
    free(home);
    return st;
}

static ifm_status read_token_file(char **token, ifm_error *err)
{
    char *path = NULL;
    size_t n = 0;
    ifm_status st = find_token_file(&path, err);
    if (st == IFM_OK && ifm_file_exists(path))
        st = ifm_file_read(path, MAX_TOKEN, token, &n, err);
    if (st == IFM_OK && *token != NULL)
        st = clean_token(*token, path, err);
    free(path);
    return st;
}

ifm_status ifm_hub_token(char **token, ifm_error *err)
{
    *token = NULL;
    const char *value = ifm_hub_variable("HF_TOKEN");
    ifm_status st = IFM_OK;
    if (ifm_hub_switch("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return IFM_OK;
    if (value != NULL) {
        *token = strdup(value);
        st = *token != NULL ? clean_token(*token, "HF_TOKEN", err)
                            : ifm_fail(err, IFM_ERR_NO_MEMORY, "token: no memory");
    } else {
        st = read_token_file(token, err);
    }
    if (*token != NULL && (st != IFM_OK || **token == '\0')) {
        free(*token);
        *token = NULL;
    }
    return st;
}

/* ---- repositories and snapshots --------------------------------------------------- */

char *ifm_hub_repo_directory(const char *cache, const char *repo)
{
    const char *slash = strchr(repo, '/');
    if (slash == NULL)
        return ifm_hub_format("%s/models--%s", cache, repo);
    return ifm_hub_format("%s/models--%.*s--%s", cache, (int)(slash - repo), repo,
                          slash + 1);
}

/* The commit that a ref names; NULL: there is no such ref, or it is damaged. */
static char *read_ref(const char *repo_directory, const char *revision)
{
    char *path = ifm_hub_format("%s/refs/%s", repo_directory, revision), *commit = NULL;
    size_t n = 0;
    if (path != NULL && ifm_file_read(path, MAX_REF, &commit, &n, NULL) == IFM_OK)
        commit[strcspn(commit, " \t\r\n")] = '\0';
    free(path);
    if (commit != NULL &&
        (!ifm_hub_path_is_safe(commit) || strchr(commit, '/') != NULL)) {
        free(commit);
        commit = NULL;
    }
    return commit;
}

/* The only commit here that begins with these digits; NULL: none, or several. */
static char *complete_commit(const char *repo_directory, const char *digits)
{
    size_t n = strlen(digits);
    if (n < MIN_COMMIT || strspn(digits, "0123456789abcdef") != n)
        return NULL;
    char *snapshots = ifm_hub_format("%s/snapshots", repo_directory), *found = NULL;
    DIR *directory = snapshots != NULL ? opendir(snapshots) : NULL;
    free(snapshots);
    if (directory == NULL)
        return NULL;
    bool several = false;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, digits, n) != 0)
            continue;
        several = found != NULL;
        free(found);
        found = strdup(entry->d_name);
        if (several)
            break;
    }
    closedir(directory);
    if (several) {
        free(found);
        found = NULL;
    }
    return found;
}

char *ifm_hub_snapshot_directory(const char *repo_directory, const char *revision)
{
    char *commit = read_ref(repo_directory, revision);
    if (commit == NULL)
        commit = complete_commit(repo_directory, revision);
    char *path = ifm_hub_format("%s/snapshots/%s", repo_directory,
                                commit != NULL ? commit : revision);
    free(commit);
    if (path != NULL && !ifm_file_is_directory(path)) {
        free(path);
        path = NULL;
    }
    return path;
}

/* ---- the files of a directory ----------------------------------------------------- */

bool ifm_hub_files_add(ifm_hub_files *self, const char *path, size_t n)
{
    char *copy = strndup(path, n);
    char **grown = copy != NULL
                       ? realloc(self->paths, (self->count + 1) * sizeof *self->paths)
                       : NULL;
    if (grown == NULL) {
        free(copy);
        return false;
    }
    self->paths = grown;
    self->paths[self->count++] = copy;
    return true;
}

bool ifm_hub_files_have(const ifm_hub_files *self, const char *path)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->paths[i], path) == 0)
            return true;
    return false;
}

void ifm_hub_files_deinit(ifm_hub_files *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->paths[i]);
    free(self->paths);
    *self = (ifm_hub_files){0};
}

/* `at` is the path of a directory; root_length of its bytes, and a '/', stand in front of
 * what is listed. */
static bool list(ifm_buffer *at, size_t root_length, int depth, ifm_hub_files *out)
{
    DIR *directory = depth < MAX_DEPTH ? opendir(ifm_buffer_text(at)) : NULL;
    if (directory == NULL)
        return true;
    size_t length = at->length;
    bool fits = true;
    for (struct dirent *entry; fits && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        ifm_file_stamp stamp;
        ifm_buffer_printf(at, "/%s", entry->d_name);
        const char *path = ifm_buffer_text(at);
        if (at->failed)
            fits = false;
        else if (ifm_file_stat(path, &stamp))
            fits = ifm_hub_files_add(out, path + root_length + 1,
                                     at->length - root_length - 1);
        else if (entry->d_name[0] != '.' && ifm_file_is_directory(path))
            fits = list(at, root_length, depth + 1, out);
        at->data[length] = '\0';
        at->length = length;
    }
    closedir(directory);
    return fits;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

ifm_status ifm_hub_files_of(const char *directory, ifm_hub_files *out, ifm_error *err)
{
    ifm_buffer at = {0};
    *out = (ifm_hub_files){0};
    ifm_buffer_puts(&at, directory);
    bool fits = !at.failed && list(&at, at.length, 0, out);
    ifm_buffer_deinit(&at);
    if (!fits) {
        ifm_hub_files_deinit(out);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", directory);
    }
    if (out->count > 0)
        qsort(out->paths, out->count, sizeof *out->paths, compare);
    return IFM_OK;
}
