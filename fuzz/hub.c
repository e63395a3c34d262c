/* Fuzzes what comes from a hub and from a command line: an answer about a repository, and a
 * name. Nothing that is accepted may lead out of the cache's directories. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "hub/choose.h"
#include "hub/name.h"
#include "hub/repository.h"

static void check_path(const char *path)
{
    char around[1100];
    if (path[0] == '/' || path[0] == '\0' || strlen(path) > 1000)
        abort();
    around[0] = '/';
    strcpy(around + 1, path);
    strcat(around, "/");
    if (strstr(around, "/../") != NULL || strstr(around, "/./") != NULL ||
        strstr(around, "//") != NULL)
        abort();
}

static void check_name(const char *text)
{
    ifm_hub_name name;
    ifm_error err = {0};
    if (ifm_hub_name_parse(text, &name, &err) != IFM_OK) {
        if (err.message[0] == '\0' || name.repo != NULL)
            abort();
        return;
    }
    check_path(name.repo);
    check_path(name.revision);
    if (name.select != NULL)
        check_path(name.select);
    if (strstr(name.repo, "--") != NULL)
        abort();
    ifm_hub_name_deinit(&name);
}

static void check_answer(const char *text, size_t n)
{
    ifm_hub_repository repository;
    ifm_hub_choice choice;
    ifm_error err = {0};
    if (ifm_hub_repository_parse(text, n, "fuzz", &repository, &err) != IFM_OK) {
        if (err.message[0] == '\0')
            abort();
        return;
    }
    for (size_t i = 0; i < repository.files.count; i++)
        check_path(repository.files.paths[i]);
    if (strspn(repository.commit, "0123456789abcdef") != 40)
        abort();
    if (ifm_hub_choose(&repository.files, "fuzz", NULL, &choice, &err) == IFM_OK) {
        for (size_t i = 0; i < choice.wanted.count; i++)
            if (!ifm_hub_files_have(&repository.files, choice.wanted.paths[i]))
                abort();
        ifm_hub_choice_deinit(&choice);
    }
    ifm_hub_repository_deinit(&repository);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_answer(text, size);
    check_name(text);
    free(text);
    return 0;
}
