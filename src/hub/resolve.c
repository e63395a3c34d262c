#include "hub/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/file.h"
#include "os/program.h"

static bool is_model_directory(const char *path)
{
    ifm_buffer config = {0};
    ifm_buffer_printf(&config, "%s/config.json", path);
    bool found = !config.failed && ifm_file_exists(ifm_buffer_text(&config));
    ifm_buffer_deinit(&config);
    return found;
}

static bool is_file(const char *path)
{
    ifm_file_stamp stamp;
    return ifm_file_stat(path, &stamp);
}

/* Takes the path in `at` if a model lies there; else notes that it was looked at. */
static bool try_place(const ifm_buffer *at, char **path, ifm_buffer *looked)
{
    const char *text = ifm_buffer_text(at);
    if (is_model_directory(text)) {
        *path = realpath(text, NULL); /* without the ".." of the search */
        return *path != NULL;
    }
    ifm_buffer_printf(looked, "%s%s", looked->length > 0 ? ", " : "", text);
    return false;
}

/* Looks for a bundled model; *path stays NULL when there is none. */
static void find_bundled(const char *name, char **path, ifm_buffer *looked)
{
    char *directory = ifm_program_directory();
    const char *models = getenv("IFM_MODELS");
    const struct {
        const char *base, *below;
    } places[] = {
        {models != NULL && *models != '\0' ? models : NULL, ""},
        {directory, "/../models"}, /* the program lies in build/ of the source tree */
        {directory, "/models"},
        {directory, "/" IFM_DATA_FROM_BIN "/models"},
        {IFM_DATADIR, "/models"},
    };
    bool found = false;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        if (places[i].base == NULL)
            continue;
        ifm_buffer at = {0};
        ifm_buffer_printf(&at, "%s%s/%s", places[i].base, places[i].below, name);
        found = !at.failed && try_place(&at, path, looked);
        ifm_buffer_deinit(&at);
    }
    free(directory);
}

static bool is_plain_name(const char *name)
{
    return *name != '\0' && *name != '.' && strchr(name, '/') == NULL;
}

static ifm_status take_path(const char *name, char **path, ifm_error *err)
{
    *path = strdup(name);
    return *path != NULL ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
}

static ifm_status fail_not_found(const char *name, const char *looked, ifm_error *err)
{
    if (ifm_file_is_directory(name))
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "%s: is no model: it has no config.json (expected a directory as "
                        "the Hugging Face hub lays it out)",
                        name);
    if (*looked == '\0')
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "%s: no such model: expected a directory with a config.json, a "
                        ".safetensors file, or \"" IFM_BUNDLED_MODEL "\"",
                        name);
    return ifm_fail(
        err, IFM_ERR_NOT_FOUND,
        "%s: no such model: no directory or file of that name, and none in %s; "
        "IFM_MODELS can name a place, \"inferometer model synth\" makes one",
        name, looked);
}

ifm_status ifm_hub_resolve(const char *name, char **path, ifm_error *err)
{
    *path = NULL;
    if (name == NULL)
        name = IFM_BUNDLED_MODEL;
    else if (is_model_directory(name) || is_file(name))
        return take_path(name, path, err);
    ifm_buffer looked = {0};
    if (is_plain_name(name))
        find_bundled(name, path, &looked);
    ifm_status st = IFM_OK;
    if (*path == NULL)
        st = fail_not_found(name, ifm_buffer_text(&looked), err);
    ifm_buffer_deinit(&looked);
    return st;
}
