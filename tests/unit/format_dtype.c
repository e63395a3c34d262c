/* format: conversions between number types are exact and round to nearest even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "format/weights.h"

/* IEEE 754 binary16 written down from its definition. */
static double f16_by_definition(uint16_t x)
{
    int exponent = x >> 10 & 0x1f, fraction = x & 0x3ff;
    double magnitude =
        exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return x & 0x8000 ? -magnitude : magnitude;
}

static void every_f16_is_exact(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= 0xffff; i++) {
        uint16_t x = (uint16_t)i;
        float y = ifm_f16_to_f32(x);
        if ((x & 0x7c00) != 0x7c00) {
            assert_true((double)y == f16_by_definition(x));
            assert_true((signbit(y) != 0) == (x >> 15));
        } else if ((x & 0x3ff) == 0) {
            assert_true(isinf(y) && (signbit(y) != 0) == (x >> 15));
        } else {
            assert_true(isnan(y));
            assert_true(isnan(ifm_f16_to_f32(ifm_f32_to_f16(y))));
            continue;
        }
        assert_int_equal(ifm_f32_to_f16(y), x);
    }
}

/* Between neighbours of the short type: the midpoint goes to the even one, everything else
 * to the nearer one. `last` is the largest finite number. */
static void check_rounding(uint16_t last, float (*widen)(uint16_t),
                           uint16_t (*narrow)(float))
{
    for (uint16_t low = 0; low < last; low++) {
        uint16_t high = (uint16_t)(low + 1);
        float a = widen(low), b = widen(high);
        float middle = (float)(((double)a + (double)b) / 2);
        uint16_t even = low & 1 ? high : low;
        assert_int_equal(narrow(middle), even);
        assert_int_equal(narrow(-middle), even | 0x8000);
        if (middle > a && middle < b) {
            assert_int_equal(narrow(nextafterf(middle, 0)), low);
            assert_int_equal(narrow(nextafterf(middle, INFINITY)), high);
        }
    }
}

static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    check_rounding(0x7bff, ifm_f16_to_f32, ifm_f32_to_f16);
    assert_int_equal(ifm_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(ifm_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(ifm_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(ifm_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(ifm_f32_to_f16(1e-30f), 0);
    assert_int_equal(ifm_f32_to_f16(-0.0f), 0x8000);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    check_rounding(0x7f7f, ifm_bf16_to_f32, ifm_f32_to_bf16);
    assert_int_equal(ifm_f32_to_bf16(3.4e38f), 0x7f80);
    assert_int_equal(ifm_f32_to_bf16(-INFINITY), 0xff80);
    assert_int_equal(ifm_f32_to_bf16(-0.0f), 0x8000);
    for (uint32_t i = 0; i <= 0xffff; i++) {
        float y = ifm_bf16_to_f32((uint16_t)i);
        if (isnan(y))
            assert_true(isnan(ifm_bf16_to_f32(ifm_f32_to_bf16(y))));
        else
            assert_int_equal(ifm_f32_to_bf16(y), i);
    }
}

static void nan_with_a_small_payload_stays_nan(void **state)
{
    (void)state;
    uint32_t bits = 0x7f800001u;
    float x;
    memcpy(&x, &bits, sizeof x);
    assert_true(isnan(ifm_f16_to_f32(ifm_f32_to_f16(x))));
    assert_true(isnan(ifm_bf16_to_f32(ifm_f32_to_bf16(x))));
}

static void sizes_and_names(void **state)
{
    (void)state;
    assert_int_equal(ifm_dtype_block_bytes(IFM_DTYPE_F32), 4);
    assert_int_equal(ifm_dtype_block_bytes(IFM_DTYPE_F16), 2);
    assert_int_equal(ifm_dtype_block_bytes(IFM_DTYPE_BF16), 2);
    assert_string_equal(ifm_dtype_name(IFM_DTYPE_BF16), "bf16");
    assert_string_equal(ifm_dtype_name(IFM_DTYPE_COUNT), "unknown");
}

static uint64_t count(ifm_dtype dtype, const void *data, size_t n_bytes)
{
    ifm_tensor tensor = {.dtype = dtype, .data = data, .n_bytes = n_bytes};
    return ifm_tensor_count_nonfinite(&tensor);
}

static void nonfinite_numbers_are_counted_at_any_address(void **state)
{
    (void)state;
    float f32[] = {1, NAN, INFINITY, -INFINITY, 3.4e38f, 0, -NAN};
    uint16_t f16[] = {0x7bff, 0x7c00, 0xfc00, 0x7e01, 0, 0x8000};
    uint16_t bf16[] = {0x7f7f, 0x7f80, 0xff80, 0x7fc0, 0x7c00};
    unsigned char shifted[sizeof f32 + 3];
    memcpy(shifted + 3, f32, sizeof f32);
    assert_int_equal(count(IFM_DTYPE_F32, shifted + 3, sizeof f32), 4);
    memcpy(shifted + 1, f16, sizeof f16);
    assert_int_equal(count(IFM_DTYPE_F16, shifted + 1, sizeof f16), 3);
    assert_int_equal(count(IFM_DTYPE_BF16, bf16, sizeof bf16), 3);
    assert_int_equal(count(IFM_DTYPE_F32, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_is_exact),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(nan_with_a_small_payload_stays_nan),
        cmocka_unit_test(sizes_and_names),
        cmocka_unit_test(nonfinite_numbers_are_counted_at_any_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
