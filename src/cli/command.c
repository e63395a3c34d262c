#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/suggest.h"

typedef struct ifm_option_value {
    bool given;
    int64_t integer;
    double number;
    const char *text;
    const char **list; /* heap */
    size_t n_list;
} ifm_option_value;

/* ---- values ---------------------------------------------------------------------- */

static const char *kind_of(const ifm_option *option)
{
    return option->type == IFM_OPTION_INT ? "a whole number" : "a number";
}

static ifm_status out_of_range(const ifm_option *option, const char *text, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--%s: %s is out of range, expected %g to %.15g", option->name, text,
                    option->min, option->max);
}

static ifm_status set_number(const ifm_option *option, ifm_option_value *value,
                             const char *text, ifm_error *err)
{
    char *end = NULL;
    errno = 0;
    if (option->type == IFM_OPTION_INT) {
        value->integer = strtoll(text, &end, 10);
        value->number = (double)value->integer;
    } else {
        value->number = strtod(text, &end);
    }
    if (end == text || *end != '\0' || isnan(value->number))
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--%s: \"%s\" is not %s", option->name,
                        text, kind_of(option));
    bool limits = option->min != 0 || option->max != 0;
    if (errno == ERANGE && (option->type == IFM_OPTION_INT || isinf(value->number)))
        return out_of_range(option, text, err);
    if (limits && (value->number < option->min || value->number > option->max))
        return out_of_range(option, text, err);
    return IFM_OK;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (n > 0 && strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
    }
    return false;
}

static ifm_status append(ifm_option_value *value, const char *text, ifm_error *err)
{
    const char **list = realloc(value->list, (value->n_list + 1) * sizeof *list);
    if (list == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "command line: no memory");
    value->list = list;
    value->list[value->n_list++] = text;
    return IFM_OK;
}

static ifm_status set_value(const ifm_option *option, ifm_option_value *value,
                            const char *text, ifm_error *err)
{
    value->text = text;
    switch (option->type) {
    case IFM_OPTION_INT:
    case IFM_OPTION_FLOAT:
        return set_number(option, value, text, err);
    case IFM_OPTION_CHOICE:
        if (is_choice(option->argument, text))
            return IFM_OK;
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--%s: \"%s\" is not one of %s",
                        option->name, text, option->argument);
    case IFM_OPTION_LIST:
        return append(value, text, err);
    case IFM_OPTION_FLAG:
    case IFM_OPTION_STRING:
        break;
    }
    return IFM_OK;
}

/* ---- finding options ------------------------------------------------------------- */

static const ifm_option *by_name(const ifm_command *command, const char *name, size_t n)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const ifm_option *option = &command->options[i];
        if (strlen(option->name) == n && memcmp(option->name, name, n) == 0)
            return option;
    }
    return NULL;
}

static const ifm_option *by_letter(const ifm_command *command, char letter)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (letter != '\0' && command->options[i].letter == letter)
            return &command->options[i];
    return NULL;
}

/* Two or more options begin with what was typed: all of them are named. */
static bool fail_ambiguous(const ifm_command *command, const char *typed, ifm_error *err)
{
    ifm_buffer names = {0};
    size_t n = 0;
    for (size_t i = 0; i < command->n_options; i++) {
        if (*typed == '\0' ||
            strncmp(command->options[i].name, typed, strlen(typed)) != 0)
            continue;
        ifm_buffer_printf(&names, "%s--%s", n++ == 0 ? "" : ", ",
                          command->options[i].name);
    }
    if (n >= 2)
        ifm_fail(err, IFM_ERR_ARGUMENT, "\"--%s\" is ambiguous: %s", typed,
                 ifm_buffer_text(&names));
    ifm_buffer_deinit(&names);
    return n >= 2;
}

static ifm_status fail_unknown(const ifm_command *command, const char *typed, size_t n,
                               ifm_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1),
             typed);
    if (fail_ambiguous(command, name, err))
        return IFM_ERR_ARGUMENT;
    ifm_suggestion nearest = {0};
    for (size_t i = 0; i < command->n_options; i++)
        ifm_suggestion_offer(&nearest, name, command->options[i].name);
    const char *word = ifm_suggestion_word(&nearest, name);
    if (word != NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "unknown option \"--%s\": did you mean \"--%s\"?", name, word);
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "unknown option \"--%s\": \"inferometer help %s\" lists them", name,
                    command->name);
}

/* Whether a word that stands where a value belongs is an option: then the value was
 * forgotten. A prompt that looks like one is written --prompt=--model. */
static bool looks_like_option(const ifm_command *command, const char *word)
{
    if (word[0] != '-' || word[1] == '\0')
        return false;
    if (word[1] != '-')
        return by_letter(command, word[1]) != NULL && word[2] == '\0';
    return by_name(command, word + 2, strcspn(word + 2, "=")) != NULL;
}

/* ---- the command line ------------------------------------------------------------ */

typedef struct parser {
    ifm_arguments *out;
    int at; /* the next word of argv */
    ifm_error *err;
} parser;

static ifm_status take(parser *self, const ifm_option *option, const char *attached)
{
    const ifm_command *command = self->out->command;
    ifm_option_value *value = &self->out->values[option - command->options];
    if (option->type == IFM_OPTION_FLAG) {
        if (attached != NULL)
            return ifm_fail(self->err, IFM_ERR_ARGUMENT, "--%s takes no value",
                            option->name);
        value->given = true;
        return IFM_OK;
    }
    const char *text = attached;
    if (text == NULL) {
        char *next = self->at < self->out->argc ? self->out->argv[self->at] : NULL;
        if (next == NULL || looks_like_option(command, next))
            return ifm_fail(self->err, IFM_ERR_ARGUMENT, "--%s needs a value: --%s %s",
                            option->name, option->name, option->argument);
        text = next;
        self->at++;
    }
    value->given = true;
    return set_value(option, value, text, self->err);
}

static ifm_status parse_long(parser *self, const char *word)
{
    size_t n = strcspn(word, "=");
    const ifm_option *option = by_name(self->out->command, word, n);
    if (option == NULL)
        return fail_unknown(self->out->command, word, n, self->err);
    return take(self, option, word[n] == '=' ? word + n + 1 : NULL);
}

/* "-qn20": letters of flags, then perhaps one with its value behind it. */
static ifm_status parse_short(parser *self, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const ifm_option *option = by_letter(self->out->command, *letters);
        if (option == NULL)
            return ifm_fail(self->err, IFM_ERR_ARGUMENT,
                            "unknown option \"-%c\": \"inferometer help %s\" lists them",
                            *letters, self->out->command->name);
        bool flag = option->type == IFM_OPTION_FLAG;
        const char *attached = !flag && letters[1] != '\0' ? letters + 1 : NULL;
        ifm_status st = take(self, option, attached);
        if (st != IFM_OK || !flag)
            return st;
    }
    return IFM_OK;
}

static ifm_status check_positional(const ifm_arguments *self, ifm_error *err)
{
    const ifm_command *command = self->command;
    int n = (int)self->n_positional;
    if (n < command->min_positional)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "%s is missing: inferometer %s %s",
                        command->positional, command->name, command->positional);
    if (n > command->max_positional)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "unexpected \"%s\": %s takes %s%s (a text with spaces wants quotes)",
            self->positional[command->max_positional], command->name,
            command->positional != NULL ? "only " : "options only",
            command->positional != NULL ? command->positional : "");
    return IFM_OK;
}

static bool is_help(const ifm_command *command, const char *word)
{
    return strcmp(word, "--help") == 0 ||
           (strcmp(word, "-h") == 0 && by_letter(command, 'h') == NULL);
}

static ifm_status parse_words(parser *self)
{
    ifm_arguments *out = self->out;
    bool only_positional = false;
    while (self->at < out->argc) {
        const char *word = out->argv[self->at++];
        ifm_status st = IFM_OK;
        if (only_positional || word[0] != '-' || word[1] == '\0') {
            out->positional[out->n_positional++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_positional = true;
        } else if (is_help(out->command, word)) {
            out->help = true;
            return IFM_OK;
        } else if (word[1] == '-') {
            st = parse_long(self, word + 2);
        } else {
            st = parse_short(self, word + 1);
        }
        if (st != IFM_OK)
            return st;
    }
    return check_positional(out, self->err);
}

static ifm_status set_defaults(ifm_arguments *self, ifm_error *err)
{
    for (size_t i = 0; i < self->command->n_options; i++) {
        const ifm_option *option = &self->command->options[i];
        if (option->fallback == NULL)
            continue;
        ifm_status st = set_value(option, &self->values[i], option->fallback, err);
        assert(st == IFM_OK && option->type != IFM_OPTION_LIST);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

ifm_status ifm_arguments_parse(ifm_arguments *self, const ifm_command *command, int argc,
                               char **argv, int first, ifm_error *err)
{
    *self = (ifm_arguments){.command = command, .argc = argc, .argv = argv};
    self->values = calloc(command->n_options + 1, sizeof *self->values);
    self->positional = calloc((size_t)argc + 1, sizeof *self->positional);
    ifm_status st;
    if (self->values == NULL || self->positional == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "command line: no memory");
    } else {
        st = set_defaults(self, err);
        if (st == IFM_OK)
            st = parse_words(&(parser){self, first, err});
    }
    if (st != IFM_OK)
        ifm_arguments_deinit(self);
    return st;
}

void ifm_arguments_deinit(ifm_arguments *self)
{
    for (size_t i = 0; self->values != NULL && i < self->command->n_options; i++)
        free(self->values[i].list);
    free(self->values);
    free(self->positional);
    *self = (ifm_arguments){0};
}

/* ---- reading values -------------------------------------------------------------- */

static const ifm_option_value *value_of(const ifm_arguments *self, const char *name)
{
    const ifm_option *option = by_name(self->command, name, strlen(name));
    if (option == NULL)
        abort(); /* our bug: the table and the code of a command disagree */
    return &self->values[option - self->command->options];
}

bool ifm_arguments_given(const ifm_arguments *self, const char *name)
{
    return value_of(self, name)->given;
}

bool ifm_arguments_flag(const ifm_arguments *self, const char *name)
{
    return value_of(self, name)->given;
}

int64_t ifm_arguments_int(const ifm_arguments *self, const char *name)
{
    return value_of(self, name)->integer;
}

double ifm_arguments_float(const ifm_arguments *self, const char *name)
{
    return value_of(self, name)->number;
}

const char *ifm_arguments_string(const ifm_arguments *self, const char *name)
{
    return value_of(self, name)->text;
}

const char *const *ifm_arguments_list(const ifm_arguments *self, const char *name,
                                      size_t *n)
{
    const ifm_option_value *value = value_of(self, name);
    *n = value->n_list;
    return value->list;
}
