/* format: what a GGUF file says is read as it stands, and every way in which one can lie is
 * one clear message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/gguf.h"
#include "gguf_image.h"

enum { F32 = 0, Q4_0 = 2, Q4_K = 12, IQ4_XS = 23 };

/* From an exact heap block, so that AddressSanitizer sees one byte too far. */
static void expect(const ifm_buffer *image, const char *name, ifm_status status,
                   const char *part)
{
    unsigned char *copy = malloc(image->length > 0 ? image->length : 1);
    assert_non_null(copy);
    if (image->length > 0)
        memcpy(copy, image->data, image->length);
    ifm_gguf *gguf = NULL;
    ifm_error err = {0};
    ifm_mapping mapping = {copy, image->length};
    ifm_status st = ifm_gguf_parse(&mapping, "x.gguf", &gguf, &err);
    if (st != status || (part != NULL && strstr(err.message, part) == NULL))
        fail_msg("%s: status %s, message \"%s\", expected %s, \"%s\"", name,
                 ifm_status_name(st), err.message, ifm_status_name(status),
                 part != NULL ? part : "");
    assert_true((gguf != NULL) == (st == IFM_OK));
    ifm_gguf_free(gguf);
    free(copy);
}

/* Writes one key: its value is what the case writes. */
typedef void writer(ifm_buffer *image);

typedef struct image_case {
    const char *name;
    writer *write;
    ifm_status status;
    const char *part;
} image_case;

static void write_nothing(ifm_buffer *image)
{
    (void)image;
}

static void write_other_magic(ifm_buffer *image)
{
    ifm_buffer_puts(image, "GGML");
    put_u32(image, 3);
    put_u64(image, 0);
    put_u64(image, 0);
}

static void write_version_1(ifm_buffer *image)
{
    ifm_buffer_puts(image, "GGUF");
    put_u32(image, 1);
    put_u64(image, 0);
    put_u64(image, 0);
}

static void write_big_endian(ifm_buffer *image)
{
    ifm_buffer_append(image, "GGUF\0\0\0\3", 8);
    put_u64(image, 0);
    put_u64(image, 0);
}

static void write_empty(ifm_buffer *image)
{
    put_header(image, 0, 0);
}

static void write_many_keys(ifm_buffer *image)
{
    put_header(image, 0, 1ull << 60);
}

static void write_many_tensors(ifm_buffer *image)
{
    put_header(image, 1ull << 60, 0);
}

static void write_missing_key(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_data(image, 32, 13); /* zeros: an empty key */
}

static void write_long_key(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_u64(image, UINT64_MAX);
    put_u64(image, 0);
}

static void write_bad_key(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_u32_key(image, "\xff\xfe", 1);
}

static void write_long_string(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "general.name", IFM_GGUF_STRING);
    put_u64(image, 1ull << 60);
}

static void write_unknown_value(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "k", 13);
    put_u64(image, 0);
}

static void write_unknown_element(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "k", IFM_GGUF_ARRAY);
    put_u32(image, 77);
    put_u64(image, 0);
}

static void write_nested(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "k", IFM_GGUF_ARRAY);
    put_u32(image, IFM_GGUF_ARRAY);
    put_u64(image, 1);
    put_u32(image, IFM_GGUF_U8);
    put_u64(image, 0);
}

static void write_long_array(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "k", IFM_GGUF_ARRAY);
    put_u32(image, IFM_GGUF_F64);
    put_u64(image, (1ull << 61) + 1); /* × 8 overflows to 8 */
    put_u64(image, 0);
}

static void write_long_strings(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "k", IFM_GGUF_ARRAY);
    put_u32(image, IFM_GGUF_STRING);
    put_u64(image, 2);
    put_string(image, "a");
    put_u64(image, UINT64_MAX - 7); /* the end of this string is in front of it */
}

static void write_truth_2(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "k", IFM_GGUF_BOOL);
    ifm_buffer_append(image, "\2", 1);
}

static void write_same_key(ifm_buffer *image)
{
    put_header(image, 0, 3);
    put_u32_key(image, "same", 1);
    put_u32_key(image, "other", 1);
    put_u32_key(image, "same", 2);
}

static void write_alignment(ifm_buffer *image, uint32_t alignment)
{
    put_header(image, 0, 1);
    put_u32_key(image, "general.alignment", alignment);
}

static void write_alignment_0(ifm_buffer *image)
{
    write_alignment(image, 0);
}

static void write_alignment_24(ifm_buffer *image)
{
    write_alignment(image, 24);
}

static void write_alignment_2g(ifm_buffer *image)
{
    write_alignment(image, 1u << 31);
}

static void write_alignment_text(ifm_buffer *image)
{
    put_header(image, 0, 1);
    put_key(image, "general.alignment", IFM_GGUF_STRING);
    put_string(image, "32");
}

/* One tensor and `n_data` bytes of data. */
static void write_tensor(ifm_buffer *image, uint64_t inner, uint64_t outer, uint32_t type,
                         uint64_t offset, size_t n_data)
{
    put_header(image, 1, 0);
    put_tensor(image, "t", inner, outer, type, offset);
    put_data(image, 32, n_data);
}

static void write_whole(ifm_buffer *image)
{
    write_tensor(image, 256, 3, Q4_K, 0, 3 * 144);
}

static void write_cut(ifm_buffer *image)
{
    write_tensor(image, 256, 3, Q4_K, 0, 3 * 144 - 1);
}

static void write_far(ifm_buffer *image)
{
    write_tensor(image, 256, 3, Q4_K, UINT64_MAX - 31, 3 * 144);
}

static void write_off_alignment(ifm_buffer *image)
{
    write_tensor(image, 256, 3, Q4_K, 4, 3 * 144 + 4);
}

static void write_part_of_block(ifm_buffer *image)
{
    write_tensor(image, 48, 2, Q4_0, 0, 3 * 18);
}

static void write_product_overflow(ifm_buffer *image)
{
    write_tensor(image, 1ull << 32, 1ull << 32, F32, 0, 64);
}

static void write_bytes_overflow(ifm_buffer *image)
{
    write_tensor(image, 1ull << 62, 0, F32, 0, 64);
}

static void write_negative_size(ifm_buffer *image)
{
    write_tensor(image, UINT64_MAX, 0, F32, 0, 64);
}

static void write_unknown_type(ifm_buffer *image)
{
    write_tensor(image, 32, 0, 4, 0, 64);
}

static void write_left_out(ifm_buffer *image)
{
    write_tensor(image, 256, 0, IQ4_XS, 0, 136);
}

static void write_five_dimensions(ifm_buffer *image)
{
    put_header(image, 1, 0);
    put_string(image, "t");
    put_u32(image, 5);
    put_data(image, 32, 128);
}

static void write_bad_name(ifm_buffer *image)
{
    put_header(image, 1, 0);
    put_tensor(image, "\xc0\x80", 4, 0, F32, 0);
    put_data(image, 32, 16);
}

static void write_overlap(ifm_buffer *image)
{
    put_header(image, 2, 0);
    put_tensor(image, "a", 16, 0, F32, 0);
    put_tensor(image, "b", 16, 0, F32, 32);
    put_data(image, 32, 96);
}

static void write_any_order(ifm_buffer *image)
{
    put_header(image, 3, 0);
    put_tensor(image, "a", 16, 0, F32, 128);
    put_tensor(image, "b", 0, 0, F32, 32);
    put_tensor(image, "c", 16, 0, F32, 0);
    put_data(image, 32, 192);
}

static const image_case image_cases[] = {
    {"empty", write_empty, IFM_OK, NULL},
    {"whole", write_whole, IFM_OK, NULL},
    {"any order, a hole", write_any_order, IFM_OK, NULL},
    {"left out", write_left_out, IFM_OK, NULL},

    {"no bytes", write_nothing, IFM_ERR_FORMAT, "does not begin with \"GGUF\""},
    {"other magic", write_other_magic, IFM_ERR_FORMAT, "does not begin with \"GGUF\""},
    {"version 1", write_version_1, IFM_ERR_UNSUPPORTED,
     "GGUF version 1, expected 2 or 3"},
    {"big-endian", write_big_endian, IFM_ERR_UNSUPPORTED, "big-endian"},
    {"2^60 keys", write_many_keys, IFM_ERR_LIMIT, "claims 1152921504606846976 keys"},
    {"2^60 tensors", write_many_tensors, IFM_ERR_LIMIT,
     "claims 1152921504606846976 tensors"},
    {"empty key", write_missing_key, IFM_ERR_FORMAT, "in front of byte 32 is empty"},
    {"long key", write_long_key, IFM_ERR_FORMAT, "a key at byte 32 reaches past the end"},
    {"key of no UTF-8", write_bad_key, IFM_ERR_FORMAT, "no valid UTF-8"},
    {"long string", write_long_string, IFM_ERR_FORMAT,
     "a string at byte 56 reaches past"},
    {"unknown value", write_unknown_value, IFM_ERR_FORMAT,
     "key \"k\": a value of the unknown type 13"},
    {"unknown element", write_unknown_element, IFM_ERR_FORMAT,
     "key \"k\": an array of the unknown type 77"},
    {"nested", write_nested, IFM_ERR_FORMAT, "key \"k\": an array of arrays"},
    {"long array", write_long_array, IFM_ERR_FORMAT, "an array at byte 49 reaches past"},
    {"long strings", write_long_strings, IFM_ERR_FORMAT, "an array of strings at byte"},
    {"truth 2", write_truth_2, IFM_ERR_FORMAT, "key \"k\": a truth value of 2"},
    {"same key", write_same_key, IFM_ERR_FORMAT, "key \"same\" is there twice"},
    {"alignment 0", write_alignment_0, IFM_ERR_FORMAT,
     "\"general.alignment\" is 0, expected a power of two"},
    {"alignment 24", write_alignment_24, IFM_ERR_FORMAT,
     "is 24, expected a power of two"},
    {"alignment 2^31", write_alignment_2g, IFM_ERR_FORMAT, "is 2147483648, expected"},
    {"alignment is text", write_alignment_text, IFM_ERR_FORMAT, "is no whole number"},
    {"cut", write_cut, IFM_ERR_FORMAT,
     "tensor \"t\", 432 bytes at 0 of the data, ends past the end of the file"},
    {"far", write_far, IFM_ERR_FORMAT, "ends past the end of the file"},
    {"off alignment", write_off_alignment, IFM_ERR_FORMAT, "expected a multiple of 32"},
    {"part of a block", write_part_of_block, IFM_ERR_FORMAT,
     "rows of 48 numbers are no whole blocks of 32, as type Q4_0 has them"},
    {"product overflows", write_product_overflow, IFM_ERR_FORMAT,
     "larger than any memory"},
    {"bytes overflow", write_bytes_overflow, IFM_ERR_FORMAT, "larger than any memory"},
    {"negative size", write_negative_size, IFM_ERR_FORMAT, "larger than any memory"},
    {"type taken back", write_unknown_type, IFM_ERR_UNSUPPORTED, "the unknown type 4"},
    {"five dimensions", write_five_dimensions, IFM_ERR_UNSUPPORTED, "has 5 dimensions"},
    {"name of no UTF-8", write_bad_name, IFM_ERR_FORMAT, "no valid UTF-8"},
    {"overlap", write_overlap, IFM_ERR_FORMAT, "tensors \"a\" and \"b\" overlap at byte"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof image_cases / sizeof image_cases[0]; i++) {
        ifm_buffer image = {0};
        image_cases[i].write(&image);
        expect(&image, image_cases[i].name, image_cases[i].status, image_cases[i].part);
        ifm_buffer_deinit(&image);
    }
}

/* Keys of every kind, an odd address among them. */
static void write_rich(ifm_buffer *image, uint64_t n_tensors)
{
    const float rate = 0.5f;
    const double wide = -0.25;
    put_header(image, n_tensors, 8);
    put_key(image, "word", IFM_GGUF_STRING);
    put_string(image, "hello");
    put_u32_key(image, "count", 4000000000u);
    put_key(image, "below", IFM_GGUF_I8);
    ifm_buffer_append(image, "\xfe", 1);
    put_key(image, "huge", IFM_GGUF_U64);
    put_u64(image, UINT64_MAX);
    put_key(image, "rate", IFM_GGUF_F32);
    ifm_buffer_append(image, &rate, sizeof rate);
    put_key(image, "yes", IFM_GGUF_BOOL);
    ifm_buffer_append(image, "\1", 1);
    put_key(image, "words", IFM_GGUF_ARRAY);
    put_u32(image, IFM_GGUF_STRING);
    put_u64(image, 3);
    put_string(image, "one");
    put_string(image, "");
    put_string(image, "three");
    put_key(image, "numbers", IFM_GGUF_ARRAY);
    put_u32(image, IFM_GGUF_F64);
    put_u64(image, 1);
    ifm_buffer_append(image, &wide, sizeof wide);
}

/* Whole, it is read; cut anywhere, it is refused. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    ifm_buffer image = {0};
    write_rich(&image, 2);
    put_tensor(&image, "a", 32, 2, Q4_0, 0);
    put_tensor(&image, "b", 4, 0, F32, 64);
    put_data(&image, 32, 80);
    expect(&image, "whole", IFM_OK, NULL);
    for (size_t n = image.length; n-- > 0;) {
        ifm_buffer part = image;
        char name[64];
        part.length = n;
        snprintf(name, sizeof name, "cut to %zu bytes", n);
        expect(&part, name, IFM_ERR_FORMAT, NULL);
    }
    ifm_buffer_deinit(&image);
}

static void test_values(void **state)
{
    (void)state;
    ifm_buffer image = {0};
    write_rich(&image, 0);
    ifm_mapping mapping = {(unsigned char *)image.data, image.length};
    ifm_gguf *gguf = NULL;
    assert_int_equal(ifm_gguf_parse(&mapping, "x.gguf", &gguf, NULL), IFM_OK);
    assert_int_equal(ifm_gguf_metadata_bytes(gguf), image.length);
    assert_int_equal(ifm_gguf_data_offset(gguf) % 32, 0);

    int64_t whole = 0;
    double real = 0;
    bool truth = false;
    ifm_gguf_string text = {0};
    assert_true(ifm_gguf_get_string(gguf, "word", &text));
    assert_int_equal(text.n, 5);
    assert_memory_equal(text.text, "hello", 5);
    assert_true(ifm_gguf_get_int(gguf, "count", &whole));
    assert_int_equal(whole, 4000000000);
    assert_true(ifm_gguf_get_int(gguf, "below", &whole));
    assert_int_equal(whole, -2);
    assert_true(ifm_gguf_get_float(gguf, "below", &real));
    assert_true(real == -2);
    assert_false(ifm_gguf_get_int(gguf, "huge", &whole));
    assert_true(ifm_gguf_get_float(gguf, "huge", &real));
    assert_true(real == 0x1p64);
    assert_true(ifm_gguf_get_float(gguf, "rate", &real));
    assert_true(real == 0.5);
    assert_false(ifm_gguf_get_int(gguf, "rate", &whole));
    assert_true(ifm_gguf_get_bool(gguf, "yes", &truth));
    assert_true(truth);
    assert_false(ifm_gguf_get_int(gguf, "yes", &whole));
    assert_false(ifm_gguf_get_bool(gguf, "count", &truth));
    assert_false(ifm_gguf_get_string(gguf, "words", &text));
    assert_null(ifm_gguf_find(gguf, "wor"));
    assert_null(ifm_gguf_find(gguf, "wordz"));

    const ifm_gguf_value *numbers = ifm_gguf_find(gguf, "numbers");
    assert_non_null(numbers);
    assert_true(ifm_gguf_float_at(numbers, 0) == -0.25);
    const char *at = NULL, *words[] = {"one", "", "three"};
    const ifm_gguf_value *strings = ifm_gguf_find(gguf, "words");
    for (int i = 0; i < 3; i++) {
        assert_true(ifm_gguf_next_string(strings, &at, &text));
        assert_int_equal(text.n, strlen(words[i]));
        assert_memory_equal(text.text, words[i], text.n);
    }
    assert_false(ifm_gguf_next_string(strings, &at, &text));
    assert_false(ifm_gguf_next_string(strings, &at, &text));

    size_t n = 0;
    const ifm_gguf_value *value = NULL;
    const char *key = ifm_gguf_key_at(gguf, 2, &n, &value);
    assert_int_equal(n, 5);
    assert_memory_equal(key, "below", 5);
    assert_int_equal(value->i, -2);
    assert_null(ifm_gguf_key_at(gguf, 8, &n, &value));
    ifm_gguf_free(gguf);
    ifm_buffer_deinit(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
