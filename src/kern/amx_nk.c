/*
 * AMX for NK matrices. Sums, tiles and the packing of x are those of amx.c; what is here
 * lays 16 rows of w out as the columns of a tile: words of two neighbouring k, turned in the
 * registers.
 *
 * Quantized numbers become bf16, and x is rounded to one bf16 part: terms are off by 2⁻⁸ at
 * most, their sums by less than with x in 8 bits a block (about 2⁻⁷·⁵ of its largest), which
 * is what such products are elsewhere. Scales of 32 numbers rule tiles of whole numbers out:
 * sums of 32 k would leave the tiles after every instruction. Where x must not be rounded
 * (`exact`), x and w have two parts each.
 *
 * Where w gets one part, it is not rounded but cut, which costs nothing, and made larger by
 * 2⁻⁸·⁵ beforehand, with its block's scale and offset: cutting takes away between nothing and
 * 2⁻⁷, of numbers between 2⁻⁸ and 2⁻⁷ of which that is a part on average.
 */
#include "kern/amx.h"

#include "kern/vec_avx512.h"
#include "kern/unpack.h"
#include "os/cpu.h"

/* Most of k in a block of w in one part. */
enum { K_BLOCK_ONE_PART = 640 };

/* 1 + 2⁻⁸·⁵ */
static const float BEFORE_CUTTING = 1.00276213f;

/* Rows of float32, turned: r[i] are columns 2i, 2i + 1 of … to 8 rows of pairs. */
ALWAYS_INLINE void store_pairs(const __m512 r[16], int parts, unsigned char *out)
{
    for (int i = 0; i < 8; i++)
        split_pair(r[2 * i], r[2 * i + 1], parts, out + i * 64);
}

/* 16 rows of w from row n on, 32 numbers from k on, to `parts` tiles, 2 tiles apart. Rows
 * from `rows` on and numbers from `left` on are zeros. */
ALWAYS_INLINE void turn_floats(const ifm_product *p, ifm_dtype dtype, int parts,
                               int64_t n, int64_t rows, int64_t k, int64_t left,
                               unsigned char *out)
{
    const uint32_t there = left >= DEPTH ? UINT32_MAX : (1u << left) - 1;
    for (int half = 0; half < 2; half++) {
        const __mmask16 mask = (__mmask16)(there >> half * 16);
        __m512 r[16];
        for (int64_t j = 0; j < 16; j++)
            r[j] = load_row(p->w, (n + j) * p->w_stride + k + half * 16,
                            j < rows ? mask : 0, dtype);
        v_transpose(r);
        store_pairs(r, parts, out + half * TILE_BYTES / 2);
    }
}

/* The same of bf16, whose words are pairs as they lie. */
ALWAYS_INLINE void turn_bf16(const ifm_product *p, int64_t n, int64_t rows, int64_t k,
                             int64_t left, unsigned char *out)
{
    const uint32_t there = left >= DEPTH ? UINT32_MAX : (1u << left) - 1;
    const char *w = (const char *)p->w + (n * p->w_stride + k) * 2;
    __m512 r[16];
    for (int64_t j = 0; j < 16; j++)
        r[j] = _mm512_castsi512_ps(
            _mm512_maskz_loadu_epi16(j < rows ? there : 0, w + j * p->w_stride * 2));
    v_transpose(r);
    for (int j = 0; j < 16; j++)
        _mm512_store_ps(out + j * 64, r[j]);
}

/* 16 rows of 32 bytes, 64-byte aligned pairs (r, r + 8), to words of two neighbouring k:
 * out[i] holds those of k = 2i, 2i + 1 in lanes 0 and 2 and of k = 2i + 16, … in lanes 1
 * and 3: rows 0 to 7 in the lower, 8 to 15 in the upper half. */
ALWAYS_INLINE void turn_words(const __m512i in[8], __m512i out[8])
{
    __m512i a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_epi16(in[i], in[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi16(in[i], in[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm512_unpacklo_epi32(a[i + j], a[i + j + 2]);
            b[i + 2 * j + 1] = _mm512_unpackhi_epi32(a[i + j], a[i + j + 2]);
        }
    for (int i = 0; i < 4; i++) {
        out[2 * i] = _mm512_unpacklo_epi64(b[i], b[i + 4]);
        out[2 * i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 4]);
    }
}

/* Whole numbers u < 256 of two neighbouring k of 16 rows: byte 0 and 1 of each word of a
 * half of a turned register. */
ALWAYS_INLINE void widen_words(__m512i words, int half, __m512 *first, __m512 *second)
{
    const __m512i low =
        _mm512_set_epi16(0, 23, 0, 22, 0, 21, 0, 20, 0, 19, 0, 18, 0, 17, 0, 16, 0, 7, 0,
                         6, 0, 5, 0, 4, 0, 3, 0, 2, 0, 1, 0, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(8));
    const __m512i both =
        _mm512_maskz_permutexvar_epi16(0x55555555, half ? high : low, words);
    *first = _mm512_cvtepi32_ps(_mm512_and_si512(both, _mm512_set1_epi32(255)));
    *second = _mm512_cvtepi32_ps(_mm512_srli_epi32(both, 8));
}

/* A block of each of 16 rows, unpacked: numbers by rows, scales and offsets by columns. */
typedef struct row_blocks {
    _Alignas(64) uint8_t u[TILE][256];
    _Alignas(64) float d[16][TILE], m[16][TILE];
} row_blocks;

/* 32 numbers, number i of a block on, of 16 rows to `parts` tiles, 2 tiles apart. */
ALWAYS_INLINE void turn_unpacked(const row_blocks *all, int64_t part, int64_t i,
                                 int parts, unsigned char *out)
{
    const __m512 grow = _mm512_set1_ps(parts == 1 ? BEFORE_CUTTING : 1);
    __m512i in[8], words[8];
    for (int r = 0; r < 8; r++)
        in[r] = _mm512_inserti64x4(
            _mm512_castsi256_si512(
                _mm256_load_si256((const __m256i *)(const void *)(all->u[r] + i))),
            _mm256_load_si256((const __m256i *)(const void *)(all->u[r + 8] + i)), 1);
    turn_words(in, words);
    __m512 d = _mm512_setzero_ps(), m = d;
    for (int half = 0; half < 2; half++) {
        if (half == 0 || part == 16) {
            const int64_t j = i / part + (part == 16 ? half : 0);
            d = _mm512_mul_ps(_mm512_load_ps(all->d[j]), grow);
            m = _mm512_mul_ps(_mm512_load_ps(all->m[j]), grow);
        }
        for (int w = 0; w < 8; w++) {
            __m512 first, second;
            widen_words(words[w], half, &first, &second);
            split_pair(_mm512_fmadd_ps(first, d, m), _mm512_fmadd_ps(second, d, m), parts,
                       out + (half * 8 + w) * 64);
        }
    }
}

/* 16 rows from row n on, `depth` numbers from k on, to tiles, `step` bytes from 32 numbers
 * to the next. */
ALWAYS_INLINE void turn_quantized(const ifm_product *p, ifm_dtype dtype, int parts,
                                  int64_t n, int64_t rows, int64_t k, int64_t depth,
                                  unsigned char *out, int64_t step)
{
    const int64_t numbers = quant_block(dtype), bytes = quant_bytes(dtype);
    const int64_t stride = p->w_stride / numbers * bytes;
    const uint8_t *w = (const uint8_t *)p->w + n * stride + k / numbers * bytes;
    row_blocks all;
    if (rows < 16)
        memset(&all, 0, sizeof all);
    for (int64_t b = 0; b < depth; b += numbers, w += bytes) {
        for (int64_t j = 0; j < 16 && j < rows; j++)
            unpack(
                dtype, w + j * stride,
                &(unpacked){
                    .u = all.u[j], .d = all.d[0] + j, .m = all.m[0] + j, .step = TILE});
        for (int64_t i = 0; i < numbers; i += DEPTH, out += step)
            turn_unpacked(&all, quant_part(dtype), i, parts, out);
    }
}

/* Rows [n0, n1) of w, numbers k0 … k0 + depth, to strips. */
ALWAYS_INLINE void pack_group_nk(const ifm_product *p, ifm_dtype dtype, int parts,
                                 int64_t k0, int64_t depth, int64_t n0, int64_t n1,
                                 unsigned char *strips, int64_t strip_bytes)
{
    const int64_t step = parts * 2 * TILE_BYTES;
    for (int64_t n = n0; n < n1; n += TILE) {
        unsigned char *out =
            strips + (n - n0) / STRIP * strip_bytes + (n - n0) / TILE % 2 * TILE_BYTES;
        if (dtype >= IFM_DTYPE_FLOAT_COUNT) {
            turn_quantized(p, dtype, parts, n, n1 - n, k0, depth, out, step);
            continue;
        }
        for (int64_t k = 0; k < depth; k += DEPTH, out += step)
            if (dtype == IFM_DTYPE_BF16)
                turn_bf16(p, n, n1 - n, k0 + k, depth - k, out);
            else
                turn_floats(p, dtype, parts, n, n1 - n, k0 + k, depth - k, out);
    }
}

/* One strip with all rows of x, for so many parts of x and w: a function for all types. */
#define DEFINE_STRIP(xs, ws)                                                             \
    static __attribute__((noinline)) void strip_##xs##_##ws(                             \
        const ifm_product *p, int64_t n, int64_t width, int64_t k, int64_t blocks,       \
        const unsigned char *strip, ifm_ahead *next)                                     \
    {                                                                                    \
        gemm_strip(p, xs, ws, n, width, k, blocks, strip, next);                         \
    }
DEFINE_STRIP(1, 1)
DEFINE_STRIP(2, 1)
DEFINE_STRIP(2, 2)
DEFINE_STRIP(3, 3)
#undef DEFINE_STRIP

typedef void strip_function(const ifm_product *p, int64_t n, int64_t width, int64_t k,
                            int64_t blocks, const unsigned char *strip, ifm_ahead *next);

/* Depth of the blocks that k is cut into: equal, whole quantized blocks, at most `most`. */
ALWAYS_INLINE int64_t block_depth(const ifm_product *p, int64_t unit, int64_t most)
{
    const int64_t units = (p->k1 - p->k0 + unit - 1) / unit, fit = most / unit;
    const int64_t n = (units + fit - 1) / fit;
    return (units + n - 1) / n * unit;
}

ALWAYS_INLINE void gemm_nk(const ifm_product *p, ifm_dtype dtype, int ws,
                           strip_function *strip, void *scratch)
{
    const int64_t unit = quant_block(dtype) > DEPTH ? quant_block(dtype) : DEPTH;
    const int64_t deep = block_depth(p, unit, ws == 1 ? K_BLOCK_ONE_PART : K_BLOCK);
    const int64_t strip_bytes = deep / DEPTH * ws * 2 * TILE_BYTES;
    ifm_block now = {.n = p->n0}, later;
    bool more = next_along_n(p, deep, &now);
    configure_tiles();
    while (more) {
        const int64_t blocks = (now.depth + DEPTH - 1) / DEPTH, n1 = now.n + now.width;
        const int64_t strips = (now.width + STRIP - 1) / STRIP;
        const int64_t steps = strips * blocks * ((p->t + STRIP - 1) / STRIP);
        later = now;
        more = next_along_n(p, deep, &later);
        ifm_ahead next = {0};
        if (more)
            next =
                ifm_ahead_of_nk(p, &later, quant_block(dtype), quant_bytes(dtype), steps);
        pack_group_nk(p, dtype, ws, p->k0 + now.k, now.depth, now.n, n1, scratch,
                      strip_bytes);
        settle();
        for (int64_t i = 0; i < strips; i++) {
            const int64_t n = now.n + i * STRIP;
            strip(p, n, n1 - n < STRIP ? n1 - n : STRIP, now.k, blocks,
                  (unsigned char *)scratch + i * strip_bytes, &next);
        }
        now = later;
    }
    _tile_release();
}

#define DEFINE(name, NAME, xs, ws)                                                       \
    static void name##_##NAME(const ifm_product *p, void *scratch)                       \
    {                                                                                    \
        gemm_nk(p, IFM_DTYPE_##NAME, ws, strip_##xs##_##ws, scratch);                    \
    }
DEFINE(gemm, F32, 3, 3)
DEFINE(gemm, F16, 2, 2)
DEFINE(gemm, BF16, 2, 1)
#define DEFINE_QUANTIZED(NAME, ...) DEFINE(gemm, NAME, 1, 1) DEFINE(exact, NAME, 2, 2)
IFM_DTYPE_QUANT_LIST(DEFINE_QUANTIZED)
#undef DEFINE_QUANTIZED
#undef DEFINE

void ifm_kern_amx_nk(ifm_kern *table)
{
#define WAY(name, NAME, PARTS, error)                                                    \
    (ifm_way){                                                                           \
        .multiply = name##_##NAME,                                                       \
        .pack = ifm_amx_pack_##PARTS,                                                    \
        .packed_bytes = ifm_amx_packed_bytes_##PARTS,                                    \
        .from_rows = FROM_ROWS,                                                          \
        .rounding = (error),                                                             \
    }
    ifm_way(*nk)[IFM_WAY_COUNT] = table->ways[IFM_LAYOUT_NK];
    nk[IFM_DTYPE_F32][IFM_WAY_MANY] = WAY(gemm, F32, 3, 0);
    nk[IFM_DTYPE_F16][IFM_WAY_MANY] = WAY(gemm, F16, 2, 0x1p-16f);
    nk[IFM_DTYPE_BF16][IFM_WAY_MANY] = WAY(gemm, BF16, 2, 0x1p-17f);
    /* 2⁻⁹ of x and nearly as much of w, at random; x₂w₂ and what is left of w. */
#define FILL(NAME, ...)                                                                  \
    nk[IFM_DTYPE_##NAME][IFM_WAY_MANY] = WAY(gemm, NAME, 1, 0x1p-8f);                    \
    table->exact[IFM_DTYPE_##NAME][IFM_WAY_MANY] = WAY(exact, NAME, 2, 0x1p-15f);
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
#undef WAY
}
