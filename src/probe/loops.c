/* One instruction set's loops. meson.build compiles this file once per set, with the set's
 * flags and
 *     IFM_PROBE_TABLE   the name of the table that it defines
 *     IFM_PROBE_NAME    the set's name, a string
 *     IFM_PROBE_WIDTH   bytes of one vector register
 *     IFM_PROBE_DOTS    defined: only dot products are new in this set, f32 is as before
 * The plain loops use the compilers' vector types; what those cannot say (dot products of
 * small types) uses intrinsics, and is left out where the set has none. */
#include "probe/loops.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* As many independent sums as hide the latency of a multiply-add (4 cycles, two a cycle),
 * and no more than 16 registers hold beside the operands. */
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { SUMS = 12 };

typedef uint64_t words __attribute__((vector_size(IFM_PROBE_WIDTH)));
typedef float floats __attribute__((vector_size(IFM_PROBE_WIDTH)));

static uint64_t sum_of(words s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof s / sizeof sum; i++)
        sum += s[i];
    return sum;
}

/* Eight sums over eight streams that lie `apart` words from each other and advance by
 * `step`: neighbours of one stream, or eighths of the buffer. */
static inline uint64_t read_streams(const words *at, size_t apart, size_t step,
                                    size_t rounds)
{
    words s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, s4 = {0}, s5 = {0}, s6 = {0}, s7 = {0};
    for (size_t r = 0; r < rounds; r++, at += step) {
        s0 += at[0 * apart];
        s1 += at[1 * apart];
        s2 += at[2 * apart];
        s3 += at[3 * apart];
        s4 += at[4 * apart];
        s5 += at[5 * apart];
        s6 += at[6 * apart];
        s7 += at[7 * apart];
    }
    return sum_of(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7);
}

static uint64_t read_once(const unsigned char *data, size_t n)
{
    return read_streams((const words *)data, 1, 8, n / sizeof(words) / 8);
}

static uint64_t read_eight(const unsigned char *data, size_t n)
{
    size_t eighth = n / sizeof(words) / 8;
    return read_streams((const words *)data, eighth, 1, eighth);
}

#ifndef IFM_PROBE_DOTS
/* x = x a + b stays near 1, so that no operand is denormal or infinite; a and b come from
 * memory that the compiler may not look into, anew for each sum, so that it cannot see that
 * all are the same. */
static float f32(int64_t rounds, double *operations)
{
    static const volatile float inputs[2] = {0.999F, 0.001F};
    floats a = (floats){0} + inputs[0], b = (floats){0} + inputs[1];
#define X(i) floats x##i = (floats){0} + inputs[1];
    EACH(X)
#undef X
    for (int64_t r = 0; r < rounds; r++) {
#define X(i) x##i = x##i * a + b;
        EACH(X)
#undef X
    }
    floats sum = {0};
#define X(i) sum += x##i;
    EACH(X)
#undef X
    *operations = 2.0 * SUMS * (sizeof sum / sizeof(float)) * (double)rounds;
    float all = 0;
    for (size_t i = 0; i < sizeof sum / sizeof all; i++)
        all += sum[i];
    return all;
}
#endif

#if defined(__AMX_TILE__)
/* Tiles of 16 rows of 64 bytes: 0 to 3 are sums, 4 and 5 times 6 and 7 are added to them. A
 * product of two tiles takes 16 cycles and its sum is ready after 52 (Intel's optimization
 * manual, chapter 20): four sums keep the unit busy. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

enum { TILE_SUMS = 4, TILE_ROWS = 16, TILE_ROW_BYTES = 64 };

static void load_tiles(const void *rows)
{
    tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shapes.row_bytes[i] = TILE_ROW_BYTES;
        shapes.rows[i] = TILE_ROWS;
    }
    _tile_loadconfig(&shapes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, rows, TILE_ROW_BYTES);
    _tile_loadd(5, rows, TILE_ROW_BYTES);
    _tile_loadd(6, rows, TILE_ROW_BYTES);
    _tile_loadd(7, rows, TILE_ROW_BYTES);
}

/* Operations of one product: every value of a tile meets a row of the other. */
static double tile_operations(int64_t rounds, int values_per_row)
{
    return 2.0 * TILE_SUMS * TILE_ROWS * TILE_ROWS * values_per_row * (double)rounds;
}
#endif

#if defined(__AMX_BF16__)
#define HAVE_BF16
static float bf16(int64_t rounds, double *operations)
{
    static const uint16_t rows[TILE_ROWS * TILE_ROW_BYTES / 2];
    float sum[TILE_ROWS * TILE_ROW_BYTES / 4];
    load_tiles(rows);
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sum, TILE_ROW_BYTES);
    _tile_release();
    *operations = tile_operations(rounds, TILE_ROW_BYTES / 2);
    return sum[0];
}
#elif defined(__AVX512BF16__)
#define HAVE_BF16
static float bf16(int64_t rounds, double *operations)
{
    static const volatile float input = 0.001F;
    __m512 in = _mm512_set1_ps(input);
    __m512bh a = _mm512_cvtne2ps_pbh(in, in);
#define X(i) __m512 x##i = _mm512_set1_ps(input);
    EACH(X)
#undef X
    for (int64_t r = 0; r < rounds; r++) {
#define X(i) x##i = _mm512_dpbf16_ps(x##i, a, a);
        EACH(X)
#undef X
    }
#define X(i) in = _mm512_add_ps(in, x##i);
    EACH(X)
#undef X
    *operations = 2.0 * SUMS * 32 * (double)rounds;
    return _mm512_reduce_add_ps(in);
}
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define HAVE_BF16
static float bf16(int64_t rounds, double *operations)
{
    static const volatile float input = 0.001F;
    float32x4_t in = vdupq_n_f32(input);
    bfloat16x8_t a = vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(in), in);
#define X(i) float32x4_t x##i = vdupq_n_f32(input);
    EACH(X)
#undef X
    for (int64_t r = 0; r < rounds; r++) {
#define X(i) x##i = vbfdotq_f32(x##i, a, a);
        EACH(X)
#undef X
    }
#define X(i) in = vaddq_f32(in, x##i);
    EACH(X)
#undef X
    *operations = 2.0 * SUMS * 8 * (double)rounds;
    return vaddvq_f32(in);
}
#endif

#if defined(__AMX_INT8__)
#define HAVE_INT8
static int32_t int8(int64_t rounds, double *operations)
{
    static const int8_t rows[TILE_ROWS * TILE_ROW_BYTES];
    int32_t sum[TILE_ROWS * TILE_ROW_BYTES / 4];
    load_tiles(rows);
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, sum, TILE_ROW_BYTES);
    _tile_release();
    *operations = tile_operations(rounds, TILE_ROW_BYTES);
    return sum[0];
}
#elif defined(__AVX512VNNI__)
#define HAVE_INT8
static int32_t int8(int64_t rounds, double *operations)
{
    static const volatile int input = 0x01010101;
    __m512i a = _mm512_set1_epi32(input), sum = a;
#define X(i) __m512i x##i = _mm512_set1_epi32(input);
    EACH(X)
#undef X
    for (int64_t r = 0; r < rounds; r++) {
#define X(i) x##i = _mm512_dpbusd_epi32(x##i, a, a);
        EACH(X)
#undef X
    }
#define X(i) sum = _mm512_xor_si512(sum, x##i);
    EACH(X)
#undef X
    *operations = 2.0 * SUMS * 64 * (double)rounds;
    return _mm512_reduce_add_epi32(sum);
}
#elif defined(__ARM_FEATURE_DOTPROD) || defined(__ARM_FEATURE_MATMUL_INT8)
#define HAVE_INT8
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define ADD_PRODUCTS vmmlaq_s32 /* rows of 8 numbers: two by two */
enum { PRODUCTS = 32 };
#else
#define ADD_PRODUCTS vdotq_s32
enum { PRODUCTS = 16 };
#endif
static int32_t int8(int64_t rounds, double *operations)
{
    static const volatile signed char input = 1;
    int8x16_t a = vdupq_n_s8(input);
    int32x4_t sum = vdupq_n_s32(0);
#define X(i) int32x4_t x##i = vdupq_n_s32(input);
    EACH(X)
#undef X
    for (int64_t r = 0; r < rounds; r++) {
#define X(i) x##i = ADD_PRODUCTS(x##i, a, a);
        EACH(X)
#undef X
    }
#define X(i) sum = veorq_s32(sum, x##i);
    EACH(X)
#undef X
    *operations = 2.0 * SUMS * PRODUCTS * (double)rounds;
    return vaddvq_s32(sum);
}
#endif

extern const ifm_probe_loops IFM_PROBE_TABLE;
const ifm_probe_loops IFM_PROBE_TABLE = {
    .name = IFM_PROBE_NAME,
    .read = {read_once, read_eight},
#ifndef IFM_PROBE_DOTS
    .f32 = f32,
#endif
#ifdef HAVE_BF16
    .bf16 = bf16,
#endif
#ifdef HAVE_INT8
    .int8 = int8,
#endif
};
