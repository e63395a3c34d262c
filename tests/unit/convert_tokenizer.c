/* convert: a directory's tokenizer, written as GGUF, cuts every text as before; tokens,
 * types, merges and names are those that llama.cpp's converter writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/plan.h"
#include "inferometer/tokenizer.h"
#include "os/file.h"
#include "text_support.h"

#define FOLDER "tests/reference/tokenizer/"

/* Without "metaspace", which puts its space only where there is none: GGUF cannot say that,
 * and a text that begins with a space differs. n_tokens of tokenizer.json, and whether vocab.gguf is beside it. */
static const struct {
    const char *name;
    int64_t n_tokens;
    bool vocab;
} kinds[] = {{"gpt2_kind", 904, true},      {"llama3", 904, true},
             {"qwen2", 904, true},          {"smollm", 904, true},
             {"deepseek_coder", 904, true}, {"deepseek_llm", 904, true},
             {"deepseek_v3", 904, true},    {"tekken", 904, true},
             {"gpt4o", 904, true},          {"llama2", 0, false}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static char place[64]; /* a directory of the test's own */

static int enter_place(void **state)
{
    (void)state;
    make_directory(place);
    return 0;
}

static int leave_place(void **state)
{
    (void)state;
    remove_directory(place);
    return 0;
}

static const char *kind_path(const char *kind, const char *file)
{
    char name[128];
    snprintf(name, sizeof name, FOLDER "%s%s%s", kind, file[0] != '\0' ? "/" : "", file);
    return source_path(name);
}

/* One more than the highest id of tokenizer.json. */
static int64_t count_tokens(const char *kind)
{
    char name[128];
    snprintf(name, sizeof name, FOLDER "%s/tokenizer.json", kind);
    json_t *root = read_reference(name), *id, *each;
    int64_t n = 0;
    const char *text;
    size_t i;
    json_object_foreach(json_object_get(json_object_get(root, "model"), "vocab"), text,
                        id) n =
        json_integer_value(id) >= n ? json_integer_value(id) + 1 : n;
    json_array_foreach(json_object_get(root, "added_tokens"), i, each)
    {
        int64_t added = json_integer_value(json_object_get(each, "id"));
        n = added >= n ? added + 1 : n;
    }
    json_decref(root);
    return n;
}

/* Writes the tokenizer of a kind to place/vocab.gguf, with an architecture in front. */
static void convert(const char *kind)
{
    ifm_gguf_writer writer = {0};
    ifm_buffer bytes = {0};
    ifm_error err = {0};
    bool found = false;
    json_t *config = json_object();
    ifm_gguf_put_string(&writer, "general.architecture", "llama", 5);
    ifm_status st = ifm_convert_put_tokenizer(&writer, kind_path(kind, ""), config,
                                              count_tokens(kind), &found, &err);
    if (st == IFM_OK)
        st = ifm_gguf_finish_header(&writer, &bytes, &err);
    if (st != IFM_OK)
        fail_msg("%s: %s", kind, err.message);
    assert_true(found);
    put_file(place, "vocab.gguf", bytes.data, bytes.length);
    json_decref(config);
    ifm_buffer_deinit(&bytes);
    ifm_gguf_writer_deinit(&writer);
}

static ifm_tokenizer *open_tokenizer(const char *path)
{
    const ifm_tokenizer_options options = {.no_cache = true};
    ifm_tokenizer *tokenizer = NULL;
    ifm_error err = {0};
    if (ifm_tokenizer_open(path, &options, &tokenizer, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

/* How many strings give other ids by the file in `place`. */
static int count_differences(const char *kind, json_t *strings)
{
    char path[128];
    snprintf(path, sizeof path, "%s/vocab.gguf", place);
    ifm_tokenizer *from = open_tokenizer(kind_path(kind, "tokenizer.json"));
    ifm_tokenizer *to = open_tokenizer(path);
    json_t *row;
    size_t i;
    int wrong = 0;
    assert_int_equal(ifm_tokenizer_size(from), ifm_tokenizer_size(to));
    json_array_foreach(strings, i, row)
    {
        size_t n, n_a = 0, n_b = 0;
        int32_t *a = NULL, *b = NULL;
        char *text = text_of(row, &n);
        ifm_status st_a = ifm_tokenizer_encode(from, text, n, 0, &a, &n_a, NULL);
        ifm_status st_b = ifm_tokenizer_encode(to, text, n, 0, &b, &n_b, NULL);
        if (st_a != st_b || n_a != n_b ||
            (n_a > 0 && memcmp(a, b, n_a * sizeof *a) != 0)) {
            if (wrong++ < 5)
                printf("%s: \"%s\" gives other tokens\n", kind, text);
        }
        free(a);
        free(b);
        free(text);
    }
    ifm_tokenizer_close(from);
    ifm_tokenizer_close(to);
    return wrong;
}

static void test_same_ids(void **state)
{
    (void)state;
    json_t *strings = read_reference(FOLDER "strings.json");
    assert_true(json_array_size(strings) > 600);
    for (size_t i = 0; i < N_KINDS; i++) {
        /* Its NFC is lost in GGUF, as llama.cpp loses it. */
        if (strcmp(kinds[i].name, "qwen2") == 0)
            continue;
        convert(kinds[i].name);
        assert_int_equal(count_differences(kinds[i].name, strings), 0);
    }
    json_decref(strings);
}

static void expect_same_value(const char *kind, const char *key, const ifm_gguf *ours,
                              const ifm_gguf *theirs)
{
    const ifm_gguf_value *a = ifm_gguf_find(ours, key), *b = ifm_gguf_find(theirs, key);
    if ((a == NULL) != (b == NULL))
        fail_msg("%s: only one has %s", kind, key);
    if (a == NULL)
        return;
    assert_int_equal(a->type, b->type);
    if (a->type == IFM_GGUF_STRING) {
        assert_int_equal(a->string.n, b->string.n);
        assert_memory_equal(a->string.text, b->string.text, a->string.n);
    } else if (a->type == IFM_GGUF_ARRAY) {
        if (a->array.n_bytes != b->array.n_bytes ||
            memcmp(a->array.data, b->array.data, a->array.n_bytes) != 0)
            fail_msg("%s: %s differs from llama.cpp's", kind, key);
    }
}

static void test_as_llama_cpp(void **state)
{
    static const char *const keys[] = {
        "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type", "tokenizer.ggml.merges"};
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        char path[128];
        ifm_mapping files[2];
        ifm_gguf *parsed[2];
        if (!kinds[i].vocab)
            continue;
        assert_int_equal(count_tokens(kinds[i].name), kinds[i].n_tokens);
        convert(kinds[i].name);
        snprintf(path, sizeof path, "%s/vocab.gguf", place);
        assert_int_equal(ifm_mapping_open(&files[0], path, NULL), IFM_OK);
        assert_int_equal(
            ifm_mapping_open(&files[1], kind_path(kinds[i].name, "vocab.gguf"), NULL),
            IFM_OK);
        for (int j = 0; j < 2; j++)
            assert_int_equal(ifm_gguf_parse(&files[j], "x", &parsed[j], NULL), IFM_OK);
        for (size_t j = 0; j < sizeof keys / sizeof keys[0]; j++)
            expect_same_value(kinds[i].name, keys[j], parsed[0], parsed[1]);
        for (int j = 0; j < 2; j++) {
            ifm_gguf_free(parsed[j]);
            ifm_mapping_close(&files[j]);
        }
    }
}

/* What the small files say of special tokens and templates. */
static void test_special(void **state)
{
    (void)state;
    put_text(place, "tokenizer.json",
             "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
             "\"merges\":[\"a b\"]},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
             "\"add_prefix_space\":false,\"use_regex\":true},\"added_tokens\":["
             "{\"id\":3,\"content\":\"<s>\",\"special\":true},"
             "{\"id\":4,\"content\":\"<t>\",\"special\":false}],"
             "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
             "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
             "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]}}");
    put_text(place, "tokenizer_config.json",
             "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"<t>\","
             "\"chat_template\":\"from the config\","
             "\"model_max_length\":1000000000000000019884624838656}");
    put_text(place, "chat_template.jinja", "of its own");
    ifm_gguf_writer writer = {0};
    ifm_buffer bytes = {0};
    bool found = false, begins = false;
    json_t *config = json_pack("{s:[i,i]}", "eos_token_id", 1, 2);
    assert_int_equal(ifm_convert_put_tokenizer(&writer, place, config, 6, &found, NULL),
                     IFM_OK);
    assert_int_equal(ifm_gguf_finish_header(&writer, &bytes, NULL), IFM_OK);
    ifm_mapping mapping = {(unsigned char *)bytes.data, bytes.length};
    ifm_gguf *gguf = NULL;
    assert_int_equal(ifm_gguf_parse(&mapping, "x", &gguf, NULL), IFM_OK);
    int64_t id = -1;
    assert_true(ifm_gguf_get_int(gguf, "tokenizer.ggml.bos_token_id", &id));
    assert_int_equal(id, 3);
    assert_true(ifm_gguf_get_int(gguf, "tokenizer.ggml.eos_token_id", &id));
    assert_int_equal(id, 4);
    assert_true(ifm_gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &begins));
    assert_true(begins);
    ifm_gguf_string text;
    assert_true(ifm_gguf_get_string(gguf, "tokenizer.chat_template", &text));
    assert_int_equal(text.n, strlen("of its own"));
    const ifm_gguf_value *types = ifm_gguf_find(gguf, "tokenizer.ggml.token_type");
    static const int expected[] = {1, 1, 1, 3, 4, 5};
    assert_int_equal(types->array.n, 6);
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(ifm_gguf_int_at(types, i), expected[i]);
    ifm_gguf_free(gguf);
    json_decref(config);
    ifm_buffer_deinit(&bytes);
    ifm_gguf_writer_deinit(&writer);
}

static void expect_refused(const char *json, ifm_status status, const char *part)
{
    ifm_gguf_writer writer = {0};
    ifm_error err = {0};
    bool found;
    json_t *config = json_object();
    put_text(place, "tokenizer.json", json);
    assert_int_equal(ifm_convert_put_tokenizer(&writer, place, config, 2, &found, &err),
                     status);
    if (strstr(err.message, part) == NULL)
        fail_msg("\"%s\", expected \"%s\"", err.message, part);
    json_decref(config);
    ifm_gguf_writer_deinit(&writer);
}

#define MODEL(vocab) "\"model\":{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":[]}"
#define BYTES        "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}"

static void test_refused(void **state)
{
    (void)state;
    expect_refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", IFM_ERR_UNSUPPORTED,
                   "is no BPE");
    expect_refused("{" MODEL("{\"a\":0}") ",\"pre_tokenizer\":{\"type\":\"Whitespace\"}}",
                   IFM_ERR_UNSUPPORTED, "has a pre-tokenizer");
    expect_refused("{" MODEL("{\"a\":0}") "," BYTES
                                          ",\"normalizer\":{\"type\":\"NFKC\"}}",
                   IFM_ERR_UNSUPPORTED, "has a normalizer");
    expect_refused("{" MODEL("{\"a\":2}") "," BYTES "}", IFM_ERR_FORMAT,
                   "token \"a\" has the id 2, the embedding has 2 rows");
    expect_refused("{" MODEL("{\"a\":-1}") "," BYTES "}", IFM_ERR_FORMAT,
                   "has the id -1");
    expect_refused("{", IFM_ERR_FORMAT, "not valid JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_ids, enter_place, leave_place),
        cmocka_unit_test_setup_teardown(test_as_llama_cpp, enter_place, leave_place),
        cmocka_unit_test_setup_teardown(test_special, enter_place, leave_place),
        cmocka_unit_test_setup_teardown(test_refused, enter_place, leave_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
