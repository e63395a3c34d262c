/* format: every way in which a weight file can lie is one clear message; what is whole is
 * read as it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/safetensors.h"

/* A file in the making: the header's text and `n_data` bytes 0, 1, 2 … behind it. */
typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

static image image_of(const char *header, size_t n_data)
{
    size_t n = strlen(header);
    image self = {malloc(8 + n + n_data), 8 + n + n_data};
    assert_non_null(self.bytes);
    for (int i = 0; i < 8; i++)
        self.bytes[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(self.bytes + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        self.bytes[8 + n + i] = (unsigned char)i;
    return self;
}

/* From an exact heap block, so that AddressSanitizer sees one byte too far. */
static void expect(const unsigned char *bytes, size_t size, const char *name,
                   ifm_status status, const char *part)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    ifm_tensor_list list = {0};
    ifm_error err = {0};
    ifm_mapping mapping = {copy, size};
    ifm_status st = ifm_safetensors_parse(&mapping, "x.safetensors", &list, &err);
    if (st != status || (part != NULL && strstr(err.message, part) == NULL))
        fail_msg("%s: status %s, message \"%s\", expected %s, \"%s\"", name,
                 ifm_status_name(st), err.message, ifm_status_name(status),
                 part != NULL ? part : "");
    ifm_tensor_list_deinit(&list);
    free(copy);
}

#define T(dtype, shape, begin, end)                                                      \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

typedef struct header_case {
    const char *name;
    const char *header;
    size_t n_data;
    ifm_status status;
    const char *part;
} header_case;

static const header_case header_cases[] = {
    {"one tensor", "{\"a\":" T("F32", "[2]", "0", "8") "}", 8, IFM_OK, NULL},
    {"padded", "{\"a\":" T("F32", "[2]", "0", "8") "}   ", 8, IFM_OK, NULL},
    {"no tensor", "{}", 0, IFM_OK, NULL},
    {"scalar", "{\"a\":" T("F16", "[]", "0", "2") "}", 2, IFM_OK, NULL},
    {"empty tensor", "{\"a\":" T("F32", "[0,7]", "0", "0") "}", 0, IFM_OK, NULL},
    {"an empty one between",
     "{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[0]", "4", "4") ",\"c\":" T(
         "F32", "[1]", "4", "8") "}",
     8, IFM_OK, NULL},
    {"metadata",
     "{\"__metadata__\":{\"format\":\"pt\"},\"a\":" T("BF16", "[2]", "0", "4") "}", 4,
     IFM_OK, NULL},
    {"mask", "{\"a\":" T("BOOL", "[3]", "0", "3") "}", 3, IFM_OK, NULL},
    {"half bytes", "{\"a\":" T("F4", "[6]", "0", "3") "}", 3, IFM_OK, NULL},
    {"unknown key",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],"
     "\"x\":1}}",
     1, IFM_OK, NULL},

    {"not an object", "[]", 0, IFM_ERR_FORMAT, "does not begin with '{'"},
    {"space in front", " {}", 0, IFM_ERR_FORMAT, "does not begin with '{'"},
    {"no header", "", 4, IFM_ERR_FORMAT, "does not begin with '{'"},
    {"cut JSON", "{\"a\":", 0, IFM_ERR_FORMAT,
     "tensor \"a\": expected '{' at byte 5 of the header"},
    {"text behind", "{} x", 0, IFM_ERR_FORMAT, "expected the end at byte 3"},
    {"invalid UTF-8", "{\"\xff\":1}", 0, IFM_ERR_FORMAT, "expected valid UTF-8"},
    {"NUL in a name", "{\"a\\u0000b\":1}", 0, IFM_ERR_FORMAT, "expected no NUL"},
    {"huge number", "{\"a\":" T("F32", "[99999999999999999999]", "0", "8") "}", 8,
     IFM_ERR_FORMAT, "expected a number below 2^63 at byte"},
    {"same key twice",
     "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],"
     "\"data_offsets\":[0,1]}}",
     1, IFM_ERR_FORMAT, "tensor \"a\": expected each key once at byte 27"},
    {"metadata is a list", "{\"__metadata__\":[]}", 0, IFM_ERR_FORMAT,
     "tensor \"__metadata__\": expected an object"},
    {"tensor is a number", "{\"a\":1}", 0, IFM_ERR_FORMAT,
     "x.safetensors: tensor \"a\": expected '{' at byte 5"},
    {"no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, IFM_ERR_FORMAT,
     "has no \"dtype\""},
    {"unknown dtype", "{\"a\":" T("Q4", "[2]", "0", "8") "}", 8, IFM_ERR_FORMAT,
     "tensor \"a\" has the unknown type \"Q4\""},
    {"no shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, IFM_ERR_FORMAT,
     "has no \"shape\""},
    {"negative size", "{\"a\":" T("F32", "[-1]", "0", "4") "}", 4, IFM_ERR_FORMAT,
     "expected a whole number of 0 or more at byte"},
    {"fraction", "{\"a\":" T("F32", "[1.0]", "0", "4") "}", 4, IFM_ERR_FORMAT,
     "expected a whole number of 0 or more at byte"},
    {"five dimensions", "{\"a\":" T("F32", "[1,1,1,1,1]", "0", "4") "}", 4,
     IFM_ERR_UNSUPPORTED, "has 5 dimensions, at most 4"},
    {"product overflows", "{\"a\":" T("F32", "[4294967296,4294967296]", "0", "0") "}", 0,
     IFM_ERR_FORMAT, "larger than any memory"},
    {"bytes overflow", "{\"a\":" T("F32", "[4611686018427387904]", "0", "0") "}", 0,
     IFM_ERR_FORMAT, "do not take the 0 bytes"},
    {"wrong size", "{\"a\":" T("F32", "[3]", "0", "8") "}", 8, IFM_ERR_FORMAT,
     "3 numbers of type F32 do not take the 8 bytes"},
    {"half a byte left", "{\"a\":" T("F4", "[5]", "0", "3") "}", 3, IFM_ERR_FORMAT,
     "do not take the 3 bytes"},
    {"no offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, IFM_ERR_FORMAT,
     "has no \"data_offsets\""},
    {"three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}",
     1, IFM_ERR_FORMAT, "expected ']' at byte"},
    {"offsets turned round", "{\"a\":" T("F32", "[1]", "8", "4") "}", 8, IFM_ERR_FORMAT,
     "lies from byte 8 to 4"},
    {"negative offset", "{\"a\":" T("F32", "[2]", "-4", "4") "}", 8, IFM_ERR_FORMAT,
     "expected a whole number of 0 or more"},
    {"past the end", "{\"a\":" T("F32", "[4]", "0", "16") "}", 15, IFM_ERR_FORMAT,
     "ends at byte 16, past the end of the file (15 bytes of tensors): is the download "
     "complete?"},
    {"far past the end",
     "{\"a\":" T("U8", "[9223372036854775807]", "0", "9223372036854775807") "}", 1,
     IFM_ERR_FORMAT, "past the end of the file"},
    {"overlap",
     "{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("F32", "[2]", "4", "12") "}", 12,
     IFM_ERR_FORMAT, "tensors \"a\" and \"b\" overlap at byte 4"},
    {"the same bytes",
     "{\"a\":" T("U8", "[4]", "0", "4") ",\"b\":" T("U8", "[4]", "0", "4") "}", 4,
     IFM_ERR_FORMAT, "overlap at byte 0"},
    {"hole", "{\"a\":" T("U8", "[1]", "0", "1") ",\"b\":" T("U8", "[1]", "2", "3") "}", 3,
     IFM_ERR_FORMAT, "bytes 1 to 2, in front of tensor \"b\", belong to no tensor"},
    {"hole in front", "{\"a\":" T("U8", "[1]", "1", "2") "}", 2, IFM_ERR_FORMAT,
     "bytes 0 to 1"},
    {"file goes on", "{\"a\":" T("U8", "[1]", "0", "1") "}", 9, IFM_ERR_FORMAT,
     "the tensors end at byte 1, but the file goes on to 9"},
    {"comma at the end", "{\"a\":" T("U8", "[1,]", "0", "1") "}", 1, IFM_ERR_FORMAT,
     "expected a whole number"},
    {"no comma", "{\"a\":" T("U8", "[1 1]", "0", "1") "}", 1, IFM_ERR_FORMAT,
     "expected ',' or ']'"},
    {"no colon", "{\"a\" " T("U8", "[1]", "0", "1") "}", 1, IFM_ERR_FORMAT,
     "expected ':' at byte 5 of the header"},
    {"leading zero", "{\"a\":" T("U8", "[01]", "0", "1") "}", 1, IFM_ERR_FORMAT,
     "expected a whole number"},
    {"name without end", "{\"abc", 0, IFM_ERR_FORMAT, "expected the end of a string"},
    {"half a surrogate", "{\"\\ud83d\":1}", 0, IFM_ERR_FORMAT,
     "expected a pair of surrogates"},
    {"overlong UTF-8", "{\"\xc0\xaf\":1}", 0, IFM_ERR_FORMAT, "expected valid UTF-8"},
    {"surrogate in UTF-8", "{\"\xed\xa0\x80\":1}", 0, IFM_ERR_FORMAT, "valid UTF-8"},
    {"any metadata",
     "{\"__metadata__\":{\"a\":[1,-2.5e+3,0,true,false,null,\"\\u00e9\\n\",{}]}}", 0,
     IFM_OK, NULL},
    {"bad metadata", "{\"__metadata__\":{\"a\":[1,.5]}}", 0, IFM_ERR_FORMAT,
     "expected a value"},
    {"bad number", "{\"__metadata__\":{\"a\":1.}}", 0, IFM_ERR_FORMAT,
     "expected a digit"},
    {"name with a control character", "{\"a\\n\\u001b[2J\":1}", 0, IFM_ERR_FORMAT,
     "tensor \"a??[2J\""},
};

static void headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof header_cases / sizeof header_cases[0]; i++) {
        const header_case *c = &header_cases[i];
        image file = image_of(c->header, c->n_data);
        expect(file.bytes, file.size, c->name, c->status, c->part);
        free(file.bytes);
    }
}

static void header_lengths(void **state)
{
    (void)state;
    static const unsigned char huge[16] = {255, 255, 255, 255, 255, 255, 255, 255, '{'};
    static const unsigned char far[16] = {9, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    static const unsigned char limit[16] = {1, 225, 245, 5, 0, 0, 0, 0, '{', '}'};
    expect(huge, 0, "empty", IFM_ERR_FORMAT, "0 bytes, too short");
    expect(huge, 7, "7 bytes", IFM_ERR_FORMAT, "7 bytes, too short");
    expect(huge, 16, "all ones", IFM_ERR_FORMAT,
           "claims a header of 18446744073709551615");
    expect(limit, 16, "over the limit", IFM_ERR_FORMAT, "claims a header of 100000001");
    expect(far, 16, "one too far", IFM_ERR_FORMAT,
           "header ends at byte 17, past the end of the file (16 bytes)");
}

/* Whatever a prefix of a good file is, it is no good file, and reading it stays inside. */
static void every_truncation_is_noticed(void **state)
{
    (void)state;
    image file =
        image_of("{\"__metadata__\":{\"format\":\"pt\"},\"a\":" T(
                     "F32", "[2,2]", "0", "16") ",\"b\":" T("F16", "[4]", "16", "24") "}",
                 24);
    expect(file.bytes, file.size, "whole", IFM_OK, NULL);
    for (size_t n = 0; n < file.size; n++)
        expect(file.bytes, n, "cut", IFM_ERR_FORMAT, "x.safetensors: ");
    free(file.bytes);
}

static void deep_json_is_refused(void **state)
{
    (void)state;
    enum { N = 200 * 1000 };
    static const char before[] = "{\"__metadata__\":{\"a\":";
    char *text = malloc(sizeof before + N);
    assert_non_null(text);
    memcpy(text, before, sizeof before - 1);
    memset(text + sizeof before - 1, '[', N);
    text[sizeof before - 1 + N] = '\0';
    image file = image_of(text, 0);
    expect(file.bytes, file.size, "deep", IFM_ERR_FORMAT,
           "expected nesting of at most 64");
    free(file.bytes);
    free(text);
}

static void names_may_be_any_text(void **state)
{
    (void)state;
    image file =
        image_of("{\"\\u00e9\\ud83d\\ude00\\/\\\"é\":" T("U8", "[1]", "0", "1") "}", 1);
    ifm_tensor_list list = {0};
    ifm_mapping mapping = {file.bytes, file.size};
    assert_int_equal(ifm_safetensors_parse(&mapping, "x", &list, NULL), IFM_OK);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.entries[0].tensor.name, "é😀/\"é");
    ifm_tensor_list_deinit(&list);
    free(file.bytes);

    char name[3000];
    memset(name, 'x', sizeof name);
    memcpy(name, "{\"", 2);
    name[sizeof name - 1] = '\0';
    memcpy(name + sizeof name - 5, "\":1", 4);
    file = image_of(name, 0);
    expect(file.bytes, file.size, "long name", IFM_ERR_FORMAT,
           "expected a shorter string");
    free(file.bytes);
}

/* Files for ifm_weights_open, in a directory that goes with the test. */
static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/ifm-format-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static void path_of(const char *name, char *path, size_t cap)
{
    snprintf(path, cap, "%s/%s", directory, name);
}

static void put(const char *name, const void *bytes, size_t n)
{
    char path[128];
    path_of(name, path, sizeof path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put_tensors(const char *name, const char *header, size_t n_data)
{
    image file = image_of(header, n_data);
    put(name, file.bytes, file.size);
    free(file.bytes);
}

static const char index_file[] = "model.safetensors.index.json";
static const char *const all_files[] = {"model.safetensors", index_file, "1.safetensors",
                                        "2.safetensors", "pytorch_model.bin"};

static int clear_directory(void **state)
{
    (void)state;
    char path[128];
    for (size_t i = 0; i < sizeof all_files / sizeof all_files[0]; i++) {
        path_of(all_files[i], path, sizeof path);
        unlink(path);
    }
    return 0;
}

static int remove_directory(void **state)
{
    clear_directory(state);
    return rmdir(directory);
}

static void expect_open(ifm_status status, const char *part)
{
    ifm_weights *weights = NULL;
    ifm_error err = {0};
    ifm_status st = ifm_weights_open(directory, &weights, &err);
    if (st != status || strstr(err.message, part) == NULL)
        fail_msg("status %s, message \"%s\", expected %s, \"%s\"", ifm_status_name(st),
                 err.message, ifm_status_name(status), part);
    assert_true((weights == NULL) == (st != IFM_OK));
    ifm_weights_close(weights);
}

static void tensors_lie_where_the_header_says(void **state)
{
    (void)state;
    put_tensors("model.safetensors",
                "{\"b\":" T("F32", "[2,3]", "4", "28") ",\"mask\":" T(
                    "I64", "[1]", "28", "36") ",\"a\":" T("BF16", "[2]", "0", "4") "}",
                36);
    ifm_weights *weights;
    ifm_error err = {0};
    assert_int_equal(ifm_weights_open(directory, &weights, &err), IFM_OK);
    assert_int_equal(ifm_weights_count(weights), 2);
    assert_string_equal(ifm_weights_at(weights, 0)->name, "a");
    assert_null(ifm_weights_at(weights, 2));
    assert_null(ifm_weights_find(weights, "mask"));
    assert_string_equal(ifm_weights_left_out(weights, "mask"), "I64");
    assert_null(ifm_weights_left_out(weights, "b"));
    assert_null(ifm_weights_left_out(weights, "nothing"));
    const ifm_tensor *b = ifm_weights_find(weights, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, IFM_DTYPE_F32);
    assert_int_equal(b->n_dimensions, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->n_bytes, 24);
    assert_int_equal(*(const unsigned char *)b->data, 4);
    ifm_mapping mapping;
    assert_int_equal(ifm_weights_file_count(weights), 1);
    assert_non_null(strstr(ifm_weights_file(weights, 0, &mapping), "model.safetensors"));
    assert_ptr_equal(mapping.data + mapping.size - 32, b->data);
    assert_null(ifm_weights_file(weights, 1, &mapping));
    ifm_weights_close(weights);
}

#define SHARD_A    "{\"a\":" T("U8", "[1]", "0", "1") "}"
#define SHARD_B    "{\"b\":" T("F16", "[1]", "0", "2") "}"
#define INDEX(map) "{\"metadata\":{\"total_size\":3},\"weight_map\":" map "}"

static void put_index(const char *text)
{
    put(index_file, text, strlen(text));
}

static void shards_are_one_model(void **state)
{
    (void)state;
    put_tensors("1.safetensors", SHARD_A, 1);
    put_tensors("2.safetensors", SHARD_B, 2);
    put_index(INDEX("{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}"));
    ifm_weights *weights;
    ifm_error err = {0};
    assert_int_equal(ifm_weights_open(directory, &weights, &err), IFM_OK);
    assert_int_equal(ifm_weights_count(weights), 1);
    assert_int_equal(ifm_weights_file_count(weights), 2);
    assert_non_null(strstr(ifm_weights_find(weights, "b")->file, "2.safetensors"));
    ifm_weights_close(weights);
}

static void index_that_lies(void **state)
{
    (void)state;
    static const struct {
        const char *index;
        ifm_status status;
        const char *part;
    } cases[] = {
        {"{", IFM_ERR_FORMAT, "index.json: not valid JSON"},
        {"[]", IFM_ERR_FORMAT, "\"weight_map\" is missing, expected an object"},
        {INDEX("[]"), IFM_ERR_FORMAT, "\"weight_map\" is a list"},
        {INDEX("{}"), IFM_ERR_FORMAT, "holds no tensors"},
        {INDEX("{\"a\":1}"), IFM_ERR_FORMAT, "tensor \"a\" is a whole number"},
        {INDEX("{\"a\":\"../1.safetensors\"}"), IFM_ERR_FORMAT, "no plain file name"},
        {INDEX("{\"a\":\"/etc/passwd\"}"), IFM_ERR_FORMAT, "no plain file name"},
        {INDEX("{\"a\":\"..\"}"), IFM_ERR_FORMAT, "no plain file name"},
        {INDEX("{\"a\":\"\"}"), IFM_ERR_FORMAT, "no plain file name"},
        {INDEX("{\"a\":\"3.safetensors\"}"), IFM_ERR_NOT_FOUND,
         "3.safetensors: missing, but "},
        {INDEX("{\"a\":\"1.safetensors\",\"c\":\"1.safetensors\"}"), IFM_ERR_FORMAT,
         "tensor \"c\" is in 1.safetensors, but it is not"},
        {INDEX("{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}"), IFM_ERR_FORMAT,
         "but it is not"},
    };
    put_tensors("1.safetensors", SHARD_A, 1);
    put_tensors("2.safetensors", SHARD_B, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_index(cases[i].index);
        expect_open(cases[i].status, cases[i].part);
    }
}

static void one_name_in_two_shards(void **state)
{
    (void)state;
    put_tensors("1.safetensors", "{\"b\":" T("F16", "[1]", "0", "2") "}", 2);
    put_tensors(
        "2.safetensors",
        "{\"b\":" T("F16", "[1]", "0", "2") ",\"c\":" T("U8", "[1]", "2", "3") "}", 3);
    put_index(INDEX("{\"b\":\"1.safetensors\",\"c\":\"2.safetensors\"}"));
    expect_open(IFM_ERR_FORMAT, "tensor \"b\" is there twice, the other time in ");
    /* A usable one and one that is left out are still the same name. */
    put_tensors("2.safetensors", "{\"b\":" T("U8", "[1]", "0", "1") "}", 1);
    put_index(INDEX("{\"b\":\"1.safetensors\",\"c\":\"2.safetensors\"}"));
    expect_open(IFM_ERR_FORMAT, "tensor \"b\" is there twice, the other time in ");
}

static void one_name_twice_in_a_file(void **state)
{
    (void)state;
    put_tensors("model.safetensors",
                "{\"a\":" T("U8", "[1]", "0", "1") ",\"a\":" T("U8", "[1]", "1", "2") "}",
                2);
    expect_open(IFM_ERR_FORMAT, "tensor \"a\" is there twice");
    put_tensors(
        "model.safetensors",
        "{\"a\":" T("U8", "[2]", "0", "2") ",\"a\":" T("F16", "[1]", "2", "4") "}", 4);
    expect_open(IFM_ERR_FORMAT, "tensor \"a\" is there twice");
}

static void directories_without_weights(void **state)
{
    (void)state;
    expect_open(IFM_ERR_NOT_FOUND, "has neither model.safetensors nor");
    put("pytorch_model.bin", "x", 1);
    expect_open(IFM_ERR_UNSUPPORTED, "has pytorch_model.bin, but weights are read from");
    put("model.safetensors", "", 0);
    expect_open(IFM_ERR_FORMAT, "0 bytes, too short");
    put_tensors("model.safetensors", "{}", 0);
    expect_open(IFM_ERR_FORMAT, "holds no tensors");
    put_tensors("model.safetensors", "{\"a\":" T("F64", "[1]", "0", "8") "}", 8);
    expect_open(IFM_ERR_UNSUPPORTED, "computes with: \"a\" is F64");
    ifm_weights *weights;
    ifm_error err = {0};
    assert_int_equal(ifm_weights_open("/nowhere/at/all", &weights, &err),
                     IFM_ERR_NOT_FOUND);
    assert_null(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(header_lengths),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(deep_json_is_refused),
        cmocka_unit_test(names_may_be_any_text),
        cmocka_unit_test_teardown(tensors_lie_where_the_header_says, clear_directory),
        cmocka_unit_test_teardown(shards_are_one_model, clear_directory),
        cmocka_unit_test_teardown(index_that_lies, clear_directory),
        cmocka_unit_test_teardown(one_name_in_two_shards, clear_directory),
        cmocka_unit_test_teardown(one_name_twice_in_a_file, clear_directory),
        cmocka_unit_test_teardown(directories_without_weights, clear_directory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
