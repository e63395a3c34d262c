/* inferometer help [COMMAND] */
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "os/terminal.h"

/* "help model" explains all commands that begin with the word; false when none does. */
static bool explain_group(const char *word, int width)
{
    size_t n = strlen(word), shown = 0;
    for (size_t i = 0; ifm_commands[i] != NULL; i++) {
        const char *name = ifm_commands[i]->name;
        if (strncmp(name, word, n) != 0 || name[n] != ' ')
            continue;
        if (shown++ > 0)
            putchar('\n');
        ifm_help_command(stdout, ifm_commands[i], width);
    }
    return shown > 0;
}

static int run_help(const ifm_arguments *arguments)
{
    int width = ifm_terminal_width(stdout, 80);
    if (arguments->n_positional == 0) {
        ifm_help_overview(stdout, width);
        return IFM_EXIT_FINE;
    }
    if (arguments->n_positional == 1 && explain_group(arguments->positional[0], width))
        return IFM_EXIT_FINE;
    ifm_error err = {0};
    char *words[2] = {0};
    for (size_t i = 0; i < arguments->n_positional; i++)
        words[i] = (char *)(uintptr_t)arguments->positional[i];
    int used = 0;
    int n = (int)arguments->n_positional;
    const ifm_command *command = ifm_command_find(n, words, 0, &used, &err);
    if (command == NULL)
        return ifm_command_fail(NULL, &err);
    ifm_help_command(stdout, command, width);
    return IFM_EXIT_FINE;
}

const ifm_command ifm_command_help = {
    .name = "help",
    .summary = "explain a command and its options",
    .positional = "[COMMAND]",
    .max_positional = 2,
    .run = run_help,
};
