/* text: conversations are written as Transformers writes them with the families' templates
 * (tests/reference/make_chat.py); what is not recognised is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inferometer/tokenizer.h"
#include "text/chat.h"
#include "text_support.h"

static char directory[64];
static json_t *reference;

static int enter(void **state)
{
    (void)state;
    make_directory(directory);
    reference = read_reference("tests/reference/chat.json");
    return 0;
}

static int leave(void **state)
{
    (void)state;
    json_decref(reference);
    remove_directory(directory);
    return 0;
}

/* A tokenizer whose BOS and EOS have these texts, with a template in `file`. */
static ifm_tokenizer *open_with(const char *bos, const char *eos, const char *file,
                                json_t *content)
{
    ifm_error err = {0};
    ifm_tokenizer *tokenizer = NULL;
    const ifm_tokenizer_options options = {.no_cache = true};
    json_t *config = json_pack("{s:s,s:s}", "bos_token", bos, "eos_token", eos);
    put_text(directory, "tokenizer.json",
             "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}");
    if (strcmp(file, "tokenizer_config.json") == 0)
        json_object_set(config, "chat_template", content);
    else
        put_text(directory, file, json_string_value(content));
    char *text = json_dumps(config, 0);
    put_text(directory, "tokenizer_config.json", text);
    free(text);
    json_decref(config);
    if (ifm_tokenizer_open(directory, &options, &tokenizer, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

static const char *member(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void expect_cases(const ifm_chat *chat, const json_t *family)
{
    size_t i, k;
    json_t *row, *said;
    json_array_foreach(json_object_get(family, "cases"), i, row)
    {
        ifm_chat_message messages[16];
        json_t *list = json_object_get(row, "messages"),
               *expected = json_object_get(row, "text");
        json_array_foreach(list, k, said)
        {
            json_t *content = json_object_get(said, "content");
            messages[k] =
                (ifm_chat_message){member(said, "role"), json_string_value(content),
                                   json_string_length(content)};
        }
        ifm_error err = {0};
        char *text;
        size_t n;
        ifm_status st = ifm_chat_format(chat, messages, json_array_size(list),
                                        json_is_true(json_object_get(row, "answer")),
                                        &text, &n, &err);
        if ((st == IFM_OK) != json_is_string(expected))
            fail_msg("%s, case %zu: %s", member(family, "name"), i, err.message);
        if (st != IFM_OK) {
            assert_int_equal(st, IFM_ERR_ARGUMENT);
            assert_null(text);
            continue;
        }
        if (n != json_string_length(expected) ||
            memcmp(text, json_string_value(expected), n) != 0)
            fail_msg("%s, case %zu:\ngot      \"%s\"\nexpected \"%s\"",
                     member(family, "name"), i, text, json_string_value(expected));
        free(text);
    }
}

static void a_models_template_is_recognised_by_its_text(void **state)
{
    (void)state;
    static const char *const files[] = {"tokenizer_config.json", "chat_template.jinja"};
    size_t i;
    json_t *family;
    json_array_foreach(json_object_get(reference, "families"), i, family)
    {
        ifm_error err = {0};
        ifm_chat *chat;
        ifm_tokenizer *tokenizer =
            open_with(member(family, "bos"), member(family, "eos"), files[i % 2],
                      json_object_get(family, "template"));
        if (ifm_chat_open(tokenizer, NULL, &chat, &err) != IFM_OK)
            fail_msg("%s: %s", member(family, "name"), err.message);
        expect_cases(chat, family);
        ifm_chat_close(chat);
        ifm_tokenizer_close(tokenizer);
        remove_directory(directory);
        make_directory(directory);
    }
    assert_true(i >= 16);
}

static void templates_have_names(void **state)
{
    (void)state;
    size_t i;
    json_t *family;
    json_array_foreach(json_object_get(reference, "families"), i, family)
    {
        ifm_chat *chat;
        const char *name = member(family, "name");
        assert_int_equal(ifm_chat_open(NULL, name, &chat, NULL), IFM_OK);
        assert_string_equal(ifm_chat_name(chat), name);
        bool special = strstr(member(family, "template"), "bos_token") != NULL;
        if (strcmp(name, "chatml") != 0 || !special)
            expect_cases(chat, family);
        ifm_chat_close(chat);
    }
}

/* The list for messages, the list for programs, and the table are one. */
static void all_names_are_listed(void **state)
{
    (void)state;
    char list[512] = "";
    for (const char *const *name = ifm_chat_names(); *name != NULL; name++) {
        assert_non_null(ifm_chat_find(*name));
        if (list[0] != '\0')
            strcat(list, ", ");
        strcat(list, *name);
    }
    assert_string_equal(list, ifm_chat_list());
    ifm_error err = {0};
    ifm_chat *chat;
    assert_int_equal(ifm_chat_open(NULL, "chatlm", &chat, &err), IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "is called \"chatlm\", known are chatml, gemma"));
    assert_null(chat);
}

static void an_unknown_template_is_refused(void **state)
{
    (void)state;
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(reference, "unknown"), i, text)
    {
        ifm_error err = {0};
        ifm_chat *chat;
        ifm_tokenizer *tokenizer =
            open_with("<s>", "</s>", "tokenizer_config.json", text);
        ifm_status st = ifm_chat_open(tokenizer, NULL, &chat, &err);
        bool empty = json_string_length(text) == 0;
        assert_int_equal(st, empty ? IFM_ERR_NOT_FOUND : IFM_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, empty ? "has no chat template"
                                                  : "is none that is known: choose one"));
        assert_non_null(strstr(err.message, "chatml, gemma"));
        assert_null(chat);
        /* By name it goes. */
        assert_int_equal(ifm_chat_open(tokenizer, "zephyr", &chat, &err), IFM_OK);
        ifm_chat_close(chat);
        ifm_tokenizer_close(tokenizer);
    }
}

/* The default one of several; a template that is no text. */
static void a_list_of_templates_has_a_default(void **state)
{
    (void)state;
    ifm_error err = {0};
    ifm_chat *chat;
    json_t *list = json_pack("[{s:s,s:s},{s:s,s:s}]", "name", "tool_use", "template", "x",
                             "name", "default", "template", "<|im_start|> <|im_end|>");
    ifm_tokenizer *tokenizer = open_with("<s>", "</s>", "tokenizer_config.json", list);
    json_decref(list);
    assert_int_equal(ifm_chat_open(tokenizer, NULL, &chat, &err), IFM_OK);
    assert_string_equal(ifm_chat_name(chat), "chatml");
    ifm_chat_close(chat);
    ifm_tokenizer_close(tokenizer);
    json_t *number = json_integer(1);
    tokenizer = open_with("<s>", "</s>", "tokenizer_config.json", number);
    json_decref(number);
    assert_int_equal(ifm_chat_open(tokenizer, NULL, &chat, &err), IFM_ERR_NOT_FOUND);
    ifm_tokenizer_close(tokenizer);
}

static void strange_roles_are_named(void **state)
{
    (void)state;
    ifm_error err = {0};
    ifm_chat *chat;
    char *text;
    size_t n;
    const ifm_chat_message tool = {"tool", "x", 1},
                           late[] = {{"user", "x", 1}, {"system", "x", 1}};
    assert_int_equal(ifm_chat_open(NULL, "chatml", &chat, NULL), IFM_OK);
    assert_int_equal(ifm_chat_format(chat, &tool, 1, true, &text, &n, &err),
                     IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "message 1 has the role \"tool\""));
    assert_int_equal(ifm_chat_format(chat, late, 2, true, &text, &n, &err),
                     IFM_ERR_ARGUMENT);
    assert_int_equal(ifm_chat_format(chat, NULL, 0, true, &text, &n, &err), IFM_OK);
    assert_string_equal(text, "<|im_start|>assistant\n");
    free(text);
    ifm_chat_close(chat);
    assert_int_equal(ifm_chat_open(NULL, "mistral-v0.3", &chat, NULL), IFM_OK);
    assert_int_equal(ifm_chat_format(chat, NULL, 0, true, &text, &n, &err),
                     IFM_ERR_ARGUMENT);
    ifm_chat_close(chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_models_template_is_recognised_by_its_text,
                                        enter, leave),
        cmocka_unit_test_setup_teardown(templates_have_names, enter, leave),
        cmocka_unit_test(all_names_are_listed),
        cmocka_unit_test_setup_teardown(an_unknown_template_is_refused, enter, leave),
        cmocka_unit_test_setup_teardown(a_list_of_templates_has_a_default, enter, leave),
        cmocka_unit_test(strange_roles_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
