/* drive: what is asked, from made-up prompts and from files of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive/maker.h"
#include "drive/source.h"
#include "drive/synthetic.h"

static ifm_error err;

/* ---- helpers ------------------------------------------------------------------------- */

static char *written(const char *content)
{
    static char path[64];
    strcpy(path, "/tmp/ifm-drive-source-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    return path;
}

static ifm_status open_text(ifm_prompt_file *file, const char *content)
{
    char *path = written(content);
    const ifm_status st = ifm_prompt_file_open(file, path, &err);
    unlink(path);
    return st;
}

static ifm_requests_source *source_of(ifm_source_options options)
{
    ifm_requests_source *source = NULL;
    if (options.output.max == 0)
        options.output = (ifm_lengths){IFM_LENGTH_FIXED, 16, 16, 16, 0};
    if (options.input.max == 0)
        options.input = (ifm_lengths){IFM_LENGTH_FIXED, 32, 32, 32, 0};
    assert_int_equal(ifm_requests_source_new(&options, &source, &err), IFM_OK);
    return source;
}

static json_t *body_of(const ifm_asked *asked)
{
    json_t *body = json_loadb(asked->body, asked->n_body, 0, NULL);
    assert_non_null(body);
    return body;
}

static char *prompt_of(ifm_requests_source *source, int64_t number)
{
    ifm_asked asked;
    assert_int_equal(ifm_requests_source_first(source, number, &asked, &err), IFM_OK);
    json_t *body = body_of(&asked);
    char *prompt = strdup(json_string_value(json_object_get(body, "prompt")));
    json_decref(body);
    ifm_asked_deinit(&asked);
    return prompt;
}

static size_t words_in(const char *text)
{
    size_t n = *text != '\0';
    for (; *text != '\0'; text++)
        n += *text == ' ';
    return n;
}

static size_t same_words(const char *a, const char *b)
{
    size_t n = 0, i = 0;
    for (; a[i] != '\0' && a[i] == b[i]; i++)
        n += a[i] == ' ';
    return n;
}

/* ---- made-up prompts -------------------------------------------------------------------- */

static void prompts_have_their_length_and_differ_at_once(void **state)
{
    (void)state;
    ifm_requests_source *source = source_of((ifm_source_options){.seed = 3});
    char *first = prompt_of(source, 0);
    assert_int_equal(words_in(first), 32);
    for (int64_t i = 1; i < 300; i++) {
        char *other = prompt_of(source, i);
        assert_int_equal(words_in(other), 32);
        /* The low digit returns once in as many numbers as there are words. */
        assert_in_range(same_words(first, other), 0, 1);
        free(other);
    }
    /* The same again, whoever asks when; another seed has nothing in common. */
    char *again = prompt_of(source, 0);
    assert_string_equal(first, again);
    ifm_requests_source *reseeded = source_of((ifm_source_options){.seed = 4});
    char *changed = prompt_of(reseeded, 0);
    assert_in_range(same_words(first, changed), 0, 1);
    assert_true(ifm_requests_source_unique(source));
    free(first);
    free(again);
    free(changed);
    ifm_requests_source_free(source);
    ifm_requests_source_free(reseeded);
}

static void a_shared_prefix_is_shared_and_no_more(void **state)
{
    (void)state;
    ifm_requests_source *source =
        source_of((ifm_source_options){.seed = 3, .shared_tokens = 20});
    char *a = prompt_of(source, 5), *b = prompt_of(source, 6);
    assert_int_equal(words_in(a), 52);
    assert_int_equal(same_words(a, b), 20);
    assert_false(ifm_requests_source_unique(source));
    free(a);
    free(b);
    ifm_requests_source_free(source);
}

static void a_tokenizer_makes_lengths_exact(void **state)
{
    (void)state;
    char path[4096];
    const char *root = getenv("IFM_SOURCE_ROOT");
    ifm_tokenizer *tokenizer = NULL;
    snprintf(path, sizeof path, "%s/models/counting", root != NULL ? root : ".");
    assert_int_equal(ifm_tokenizer_open(path, NULL, &tokenizer, &err), IFM_OK);
    ifm_synthetic made;
    ifm_buffer text = {0};
    assert_int_equal(ifm_synthetic_init(&made, tokenizer, false, 0, 9, &err), IFM_OK);
    for (uint64_t i = 0; i < 40; i++) {
        const int64_t n = 1 + (int64_t)(i * i);
        int32_t *ids = NULL;
        size_t n_ids = 0;
        assert_int_equal(ifm_synthetic_make(&made, i, n, &text, &err), IFM_OK);
        assert_int_equal(ifm_tokenizer_encode(tokenizer, text.data, text.length,
                                              IFM_ENCODE_DEFAULT, &ids, &n_ids, &err),
                         IFM_OK);
        assert_int_equal(n_ids, n);
        free(ids);
    }
    /* The common words, too, are a token each in this vocabulary, wherever they stand. */
    ifm_wordlist common;
    assert_int_equal(ifm_wordlist_init(&common, NULL, &err), IFM_OK);
    for (size_t i = 0; i < common.n; i++) {
        int32_t *ids = NULL;
        size_t n_ids = 0;
        char both[64];
        const int n =
            snprintf(both, sizeof both, "%s %s", common.items[i], common.items[i]);
        assert_int_equal(ifm_tokenizer_encode(tokenizer, both, (size_t)n,
                                              IFM_ENCODE_PLAIN, &ids, &n_ids, &err),
                         IFM_OK);
        assert_int_equal(n_ids, 2);
        free(ids);
    }
    ifm_wordlist_deinit(&common);
    ifm_buffer_deinit(&text);
    ifm_synthetic_deinit(&made);
    ifm_tokenizer_close(tokenizer);
}

/* ---- files -------------------------------------------------------------------------------- */

static void own_lines_are_read(void **state)
{
    (void)state;
    ifm_prompt_file file;
    assert_int_equal(open_text(&file,
                               "{\"prompt\": \"one\", \"max_new_tokens\": 7}\n"
                               "\n  \r\n"
                               "{\"text\": \"two\", \"output_length\": 9}\r\n"
                               "{\"messages\": [{\"role\": \"system\", \"content\": "
                               "\"s\"}, {\"role\": \"user\", \"content\": \"u\"}]}"),
                     IFM_OK);
    assert_int_equal(file.n, 3);
    assert_true(file.chat);
    assert_null(file.times);
    ifm_requests_source *source =
        source_of((ifm_source_options){.file = &file, .chat = true, .model = "m"});
    ifm_asked asked;
    assert_int_equal(ifm_requests_source_first(source, 1, &asked, &err), IFM_OK);
    json_t *body = body_of(&asked);
    assert_int_equal(asked.output_tokens, 9);
    assert_int_equal(asked.input_tokens, -1);
    assert_string_equal(json_string_value(json_object_get(body, "model")), "m");
    json_decref(body);
    ifm_asked_deinit(&asked);
    /* Number 5 is entry 2 again. */
    assert_int_equal(ifm_requests_source_first(source, 5, &asked, &err), IFM_OK);
    body = body_of(&asked);
    const json_t *messages = json_object_get(body, "messages");
    assert_int_equal(json_array_size(messages), 2);
    assert_int_equal(asked.output_tokens, 16);
    json_decref(body);
    ifm_asked_deinit(&asked);
    ifm_requests_source_free(source);
    ifm_prompt_file_deinit(&file);
}

static void plain_lines_are_prompts(void **state)
{
    (void)state;
    ifm_prompt_file file;
    assert_int_equal(open_text(&file, "a bird\n\nten birds"), IFM_OK);
    assert_true(file.plain && file.n == 2);
    ifm_requests_source *source = source_of((ifm_source_options){.file = &file});
    char *prompt = prompt_of(source, 1);
    assert_string_equal(prompt, "ten birds");
    free(prompt);
    ifm_requests_source_free(source);
    ifm_prompt_file_deinit(&file);
}

/* Equal hash_ids give equal blocks of 512 tokens; the rest is unique. */
static void mooncake_shares_what_its_hashes_share(void **state)
{
    (void)state;
    ifm_prompt_file file;
    assert_int_equal(
        open_text(&file,
                  "{\"timestamp\": 4000, \"input_length\": 1100, \"output_length\": 3, "
                  "\"hash_ids\": [1, 2, 9]}\n"
                  "{\"timestamp\": 1000, \"input_length\": 1030, \"output_length\": 4, "
                  "\"hash_ids\": [1, 2, 7]}\n"
                  "{\"timestamp\": 2500, \"input_length\": 520, \"output_length\": 5, "
                  "\"hash_ids\": [3]}\n"),
        IFM_OK);
    assert_true(file.made);
    assert_int_equal(file.n, 3);
    assert_int_equal(file.times[0], 0);
    assert_int_equal(file.times[1], 1500000000);
    assert_int_equal(file.times[2], 3000000000);
    ifm_requests_source *source = source_of((ifm_source_options){.file = &file});
    char *a = prompt_of(source, 0), *b = prompt_of(source, 2), *c = prompt_of(source, 1);
    assert_int_equal(words_in(a), 1030);
    assert_int_equal(words_in(b), 1100);
    assert_int_equal(words_in(c), 520);
    assert_in_range(same_words(a, b), 1024, 1025);
    assert_in_range(same_words(a, c), 0, 1);
    ifm_asked asked;
    assert_int_equal(ifm_requests_source_first(source, 1, &asked, &err), IFM_OK);
    assert_int_equal(asked.input_tokens, 520);
    assert_int_equal(asked.output_tokens, 5);
    ifm_asked_deinit(&asked);
    free(a);
    free(b);
    free(c);
    ifm_requests_source_free(source);
    ifm_prompt_file_deinit(&file);
}

static const char sharegpt[] =
    "[{\"id\": \"x\", \"conversations\": [{\"from\": \"system\", \"value\": \"be\"},"
    " {\"from\": \"human\", \"value\": \"hi [\\\"{\"}, {\"from\": \"gpt\", \"value\": "
    "\"ho\"},"
    " {\"from\": \"human\", \"value\": \"and?\"}, {\"from\": \"gpt\", \"value\": "
    "\"so\"}]},\n"
    " {\"conversations\": []},"
    " {\"conversations\": [{\"role\": \"user\", \"content\": \"yes\"}]} ]\n";

static void sharegpt_is_read(void **state)
{
    (void)state;
    ifm_prompt_file file;
    assert_int_equal(open_text(&file, sharegpt), IFM_OK);
    assert_true(file.array && file.recorded && !file.chat);
    assert_int_equal(file.n, 2);
    assert_int_equal(file.n_empty, 1);
    ifm_source_options options = {.file = &file};
    assert_int_equal(ifm_source_requests(&options), 2); /* the first turns */
    options.turns = 5;
    assert_int_equal(ifm_source_requests(&options), 3);
    ifm_prompt_file_deinit(&file);
}

/* The second turn holds the first, its real answer (not the recorded one), and itself. */
static void conversations_hold_what_was_really_answered(void **state)
{
    (void)state;
    ifm_prompt_file file;
    assert_int_equal(open_text(&file, sharegpt), IFM_OK);
    ifm_requests_source *source = source_of((ifm_source_options){
        .file = &file, .chat = true, .turns = 9, .think_ns = 5000000});
    ifm_asked one, two;
    assert_int_equal(ifm_requests_source_first(source, 0, &one, &err), IFM_OK);
    assert_non_null(one.talk);
    assert_int_equal(ifm_requests_source_next(source, one.talk, "really", 6, &two, &err),
                     IFM_OK);
    one.talk = NULL;
    assert_null(two.talk);
    assert_int_equal(two.turn, 1);
    assert_int_equal(two.delay_ns, 5000000);
    json_t *body = body_of(&two);
    char *messages = json_dumps(json_object_get(body, "messages"), JSON_COMPACT);
    assert_string_equal(messages, "[{\"role\":\"user\",\"content\":\"hi [\\\"{\"},"
                                  "{\"role\":\"assistant\",\"content\":\"really\"},"
                                  "{\"role\":\"user\",\"content\":\"and?\"}]");
    free(messages);
    json_decref(body);
    ifm_asked_deinit(&one);
    ifm_asked_deinit(&two);
    ifm_requests_source_free(source);
    ifm_prompt_file_deinit(&file);
}

static void lines_of_a_session_are_its_turns(void **state)
{
    (void)state;
    ifm_prompt_file file;
    assert_int_equal(
        open_text(&file,
                  "{\"session_id\": \"a\", \"prompt\": \"a1\", \"timestamp\": 10}\n"
                  "{\"session_id\": \"b\", \"prompt\": \"b1\", \"timestamp\": 0}\n"
                  "{\"session_id\": \"a\", \"prompt\": \"a2\", \"delay_ms\": 40}\n"
                  "{\"turns\": [\"c1\", {\"prompt\": \"c2\", \"delay\": 3}, \"c3\"], "
                  "\"timestamp\": 20}\n"),
        IFM_OK);
    assert_int_equal(file.n, 3);
    assert_int_equal(ifm_prompt_file_turns(&file, 0), 1);
    assert_int_equal(ifm_prompt_file_turns(&file, 1), 2);
    assert_int_equal(ifm_prompt_file_turns(&file, 2), 3);
    assert_true(file.chat);
    ifm_item item;
    size_t index;
    assert_int_equal(ifm_prompt_file_read(&file, 1, 1, &item, &index, &err), IFM_OK);
    assert_string_equal(item.turns[index].text, "a2");
    assert_int_equal(item.turns[index].delay_ns, 40000000);
    ifm_item_deinit(&item);
    assert_int_equal(ifm_prompt_file_read(&file, 2, 1, &item, &index, &err), IFM_OK);
    assert_string_equal(item.turns[index].text, "c2");
    ifm_item_deinit(&item);
    ifm_prompt_file_deinit(&file);
}

static void hostile_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content, *says;
    } bad[] = {
        {"", "holds no prompt"},
        {"\n \n", "holds no prompt"},
        {"[]", "holds no prompt"},
        {"{\"prompt\": 5}", ":1: has no \"prompt\""},
        {"{\"prompt\": \"\"}", ":1: has no \"prompt\""},
        {"{\"prompt\": \"a\"}\n{\"prompt\"", ":2"},
        {"{\"prompt\": \"a\"}\nplain", ":2"},
        {"{\"prompt\": \"a\", \"max_new_tokens\": 0}", "max_new_tokens"},
        {"{\"prompt\": \"a\", \"max_new_tokens\": 1e9}", "max_new_tokens"},
        {"{\"prompt\": \"a\", \"timestamp\": -1}", "timestamp"},
        {"{\"prompt\": \"a\", \"timestamp\": \"now\"}", "timestamp"},
        {"{\"prompt\": \"a\", \"timestamp\": 1}\n{\"prompt\": \"b\"}", "all or none"},
        {"{\"prompt\": \"a\", \"session_id\": 5}", "session_id"},
        {"{\"turns\": [\"a\", \"b\"], \"session_id\": \"s\"}", "one turn"},
        {"{\"turns\": []}", "turns"},
        {"{\"turns\": [5]}", "prompt"},
        {"{\"messages\": []}", "messages"},
        {"{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]}", "role"},
        {"{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}]}", "user"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": [1]}]}", "content"},
        {"{\"hash_ids\": [1]}", "input_length"},
        {"{\"input_length\": 0, \"hash_ids\": []}", "input_length"},
        {"{\"input_length\": 5, \"hash_ids\": {}}", "hash_ids"},
        {"{\"input_length\": 5, \"hash_ids\": [\"a\"]}", "hash_ids"},
        {"{\"input_length\": 99999999999, \"hash_ids\": []}", "input_length"},
        {"{\"conversations\": {}}", "conversations"},
        {"{\"conversations\": [{\"from\": \"human\"}]}", "from"},
        {"[{\"prompt\": \"a\"}", "JSON array"},
        {"[{\"prompt\": \"a\"}, ", "JSON array"},
        {"[{\"prompt\": \"a\"} {\"prompt\": \"b\"}]", "JSON array"},
        {"[{\"prompt\": \"a\"}] x", "JSON array"},
        {"[5]", "JSON array"},
        {"[{\"prompt\": \"a]", "element 1"},
        {"[{\"prompt\": \"a\\", "element 1"},
        {"[{]]}", "element 1"},
        {"\xff\xfe", "UTF-8"},
        {"{\"prompt\": \"\xff\"}", ":1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ifm_prompt_file file;
        const ifm_status st = open_text(&file, bad[i].content);
        if (st != IFM_ERR_FORMAT || strstr(err.message, bad[i].says) == NULL)
            fail_msg("%s: %d %s", bad[i].content, (int)st, err.message);
    }
}

/* Depth and breadth have limits. */
static void bombs_are_refused(void **state)
{
    (void)state;
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    memcpy(deep, "{\"a\":", 5);
    ifm_prompt_file file;
    assert_int_not_equal(open_text(&file, deep), IFM_OK);
    memcpy(deep, "[{\"a\":", 6);
    assert_int_not_equal(open_text(&file, deep), IFM_OK);
    free(deep);
}

/* ---- the maker ------------------------------------------------------------------------------ */

static void count_wake(void *user)
{
    atomic_fetch_add((_Atomic int *)user, 1);
}

static void the_maker_works_ahead_in_order(void **state)
{
    (void)state;
    _Atomic int wakes = 0;
    ifm_requests_source *source =
        source_of((ifm_source_options){.turns = 2, .chat = true});
    ifm_maker *maker = NULL;
    assert_int_equal(ifm_maker_new(&(ifm_maker_options){.source = source,
                                                        .first = 1,
                                                        .step = 2,
                                                        .end = 3000,
                                                        .wake = count_wake,
                                                        .user = &wakes},
                                   &maker, &err),
                     IFM_OK);
    ifm_maker_fill(maker);
    ifm_asked asked;
    int64_t n = 0;
    for (;;) {
        const ifm_maker_state got = ifm_maker_take(maker, &asked);
        if (got == IFM_MAKER_ENDED)
            break;
        if (got == IFM_MAKER_BUSY) {
            usleep(1000);
            continue;
        }
        assert_int_equal(asked.number, 1 + 2 * n++);
        if (n == 1500) { /* the last one's conversation goes on */
            assert_true(ifm_maker_follow(maker, asked.talk, "yes", 3, (ifm_time){77}));
            asked.talk = NULL;
        }
        ifm_asked_deinit(&asked);
    }
    assert_int_equal(n, 1500);
    ifm_time due = {0};
    while (!ifm_maker_take_next(maker, &asked, &due))
        usleep(1000);
    assert_int_equal(asked.turn, 1);
    assert_int_equal(asked.number, 2999);
    assert_int_equal(due.ns, 77);
    assert_true(wakes >= 1);
    assert_int_equal(ifm_maker_failed(maker, &err), IFM_OK);
    ifm_asked_deinit(&asked);
    ifm_maker_free(maker);
    ifm_requests_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_have_their_length_and_differ_at_once),
        cmocka_unit_test(a_shared_prefix_is_shared_and_no_more),
        cmocka_unit_test(a_tokenizer_makes_lengths_exact),
        cmocka_unit_test(own_lines_are_read),
        cmocka_unit_test(plain_lines_are_prompts),
        cmocka_unit_test(mooncake_shares_what_its_hashes_share),
        cmocka_unit_test(sharegpt_is_read),
        cmocka_unit_test(conversations_hold_what_was_really_answered),
        cmocka_unit_test(lines_of_a_session_are_its_turns),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(the_maker_works_ahead_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
