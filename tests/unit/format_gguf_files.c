/* format: weights in GGUF files, in one part or several. */
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

#include "format/gguf.h"
#include "gguf_image.h"

enum { F32 = 0, Q4_0 = 2, IQ4_XS = 23 };

/* A directory of its own for the files of a test. */
typedef struct place {
    char directory[64];
} place;

static void save(const place *self, const char *name, const ifm_buffer *image)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", self->directory, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(image->data, 1, image->length, f), image->length);
    assert_int_equal(fclose(f), 0);
}

static ifm_status open_in(const place *self, const char *name, ifm_weights **out,
                          ifm_error *err)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", self->directory, name);
    return ifm_weights_open(path, out, err);
}

static int make_place(void **state)
{
    place *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -1;
    strcpy(self->directory, "/tmp/ifm-gguf-XXXXXX");
    *state = self;
    return mkdtemp(self->directory) != NULL ? 0 : -1;
}

static int remove_place(void **state)
{
    static const char *const names[] = {"x.gguf", "m-00001-of-00002.gguf",
                                        "m-00002-of-00002.gguf"};
    place *self = *state;
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", self->directory, names[i]);
        unlink(path);
    }
    rmdir(self->directory);
    free(self);
    return 0;
}

static void test_weights(void **state)
{
    ifm_buffer image = {0};
    put_header(&image, 3, 1);
    put_u32_key(&image, "general.alignment", 64);
    put_tensor(&image, "b", 32, 2, Q4_0, 0);
    put_tensor(&image, "a", 4, 0, F32, 64);
    put_tensor(&image, "odd", 256, 2, IQ4_XS, 128);
    put_data(&image, 64, 128 + 272);
    save(*state, "x.gguf", &image);

    ifm_weights *weights = NULL;
    ifm_error err = {0};
    assert_int_equal(open_in(*state, "x.gguf", &weights, &err), IFM_OK);
    int64_t alignment = 0;
    assert_true(
        ifm_gguf_get_int(ifm_weights_gguf(weights), "general.alignment", &alignment));
    assert_int_equal(alignment, 64);
    assert_int_equal(ifm_weights_count(weights), 2);
    const ifm_tensor *b = ifm_weights_find(weights, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, IFM_DTYPE_Q4_0);
    assert_int_equal(b->n_dimensions, 2);
    assert_int_equal(b->shape[0], 2); /* outermost first */
    assert_int_equal(b->shape[1], 32);
    assert_int_equal(b->n_bytes, 36);
    assert_int_equal((uintptr_t)b->data % 64, 0);
    assert_null(ifm_weights_find(weights, "odd"));
    assert_string_equal(ifm_weights_left_out(weights, "odd"), "IQ4_XS");
    const char *type = NULL;
    assert_int_equal(ifm_weights_left_out_count(weights), 1);
    assert_string_equal(ifm_weights_left_out_at(weights, 0, &type)->name, "odd");
    assert_string_equal(type, "IQ4_XS");
    assert_null(ifm_weights_left_out_at(weights, 1, &type));
    ifm_weights_close(weights);
    ifm_buffer_deinit(&image);
}

static void test_same_tensor(void **state)
{
    ifm_buffer image = {0};
    ifm_weights *weights = NULL;
    ifm_error err = {0};
    put_header(&image, 2, 0);
    put_tensor(&image, "a", 4, 0, F32, 0);
    put_tensor(&image, "a", 4, 0, F32, 32);
    put_data(&image, 32, 64);
    save(*state, "x.gguf", &image);
    assert_int_equal(open_in(*state, "x.gguf", &weights, &err), IFM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "tensor \"a\" is there twice"));
    ifm_buffer_deinit(&image);
}

/* Part `number` of two, from 0, which says that it is `said`; its one tensor is `tensor`. */
static void save_part(const place *self, int number, uint32_t said, const char *tensor)
{
    char name[64];
    ifm_buffer image = {0};
    put_header(&image, 1, 3);
    put_u32_key(&image, "split.no", said);
    put_u32_key(&image, "split.count", 2);
    put_u32_key(&image, "split.tensors.count", 2);
    put_tensor(&image, tensor, 4, 0, F32, 0);
    put_data(&image, 32, 16);
    snprintf(name, sizeof name, "m-%05d-of-00002.gguf", number + 1);
    save(self, name, &image);
    ifm_buffer_deinit(&image);
}

static void test_parts(void **state)
{
    ifm_weights *weights = NULL;
    ifm_error err = {0};
    save_part(*state, 0, 0, "a");
    assert_int_equal(open_in(*state, "m-00001-of-00002.gguf", &weights, &err),
                     IFM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "m-00002-of-00002.gguf: missing"));

    save_part(*state, 1, 1, "b");
    assert_int_equal(open_in(*state, "m-00001-of-00002.gguf", &weights, &err), IFM_OK);
    assert_int_equal(ifm_weights_file_count(weights), 2);
    assert_int_equal(ifm_weights_count(weights), 2);
    assert_non_null(strstr(ifm_weights_find(weights, "b")->file, "00002-of"));
    ifm_weights_close(weights);

    assert_int_equal(open_in(*state, "m-00002-of-00002.gguf", &weights, &err),
                     IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "is part 2 of 2: name the first one"));
    save_part(*state, 1, 0, "b");
    assert_int_equal(open_in(*state, "m-00001-of-00002.gguf", &weights, &err),
                     IFM_ERR_FORMAT);
    assert_non_null(strstr(err.message, "says that it is part 1 of 2, expected 2 of 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_weights, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_same_tensor, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_parts, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
