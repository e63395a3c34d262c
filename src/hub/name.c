#include "hub/name.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

enum { MAX_REPO = 96, MAX_REVISION = 250, MAX_PATH = 1000 };

static bool is_repo(const char *text)
{
    size_t slashes = 0, n = strlen(text);
    if (n == 0 || n > MAX_REPO || strstr(text, "--") != NULL ||
        strstr(text, "..") != NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool begins = i == 0 || text[i - 1] == '/';
        if (text[i] == '/' && (begins || text[i + 1] == '\0' || ++slashes > 1))
            return false;
        if (text[i] != '/' && !isalnum((unsigned char)text[i]) &&
            (begins || strchr("._-", text[i]) == NULL))
            return false;
    }
    return true;
}

/* What git allows as the name of a branch, less what a shell or a URL would stumble on. */
static bool is_revision(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("._-/+", *p) == NULL)
            return false;
    return strlen(text) <= MAX_REVISION && strstr(text, "..") == NULL &&
           ifm_hub_path_is_safe(text);
}

bool ifm_hub_path_is_safe(const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || n > MAX_PATH)
        return false;
    for (const char *part = path;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f || part[i] == '\\')
                return false;
        part += length;
        if (*part == '\0')
            return true;
    }
}

static ifm_status check(const ifm_hub_name *self, const char *text, ifm_error *err)
{
    if (!is_repo(self->repo))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%s: \"%s\" is no name of a model: expected org/name, "
                        "org/name@revision or org/name:FILE.gguf",
                        text, self->repo);
    if (!is_revision(self->revision))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%s: \"%s\" is no revision: expected a branch, a tag or a commit",
                        text, self->revision);
    if (self->select != NULL && !ifm_hub_path_is_safe(self->select))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%s: \"%s\" is no name of a file: expected a file of the "
                        "repository, a pattern like *q4_k_m*, or a type like Q4_K_M",
                        text, self->select);
    return IFM_OK;
}

ifm_status ifm_hub_name_parse(const char *text, ifm_hub_name *out, ifm_error *err)
{
    *out = (ifm_hub_name){0};
    size_t n = strcspn(text, ":"), n_repo = strcspn(text, "@:");
    out->repo = strndup(text, n_repo);
    out->revision =
        n_repo < n ? strndup(text + n_repo + 1, n - n_repo - 1) : strdup("main");
    bool fits = out->repo != NULL && out->revision != NULL;
    if (text[n] == ':') {
        out->select = strdup(text + n + 1);
        fits = fits && out->select != NULL;
    }
    ifm_status st = fits ? check(out, text, err)
                         : ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
    if (st != IFM_OK)
        ifm_hub_name_deinit(out);
    return st;
}

void ifm_hub_name_deinit(ifm_hub_name *self)
{
    free(self->repo);
    free(self->revision);
    free(self->select);
    *self = (ifm_hub_name){0};
}

/* "Q4_K_M" of "model-Q4_K_M.gguf": what stands between the last '-' or '.' and the end. */
static bool is_type_of(const char *select, const char *file)
{
    size_t n = strlen(file), m = strlen(select);
    const size_t suffix = strlen(".gguf");
    if (n < suffix + m + 1 || strcasecmp(file + n - suffix, ".gguf") != 0)
        return false;
    const char *at = file + n - suffix - m;
    return strncasecmp(at, select, m) == 0 && strchr("-.", at[-1]) != NULL;
}

bool ifm_hub_select_matches(const char *select, const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash != NULL ? slash + 1 : path;
    return strcasecmp(select, path) == 0 || strcasecmp(select, file) == 0 ||
           fnmatch(select, path, FNM_CASEFOLD) == 0 ||
           fnmatch(select, file, FNM_CASEFOLD) == 0 || is_type_of(select, file);
}
