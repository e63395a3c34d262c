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

enum { N = 256, MAX_BYTES = N * 4 };

/* A block may lie at any address. */
static void test_any_address(void **state)
{
    (void)state;
    for (int i = 0; i < IFM_DTYPE_COUNT; i++) {
        ifm_dtype dtype = (ifm_dtype)i;
        size_t n_bytes = (size_t)ifm_dtype_bytes_of(dtype, N);
        unsigned char *even = malloc(n_bytes), *odd = malloc(n_bytes + 1);
        float x[N], a[N], b[N];
        assert_true(even != NULL && odd != NULL);
        for (int j = 0; j < N; j++)
            x[j] = (float)((j * 37) % 101 - 50);
        ifm_quantize(dtype, x, N, NULL, even);
        ifm_quantize(dtype, x, N, NULL, odd + 1);
        assert_memory_equal(even, odd + 1, n_bytes);
        ifm_dequantize(dtype, even, N, a);
        ifm_dequantize(dtype, odd + 1, N, b);
        assert_memory_equal(a, b, sizeof a);
        free(even);
        free(odd);
    }
}

/* Numbers that an f16 cannot hold at all, NaN, infinities: a block comes out, whatever is in
 * it; sanitizers look for conversions without a result. */
static void test_odd_numbers(void **state)
{
    static const float odd[] = {0,    -0.0f,     1e-45f,   -1e-38f,   1e-9f,
                                1e9f, -3.4e+38f, INFINITY, -INFINITY, NAN};
    enum { N_ODD = sizeof odd / sizeof odd[0] };
    (void)state;
    unsigned char blocks[MAX_BYTES];
    float x[N], y[N], importance[N] = {0};
    for (int i = 0; i < IFM_DTYPE_COUNT; i++) {
        for (int k = 0; k < N_ODD * N_ODD; k++) {
            for (int j = 0; j < N; j++)
                x[j] = j % 3 ? odd[k / N_ODD] : odd[k % N_ODD];
            ifm_quantize((ifm_dtype)i, x, N, NULL, blocks);
            ifm_dequantize((ifm_dtype)i, blocks, N, y);
            ifm_quantize((ifm_dtype)i, x, N, importance, blocks);
            if (k == 0)
                for (int j = 0; j < N; j++)
                    assert_true(y[j] == 0);
        }
    }
}

/* Where errors weigh a hundred times as much, they become smaller. */
static void test_importance(void **state)
{
    (void)state;
    unsigned char blocks[MAX_BYTES];
    float x[N], y[N], importance[N];
    for (int j = 0; j < N; j++) {
        x[j] = sinf((float)j * 1.7f) * expf(cosf((float)j * 0.9f));
        importance[j] = j % 7 == 3 ? 100 : 1;
    }
    for (int i = IFM_DTYPE_FLOAT_COUNT; i < IFM_DTYPE_COUNT; i++) {
        double sums[2] = {0};
        for (int k = 0; k < 2; k++) {
            ifm_quantize((ifm_dtype)i, x, N, k == 0 ? NULL : importance, blocks);
            ifm_dequantize((ifm_dtype)i, blocks, N, y);
            for (int j = 3; j < N; j += 7)
                sums[k] += ((double)x[j] - (double)y[j]) * ((double)x[j] - (double)y[j]);
        }
        if (!(sums[1] < sums[0]))
            fail_msg("%s: error where it weighs %g, without %g",
                     ifm_dtype_name((ifm_dtype)i), sums[1], sums[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_as_ggml),
        cmocka_unit_test(test_quantizes_as_well_as_ggml),
        cmocka_unit_test(test_any_address),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_importance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
