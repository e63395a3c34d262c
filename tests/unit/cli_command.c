/* cli: options are parsed by their table, mistakes are named with what to write instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/suggest.h"

static const ifm_option options[] = {
    {"max-new-tokens", 'n', IFM_OPTION_INT, "N", 1, 1000, "20", NULL, "how many"},
    {"temperature", 0, IFM_OPTION_FLOAT, "T", 0, 100, "0", NULL, "how hot"},
    {"prompt", 'p', IFM_OPTION_STRING, "TEXT", .help = "what to say"},
    {"prompt-file", 'f', IFM_OPTION_STRING, "FILE", .help = "where it stands"},
    {"stop", 0, IFM_OPTION_LIST, "TEXT", .help = "where to end"},
    {"load", 0, IFM_OPTION_CHOICE, "lazy|eager", .fallback = "lazy", .help = "when"},
    {"quiet", 'q', IFM_OPTION_FLAG, .help = "less"},
    {"stream", 's', IFM_OPTION_FLAG, .help = "at once"},
};
static const ifm_command command = {
    .name = "test",
    .summary = "a command",
    .positional = "[PATH]",
    .max_positional = 1,
    IFM_OPTIONS(options),
};

enum { MOST_WORDS = 16 };

static ifm_arguments args;
static ifm_error err;
static char *words[MOST_WORDS];

/* Parses the words up to the NULL; the last result is released first. */
static ifm_status parse(const char *first, ...)
{
    ifm_arguments_deinit(&args);
    err = (ifm_error){0};
    int n = 0;
    va_list list;
    va_start(list, first);
    for (const char *w = first; w != NULL; w = va_arg(list, const char *))
        words[n++] = (char *)(uintptr_t)w;
    va_end(list);
    return ifm_arguments_parse(&args, &command, n, words, 0, &err);
}

static void defaults_hold(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL), IFM_OK);
    assert_int_equal(ifm_arguments_int(&args, "max-new-tokens"), 20);
    assert_string_equal(ifm_arguments_string(&args, "load"), "lazy");
    assert_null(ifm_arguments_string(&args, "prompt"));
    assert_false(ifm_arguments_given(&args, "max-new-tokens"));
    assert_false(ifm_arguments_flag(&args, "quiet"));
}

static void every_spelling_is_understood(void **state)
{
    (void)state;
    assert_int_equal(parse("--max-new-tokens=7", "--temperature", "0.5", NULL), IFM_OK);
    assert_int_equal(ifm_arguments_int(&args, "max-new-tokens"), 7);
    assert_true(ifm_arguments_float(&args, "temperature") == 0.5);
    assert_int_equal(parse("-n8", "-qs", "-p", "-1", NULL), IFM_OK);
    assert_int_equal(ifm_arguments_int(&args, "max-new-tokens"), 8);
    assert_true(ifm_arguments_flag(&args, "quiet"));
    assert_true(ifm_arguments_flag(&args, "stream"));
    assert_string_equal(ifm_arguments_string(&args, "prompt"), "-1");
    assert_int_equal(parse("-qn", "9", "--prompt=", "--load=eager", NULL), IFM_OK);
    assert_int_equal(ifm_arguments_int(&args, "max-new-tokens"), 9);
    assert_string_equal(ifm_arguments_string(&args, "prompt"), "");
    assert_int_equal(parse("-n1", "-n2", "--", "--quiet", NULL), IFM_OK);
    assert_int_equal(ifm_arguments_int(&args, "max-new-tokens"), 2);
    assert_int_equal(args.n_positional, 1);
    assert_string_equal(args.positional[0], "--quiet");
    size_t n;
    assert_int_equal(parse("--stop", "a", "--stop=b", "-", NULL), IFM_OK);
    const char *const *stops = ifm_arguments_list(&args, "stop", &n);
    assert_int_equal(n, 2);
    assert_string_equal(stops[1], "b");
    assert_string_equal(args.positional[0], "-");
    assert_int_equal(parse("--nonsense", "--help", NULL), IFM_ERR_ARGUMENT);
    assert_int_equal(parse("-q", "-h", "--nonsense", NULL), IFM_OK);
    assert_true(args.help);
}

static void mistakes_say_what_to_write(void **state)
{
    (void)state;
    const struct {
        const char *words[3], *says;
    } cases[] = {
        {{"--max-new-token", "3"}, "did you mean \"--max-new-tokens\""},
        {{"--mxa-new-tokens", "3"}, "did you mean \"--max-new-tokens\""},
        {{"--prom", "x"}, "\"--prom\" is ambiguous: --prompt, --prompt-file"},
        {{"--zebra"}, "\"inferometer help test\" lists them"},
        {{"-z"}, "unknown option \"-z\""},
        {{"-n"}, "--max-new-tokens needs a value: --max-new-tokens N"},
        {{"--prompt", "--quiet"}, "--prompt needs a value"},
        {{"--quiet=yes"}, "--quiet takes no value"},
        {{"-n", "ten"}, "--max-new-tokens: \"ten\" is not a whole number"},
        {{"-n", "3.5"}, "\"3.5\" is not a whole number"},
        {{"-n", ""}, "\"\" is not a whole number"},
        {{"-n", "0"}, "--max-new-tokens: 0 is out of range, expected 1 to 1000"},
        {{"-n", "99999999999999999999"}, "out of range"},
        {{"--temperature", "nan"}, "\"nan\" is not a number"},
        {{"--temperature", "inf"}, "out of range"},
        {{"--load", "eag"}, "\"eag\" is not one of lazy|eager"},
        {{"--load", ""}, "is not one of"},
        {{"a", "b"}, "unexpected \"b\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *w = cases[i].words;
        assert_int_equal(parse(w[0], w[1], w[2], NULL), IFM_ERR_ARGUMENT);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("%s %s: \"%s\" lacks \"%s\"", w[0], w[1] != NULL ? w[1] : "",
                     err.message, cases[i].says);
        assert_null(strchr(err.message, '\n'));
    }
}

static void distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(ifm_edit_distance("", ""), 0);
    assert_int_equal(ifm_edit_distance("run", "run"), 0);
    assert_int_equal(ifm_edit_distance("rnu", "run"), 1);
    assert_int_equal(ifm_edit_distance("", "abc"), 3);
    assert_int_equal(ifm_edit_distance("kitten", "sitting"), 3);
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(ifm_edit_distance(longer, "x"), 62);
}

static void commands_are_found_or_suggested(void **state)
{
    (void)state;
    int used = 0;
    char help[] = "help", typo[] = "hlep", far[] = "zzzzzzzz";
    assert_non_null(ifm_command_find(1, (char *[]){help}, 0, &used, &err));
    assert_int_equal(used, 1);
    assert_null(ifm_command_find(1, (char *[]){typo}, 0, &used, &err));
    assert_non_null(strstr(err.message, "did you mean \"help\""));
    assert_null(ifm_command_find(1, (char *[]){far}, 0, &used, &err));
    assert_non_null(strstr(err.message, "lists them"));
}

/* Every default must be a value that its own option accepts, every name unique. */
static void the_tables_are_sound(void **state)
{
    (void)state;
    for (size_t c = 0; ifm_commands[c] != NULL; c++) {
        const ifm_command *cmd = ifm_commands[c];
        assert_non_null(cmd->summary);
        assert_non_null(cmd->run);
        for (size_t i = 0; i < cmd->n_options; i++) {
            const ifm_option *o = &cmd->options[i];
            assert_non_null(o->help);
            assert_true((o->argument == NULL) == (o->type == IFM_OPTION_FLAG));
            for (size_t k = 0; k < i; k++) {
                assert_string_not_equal(o->name, cmd->options[k].name);
                assert_true(o->letter == 0 || o->letter != cmd->options[k].letter);
            }
            if (o->fallback == NULL)
                continue;
            char given[256];
            snprintf(given, sizeof given, "--%s=%s", o->name, o->fallback);
            ifm_arguments a;
            char *argv[] = {given};
            ifm_command free_form = *cmd;
            free_form.min_positional = 0;
            assert_int_equal(ifm_arguments_parse(&a, &free_form, 1, argv, 0, &err),
                             IFM_OK);
            ifm_arguments_deinit(&a);
        }
    }
}

static int release(void **state)
{
    (void)state;
    ifm_arguments_deinit(&args);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(every_spelling_is_understood),
        cmocka_unit_test(mistakes_say_what_to_write),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(commands_are_found_or_suggested),
        cmocka_unit_test(the_tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
