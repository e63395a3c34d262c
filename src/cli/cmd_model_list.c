/* inferometer model list: every model on this machine. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/error.h"
#include "cli/commands.h"
#include "hub/models.h"
#include "os/file.h"
#include "os/terminal.h"

enum { SHORT_REVISION = 12 };

static void type_text(const ifm_hub_model *model, char *text, size_t size)
{
    if (model->state != IFM_HUB_READY)
        snprintf(text, size, "%s", ifm_hub_state_name(model->state));
    else if (model->family != NULL || model->type != NULL)
        snprintf(text, size, "%s%s%s", model->family != NULL ? model->family : "",
                 model->family != NULL && model->type != NULL ? " " : "",
                 model->type != NULL ? model->type : "");
    else
        snprintf(text, size, "unreadable");
}

static void used_text(const ifm_hub_model *model, char *text, size_t size)
{
    struct tm at;
    time_t used = (time_t)model->used_s;
    if (model->used_s == 0 || localtime_r(&used, &at) == NULL ||
        strftime(text, size, "%Y-%m-%d", &at) == 0)
        snprintf(text, size, "-");
}

static int longest(int width, const char *text)
{
    int n = (int)strlen(text);
    return n > width ? n : width;
}

static void print_models(const ifm_hub_models *models)
{
    char size[32], type[64], used[32];
    int name_width = 5, type_width = 4;
    for (size_t i = 0; i < models->count; i++) {
        type_text(&models->models[i], type, sizeof type);
        name_width = longest(name_width, models->models[i].name);
        type_width = longest(type_width, type);
    }
    printf("%-*s  %-*s  %-*s  %9s  %5s  %s\n", name_width, "model", SHORT_REVISION,
           "revision", type_width, "type", "size", "files", "last used");
    for (size_t i = 0; i < models->count; i++) {
        const ifm_hub_model *model = &models->models[i];
        type_text(model, type, sizeof type);
        used_text(model, used, sizeof used);
        printf("%-*s  %-*.*s  %-*s  %9s  %5zu  %s\n", name_width, model->name,
               SHORT_REVISION, SHORT_REVISION,
               model->revision != NULL ? model->revision : model->source, type_width,
               type, ifm_bytes_text(model->bytes, size), model->n_files, used);
    }
}

static json_t *model_json(const ifm_hub_model *model)
{
    char used[32] = "";
    struct tm at;
    time_t seconds = (time_t)model->used_s;
    if (model->used_s > 0 && gmtime_r(&seconds, &at) != NULL)
        strftime(used, sizeof used, "%Y-%m-%dT%H:%M:%SZ", &at);
    return json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s?, s:s?, s:I, s:I, s:s?}", "name",
                     model->name, "source", model->source, "revision", model->revision,
                     "state", ifm_hub_state_name(model->state), "path", model->path,
                     "family", model->family, "type", model->type, "bytes",
                     (json_int_t)model->bytes, "files", (json_int_t)model->n_files,
                     "last_used", *used != '\0' ? used : NULL);
}

static ifm_status write_json(const ifm_hub_models *models, FILE *out, ifm_error *err)
{
    json_t *list = json_array();
    bool built = list != NULL;
    for (size_t i = 0; built && i < models->count; i++)
        built = json_array_append_new(list, model_json(&models->models[i])) == 0;
    json_t *document =
        built ? json_pack("{s:s, s:O}", "schema", "inferometer.models/1", "models", list)
              : NULL;
    ifm_status st = IFM_OK;
    if (document == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "the document does not fit in memory");
    else if (json_dumpf(document, out, JSON_INDENT(2)) != 0 || fputc('\n', out) == EOF)
        st = ifm_fail_errno(err, errno != 0 ? errno : EIO, "cannot write the document");
    json_decref(document);
    json_decref(list);
    return st;
}

static ifm_status save(const ifm_hub_models *models, const char *path, ifm_error *err)
{
    if (strcmp(path, "-") == 0)
        return write_json(models, stdout, err);
    ifm_output output = {0};
    ifm_status st = ifm_output_open(&output, path, err);
    if (st == IFM_OK)
        st = write_json(models, output.stream, err);
    if (st == IFM_OK)
        st = ifm_output_commit(&output, err);
    ifm_output_abort(&output);
    return st;
}

static int run_list(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_hub_models models;
    const char *json = ifm_arguments_string(arguments, "json");
    ifm_status st = ifm_hub_models_find(&models, &err);
    if (st == IFM_OK && (json == NULL || strcmp(json, "-") != 0))
        print_models(&models);
    if (st == IFM_OK && json != NULL)
        st = save(&models, json, &err);
    ifm_hub_models_deinit(&models);
    return st == IFM_OK ? IFM_EXIT_FINE : ifm_command_fail(&ifm_command_model_list, &err);
}

static const ifm_option list_options[] = {
    {"json", 0, IFM_OPTION_STRING, "FILE",
     .help = "write it as a document (inferometer.models/1); -: on standard output"},
};

const ifm_command ifm_command_model_list = {
    .name = "model list",
    .summary = "list the models on this machine",
    .details =
        "The bundled ones, and all that are in the hub's cache, whoever fetched them. "
        "\"partial\": a download was not finished, `inferometer model pull` goes on "
        "with it. \"other format\": there are no safetensors and no GGUF.",
    IFM_OPTIONS(list_options),
    .run = run_list,
};
