/* inferometer: finds the command that was asked for, parses its options, runs it. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "inferometer/inferometer.h"
#include "os/terminal.h"
#include "result/json.h"

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int run_command(int argc, char **argv)
{
    ifm_error err = {0};
    int words = 0;
    const ifm_command *command = ifm_command_find(argc, argv, 1, &words, &err);
    if (command == NULL)
        return ifm_command_fail(NULL, &err);
    ifm_arguments arguments;
    if (ifm_arguments_parse(&arguments, command, argc, argv, 1 + words, &err) != IFM_OK)
        return ifm_command_fail(command, &err);
    int code = IFM_EXIT_FINE;
    if (arguments.help)
        ifm_help_command(stdout, command, ifm_terminal_width(stdout, 80));
    else
        code = command->run(&arguments);
    ifm_arguments_deinit(&arguments);
    return code;
}

static int unknown_option(const char *word)
{
    ifm_error err = {0};
    ifm_fail(
        &err, IFM_ERR_ARGUMENT,
        "unknown option \"%s\" before a command: write inferometer COMMAND [options], "
        "\"inferometer help\" lists the commands",
        word);
    return ifm_command_fail(NULL, &err);
}

/* What was printed must have arrived: a full disk behind stdout is a failure. */
static int flush_stdout(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    ifm_error err = {0};
    ifm_fail_errno(&err, errno != 0 ? errno : EIO, "standard output: cannot write");
    ifm_command_fail(NULL, &err);
    return code == IFM_EXIT_FINE ? IFM_EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
    int code = IFM_EXIT_FINE;
    if (argc < 2 || is_one_of(argv[1], "--help", "-h"))
        ifm_help_overview(stdout, ifm_terminal_width(stdout, 80));
    else if (is_one_of(argv[1], "--version", "-V"))
        printf("inferometer %s (commit %s, %s)\n", IFM_VERSION, ifm_result_commit(),
               ifm_result_compiler());
    else if (argv[1][0] == '-')
        code = unknown_option(argv[1]);
    else
        code = run_command(argc, argv);
    return flush_stdout(code);
}
