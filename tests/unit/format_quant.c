/* format: quantized blocks are read to the bit as ggml reads them, and made at least as well
 * as ggml's reference quantizers make them (tests/reference/quant). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/json.h"
#include "format/quant.h"

static json_t *load(const char *name)
{
    char path[1024];
    json_t *object = NULL;
    ifm_error err = {0};
    snprintf(path, sizeof path, "%s/tests/reference/quant/%s.json",
             getenv("IFM_SOURCE_ROOT"), name);
    if (ifm_json_read(path, 1 << 20, &object, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return object;
}

/* The bytes of a hexadecimal string; the caller's. */
static void *bytes_at(json_t *object, const char *key, size_t *n)
{
    const char *hex = json_string_value(json_object_get(object, key));
    assert_non_null(hex);
    *n = strlen(hex) / 2;
    unsigned char *bytes = malloc(*n);
    assert_non_null(bytes);
    for (size_t i = 0; i < *n; i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (unsigned char)value;
    }
    return bytes;
}

static void expect_same_bits(ifm_dtype dtype, json_t *object, const char *from,
                             const char *to)
{
    size_t n_bytes, n_expected;
    unsigned char *blocks = bytes_at(object, from, &n_bytes);
    float *expected = bytes_at(object, to, &n_expected);
    int64_t n = (int64_t)(n_expected / sizeof(float));
    assert_int_equal(ifm_dtype_bytes_of(dtype, n), n_bytes);
    float *x = malloc(n_expected);
    assert_non_null(x);
    ifm_dequantize(dtype, blocks, n, x);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(x + i, expected + i, sizeof *x) != 0)
            fail_msg("%s, %s: number %d is %.9g, ggml reads %.9g", ifm_dtype_name(dtype),
                     from, (int)i, (double)x[i], (double)expected[i]);
    free(x);
    free(expected);
    free(blocks);
}

static void test_reads_as_ggml(void **state)
{
    (void)state;
    for (int i = IFM_DTYPE_FLOAT_COUNT; i < IFM_DTYPE_COUNT; i++) {
        json_t *object = load(ifm_dtype_name((ifm_dtype)i));
        expect_same_bits((ifm_dtype)i, object, "quantized", "dequantized");
        expect_same_bits((ifm_dtype)i, object, "random_bytes", "random_dequantized");
        json_decref(object);
    }
}

static double squared_error(const float *x, const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sum;
}

/* Row by row, since the rows of the reference differ a thousandfold in size. The last one
 * has scales that are subnormal f16, where luck plays a part. */
static void test_quantizes_as_well_as_ggml(void **state)
{
    enum { ROW = 256, ROWS = 4 };
    static const double allowance[ROWS] = {1, 1, 1, 1.05};
    (void)state;
    size_t n_bytes;
    json_t *object = load("input");
    float *x = bytes_at(object, "input", &n_bytes);
    assert_int_equal(n_bytes, ROW * ROWS * sizeof *x);
    json_decref(object);
    for (int i = IFM_DTYPE_FLOAT_COUNT; i < IFM_DTYPE_COUNT; i++) {
        ifm_dtype dtype = (ifm_dtype)i;
        unsigned char blocks[ROW * 4];
        float ours[ROW];
        object = load(ifm_dtype_name(dtype));
        float *ggml = bytes_at(object, "dequantized", &n_bytes);
        for (int row = 0; row < ROWS; row++) {
            ifm_quantize(dtype, x + row * ROW, ROW, NULL, blocks);
            ifm_dequantize(dtype, blocks, ROW, ours);
            double error = squared_error(x + row * ROW, ours, ROW);
            double reference = squared_error(x + row * ROW, ggml + row * ROW, ROW);
            if (!(error <= reference * allowance[row]))
                fail_msg("%s, row %d: squared error %g, ggml's %g", ifm_dtype_name(dtype),
                         row, error, reference);
        }
        free(ggml);
        json_decref(object);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_as_ggml),
        cmocka_unit_test(test_quantizes_as_well_as_ggml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
