#include "hub/choose.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "format/json.h"
#include "hub/name.h"

enum { MAX_INDEX_BYTES = 64 << 20, MAX_NAMED = 300 };

static const char *const beside_weights[] = {
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

bool ifm_hub_is_gguf(const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash != NULL ? slash + 1 : path;
    return ends_with(file, ".gguf") && strncasecmp(file, "mmproj", 6) != 0;
}

/* "model-00001-of-00003.safetensors". */
static bool is_shard(const char *path)
{
    return strncmp(path, "model-", 6) == 0 && strstr(path, "-of-") != NULL &&
           ends_with(path, ".safetensors") && strchr(path, '/') == NULL;
}

static bool is_beside_weights(const char *path)
{
    for (size_t i = 0; i < sizeof beside_weights / sizeof *beside_weights; i++)
        if (strcmp(path, beside_weights[i]) == 0)
            return true;
    return false;
}

/* One file goes before shards: a repository that has both has the same weights twice. */
static bool is_wanted(const char *path, bool single)
{
    if (is_beside_weights(path))
        return true;
    if (single)
        return strcmp(path, "model.safetensors") == 0;
    return strcmp(path, IFM_HUB_INDEX) == 0 || is_shard(path);
}

static ifm_status choose_safetensors(const ifm_hub_files *files, bool single,
                                     ifm_hub_choice *out, ifm_error *err)
{
    out->kind = IFM_HUB_SAFETENSORS;
    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->paths[i];
        if (is_wanted(path, single) &&
            !ifm_hub_files_add(&out->wanted, path, strlen(path)))
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
    }
    return IFM_OK;
}

/* "a.gguf, b.gguf", cut where a message would become too long. */
static void name_some(ifm_buffer *into, const char *path)
{
    if (into->length == 0)
        ifm_buffer_puts(into, path);
    else if (into->length < MAX_NAMED)
        ifm_buffer_printf(into, ", %s", path);
    else if (!ends_with(ifm_buffer_text(into), "…"))
        ifm_buffer_puts(into, ", …");
}

static ifm_status fail_without_gguf(const ifm_hub_files *files, const char *name,
                                    const char *select, ifm_error *err)
{
    ifm_buffer others = {0};
    bool any_gguf = false;
    for (size_t i = 0; i < files->count; i++)
        any_gguf = any_gguf || ifm_hub_is_gguf(files->paths[i]);
    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->paths[i];
        if (any_gguf ? ifm_hub_is_gguf(path)
                     : ends_with(path, ".bin") || ends_with(path, ".h5") ||
                           ends_with(path, ".onnx") || ends_with(path, ".safetensors"))
            name_some(&others, path);
    }
    const char *seen = ifm_buffer_text(&others);
    if (select != NULL)
        ifm_fail(err, IFM_ERR_NOT_FOUND,
                 "%s: no GGUF file here matches \"%s\"; there %s%s", name, select,
                 *seen != '\0' && any_gguf ? "are: " : "is none", any_gguf ? seen : "");
    else
        ifm_fail(err, IFM_ERR_NOT_FOUND,
                 "%s: has no weights that are read here: expected model.safetensors or a "
                 ".gguf file%s%s",
                 name, *seen != '\0' ? ", found only " : "", seen);
    ifm_buffer_deinit(&others);
    return IFM_ERR_NOT_FOUND;
}

static ifm_status fail_of_several(const ifm_hub_files *files, const char *name,
                                  const char *select, ifm_error *err)
{
    ifm_buffer some = {0};
    for (size_t i = 0; i < files->count; i++)
        if (ifm_hub_is_gguf(files->paths[i]) &&
            (select == NULL || ifm_hub_select_matches(select, files->paths[i])))
            name_some(&some, files->paths[i]);
    int bare = (int)strcspn(name, ":");
    ifm_fail(err, IFM_ERR_UNSUPPORTED,
             "%s: several GGUF files%s: choose one as \"%.*s:FILE\", by its name, a "
             "pattern like *q4_k_m*, or its type: %s",
             name, select != NULL ? " match" : "", bare, name, ifm_buffer_text(&some));
    ifm_buffer_deinit(&some);
    return IFM_ERR_UNSUPPORTED;
}

static ifm_status choose_gguf(const ifm_hub_files *files, const char *name,
                              const char *select, ifm_hub_choice *out, ifm_error *err)
{
    const char *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->paths[i];
        if (!ifm_hub_is_gguf(path) ||
            (select != NULL && !ifm_hub_select_matches(select, path)))
            continue;
        /* What is meant exactly goes before what a pattern could mean, too. */
        if (select != NULL && strcmp(select, path) == 0)
            n = 0;
        else if (n > 0 && select != NULL && strcmp(select, found) == 0)
            continue;
        found = path;
        n++;
    }
    if (n == 0)
        return fail_without_gguf(files, name, select, err);
    if (n > 1)
        return fail_of_several(files, name, select, err);
    if (strstr(found, "-of-0") != NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: %s is one part of a GGUF that was split, which is not read: "
                        "choose another, or join the parts (llama-gguf-split --merge)",
                        name, found);
    out->kind = IFM_HUB_GGUF;
    out->gguf = found;
    if (!ifm_hub_files_add(&out->wanted, found, strlen(found)))
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
    return IFM_OK;
}

ifm_status ifm_hub_choose(const ifm_hub_files *files, const char *name,
                          const char *select, ifm_hub_choice *out, ifm_error *err)
{
    *out = (ifm_hub_choice){0};
    bool single = ifm_hub_files_have(files, "model.safetensors");
    bool safetensors = single || ifm_hub_files_have(files, IFM_HUB_INDEX);
    ifm_status st = select == NULL && safetensors
                        ? choose_safetensors(files, single, out, err)
                        : choose_gguf(files, name, select, out, err);
    if (st != IFM_OK)
        ifm_hub_choice_deinit(out);
    return st;
}

void ifm_hub_choice_deinit(ifm_hub_choice *self)
{
    ifm_hub_files_deinit(&self->wanted);
    *self = (ifm_hub_choice){0};
}

ifm_status ifm_hub_shards(const char *path, ifm_hub_files *out, ifm_error *err)
{
    json_t *index = NULL;
    *out = (ifm_hub_files){0};
    ifm_status st = ifm_json_read(path, MAX_INDEX_BYTES, &index, err);
    json_t *map = json_object_get(index, "weight_map");
    if (st == IFM_OK && !json_is_object(map))
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: \"weight_map\" is %s, expected an object",
                      path, ifm_json_kind(map));
    const char *tensor;
    json_t *shard;
    json_object_foreach(map, tensor, shard)
    {
        const char *file = json_string_value(shard);
        if (st != IFM_OK)
            break;
        if (file == NULL || !ifm_hub_path_is_safe(file))
            st =
                ifm_fail(err, IFM_ERR_FORMAT,
                         "%s: the shard of \"%s\" is no name of a file in this directory",
                         path, tensor);
        else if (!ifm_hub_files_have(out, file) &&
                 !ifm_hub_files_add(out, file, strlen(file)))
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    }
    json_decref(index);
    if (st != IFM_OK)
        ifm_hub_files_deinit(out);
    return st;
}
