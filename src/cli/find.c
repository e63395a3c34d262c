/* Which command a command line names, and how a command says that it failed. */
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/suggest.h"

/* How many words of argv the command's name takes: 0 if it is not this command. */
static int words_matching(const ifm_command *command, int argc, char **argv, int first)
{
    const char *space = strchr(command->name, ' ');
    if (space == NULL)
        return strcmp(argv[first], command->name) == 0 ? 1 : 0;
    size_t n = (size_t)(space - command->name);
    bool same = strncmp(argv[first], command->name, n) == 0 && argv[first][n] == '\0';
    if (!same || first + 1 >= argc)
        return 0;
    return strcmp(argv[first + 1], space + 1) == 0 ? 2 : 0;
}

/* "model" alone, or "model inof": the subcommands are named. */
static bool fail_subcommand(char **argv, int argc, int first, ifm_error *err)
{
    size_t n = strlen(argv[first]);
    const char *typed = first + 1 < argc ? argv[first + 1] : "";
    ifm_suggestion nearest = {0};
    char names[256] = "";
    for (size_t i = 0; ifm_commands[i] != NULL; i++) {
        const char *name = ifm_commands[i]->name;
        if (strncmp(name, argv[first], n) != 0 || name[n] != ' ')
            continue;
        ifm_suggestion_offer(&nearest, typed, name + n + 1);
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used == 0 ? "" : ", ",
                 name + n + 1);
    }
    if (nearest.word == NULL)
        return false;
    const char *word = ifm_suggestion_word(&nearest, typed);
    if (*typed == '\0')
        ifm_fail(err, IFM_ERR_ARGUMENT, "\"%s\" needs one of its commands: %s",
                 argv[first], names);
    else if (word != NULL)
        ifm_fail(err, IFM_ERR_ARGUMENT,
                 "unknown command \"%s %s\": did you mean \"%s %s\"?", argv[first], typed,
                 argv[first], word);
    else
        ifm_fail(err, IFM_ERR_ARGUMENT, "unknown command \"%s %s\", expected one of: %s",
                 argv[first], typed, names);
    return true;
}

const ifm_command *ifm_command_find(int argc, char **argv, int first, int *words,
                                    ifm_error *err)
{
    ifm_suggestion nearest = {0};
    for (size_t i = 0; ifm_commands[i] != NULL; i++) {
        *words = words_matching(ifm_commands[i], argc, argv, first);
        if (*words > 0)
            return ifm_commands[i];
        ifm_suggestion_offer(&nearest, argv[first], ifm_commands[i]->name);
    }
    if (fail_subcommand(argv, argc, first, err))
        return NULL;
    const char *word = ifm_suggestion_word(&nearest, argv[first]);
    if (word != NULL)
        ifm_fail(err, IFM_ERR_ARGUMENT, "unknown command \"%s\": did you mean \"%s\"?",
                 argv[first], word);
    else
        ifm_fail(err, IFM_ERR_ARGUMENT,
                 "unknown command \"%s\": \"inferometer help\" lists them", argv[first]);
    return NULL;
}

int ifm_command_fail(const ifm_command *command, const ifm_error *err)
{
    fflush(stdout);
    fprintf(stderr, "inferometer%s%s: %s\n", command != NULL ? " " : "",
            command != NULL ? command->name : "", err->message);
    return err->status == IFM_ERR_ARGUMENT ? IFM_EXIT_USAGE : IFM_EXIT_FAILED;
}
