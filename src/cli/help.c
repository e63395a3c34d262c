/* Help, written from the tables of options. */
#include <string.h>

#include "cli/command.h"

enum { OPTION_COLUMN = 28, WIDEST = 90 };

static int usable(int width)
{
    return width > WIDEST ? WIDEST : width < 50 ? 50 : width;
}

/* Text from column `at` on, its lines indented by `indent` and at most `width` wide. */
static void wrap(FILE *out, const char *text, int at, int indent, int width)
{
    while (*text != '\0') {
        int n = (int)strcspn(text, " \n");
        if (at > indent && at + 1 + n > width) {
            fputc('\n', out);
            at = 0;
        }
        if (at == 0)
            at = fprintf(out, "%*s", indent, "");
        else if (at > indent)
            at += fprintf(out, " ");
        at += fprintf(out, "%.*s", n, text);
        text += n;
        if (*text == '\n') {
            fputc('\n', out);
            at = 0;
        }
        text += *text != '\0';
    }
    if (at > 0)
        fputc('\n', out);
}

static void print_option(FILE *out, const ifm_option *option, int width)
{
    char head[128], help[512];
    snprintf(head, sizeof head, "  %c%c%s --%s%s%s", option->letter != 0 ? '-' : ' ',
             option->letter != 0 ? option->letter : ' ', option->letter != 0 ? "," : " ",
             option->name, option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    bool text = option->fallback != NULL && *option->fallback != '\0';
    bool quote = text && strchr(option->fallback, ' ') != NULL;
    snprintf(help, sizeof help, "%s%s%s%s%s", option->help, text ? " [" : "",
             quote ? "\"" : "", text ? option->fallback : "",
             text ? (quote ? "\"]" : "]") : "");
    int at = fprintf(out, "%s", head);
    if (at >= OPTION_COLUMN - 1) {
        fputc('\n', out);
        at = 0;
    }
    at += fprintf(out, "%*s", OPTION_COLUMN - at, "");
    wrap(out, help, at, OPTION_COLUMN, width);
}

/* Lines "command\tmeaning\n". */
static void print_examples(FILE *out, const char *examples)
{
    fputs("\nExamples:\n", out);
    while (*examples != '\0') {
        int line = (int)strcspn(examples, "\n");
        int command = (int)strcspn(examples, "\t\n");
        if (command < line)
            fprintf(out, "  # %.*s\n", line - command - 1, examples + command + 1);
        fprintf(out, "  %.*s\n", command, examples);
        examples += line + (examples[line] == '\n');
    }
}

void ifm_help_command(FILE *out, const ifm_command *command, int width)
{
    width = usable(width);
    fprintf(out, "inferometer %s: %s\n\n", command->name, command->summary);
    fprintf(out, "Usage: inferometer %s%s%s%s\n", command->name,
            command->n_options > 0 ? " [options]" : "",
            command->positional != NULL ? " " : "",
            command->positional != NULL ? command->positional : "");
    if (command->details != NULL) {
        fputc('\n', out);
        wrap(out, command->details, 0, 0, width);
    }
    const char *group = NULL;
    for (size_t i = 0; i < command->n_options; i++) {
        const ifm_option *option = &command->options[i];
        const char *heading = option->group != NULL ? option->group : "Options";
        if (group == NULL || strcmp(group, heading) != 0)
            fprintf(out, "\n%s:\n", heading);
        group = heading;
        print_option(out, option, width);
    }
    if (command->examples != NULL)
        print_examples(out, command->examples);
}

void ifm_help_overview(FILE *out, int width)
{
    width = usable(width);
    fputs(
        "inferometer: how long does a person wait for a language model, and where does\n"
        "that time go?\n"
        "\n"
        "Usage: inferometer COMMAND [options]\n"
        "\n"
        "Commands:\n",
        out);
    for (size_t i = 0; ifm_commands[i] != NULL; i++) {
        int at = fprintf(out, "  %-14s ", ifm_commands[i]->name);
        wrap(out, ifm_commands[i]->summary, at, 17, width);
    }
    fputs("\n"
          "Begin with:\n"
          "  inferometer run                  measure the bundled model, cold and warm\n"
          "  inferometer run -m DIR -n 50     a model of your own, 50 new tokens\n"
          "  inferometer model pull smollm2   fetch a real model, 98 MB\n"
          "  inferometer help run             every option of run\n"
          "\n"
          "Exit codes: 0 fine, 1 it failed, 2 wrong usage, 3 measured but not "
          "trustworthy,\n"
          "4 a regression was found.\n",
          out);
}
