/*
 * Commands and their options: one const table per command, from which parsing, help, the
 * man page and completions come. A new option is one line in its command's table.
 *
 *     static const ifm_option options[] = {
 *         {"threads", 't', IFM_OPTION_INT, "N", .min = 1, .max = 1024,
 *          .group = "Speed", .help = "compute threads (default: physical cores)"},
 *     };
 *     const ifm_command ifm_command_run = {.name = "run", …, IFM_OPTIONS(options), .run = f};
 *
 * Written as `--threads 4`, `--threads=4`, `-t4`, `-t 4`; flags may be joined (`-qs`);
 * `--` ends the options. The last of a repeated option counts, a LIST collects.
 */
#ifndef IFM_CLI_COMMAND_H
#define IFM_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "inferometer/base.h"

/* What a command returns and the program exits with. */
enum {
    IFM_EXIT_FINE = 0,
    IFM_EXIT_FAILED = 1,
    IFM_EXIT_USAGE = 2,
    IFM_EXIT_UNTRUSTWORTHY = 3,
    IFM_EXIT_REGRESSION = 4,
};

typedef enum ifm_option_type {
    IFM_OPTION_FLAG,
    IFM_OPTION_INT,    /* whole number, min … max */
    IFM_OPTION_FLOAT,  /* min … max */
    IFM_OPTION_STRING, /* any text */
    IFM_OPTION_CHOICE, /* one of the words in `argument`, which reads "keep|evict" */
    IFM_OPTION_LIST,   /* any text, repeatable */
} ifm_option_type;

typedef struct ifm_option {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    ifm_option_type type;
    const char *argument; /* "N", "FILE"; NULL for a flag */
    double min, max;      /* INT and FLOAT; both 0: no limits */
    const char *fallback; /* default, as a person would type it; NULL: none */
    const char *group;    /* heading in the help; consecutive options share one */
    const char *help;
} ifm_option;

typedef struct ifm_arguments ifm_arguments;

typedef struct ifm_command {
    const char *name;       /* "run"; two words for a subcommand: "model info" */
    const char *summary;    /* half a line, lower case */
    const char *positional; /* "PATH", "[TEXT|-]"; NULL: takes none */
    int min_positional, max_positional;
    const char *details;  /* paragraphs for the help; may be NULL */
    const char *examples; /* lines "command\tmeaning\n"; may be NULL */
    const ifm_option *options;
    size_t n_options;
    int (*run)(const ifm_arguments *arguments); /* returns an IFM_EXIT_… */
} ifm_command;

#define IFM_OPTIONS(array)                                                               \
    .options = (array), .n_options = sizeof(array) / sizeof *(array)

/* The command line of one command, parsed. Strings are borrowed from argv. */
struct ifm_arguments {
    const ifm_command *command;
    int argc; /* the whole command line, as the program got it */
    char **argv;
    struct ifm_option_value *values; /* [command->n_options] */
    const char **positional;
    size_t n_positional;
    bool help; /* --help or -h was given: nothing else was checked */
};

/* Parses argv[first…argc-1] by the command's table. On success the caller calls
 * ifm_arguments_deinit. ARGUMENT errors are one line that says what to write instead. */
ifm_status ifm_arguments_parse(ifm_arguments *self, const ifm_command *command, int argc,
                               char **argv, int first, ifm_error *err);
void ifm_arguments_deinit(ifm_arguments *self);

/* Values by the option's long name (a name that is not in the table is a bug: abort).
 * Without a value on the command line they give the default, or false, 0, NULL. */
bool ifm_arguments_given(const ifm_arguments *self, const char *name);
bool ifm_arguments_flag(const ifm_arguments *self, const char *name);
int64_t ifm_arguments_int(const ifm_arguments *self, const char *name);
double ifm_arguments_float(const ifm_arguments *self, const char *name);
const char *ifm_arguments_string(const ifm_arguments *self, const char *name);
/* Of a LIST: *n texts, borrowed. */
const char *const *ifm_arguments_list(const ifm_arguments *self, const char *name,
                                      size_t *n);

/* All commands, in the order of the overview; NULL-terminated. */
extern const ifm_command *const ifm_commands[];

/* The command that argv names: *words is 1, or 2 for a subcommand. NULL with an error that
 * names the nearest command. */
const ifm_command *ifm_command_find(int argc, char **argv, int first, int *words,
                                    ifm_error *err);

/* Help for one command, and the overview of all; `width` columns. */
void ifm_help_command(FILE *out, const ifm_command *command, int width);
void ifm_help_overview(FILE *out, int width);

/* Prints "inferometer COMMAND: message" as one line on stderr and returns the exit code
 * that the error deserves: USAGE for ARGUMENT errors, else FAILED. `command` may be NULL. */
int ifm_command_fail(const ifm_command *command, const ifm_error *err);

#endif
