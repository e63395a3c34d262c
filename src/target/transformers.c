#include "target/transformers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/program.h"

static const char script_name[] = "transformers_worker.py";

/* The script at base/below, when it is there; heap. */
static char *script_at(const char *base, const char *below)
{
    ifm_buffer path = {0};
    if (base == NULL)
        return NULL;
    ifm_buffer_printf(&path, "%s%s/%s", base, below, script_name);
    char *found = !path.failed && access(ifm_buffer_text(&path), R_OK) == 0
                      ? ifm_buffer_take(&path)
                      : NULL;
    ifm_buffer_deinit(&path);
    return found;
}

static ifm_status find_script(char **out, ifm_error *err)
{
    const char *given = getenv("IFM_TRANSFORMERS_WORKER");
    if (given != NULL && *given != '\0') {
        *out = strdup(given);
        return *out != NULL ? IFM_OK
                            : ifm_fail(err, IFM_ERR_NO_MEMORY, "transformers: no memory");
    }
    char *directory = ifm_program_directory();
    const struct {
        const char *base, *below;
    } places[] = {
        {directory, "/../workers"}, /* the program lies in build/ of the source tree */
        {directory, "/" IFM_DATA_FROM_BIN "/workers"},
        {IFM_DATADIR, "/workers"},
    };
    *out = NULL;
    for (size_t i = 0; *out == NULL && i < sizeof places / sizeof *places; i++)
        *out = script_at(places[i].base, places[i].below);
    ifm_status st = IFM_OK;
    if (*out == NULL)
        st =
            ifm_fail(err, IFM_ERR_NOT_FOUND,
                     "%s: not found beside the program (%s) nor in %s/workers: is the "
                     "installation complete? IFM_TRANSFORMERS_WORKER can name it",
                     script_name, directory != NULL ? directory : "unknown", IFM_DATADIR);
    free(directory);
    return st;
}

/* A name without a slash is looked for on the PATH, as a shell does. Heap; NULL: nowhere. */
static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0 ? strdup(name) : NULL;
    while (path != NULL && *path != '\0') {
        const size_t n = strcspn(path, ":");
        ifm_buffer at = {0};
        ifm_buffer_printf(&at, "%.*s/%s", (int)n, path, name);
        if (!at.failed && access(ifm_buffer_text(&at), X_OK) == 0)
            return ifm_buffer_take(&at);
        ifm_buffer_deinit(&at);
        path += n + (path[n] == ':');
    }
    return NULL;
}

static ifm_status find_python(const char *given, char **out, ifm_error *err)
{
    const char *name = given != NULL ? given : getenv("IFM_PYTHON");
    if (name == NULL || *name == '\0')
        name = "python3";
    *out = find_program(name);
    if (*out != NULL)
        return IFM_OK;
    return ifm_fail(
        err, IFM_ERR_NOT_FOUND,
        "%s: no such program: the transformers target needs Python 3 with torch "
        "and transformers (python3 -m pip install torch transformers); --python "
        "names the interpreter",
        name);
}

ifm_status ifm_transformers_new(const ifm_child_options *options, const char *python,
                                ifm_target_facts *facts, ifm_target **out, ifm_error *err)
{
    char *interpreter = NULL, *script = NULL;
    ifm_status st = find_python(python, &interpreter, err);
    if (st == IFM_OK)
        st = find_script(&script, err);
    if (st == IFM_OK) {
        const char *const argv[] = {interpreter, script};
        st = ifm_child_new(options, script_name, argv, 2, facts, out, err);
    }
    free(interpreter);
    free(script);
    return st;
}
